//! `docs/configuration.md`, printed from the table.
use std::fmt::Write as _;

use crate::clickhouse_settings::FORCED_CLICKHOUSE_SETTINGS;
use crate::option::{Importance, Kind, OptionDef, Scope, Status};
use crate::options;

const HEAD: &str = "\
# Configuration

This page is printed from the table that checks configurations (`crates/config`). After a change:
`cargo run -p pumphouse-config --example configuration_page > docs/configuration.md`.

Names are those of Kafka Connect and of the official ClickHouse sink; our own begin with `pumphouse.`.
An option is *honoured*, or *without effect* (accepted, and said so once in the log), or *not yet* (refused
at the start, except for the values named, which agree with what this version does). A name that nobody
knows is refused. A worker's file is in the properties format; a connector's file in it or in JSON.

The same table answers `/connector-plugins/{plugin}/config` and `/config/validate` (headings, order and labels there are Kafka
Connect's), and is what `pumphouse check` holds a file against. Where a default or a meaning differs from the official sink's
or from Kafka Connect's, the option's text says so; [migrate.md](migrate.md) has the differences together, and
[security.md](security.md) what concerns logins, TLS and secrets. Values may hold placeholders (`config.providers`).
";

/// The whole page.
pub fn configuration_page() -> String {
    let mut page = String::from(HEAD);
    let mut group = "";
    for option in options::all() {
        if option.group != group {
            group = option.group;
            let _ = write!(
                page,
                "\n## {group}\n\n| Option | Value | Default | Importance | Status | Meaning |\n"
            );
            page.push_str("| --- | --- | --- | --- | --- | --- |\n");
        }
        page.push_str(&row(option));
    }
    page.push_str("\n## ClickHouse settings that exactly-once fixes\n\n");
    page.push_str("`clickhouseSettings` may repeat these values, but not change them.\n\n| Setting | Value |\n| --- | --- |\n");
    for (name, value) in FORCED_CLICKHOUSE_SETTINGS {
        let _ = writeln!(
            page,
            "| `{name}` | {} |",
            value.map_or("set per insert".to_owned(), |v| format!("`{v}`"))
        );
    }
    page
}

fn row(option: &OptionDef) -> String {
    let default = match (option.required, option.default) {
        (true, _) => "required".to_owned(),
        (false, None) => "–".to_owned(),
        (false, Some("")) => "empty".to_owned(),
        (false, Some(text)) => format!("`{text}`"),
    };
    let importance = match option.importance {
        Importance::High => "high",
        Importance::Medium => "medium",
        Importance::Low => "low",
    };
    let file = match option.scope {
        Scope::Both => " In the worker's file, or in the connector's.",
        Scope::Worker | Scope::Connector => "",
    };
    format!(
        "| `{}` | {} | {default} | {importance} | {} | {}{file} |\n",
        option.name,
        kind(option.kind),
        status(option.status),
        option.doc,
    )
}

fn kind(kind: Kind) -> String {
    match kind {
        Kind::Text => "text".to_owned(),
        Kind::Secret => "secret text".to_owned(),
        Kind::Boolean => "boolean".to_owned(),
        Kind::Integer { min, max: i64::MAX } => format!("integer from {min}"),
        Kind::Integer { min, max } => format!("integer, {min} to {max}"),
        Kind::List => "list".to_owned(),
        Kind::Pairs => "pairs".to_owned(),
        Kind::OneOf(values) => values.iter().map(|v| format!("`{v}`")).collect::<Vec<_>>().join(", "),
    }
}

fn status(status: Status) -> String {
    match status {
        Status::Honoured => "honoured".to_owned(),
        Status::WithoutEffect(why) => format!("without effect: {why}"),
        Status::NotYet { accepted: [], remedy } => format!("not yet: {remedy}"),
        Status::NotYet { accepted, remedy } => {
            let named =
                |value: &&str| if value.is_empty() { "empty".to_owned() } else { format!("`{value}`") };
            let accepted: Vec<String> = accepted.iter().map(named).collect();
            format!("not yet, except for {}: {remedy}", accepted.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_page_is_the_printed_one() {
        let committed = include_str!("../../../docs/configuration.md");
        assert!(
            committed == configuration_page(),
            "print docs/configuration.md again; its first lines say how"
        );
    }
}
