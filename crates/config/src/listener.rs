//! The addresses of the REST API.
use crate::error::ConfigCode;
use crate::reading::Reading;
use crate::value::list;

/// What is spoken on a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

impl Protocol {
    /// As addresses and options name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Protocol::Http => "http",
            Protocol::Https => "https",
        }
    }

    fn read(text: &str) -> Option<Protocol> {
        [Protocol::Http, Protocol::Https].into_iter().find(|known| text.eq_ignore_ascii_case(known.as_str()))
    }
}

/// `http://host:port`, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// What is spoken.
    pub protocol: Protocol,
    /// Name or address, an IPv6 one in brackets; empty: every address.
    pub host: String,
    /// The port; 0: any that is free.
    pub port: u16,
}

/// More than anybody has addresses to listen on.
const LISTENERS_MAX: usize = 64;

impl Listener {
    /// Reads an option that lists listeners; reports what is wrong with it.
    pub(crate) fn read_all(reading: &mut Reading<'_>, option: &str) -> Vec<Listener> {
        let urls = list(reading.text(option));
        if urls.len() > LISTENERS_MAX {
            let what = format!("{} listeners are more than {LISTENERS_MAX}", urls.len());
            reading.error(ConfigCode::Value, option, what, "Give fewer.");
            return Vec::new();
        }
        let mut listeners: Vec<Listener> = Vec::new();
        for url in urls {
            match Listener::parse(url) {
                // Two that bind the same would find each other there.
                Some(listener)
                    if listener.port != 0 && listeners.iter().any(|other| other.clashes(&listener)) =>
                {
                    let what = format!("{url:?} is listed already");
                    reading.error(ConfigCode::Value, option, what, "Give each address once.");
                }
                Some(listener) => listeners.push(listener),
                None => {
                    let what = format!("{url:?} is not an address");
                    reading.error(
                        ConfigCode::Value,
                        option,
                        what,
                        "Write http://host:port or https://host:port.",
                    );
                }
            }
        }
        listeners
    }

    fn parse(url: &str) -> Option<Listener> {
        let (protocol, rest) = url.split_once("://")?;
        let (host, port) = rest.trim_end_matches('/').rsplit_once(':')?;
        let bare_ipv6 = host.contains(':') && !host.starts_with('[');
        if bare_ipv6 || host.contains(['/', '@', ' ']) {
            return None;
        }
        Some(Listener {
            protocol: Protocol::read(protocol)?,
            host: host.to_owned(),
            port: port.parse().ok()?,
        })
    }

    fn clashes(&self, other: &Listener) -> bool {
        self.port == other.port && self.host.eq_ignore_ascii_case(&other.host)
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

/// Where the REST API listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listeners {
    /// `listeners`; at least one.
    pub all: Vec<Listener>,
    /// Which of them others are told: the first of `rest.advertised.listener`'s protocol, else the first.
    pub advertised: Listener,
    /// `admin.listeners`. `None`: admin requests are served on all listeners; empty: nowhere.
    pub admin: Option<Vec<Listener>>,
}

impl Listeners {
    pub(crate) fn read(reading: &mut Reading<'_>) -> Listeners {
        const OPTION: &str = "listeners";
        let all = Listener::read_all(reading, OPTION);
        const ADMIN: &str = "admin.listeners";
        // As in Kafka Connect: an empty one means that admin requests are served nowhere.
        let admin = reading.is_there(ADMIN).then(|| Listener::read_all(reading, ADMIN));
        let Some(first) = all.first().cloned() else {
            // What is no address was told of already.
            if list(reading.text(OPTION)).is_empty() {
                let remedy = "Give one, such as http://:8083.";
                reading.error(ConfigCode::Missing, OPTION, "there is no listener", remedy);
            }
            return Listeners { all, advertised: Listener::nowhere(), admin };
        };
        for clash in admin.iter().flatten().filter(|own| own.port != 0) {
            if all.iter().any(|listener| listener.clashes(clash)) {
                let what = format!("{} is one of `listeners`, too", clash.address());
                reading.error(ConfigCode::Conflict, ADMIN, what, "Give admin requests a port of their own.");
            }
        }
        let wanted = reading.given("rest.advertised.listener");
        let advertised = match wanted.map(|wanted| (wanted, Protocol::read(wanted))) {
            None => first,
            Some((wanted, protocol)) => {
                let found = all.iter().find(|listener| Some(listener.protocol) == protocol);
                found.cloned().unwrap_or_else(|| {
                    let what = format!("there is no {wanted} listener");
                    reading.error(
                        ConfigCode::Conflict,
                        "rest.advertised.listener",
                        what,
                        "Name the protocol of one of `listeners`.",
                    );
                    first
                })
            }
        };
        Listeners { all, advertised, admin }
    }

    /// Whether one of them speaks TLS.
    pub fn any_https(&self) -> bool {
        self.all
            .iter()
            .chain(self.admin.iter().flatten())
            .any(|listener| listener.protocol == Protocol::Https)
    }
}

impl Listener {
    fn nowhere() -> Listener {
        Listener { protocol: Protocol::Http, host: String::new(), port: 0 }
    }
}
