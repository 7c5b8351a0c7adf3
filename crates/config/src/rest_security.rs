//! TLS and passwords of the REST API, and what its page shows, as Kafka Connect's options say them.
use crate::error::ConfigCode;
use crate::listener::Listeners;
use crate::reading::Reading;
use crate::secret::Secret;
use crate::value::list;

/// Behind this prefix Kafka Connect looks for options of https listeners alone; one such option, and none without
/// the prefix counts for them any more.
const PREFIX: &str = "listeners.https.";

/// TLS of the https listeners.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestTls {
    /// Key and certificates of this worker.
    pub own: Store,
    /// Who may vouch for clients, where certificates are asked for, and for other workers.
    pub clients: Option<Store>,
    /// Whether clients have to show a certificate.
    pub client_auth: ClientAuth,
    /// Whether TLS 1.2 is spoken.
    pub tls12: bool,
    /// Whether TLS 1.3 is spoken.
    pub tls13: bool,
}

/// Keys and certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// The option that names them, for messages.
    pub option: String,
    /// Where they are.
    pub place: Place,
    /// What the store is locked with; may be empty.
    pub password: Secret,
    /// What the key is locked with, where that is another password; may be empty.
    pub key_password: Secret,
}

/// Where keys and certificates are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A file: PEM or PKCS12, which its beginning tells.
    File(String),
    /// PEM texts: a key, which may be empty, and certificates.
    Texts {
        /// The key.
        key: Secret,
        /// Certificates.
        certificates: String,
    },
}

/// `ssl.client.auth`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuth {
    /// No certificate is asked for.
    None,
    /// One is asked for; who has none is served, too.
    Requested,
    /// Who has none is not served.
    Required,
}

/// The class of Kafka Connect's extension for basic authentication.
const BASIC_AUTH: &str = "org.apache.kafka.connect.rest.basic.auth.extension.BasicAuthSecurityRestExtension";

/// What stands behind `listeners.https.` and means something here.
const KNOWN: &[&str] = &[
    "ssl.keystore.location",
    "ssl.keystore.type",
    "ssl.keystore.password",
    "ssl.keystore.key",
    "ssl.keystore.certificate.chain",
    "ssl.key.password",
    "ssl.truststore.location",
    "ssl.truststore.type",
    "ssl.truststore.password",
    "ssl.truststore.certificates",
    "ssl.client.auth",
    "ssl.enabled.protocols",
    "ssl.protocol",
];

impl RestTls {
    /// `None`: nothing is served over TLS.
    pub(crate) fn read(reading: &mut Reading<'_>, listeners: &Listeners) -> Option<RestTls> {
        let own: Vec<String> = reading.family(PREFIX).map(|(name, _)| name.to_owned()).collect();
        for name in own.iter().filter(|name| !KNOWN.contains(&name.as_str())) {
            let option = format!("{PREFIX}{name}");
            let remedy = format!("Remove it; behind {PREFIX} there are {}.", KNOWN.join(", "));
            reading.error(ConfigCode::NotYet, &option, "it is not built yet", remedy);
        }
        if !listeners.any_https() {
            return None;
        }
        let prefix = if own.is_empty() { "" } else { PREFIX };
        let names = Names { prefix };
        let keys = store(reading, names, "keystore", "ssl.keystore.key", "ssl.keystore.certificate.chain");
        let Some(keys) = keys else {
            let option = names.of("ssl.keystore.location");
            let remedy = "Name a file with key and certificates, in PEM or PKCS12.";
            reading.error(ConfigCode::Missing, &option, "an https listener needs it", remedy);
            return None;
        };
        let client_auth = client_auth(reading, names);
        let clients = store(reading, names, "truststore", "", "ssl.truststore.certificates");
        if client_auth != ClientAuth::None && clients.is_none() {
            let option = names.of("ssl.truststore.location");
            let remedy =
                "Name a file with the certificates of those who vouch for clients, in PEM or PKCS12.";
            reading.error(ConfigCode::Missing, &option, "ssl.client.auth needs it", remedy);
        }
        let (tls12, tls13) = versions(reading, names);
        Some(RestTls { own: keys, clients, client_auth, tls12, tls13 })
    }
}

#[derive(Clone, Copy)]
struct Names {
    prefix: &'static str,
}

impl Names {
    fn of(self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}

fn store(reading: &Reading<'_>, names: Names, side: &str, key: &str, certificates: &str) -> Option<Store> {
    let given = |name: &str| reading.given(&names.of(name)).filter(|_| !name.is_empty());
    let secret = |name: &str| Secret::new(reading.exact(&names.of(name)));
    let location = format!("ssl.{side}.location");
    let (option, place) = match given(&location) {
        Some(path) => (names.of(&location), Place::File(path.to_owned())),
        None => {
            let texts = given(certificates)?;
            let key = Secret::new(given(key).unwrap_or_default());
            (names.of(certificates), Place::Texts { key, certificates: texts.to_owned() })
        }
    };
    let (password, key_password) = (secret(&format!("ssl.{side}.password")), secret("ssl.key.password"));
    Some(Store { option, place, password, key_password })
}

fn client_auth(reading: &mut Reading<'_>, names: Names) -> ClientAuth {
    let option = names.of("ssl.client.auth");
    match reading.given(&option).unwrap_or("none") {
        text if text.eq_ignore_ascii_case("none") => ClientAuth::None,
        text if text.eq_ignore_ascii_case("requested") => ClientAuth::Requested,
        text if text.eq_ignore_ascii_case("required") => ClientAuth::Required,
        other => {
            let what = format!("{other:?} is none of none, requested, required");
            reading.error(ConfigCode::Value, &option, what, "Give one of them.");
            ClientAuth::Required
        }
    }
}

/// Which versions of TLS.
fn versions(reading: &mut Reading<'_>, names: Names) -> (bool, bool) {
    let option = names.of("ssl.enabled.protocols");
    let Some(text) = reading.given(&option) else { return (true, true) };
    let (mut tls12, mut tls13) = (false, false);
    for version in list(text) {
        match version {
            "TLSv1.2" => tls12 = true,
            "TLSv1.3" => tls13 = true,
            other => {
                let what = format!("{other:?} is not spoken");
                reading.error(ConfigCode::Value, &option, what, "There are TLSv1.2 and TLSv1.3.");
            }
        }
    }
    (tls12, tls13)
}

/// The file with users and passwords, if the REST API asks for them.
pub(crate) fn read_users_file(reading: &mut Reading<'_>) -> Option<String> {
    const CLASSES: &str = "rest.extension.classes";
    const FILE: &str = "pumphouse.rest.basic.auth.file";
    let classes = list(reading.text(CLASSES));
    let wanted = classes.contains(&BASIC_AUTH);
    for other in classes.iter().filter(|class| **class != BASIC_AUTH) {
        let what = format!("{other:?} cannot be loaded: it is a Java class");
        let remedy = format!("Remove it. There is {BASIC_AUTH}.");
        reading.error(ConfigCode::NotYet, CLASSES, what, remedy);
    }
    let file = reading.given(FILE).map(str::to_owned);
    if wanted && file.is_none() {
        let remedy = "Kafka Connect reads the JAAS file of the JVM's flag java.security.auth.login.config, and that names \
                      the file of PropertyFileLoginModule: give that file (user=password, one a line) here.";
        reading.error(ConfigCode::Missing, FILE, "rest.extension.classes asks for passwords", remedy);
    }
    file
}

/// How much the page shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageAccess {
    /// Everything.
    Full,
    /// Dead letters without what the records hold.
    WithoutRecords,
    /// There is no page.
    Off,
}

impl PageAccess {
    pub(crate) fn read(reading: &Reading<'_>) -> PageAccess {
        match reading.text("pumphouse.page").to_ascii_lowercase().as_str() {
            "off" => PageAccess::Off,
            "without-records" => PageAccess::WithoutRecords,
            // Another text is reported already.
            _ => PageAccess::Full,
        }
    }
}
