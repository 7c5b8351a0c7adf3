//! What makes another version of a connector's rows, and what is never shown.
use pumphouse_config::{ConfigCode, MASK};

use crate::{check_refused, good, raw, read};

#[test]
fn rules_for_rows_are_part_of_the_version() {
    let text = |options: &[(&str, &str)]| good(options).delivery_relevant_text();
    let usual = text(&[]);
    assert_eq!(text(&[("pumphouse.tombstones", "fail"), ("pumphouse.null.as.default", "true")]), usual);
    let column = |name| [("value.converter", "ByteArrayConverter"), ("pumphouse.value.column", name)];
    let mut texts = vec![
        text(&[("pumphouse.tombstones", "skip")]),
        text(&[("pumphouse.null.as.default", "false")]),
        text(&[("pumphouse.field.columns", "a=b, c.d = e")]),
        text(&[("pumphouse.field.columns", "a=b")]),
        text(&column("c")),
        text(&column("d")),
        usual,
    ];
    texts.sort();
    texts.dedup();
    assert_eq!(texts.len(), 7, "{texts:?}");
    for twice in ["a=b,a=c", "a=c,b=c"] {
        check_refused(&[("pumphouse.field.columns", twice)], ConfigCode::Conflict);
    }
    let csv = ["org.apache.kafka.connect.storage.StringConverter", "CSV"];
    check_refused(
        &[("value.converter", csv[0]), ("insertFormat", csv[1]), ("pumphouse.field.columns", "a=b")],
        ConfigCode::Conflict,
    );
    check_refused(&[("pumphouse.field.columns", "a=")], ConfigCode::Value);
    let formats = good(&[("dateTimeFormats", "a = dd, MM yyyy; b=HH:mm;")]).row_rules.date_formats;
    let formats: Vec<_> = formats.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    assert_eq!(formats, [("a", "dd, MM yyyy"), ("b", "HH:mm")]);
    assert_ne!(text(&[("dateTimeFormats", "a=yyyy")]), text(&[]));
    check_refused(&[("dateTimeFormats", "yyyy-MM-dd")], ConfigCode::Value);
    check_refused(&[("dateTimeFormats", "a=yyyy;a=yyyy")], ConfigCode::Conflict);
}

#[test]
fn secrets_are_never_printed() {
    let secret = "s3cr3t-Wörd";
    let jaas = format!("x.PlainLoginModule required username=\"u\" password=\"{secret}\";");
    let changes = [
        ("password", secret),
        ("consumer.override.sasl.jaas.config", jaas.as_str()),
        ("producer.override.ssl.key.password", secret),
    ];
    let config = good(&changes);
    assert_eq!(config.endpoint.password.reveal(), secret);
    assert_eq!(config.consumer_options.get("sasl.jaas.config"), Some(jaas.as_str()));
    let masked = config.masked();
    assert_eq!((masked["password"].as_str(), masked["port"].as_str()), (MASK, "8123"));
    assert_eq!(masked["consumer.override.sasl.jaas.config"], MASK);
    let shown = format!("{config:?} {masked:?} {:?} {}", raw(&changes), config.delivery_relevant_text());
    assert!(!shown.contains(secret), "{shown}");

    // Also where such an option is what is wrong.
    let wrong = [
        ("password", secret),
        ("passwort", secret),
        ("transforms.a.password", secret),
        ("listeners.https.ssl.key.password", secret),
    ];
    let errors = read(&wrong).unwrap_err();
    assert!(!format!("{errors} {errors:?}").contains(secret), "{errors}");
}

#[test]
fn the_relevant_text_changes_with_what_makes_rows_and_nothing_else() {
    let text = |changes: &[(&str, &str)]| good(changes).delivery_relevant_text();
    let base = text(&[]);
    for same in [
        ("tasks.max", "4"),
        ("bufferCount", "10"),
        ("password", "x"),
        ("topic2TableMap", "events=events"),
        ("hostname", "h"),
        // Whoever versions a lane adds its table.
        ("database", "d"),
        ("topics", "events,more"),
        ("topic2TableMap", "events=t"),
    ] {
        assert_eq!(text(&[same]), base, "{same:?}");
    }
    for other in [
        ("pumphouse.unknown.fields", "refuse"),
        ("clickhouseSettings", "insert_quorum=2"),
        ("pumphouse.lineage.key.column", "k"),
    ] {
        assert_ne!(text(&[other]), base, "{other:?}");
    }
}
