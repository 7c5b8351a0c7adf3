//! Native blocks of two columns, written by hand so that a fault of our encoder does not hide here.

fn varuint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// `a UInt64` counting up from 0, `p UInt8` = a modulo `partitions`, in LZ4 frames.
pub fn frames_of(rows: u64, partitions: u64) -> Vec<u8> {
    let mut raw = Vec::new();
    varuint(2, &mut raw);
    varuint(rows, &mut raw);
    raw.extend_from_slice(b"\x01a\x06UInt64");
    (0..rows).for_each(|a| raw.extend_from_slice(&a.to_le_bytes()));
    raw.extend_from_slice(b"\x01p\x05UInt8");
    raw.extend((0..rows).map(|a| (a % partitions) as u8));
    let mut frames = Vec::new();
    pumphouse_columns::put_frames(pumphouse_columns::Compression::Lz4, &raw, &mut frames);
    frames
}
