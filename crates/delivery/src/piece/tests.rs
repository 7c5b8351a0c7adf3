//! Cutting at every place gives the same rows as counting them one by one.
use proptest::prelude::*;

use super::*;

fn offset(value: i64) -> Offset {
    Offset::new(value).unwrap()
}

fn list(rows: &[(u32, i64)]) -> RowList {
    let mut list = RowList::new();
    for (partition, at) in rows {
        list.entry(Partition(*partition)).or_default().push(offset(*at));
    }
    list
}

fn flat(rows: &RowList) -> Vec<(u32, i64)> {
    rows.iter().flat_map(|(p, offsets)| offsets.iter().map(|o| (p.0, o.get()))).collect()
}

fn ranges(rows: &RowList) -> BTreeMap<Partition, BatchRange> {
    let of = |offsets: &Vec<Offset>| share_of(OffsetRange::new(offset(0), offset(40)).unwrap(), offsets, 1);
    rows.iter().map(|(p, offsets)| (*p, of(offsets))).collect()
}

proptest! {
    #[test]
    fn r11_a_cut_divides_the_rows_in_source_order(
        rows in prop::collection::btree_set((0..4u32, 0..40i64), 1..60), k in 1..70usize,
    ) {
        let all: Vec<_> = rows.into_iter().collect();
        let rows = list(&all);
        match cut_after(&rows, k as u64) {
            None => prop_assert!(k >= all.len()),
            Some(cut) => {
                prop_assert_eq!(flat(&before(&rows, Some(cut))), &all[..k]);
                let left = from(&rows, cut);
                prop_assert_eq!(flat(&left), &all[k..]);
                let shrunk = shrink(&ranges(&rows), &left, cut);
                let sum: u64 = shrunk.values().map(|share| share.rows).sum();
                prop_assert_eq!(sum, (all.len() - k) as u64);
                prop_assert!(shrunk.contains_key(rows.keys().next().unwrap()), "the lead stays");
            }
        }
    }

    #[test]
    fn lists_are_compared_as_sets(
        a in prop::collection::btree_set((0..3u32, 0..20i64), 0..30),
        b in prop::collection::btree_set((0..3u32, 0..20i64), 0..30),
    ) {
        let lists = |set: &std::collections::BTreeSet<(u32, i64)>| list(&set.iter().copied().collect::<Vec<_>>());
        let (left, right) = (lists(&a), lists(&b));
        prop_assert_eq!(flat(&without(&left, &right)), a.difference(&b).copied().collect::<Vec<_>>());
        prop_assert_eq!(flat(&union(&left, &right)), a.union(&b).copied().collect::<Vec<_>>());
        prop_assert_eq!(count(&left), a.len() as u64);
    }
}

#[test]
fn r11_the_lead_stays_until_the_batch_is_settled() {
    let rows = list(&[(0, 3), (0, 5), (2, 7)]);
    let cut = cut_after(&rows, 2).unwrap();
    let left = from(&rows, cut);
    let shrunk = shrink(&ranges(&rows), &left, Cut { partition: Partition(1), offset: offset(0) });
    assert!(shrunk[&Partition(0)].range.is_empty());
    assert_eq!(shrunk[&Partition(2)].rows, 1);
}
