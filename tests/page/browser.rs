//! A real browser: Chromium, driven through its DevTools protocol.
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use pumphouse_testkit::wait::wait_until;
use pumphouse_testkit::{Process, install};
use serde_json::{Value, json};
use tempfile::TempDir;
use tungstenite::{Message, WebSocket};

/// From the start to the protocol's port, and from an order to its answer.
const LIMIT: Duration = Duration::from_secs(90);

/// One browser with one page.
pub struct Browser {
    socket: WebSocket<TcpStream>,
    session: String,
    last_id: u64,
    _process: Process,
    _profile: TempDir,
}

impl Browser {
    /// Starts Chromium with an empty page.
    pub fn start() -> Browser {
        let profile = tempfile::Builder::new().prefix("pumphouse-browser-").tempdir().unwrap();
        let mut command = Command::new(install::chromium().unwrap());
        command.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]);
        command.args(["--disable-dev-shm-usage", "--no-first-run", "--remote-debugging-port=0"]);
        command.arg(format!("--user-data-dir={}", profile.path().display())).arg("about:blank");
        let mut process = Process::start("chromium", command, &profile.path().join("log")).unwrap();
        let said: PathBuf = profile.path().join("DevToolsActivePort");
        let address = wait_until("the browser's port", LIMIT, || {
            process.check_running().map_err(|error| error.to_string())?;
            let text = std::fs::read_to_string(&said).map_err(|error| error.to_string())?;
            let mut lines = text.lines();
            match (lines.next(), lines.next()) {
                (Some(port), Some(path)) => Ok((port.to_owned(), path.to_owned())),
                _ => Err(text),
            }
        });
        let (port, path) = address.unwrap();
        let stream = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        let (socket, _) = tungstenite::client(format!("ws://127.0.0.1:{port}{path}"), stream).unwrap();
        let mut browser =
            Browser { socket, session: String::new(), last_id: 0, _process: process, _profile: profile };
        let page = browser.order("Target.createTarget", json!({"url": "about:blank"}));
        let page = json!({"targetId": page["targetId"], "flatten": true});
        browser.session =
            browser.order("Target.attachToTarget", page)["sessionId"].as_str().unwrap().to_owned();
        browser.order("Page.enable", json!({}));
        browser
    }

    fn order(&mut self, method: &str, parameters: Value) -> Value {
        self.try_order(method, parameters).unwrap_or_else(|refused| panic!("{method}: {refused}"))
    }

    /// Sends an order, and waits for its answer; what happens meanwhile is not heard. Errors: it was refused,
    /// as questions to a page are that is being left.
    fn try_order(&mut self, method: &str, parameters: Value) -> Result<Value, String> {
        self.last_id += 1;
        let mut order = json!({"id": self.last_id, "method": method, "params": parameters});
        if !self.session.is_empty() {
            order["sessionId"] = json!(self.session);
        }
        self.socket.send(Message::text(order.to_string())).unwrap();
        let until = Instant::now() + LIMIT;
        loop {
            assert!(Instant::now() < until, "{method} is not answered");
            let Message::Text(text) = self.socket.read().unwrap() else { continue };
            let answer: Value = serde_json::from_str(&text).unwrap();
            if answer["id"] == self.last_id {
                return match answer.get("error") {
                    None => Ok(answer["result"].clone()),
                    Some(refused) => Err(refused.to_string()),
                };
            }
        }
    }

    /// Shows an address, and waits until it is loaded.
    pub fn open(&mut self, url: &str) {
        let answer = self.order("Page.navigate", json!({"url": url}));
        assert!(answer.get("errorText").is_none(), "{url}: {answer}");
        self.wait_for("document.readyState === 'complete' && location.href !== 'about:blank'");
    }

    /// The value of an expression of JavaScript's. Errors: it threw, or the page was left meanwhile.
    pub fn try_ask(&mut self, expression: &str) -> Result<Value, String> {
        let question = json!({"expression": expression, "returnByValue": true});
        let answer = self.try_order("Runtime.evaluate", question)?;
        match answer.get("exceptionDetails") {
            None => Ok(answer["result"]["value"].clone()),
            Some(thrown) => Err(thrown.to_string()),
        }
    }

    pub fn ask(&mut self, expression: &str) -> Value {
        self.try_ask(expression).unwrap_or_else(|thrown| panic!("{expression}: {thrown}"))
    }

    /// Waits until an expression is true.
    pub fn wait_for(&mut self, expression: &str) {
        let mut look = || match self.try_ask(expression) {
            Ok(Value::Bool(true)) => Ok(()),
            Ok(other) => Err(other.to_string()),
            Err(thrown) => Err(thrown),
        };
        let waited = wait_until(expression, LIMIT, &mut look);
        if let Err(error) = waited {
            panic!("{error}\n{:?}", self.try_ask("document.body.innerText"));
        }
    }

    /// As wide as this, in points.
    pub fn resize(&mut self, width: u32, height: u32) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500});
        self.order("Emulation.setDeviceMetricsOverride", size);
    }

    /// What the system prefers: `dark` or `light`.
    pub fn prefer(&mut self, scheme: &str) {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.order("Emulation.setEmulatedMedia", json!({"features": features}));
    }

    pub fn allow_scripts(&mut self, allowed: bool) {
        self.order("Emulation.setScriptExecutionDisabled", json!({"value": !allowed}));
    }

    /// Keeps what is seen as a PNG file.
    pub fn photograph(&mut self, path: &Path) {
        let data = self.order("Page.captureScreenshot", json!({"format": "png"}));
        let png = from_base64(data["data"].as_str().unwrap());
        assert!(png.starts_with(b"\x89PNG"), "no picture");
        std::fs::write(path, png).unwrap();
    }
}

fn from_base64(text: &str) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0_u32, 0);
    for digit in text.bytes().filter(|digit| *digit != b'=') {
        let value = DIGITS.iter().position(|known| *known == digit).unwrap();
        bits = (bits << 6) | u32::try_from(value).unwrap();
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    bytes
}
