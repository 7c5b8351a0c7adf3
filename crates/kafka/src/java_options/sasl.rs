//! Logins: the mechanism, names and passwords, and where tokens come from.
use std::collections::BTreeMap;

use super::rules::NO_KERBEROS;
use super::{ClientOptions, unsupported};
use crate::error::KafkaError;
use crate::oauth;

const NO_OAUTH: &str = "it needs sasl.oauthbearer.token.endpoint.url (http or https), and clientId=\"..\" and clientSecret=\"..\" of OAuthBearerLoginModule in sasl.jaas.config: tokens are got by client credentials";

/// An option of `sasl.*` that is carried out by itself. Errors: it cannot be honoured.
pub(super) fn own(
    done: &mut ClientOptions,
    name: &str,
    value: &str,
    all: &BTreeMap<String, String>,
) -> Result<(), KafkaError> {
    let refused = |advice: &str| Err(unsupported(name, advice));
    match name {
        "sasl.mechanism" | "sasl.mechanisms" => match value.trim() {
            "PLAIN" | "SCRAM-SHA-256" | "SCRAM-SHA-512" => done.connect("sasl.mechanisms", value.trim()),
            "GSSAPI" => return refused(NO_KERBEROS),
            "OAUTHBEARER" if has_credentials(all) => done.connect("sasl.mechanisms", "OAUTHBEARER"),
            "OAUTHBEARER" => return refused(NO_OAUTH),
            _ => return refused("there are PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 and OAUTHBEARER"),
        },
        "sasl.login.callback.handler.class" | "sasl.oauthbearer.jwt.retriever.class" => {
            let class = value.trim().rsplit('.').next().unwrap_or_default();
            if !["OAuthBearerLoginCallbackHandler", "ClientCredentialsJwtRetriever", "DefaultJwtRetriever"]
                .contains(&class)
            {
                return refused(
                    "tokens are got by client credentials (OAuthBearerLoginCallbackHandler) only",
                );
            }
        }
        "sasl.oauthbearer.token.endpoint.url" => {
            let url = value.trim();
            if !["http://", "https://"].iter().any(|scheme| url.to_ascii_lowercase().starts_with(scheme)) {
                return refused("only http:// and https:// endpoints are asked");
            }
            done.connect(oauth::URL, url);
        }
        "sasl.jaas.config" if module_of(value).ends_with(".OAuthBearerLoginModule") => {
            let names = [
                ("clientId", oauth::CLIENT_ID),
                ("clientSecret", oauth::CLIENT_SECRET),
                ("scope", oauth::SCOPE),
            ];
            for (name, setting) in names {
                if let Some(text) = jaas_option(value, name) {
                    done.connect(setting, &text);
                }
            }
        }
        "sasl.jaas.config" => {
            let (user, password) = jaas(value)?;
            done.connect("sasl.username", &user);
            done.connect("sasl.password", &password);
        }
        other => unreachable!("{other} has a rule of its own but no translation"),
    }
    Ok(())
}

fn module_of(jaas: &str) -> &str {
    jaas.split_whitespace().next().unwrap_or_default()
}

/// Whether everything that a token is asked for with is given.
fn has_credentials(all: &BTreeMap<String, String>) -> bool {
    let jaas = all.get("sasl.jaas.config").map_or("", String::as_str);
    let own = |name: &str| all.contains_key(&format!("sasl.oauthbearer.client.credentials.client.{name}"));
    all.contains_key("sasl.oauthbearer.token.endpoint.url")
        && (own("id") || jaas_option(jaas, "clientId").is_some())
        && (own("secret") || jaas_option(jaas, "clientSecret").is_some())
}

/// Takes user name and password out of a JAAS line of the plain or SCRAM module, such as
/// `org.apache.kafka.common.security.plain.PlainLoginModule required username="u" password="p";`.
pub(super) fn jaas(value: &str) -> Result<(String, String), KafkaError> {
    let refused = |advice: &str| unsupported("sasl.jaas.config", advice);
    let module = module_of(value);
    if module.ends_with(".Krb5LoginModule") {
        return Err(refused(NO_KERBEROS));
    }
    if !module.ends_with(".PlainLoginModule") && !module.ends_with(".ScramLoginModule") {
        return Err(refused(
            "only PlainLoginModule, ScramLoginModule and OAuthBearerLoginModule are understood",
        ));
    }
    let option = |name: &str| {
        jaas_option(value, name).ok_or_else(|| {
            refused(&format!("it has no {name}=\"...\": or set sasl.username and sasl.password"))
        })
    };
    Ok((option("username")?, option("password")?))
}

/// The value of `name="..."`, with `\` as the escape that JAAS knows.
fn jaas_option(line: &str, name: &str) -> Option<String> {
    let mut rest = line;
    loop {
        let at = rest.find(name)?;
        let starts_word = rest[..at].ends_with(char::is_whitespace);
        rest = &rest[at + name.len()..];
        let Some(quoted) = rest.trim_start().strip_prefix('=').map(str::trim_start) else {
            continue;
        };
        let Some(quoted) = quoted.strip_prefix('"').filter(|_| starts_word) else {
            continue;
        };
        let mut value = String::new();
        let mut characters = quoted.chars();
        while let Some(character) = characters.next() {
            match character {
                '"' => return Some(value),
                '\\' => value.push(characters.next()?),
                plain => value.push(plain),
            }
        }
        return None;
    }
}
