//! Avro records of two schemas, one with a reference.
use pumphouse_decode::Format;
use pumphouse_registry::{Registry, RegistrySettings, Remedy};
use pumphouse_types::SchemaId;

use crate::support::{decode, fetch, json_block, plan, produced, registry_url};

#[test]
fn a_python_producers_records_become_the_rows_that_it_meant() {
    let plan = plan(&[
        ("id", "UInt64"),
        ("note", "Nullable(String)"),
        ("price", "Decimal(18, 3)"),
        ("at", "Nullable(DateTime64(3, 'UTC'))"),
        ("micros", "Nullable(DateTime64(6, 'UTC'))"),
        ("day", "Nullable(Date32)"),
        ("key", "Nullable(UUID)"),
        ("state", "LowCardinality(Nullable(String))"),
        ("scores", "Array(Nullable(Float32))"),
        ("address", "Nullable(String)"),
        ("added", "Nullable(Bool)"),
        ("_offset", "Int64"),
    ]);
    let mut records = produced("produce_avro.py", &[&registry_url()]);
    assert_eq!(records.len(), 3);
    // The second schema has no `scores`, and an Array cannot be NULL.
    let second = records.remove(1);
    let (rows, fetched) = decode(Format::Avro, &plan, &records);
    let order = |id: u8, note: &str| {
        format!(
            r#"{{"id":{id},"note":{note},"price":"-1234567.89","at":"2013-01-01T10:00:00.123Z",
            "micros":"1969-12-31T23:59:59.999999Z","day":"1969-12-31",
            "key":"00112233-4455-6677-8899-aabbccddeeff","state":"PAID","scores":[1.5,null,-0.25],
            "address":{{"street":"Rue \"d'Été\"","numbers":[1,2,3]}}}}"#
        )
    };
    assert_eq!(rows, json_block(&plan, &[&order(1, "null"), &order(3, "\"späť\"")]));
    assert_eq!(fetched, 1);

    let narrow = crate::support::plan(&[
        ("price", "Decimal(18, 3)"),
        ("id", "UInt64"),
        ("added", "Nullable(Bool)"),
        ("state", "LowCardinality(Nullable(String))"),
    ]);
    records.insert(1, second);
    let (rows, fetched) = decode(Format::Avro, &narrow, &records);
    let first = r#"{"id":1,"price":-1234567.89,"state":"PAID"}"#;
    let expected = [first, r#"{"id":2,"price":0.001,"added":true}"#, &first.replace("1,", "3,")];
    assert_eq!(rows, json_block(&narrow, &expected));
    assert_eq!(fetched, 2);
}

#[test]
fn a_schema_that_nobody_registered_does_not_exist() {
    let registry = Registry::new(RegistrySettings::new(vec![registry_url()])).unwrap();
    let error = fetch(&registry, SchemaId(1_000_000)).unwrap_err();
    assert_eq!(error.remedy(), Remedy::BadRecord, "{error}");
}

#[test]
fn a_wrong_path_is_not_taken_for_a_missing_schema() {
    let wrong = registry_url().replace("/apis/ccompat/v7", "/no/such/path");
    let settings = RegistrySettings { retries_max: 0, ..RegistrySettings::new(vec![wrong]) };
    let error = fetch(&Registry::new(settings).unwrap(), SchemaId(1)).unwrap_err();
    assert_eq!(error.remedy(), Remedy::AskAgain, "{error}");
}
