//! Functions whose value differs between two calls with the same arguments: by the clock, by chance, by
//! who calls, by which server answers, by rows beside, or by another table's content.
//! Source: `system.functions WHERE NOT deterministic` of ClickHouse 26.7, less those that only describe
//! a type, and plus those that look at files.

/// Names before an opening bracket.
pub(crate) type Calls<'a> = Vec<&'a str>;

/// Whole families by how their names begin, in small letters.
const FAMILIES: &[&str] = &[
    "rand",
    "generate",
    "dictget",
    "dicthas",
    "dictisin",
    "joinget",
    "current",
    "timeseries",
    "filesystem",
    "naivebayes",
    "catboost",
    "getsetting",
    "getmacro",
    "getserver",
    "getmergetree",
    "getos",
    "now",
];

/// Single ones, in small letters.
const SINGLE: &[&str] = &[
    "today",
    "yesterday",
    "curdate",
    "localtime",
    "localtimestamp",
    "utctimestamp",
    "utc_timestamp",
    "uptime",
    "hostname",
    "fullhostname",
    "fqdn",
    "displayname",
    "serveruuid",
    "servertimezone",
    "timezone",
    "tcpport",
    "version",
    "revision",
    "buildid",
    "chdb",
    "shardnum",
    "shardcount",
    "zookeepersessionuptime",
    "user",
    "session_user",
    "authenticateduser",
    "authuser",
    "connectionid",
    "connection_id",
    "transactionid",
    "queryid",
    "query_id",
    "initialqueryid",
    "initial_query_id",
    "initialquerystarttime",
    "initial_query_start_time",
    "database",
    "schema",
    "blocknumber",
    "blocksize",
    "blockserializedsize",
    "rownumberinblock",
    "rownumberinallblocks",
    "runningaccumulate",
    "runningdifference",
    "runningdifferencestartingwithfirstvalue",
    "neighbor",
    "arrayshuffle",
    "arraypartialshuffle",
    "arrayrandomsample",
    "fuzzbits",
    "fuzzquery",
    "datetimetouuidv7",
    "file",
    "hascolumnintable",
    "obfuscatequery",
    "lowcardinalityindices",
    "lowcardinalitykeys",
    "sleep",
    "sleepeachrow",
    "evalmlmethod",
    "defaultprofiles",
    "defaultroles",
    "enabledprofiles",
    "enabledroles",
];

/// The first of `calls` whose value is made up, as it was written.
pub(crate) fn made_up_call<'a>(calls: &[&'a str]) -> Option<&'a str> {
    calls.iter().copied().find(|call| is_made_up(call))
}

/// Whether a function of this name may answer differently the next time.
pub(crate) fn is_made_up(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SINGLE.contains(&name.as_str()) || FAMILIES.iter().any(|family| name.starts_with(family))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_and_single_ones_are_known() {
        for name in [
            "now",
            "nowInBlock64",
            "RAND",
            "rand64",
            "randUniform",
            "generateULID",
            "dictGetOrNull",
            "currentUser",
            "current_timestamp",
            "joinGetOrNull",
            "hostName",
            "today",
            "getSetting",
        ] {
            assert!(is_made_up(name), "{name}");
        }
        for name in ["toDate", "CHECK", "length", "ReplacingMergeTree", "defaultValueOfTypeName", "arraySort"]
        {
            assert!(!is_made_up(name), "{name}");
        }
    }
}
