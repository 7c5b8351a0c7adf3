//! Where the schema registry is and who we are there, under Confluent's names.
use std::path::PathBuf;

use crate::converter::Findings;
use crate::error::ConfigCode;
use crate::reading::Reading;
use crate::secret::Secret;
use crate::value::list;

const URL: &str = "value.converter.schema.registry.url";
const TRUST: &str = "value.converter.schema.registry.ssl.truststore";
const KEY: &str = "value.converter.schema.registry.ssl.keystore";

/// How we say who we are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistryLogin {
    /// With what stands in the URL, or not at all.
    FromUrl,
    /// `USER_INFO`.
    Basic {
        /// The user.
        user: String,
        /// The password.
        password: Secret,
    },
    /// `STATIC_TOKEN`.
    Bearer(Secret),
}

/// Certificates or keys in PEM form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pem {
    /// A file.
    File(PathBuf),
    /// The text itself.
    Text(Secret),
}

/// A schema registry, as a value converter's options name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaRegistry {
    /// Base addresses of its servers, at least one; they may hold passwords.
    pub urls: Vec<Secret>,
    /// Who we are there.
    pub login: RegistryLogin,
    /// Who may sign its certificate; `None`: whom the system trusts.
    pub authorities: Option<Pem>,
    /// Our certificate; together with `key`.
    pub certificates: Option<Pem>,
    /// Our key.
    pub key: Option<Pem>,
    /// The class that names subjects.
    pub subject_name_strategy: String,
}

/// `None`: it cannot be reached so; the findings say why.
pub(crate) fn read(options: &Reading<'_>, findings: &mut Findings) -> Option<SchemaRegistry> {
    let urls: Vec<Secret> = list(options.text(URL)).into_iter().map(Secret::new).collect();
    if urls.is_empty() {
        findings.error(
            ConfigCode::Missing,
            URL,
            "the converter needs it",
            "Set it to the registry's address.",
        );
    }
    let login = login(options, findings);
    let authorities = authorities(options, findings);
    let (certificates, key) = key_store(options, findings);
    (!urls.is_empty()).then(|| SchemaRegistry {
        urls,
        login,
        authorities,
        certificates,
        key,
        subject_name_strategy: options.text("value.converter.value.subject.name.strategy").to_owned(),
    })
}

/// An option that Confluent's client takes with and without `schema.registry.`.
fn either<'a>(options: &Reading<'a>, name: &str) -> Option<&'a str> {
    let long = format!("value.converter.schema.registry.{name}");
    options.given(&format!("value.converter.{name}")).or_else(|| options.given(&long))
}

fn login(options: &Reading<'_>, findings: &mut Findings) -> RegistryLogin {
    const USER_INFO: &str = "value.converter.basic.auth.user.info";
    const TOKEN: &str = "value.converter.bearer.auth.token";
    let source = either(options, "basic.auth.credentials.source").unwrap_or("URL");
    let by_user_info = source.eq_ignore_ascii_case("USER_INFO");
    if options.given("value.converter.bearer.auth.credentials.source").is_some() {
        if by_user_info {
            let message = "both a user and a token are to be shown";
            findings.error(ConfigCode::Conflict, TOKEN, message, "Keep one of them.");
        }
        return match options.given(TOKEN) {
            Some(token) => RegistryLogin::Bearer(Secret::new(token)),
            None => {
                findings.error(ConfigCode::Missing, TOKEN, "STATIC_TOKEN needs it", "Set it to the token.");
                RegistryLogin::FromUrl
            }
        };
    }
    let user_info = either(options, "basic.auth.user.info");
    match (by_user_info, user_info.map(|both| both.split_once(':'))) {
        (true, Some(Some((user, password)))) => {
            RegistryLogin::Basic { user: user.to_owned(), password: Secret::new(password) }
        }
        (true, Some(None)) => {
            let message = "there is no colon in it";
            findings.error(ConfigCode::Value, USER_INFO, message, "Write user:password.");
            RegistryLogin::FromUrl
        }
        (true, None) => {
            findings.error(ConfigCode::Missing, USER_INFO, "USER_INFO needs it", "Set it to user:password.");
            RegistryLogin::FromUrl
        }
        (false, Some(_)) => {
            findings.note(USER_INFO, "It counts only beside basic.auth.credentials.source=USER_INFO.");
            RegistryLogin::FromUrl
        }
        (false, None) => RegistryLogin::FromUrl,
    }
}

fn authorities(options: &Reading<'_>, findings: &mut Findings) -> Option<Pem> {
    let found = file_or_text(options, findings, TRUST, "location", "certificates");
    need_pem(options, findings, TRUST, found.is_some());
    found
}

fn key_store(options: &Reading<'_>, findings: &mut Findings) -> (Option<Pem>, Option<Pem>) {
    let certificates = file_or_text(options, findings, KEY, "location", "certificate.chain");
    let key = file_or_text(options, findings, KEY, "location", "key");
    need_pem(options, findings, KEY, certificates.is_some() || key.is_some());
    if certificates.is_some() != key.is_some() {
        let option = format!("{KEY}.{}", if key.is_some() { "certificate.chain" } else { "key" });
        let message = "certificate and key are only of use together";
        findings.error(ConfigCode::Missing, &option, message, "Give both, or one file with both.");
    }
    (certificates, key)
}

fn file_or_text(
    options: &Reading<'_>,
    findings: &mut Findings,
    store: &str,
    file: &str,
    text: &str,
) -> Option<Pem> {
    let (file_option, text_option) = (format!("{store}.{file}"), format!("{store}.{text}"));
    match (options.given(&file_option), options.given(&text_option)) {
        (None, None) => None,
        (Some(path), None) => Some(Pem::File(path.into())),
        (None, Some(text)) => Some(Pem::Text(Secret::new(text))),
        (Some(_), Some(_)) => {
            let message = format!("{file_option} is given, too");
            findings.error(ConfigCode::Conflict, &text_option, message, "Keep one of them.");
            None
        }
    }
}

/// A store that is given without its type would be Java's own format.
fn need_pem(options: &Reading<'_>, findings: &mut Findings, store: &str, given: bool) {
    let option = format!("{store}.type");
    if given && options.given(&option).is_none() {
        let message = "it is not given, and Java's default is JKS, which is not read here";
        findings.error(ConfigCode::NotYet, &option, message, "Convert the store to PEM, and set it to PEM.");
    }
}
