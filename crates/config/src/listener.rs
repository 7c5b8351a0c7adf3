//! The address of the REST API.
use crate::error::ConfigCode;
use crate::reading::Reading;
use crate::value::list;

/// `http://host:port`, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Name or address, an IPv6 one in brackets; empty: every address.
    pub host: String,
    /// The port; 0: any that is free.
    pub port: u16,
}

impl Listener {
    /// Reads the option `listeners`; reports what is wrong with it.
    pub(crate) fn read(reading: &mut Reading<'_>) -> Listener {
        const OPTION: &str = "listeners";
        let nowhere = Listener { host: String::new(), port: 0 };
        let urls = list(reading.text(OPTION));
        let &[url] = urls.as_slice() else {
            reading.error(
                ConfigCode::NotYet,
                OPTION,
                "exactly one listener is built",
                "Keep one http listener.",
            );
            return nowhere;
        };
        let (protocol, rest) = url.split_once("://").unwrap_or(("", url));
        if protocol.eq_ignore_ascii_case("https") {
            reading.error(
                ConfigCode::NotYet,
                OPTION,
                "https is not built yet",
                "Serve http and put a TLS proxy before it.",
            );
            return nowhere;
        }
        let parts = rest
            .trim_end_matches('/')
            .rsplit_once(':')
            .and_then(|(host, port)| Some((host, port.parse().ok()?)));
        match parts {
            Some((host, port)) if protocol.eq_ignore_ascii_case("http") => {
                Listener { host: host.to_owned(), port }
            }
            Some(_) | None => {
                reading.error(
                    ConfigCode::Value,
                    OPTION,
                    format!("{url:?} is not an address"),
                    "Write http://host:port.",
                );
                nowhere
            }
        }
    }

    /// Whether it stands for every address of the machine.
    pub fn is_wildcard(&self) -> bool {
        matches!(self.host.as_str(), "" | "0.0.0.0" | "[::]")
    }

    /// `host:port` to bind.
    pub fn address(&self) -> String {
        let host = if self.host.is_empty() { "0.0.0.0" } else { &self.host };
        format!("{host}:{}", self.port)
    }
}
