//! What a block covers when it is sealed.
use super::*;

fn at(value: i64) -> Offset {
    Offset::new(value).unwrap()
}

fn filled(takes: &[(u32, &[i64])]) -> Filling {
    let mut filling = Filling::default();
    for (partition, offsets) in takes {
        let offsets: Vec<Offset> = offsets.iter().map(|o| at(*o)).collect();
        filling.take(Partition(*partition), at(0), &offsets, 1, Millis(0));
    }
    filling
}

fn sealed(filling: &mut Filling) -> Vec<String> {
    let text = |(p, share): (Partition, BatchRange)| format!("{p}:{} {} rows", share.range, share.rows);
    filling.seal().0.into_iter().map(text).collect()
}

#[test]
fn gaps_lie_inside_the_range_and_the_hash_sees_them() {
    assert_eq!(sealed(&mut filled(&[(0, &[2, 3]), (0, &[7])])), ["0:0..8 3 rows"]);
    let hash = |offsets: &[i64]| filled(&[(0, offsets)]).seal().0[&Partition(0)].hash;
    assert_ne!(hash(&[2, 3, 7]), hash(&[2, 4, 7]));
}

#[test]
fn positions_without_rows_are_not_sealed_and_not_forgotten() {
    let mut filling = filled(&[(0, &[0, 1])]);
    filling.pass(Partition(1), at(5), at(9));
    assert_eq!(sealed(&mut filling), ["0:0..2 2 rows"]);
    assert_eq!(filling.take_passed(), [(Partition(1), at(9))]);
    assert_eq!(filling.take_passed(), []);
}

#[test]
fn a_range_that_was_only_passed_begins_where_it_was_passed_from() {
    let mut filling = Filling::default();
    filling.pass(Partition(0), at(5), at(9));
    filling.take(Partition(0), at(9), &[at(9)], 1, Millis(0));
    assert_eq!(sealed(&mut filling), ["0:5..10 1 rows"]);
}

#[test]
fn r4_what_is_left_out_is_inside_a_range_and_goes_with_the_block() {
    let mut filling = filled(&[(0, &[0, 1])]);
    filling.leave_out(Partition(0), at(2), at(2), 9, Millis(0));
    filling.leave_out(Partition(3), at(7), at(8), 9, Millis(0));
    let (ranges, left_out) = filling.seal();
    assert_eq!(left_out, [(Partition(0), at(2)), (Partition(3), at(8))]);
    assert_eq!((ranges[&Partition(0)].rows, ranges[&Partition(0)].left_out), (2, 1));
    assert_eq!(ranges[&Partition(3)].range, OffsetRange::new(at(7), at(9)).unwrap());
    assert!(filling.is_empty());
}

#[test]
fn dead_letters_of_one_write_are_bounded() {
    let options = TaskOptions { batch_rows_max: u64::MAX, ..TaskOptions::for_tests() };
    let mut filling = Filling::default();
    for offset in 0..1_000 {
        assert!(!filling.is_full(&options));
        filling.leave_out(Partition(0), at(0), at(offset), 1, Millis(0));
    }
    assert!(filling.is_full(&options));
}

#[test]
fn sealing_leaves_an_empty_block() {
    let mut filling = filled(&[(0, &[0])]);
    filling.seal();
    assert_eq!(filling.rows(), 0);
    assert!(filling.seal().0.is_empty());
}

#[test]
#[should_panic(expected = "R4")]
fn an_offset_that_was_taken_already_is_our_mistake() {
    filled(&[(0, &[4, 4])]);
}

/// One record more for so many as ten makes the linger five times as long.
#[test]
fn a_lane_is_behind_while_a_tenth_is_still_to_come() {
    let options = TaskOptions::for_tests();
    let now = Millis(options.batch_linger_ms);
    let is_due = |rows: i64, waiting: u64| {
        let mut filling = filled(&[(0, &(0..rows).collect::<Vec<_>>())]);
        filling.take(Partition(1), at(0), &[at(0)], 1, Millis(1));
        filling.waits(waiting);
        filling.is_due(now, &options)
    };
    assert_eq!([is_due(19, 1), is_due(19, 2), is_due(20, 2)], [true, false, true]);
}
