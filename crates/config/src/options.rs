//! The one table of options. It validates configurations and prints `docs/configuration.md`.
mod connect;
mod converters;
mod pumphouse;
mod sink;
mod worker;

use crate::option::{Kind, OptionDef, Scope};

/// The heading under which the worker's options for Kafka's clients stand.
pub(crate) const CLIENT_GROUP: &str = worker::CLIENTS;

/// The heading under which options of distributed workers stand.
pub(crate) const DISTRIBUTED_GROUP: &str = worker::DISTRIBUTED;

/// Every option, in the order of the printed page.
pub fn all() -> impl Iterator<Item = &'static OptionDef> {
    sink::SINK
        .iter()
        .chain(connect::CONNECT)
        .chain(converters::CONVERTERS_TABLE)
        .chain(pumphouse::PUMPHOUSE)
        .chain(worker::WORKER)
}

/// The row for `name` in a worker's or a connector's file; a row of its own goes before its family's,
/// and a longer family before a shorter one.
pub fn find(name: &str, file: Scope) -> Option<&'static OptionDef> {
    let here = || all().filter(|option| option.scope.covers(file));
    here().find(|option| option.name == name).or_else(|| {
        here()
            .filter(|option| {
                option.family_prefix().is_some_and(|p| name.len() > p.len() && name.starts_with(p))
            })
            .max_by_key(|option| option.name.len())
    })
}

/// Parts of names behind which Kafka's clients keep secrets, whichever family they stand in.
const SECRET_PARTS: [&str; 8] = [
    "password",
    "sasl.jaas.config",
    "ssl.keystore.key",
    "ssl.key.pem",
    "secret",
    "credential",
    "user.info",
    "auth.token",
];

/// Whether the value of `name` is to be hidden: by its row, or by what the name says.
pub fn is_secret(name: &str, file: Scope) -> bool {
    let by_row = find(name, file).is_some_and(|option| option.kind == Kind::Secret);
    let lower = name.to_ascii_lowercase();
    by_row || SECRET_PARTS.iter().any(|part| lower.contains(part))
}

/// Longer than any option's name with its typing mistakes.
const NEAR_BYTES_MAX: usize = 100;

/// The option whose name is nearest to an unknown one, if any is near.
pub fn nearest(name: &str, file: Scope) -> Option<&'static str> {
    // No name of ours is near to such a text, and comparing takes its length times theirs.
    if name.len() > NEAR_BYTES_MAX {
        return None;
    }
    let lower = name.to_ascii_lowercase();
    all()
        .filter(|option| option.scope.covers(file) && option.family_prefix().is_none())
        .map(|option| (distance(&lower, &option.name.to_ascii_lowercase()), option.name))
        .filter(|&(changes, known)| changes <= 1 + known.len() / 5)
        .min()
        .map(|(_, known)| known)
}

/// How many characters have to be put in, taken out or replaced to get from one text to the other.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &b) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::option::Status;
    use crate::value::check_kind;

    #[test]
    fn a_name_stands_once_per_file() {
        for file in [Scope::Worker, Scope::Connector] {
            let mut names: Vec<_> = all().filter(|o| o.scope.covers(file)).map(|o| o.name).collect();
            names.sort_unstable();
            let count = names.len();
            names.dedup();
            assert_eq!(names.len(), count);
        }
    }

    #[test]
    fn defaults_are_values_of_their_kind_and_accepted() {
        for option in all() {
            let Some(default) = option.default else { continue };
            if !default.is_empty() {
                check_kind(option.kind, default).unwrap_or_else(|e| panic!("{}: {e}", option.name));
            }
            if let Status::NotYet { accepted, .. } = option.status {
                assert!(accepted.contains(&default), "{}: its default is refused", option.name);
            }
        }
    }

    #[test]
    fn every_row_has_a_heading_and_a_sentence() {
        for option in all() {
            assert!(!option.group.is_empty() && option.doc.ends_with('.'), "{}", option.name);
            let text = match option.status {
                Status::Honoured => continue,
                Status::WithoutEffect(why) => why,
                Status::NotYet { remedy, .. } => remedy,
            };
            assert!(text.ends_with('.'), "{}: {text}", option.name);
        }
    }

    #[test]
    fn typing_mistakes_are_recognised() {
        assert_eq!(nearest("task.max", Scope::Connector), Some("tasks.max"));
        assert_eq!(nearest("topic2tablemap", Scope::Connector), Some("topic2TableMap"));
        assert_eq!(nearest("bootstrap.server", Scope::Worker), Some("bootstrap.servers"));
        assert_eq!(nearest("schema.registry.url", Scope::Connector), None);
    }

    #[test]
    fn families_are_found_by_the_longest_prefix() {
        let found = |name, file| find(name, file).map(|option| option.name);
        assert_eq!(found("consumer.override.fetch.min.bytes", Scope::Connector), Some("consumer.override.*"));
        assert_eq!(found("consumer.fetch.min.bytes", Scope::Worker), Some("consumer.*"));
        assert_eq!(found("consumer.", Scope::Worker), None);
        assert_eq!(
            found("value.converter.schemas.enable", Scope::Connector),
            Some("value.converter.schemas.enable")
        );
        assert_eq!(found("hostname", Scope::Worker), None);
    }

    #[test]
    fn secrets_are_known_in_every_family() {
        assert!(is_secret("password", Scope::Connector));
        assert!(is_secret("consumer.override.sasl.jaas.config", Scope::Connector));
        assert!(is_secret("consumer.ssl.truststore.password", Scope::Worker));
        assert!(!is_secret("username", Scope::Connector));
    }
}
