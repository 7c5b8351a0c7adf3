//! Compressed frames, as ClickHouse reads them from an HTTP body with `decompress=1`.
//!
//! Frame: CityHash128 (version 1.0.2) of everything behind it, high 64 bits first, each half
//! little-endian; method byte; u32 size of header and data (9 bytes of header); u32 raw size; data.
use cityhash_rs::cityhash_102_128;
use lz4_flex::block::{compress_into, get_maximum_output_size};

/// Raw bytes of one frame: what the server itself uses as its largest block of compression.
pub const FRAME_RAW_BYTES_MAX: usize = 1 << 20;

const CHECKSUM_BYTES: usize = 16;
const HEADER_BYTES: usize = 9;
const METHOD_LZ4: u8 = 0x82;
const METHOD_NONE: u8 = 0x02;

/// Appends `raw` to `out` as LZ4 frames. Reuse `out` (cleared) to reuse its memory.
pub fn compress_lz4(raw: &[u8], out: &mut Vec<u8>) {
    for chunk in raw.chunks(FRAME_RAW_BYTES_MAX) {
        put_frame(METHOD_LZ4, chunk, out, |chunk, out| {
            let start = out.len();
            out.resize(start + get_maximum_output_size(chunk.len()), 0);
            let written = compress_into(chunk, &mut out[start..])
                .expect("the buffer has the largest size that LZ4 can need");
            out.truncate(start + written);
        });
    }
}

/// Appends `raw` to `out` as frames that are not compressed.
pub fn frame_uncompressed(raw: &[u8], out: &mut Vec<u8>) {
    for chunk in raw.chunks(FRAME_RAW_BYTES_MAX) {
        put_frame(METHOD_NONE, chunk, out, |chunk, out| out.extend_from_slice(chunk));
    }
}

fn put_frame(method: u8, chunk: &[u8], out: &mut Vec<u8>, put_data: impl FnOnce(&[u8], &mut Vec<u8>)) {
    let start = out.len();
    let header = start + CHECKSUM_BYTES;
    out.resize(header + HEADER_BYTES, 0);
    put_data(chunk, out);
    // Both sizes stay far below 2^32: a chunk has at most FRAME_RAW_BYTES_MAX bytes.
    let size = (out.len() - header) as u32;
    out[header] = method;
    out[header + 1..header + 5].copy_from_slice(&size.to_le_bytes());
    out[header + 5..header + 9].copy_from_slice(&(chunk.len() as u32).to_le_bytes());
    let checksum = cityhash_102_128(&out[header..]);
    out[start..start + 8].copy_from_slice(&((checksum >> 64) as u64).to_le_bytes());
    out[start + 8..header].copy_from_slice(&(checksum as u64).to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_hold_the_raw_bytes() {
        let raw: Vec<u8> = (0..FRAME_RAW_BYTES_MAX + 1000).map(|i| (i % 251) as u8).collect();
        for compress in [compress_lz4, frame_uncompressed] {
            let mut out = Vec::new();
            compress(&raw, &mut out);
            let mut back = Vec::new();
            let mut rest = &out[..];
            while !rest.is_empty() {
                let u32_at = |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().unwrap()) as usize;
                let (size, raw_size) = (u32_at(17), u32_at(21));
                let data = &rest[25..16 + size];
                match rest[16] {
                    METHOD_LZ4 => back.extend(lz4_flex::block::decompress(data, raw_size).unwrap()),
                    _ => back.extend_from_slice(data),
                }
                rest = &rest[16 + size..];
            }
            assert!(back == raw);
        }
    }
}
