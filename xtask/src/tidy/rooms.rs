//! Arrows between rooms: what each manifest names against the table in ARCHITECTURE.md.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Result;

use super::files::{read, rooms};
use super::manifest::dependencies;

/// Room -> rooms it may use, in the table's order.
type Table = Vec<(String, BTreeSet<String>)>;

/// Rooms that no table row names, arrows that no row allows, and rows without a room.
pub fn check(root: &Path) -> Result<Vec<String>> {
    let table = table(&read(&root.join("ARCHITECTURE.md"))?);
    let mut uses = BTreeMap::new();
    for room in rooms(root)? {
        let named = dependencies(root, &room)?;
        let rooms: BTreeSet<String> =
            named.iter().filter_map(|name| name.strip_prefix("pumphouse-")).map(str::to_owned).collect();
        uses.insert(room, rooms);
    }
    Ok(findings(&table, &uses))
}

fn findings(table: &Table, uses: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    if table.is_empty() {
        return vec!["ARCHITECTURE.md has no room table (| room | owns | may use |)".to_owned()];
    }
    let allowed: BTreeMap<&str, &BTreeSet<String>> =
        table.iter().map(|(room, may_use)| (room.as_str(), may_use)).collect();
    let mut findings = Vec::new();
    for (room, used) in uses {
        let Some(may_use) = allowed.get(room.as_str()) else {
            findings.push(format!("crates/{room} has no row in ARCHITECTURE.md's room table"));
            continue;
        };
        for other in used.difference(may_use) {
            findings.push(format!(
                "crates/{room} uses {other}, which its row in ARCHITECTURE.md does not allow; a new arrow wants an ADR"
            ));
        }
    }
    for (room, _) in table.iter().filter(|(room, _)| !uses.contains_key(room)) {
        findings.push(format!("ARCHITECTURE.md's room table names {room}, but there is no crates/{room}"));
    }
    findings
}

/// Reads `| room | owns | may use |` and the rows below it. `std` is no room, `all above` is all rows
/// above this one.
fn table(text: &str) -> Table {
    let mut table: Table = Vec::new();
    let rows = text.lines().skip_while(|line| !line.starts_with("| room | owns | may use |")).skip(2);
    for row in rows.take_while(|line| line.starts_with('|')) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [room, _, may_use] = cells[..] else { continue };
        let may_use: BTreeSet<String> = if may_use == "all above" {
            table.iter().map(|(room, _)| room.clone()).collect()
        } else {
            may_use
                .split(',')
                .map(|name| name.trim().trim_matches('`').to_owned())
                .filter(|name| name != "std")
                .collect()
        };
        table.push((room.trim_matches('`').to_owned(), may_use));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# A\n| x | y |\n\n| room | owns | may use |\n| --- | --- | --- |\n| `types` | words | std |\n\
                        | `delivery` | protocol | types |\n| `kafka` | client | types |\n| `worker` | acts | all above |\n\nend\n";

    fn check_uses(uses: &[(&str, &[&str])]) -> Vec<String> {
        let uses = uses
            .iter()
            .map(|(room, used)| ((*room).to_owned(), used.iter().map(|&name| name.to_owned()).collect()))
            .collect();
        findings(&table(TEXT), &uses)
    }

    #[test]
    fn arrows_of_the_table_pass() {
        let uses: [(&str, &[&str]); 4] = [
            ("types", &[]),
            ("delivery", &["types"]),
            ("kafka", &["types"]),
            ("worker", &["kafka", "delivery"]),
        ];
        assert_eq!(check_uses(&uses), Vec::<String>::new());
    }

    #[test]
    fn a_new_arrow_a_new_room_and_a_lost_room_are_found() {
        let uses: [(&str, &[&str]); 4] =
            [("types", &["kafka"]), ("delivery", &["types"]), ("worker", &[]), ("common", &[])];
        let found = check_uses(&uses).join("\n");
        assert!(found.contains("crates/types uses kafka"), "{found}");
        assert!(found.contains("crates/common has no row"), "{found}");
        assert!(found.contains("names kafka, but there is no"), "{found}");
        assert_eq!(found.lines().count(), 3, "{found}");
    }
}
