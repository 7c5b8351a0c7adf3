//! Where the registry is, who we are there, and how patient we are.
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// A text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides `text`.
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("****")
    }
}

/// How we say who we are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Authentication {
    /// With what stands in the URL in front of `@`, or not at all.
    #[default]
    FromUrl,
    /// `basic.auth.credentials.source` USER_INFO or SASL_INHERIT.
    Basic {
        /** The user. */
        user: String,
        /** The password. */
        password: Secret,
    },
    /// `bearer.auth.credentials.source` STATIC_TOKEN.
    Bearer(Secret),
}

/// Certificates or keys in PEM form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PemSource {
    /// A file, read once when the client is made.
    File(PathBuf),
    /// The text itself.
    Text(Secret),
}

/// For `https` addresses.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TlsSettings {
    /// Who may sign the registry's certificate; the system's certificates where not given.
    pub authorities: Option<PemSource>,
    /// Our certificate, followed by those that signed it.
    pub certificates: Option<PemSource>,
    /// Our key, not encrypted. May be the same file as `certificates`.
    pub key: Option<PemSource>,
}

/// A registry's configuration.
#[derive(Debug, Clone)]
pub struct RegistrySettings {
    /// Base addresses of the servers, at least one; all serve the same registry.
    pub urls: Vec<String>,
    /// Who we are.
    pub authentication: Authentication,
    /// TLS.
    pub tls: TlsSettings,
    /// How long one request may take.
    pub request_timeout: Duration,
    /// Further rounds over all servers after a first one without an answer.
    pub retries_max: u32,
    /// The pause before the first further round; doubled for each one after.
    pub retry_wait: Duration,
    /// The longest such pause.
    pub retry_wait_max: Duration,
    /// Schemas kept.
    pub schemas_max: usize,
    /// How long "does not exist" is believed.
    pub missing_for: Duration,
}

impl RegistrySettings {
    /// Confluent's defaults, but for shorter waits: the caller asks again anyway.
    pub fn new(urls: Vec<String>) -> RegistrySettings {
        RegistrySettings {
            urls,
            authentication: Authentication::default(),
            tls: TlsSettings::default(),
            request_timeout: Duration::from_secs(10),
            retries_max: 3,
            retry_wait: Duration::from_millis(100),
            retry_wait_max: Duration::from_secs(2),
            schemas_max: 1_000,
            missing_for: Duration::from_secs(5),
        }
    }
}
