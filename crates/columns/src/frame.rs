//! Compressed frames, as ClickHouse reads them from an HTTP body with `decompress=1`.
//!
//! Frame: CityHash128 (version 1.0.2) of everything behind it, high 64 bits first, each half
//! little-endian; method byte; u32 size of header and data (9 bytes of header); u32 raw size; data.
use cityhash_rs::cityhash_102_128;
use lz4_flex::block::{compress_into, get_maximum_output_size};

/// Raw bytes of one frame: what the server itself uses as its largest block of compression.
pub const FRAME_RAW_BYTES_MAX: usize = 1 << 20;

const CHECKSUM_BYTES: usize = 16;
/// Behind checksum and header (9 bytes).
const DATA_AT: usize = CHECKSUM_BYTES + 9;
const METHOD_LZ4: u8 = 0x82;
const METHOD_NONE: u8 = 0x02;

/// Makes LZ4 frames of bytes that come bit by bit, so that they never have to be in memory all at once.
#[derive(Default)]
pub struct FrameWriter {
    /// Room for the largest frame; kept from one to the next.
    room: Vec<u8>,
    frames: Vec<Vec<u8>>,
    raw_bytes: u64,
}

impl FrameWriter {
    /// Takes full frames' worth of bytes from the front of `raw`; less than [`FRAME_RAW_BYTES_MAX`] stay.
    pub fn take_full(&mut self, raw: &mut Vec<u8>) {
        let full = raw.len() - raw.len() % FRAME_RAW_BYTES_MAX;
        if full > 0 {
            self.put(&raw[..full]);
            raw.drain(..full);
        }
    }

    /// All frames, the last one of `rest`. They are the same whenever [`FrameWriter::take_full`] was called.
    pub fn finish(mut self, rest: &[u8]) -> Vec<Vec<u8>> {
        self.put(rest);
        self.frames
    }

    /// Bytes that were made frames of.
    pub fn raw_bytes(&self) -> u64 {
        self.raw_bytes
    }

    fn put(&mut self, raw: &[u8]) {
        for chunk in raw.chunks(FRAME_RAW_BYTES_MAX) {
            let frame = lz4_frame(chunk, &mut self.room);
            self.frames.push(frame.to_vec());
            self.raw_bytes += chunk.len() as u64;
        }
    }
}

/// Appends `raw` to `out` as LZ4 frames. Reuse `out` (cleared) to reuse its memory.
pub fn compress_lz4(raw: &[u8], out: &mut Vec<u8>) {
    let mut room = Vec::new();
    for chunk in raw.chunks(FRAME_RAW_BYTES_MAX) {
        out.extend_from_slice(lz4_frame(chunk, &mut room));
    }
}

/// Appends `raw` to `out` as frames that are not compressed.
pub fn frame_uncompressed(raw: &[u8], out: &mut Vec<u8>) {
    for chunk in raw.chunks(FRAME_RAW_BYTES_MAX) {
        let start = out.len();
        out.resize(start + DATA_AT, 0);
        out.extend_from_slice(chunk);
        put_header(METHOD_NONE, chunk.len(), &mut out[start..]);
    }
}

/// `room` is grown once, and not filled again for every frame.
fn lz4_frame<'a>(chunk: &[u8], room: &'a mut Vec<u8>) -> &'a [u8] {
    let most = DATA_AT + get_maximum_output_size(chunk.len());
    if room.len() < most {
        room.resize(most, 0);
    }
    let written =
        compress_into(chunk, &mut room[DATA_AT..]).expect("the room has the largest size that LZ4 can need");
    let frame = &mut room[..DATA_AT + written];
    put_header(METHOD_LZ4, chunk.len(), frame);
    frame
}

/// Writes checksum and header before the data that is in `frame` already.
fn put_header(method: u8, raw_bytes: usize, frame: &mut [u8]) {
    // Both sizes stay far below 2^32: a chunk has at most FRAME_RAW_BYTES_MAX bytes.
    let size = (frame.len() - CHECKSUM_BYTES) as u32;
    let header = &mut frame[CHECKSUM_BYTES..];
    header[0] = method;
    header[1..5].copy_from_slice(&size.to_le_bytes());
    header[5..9].copy_from_slice(&(raw_bytes as u32).to_le_bytes());
    let checksum = cityhash_102_128(header);
    frame[..8].copy_from_slice(&((checksum >> 64) as u64).to_le_bytes());
    frame[8..CHECKSUM_BYTES].copy_from_slice(&(checksum as u64).to_le_bytes());
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

    #[test]
    fn bytes_that_come_bit_by_bit_make_the_same_frames() {
        let raw: Vec<u8> = (0..3 * FRAME_RAW_BYTES_MAX + 77).map(|i| (i % 241 * (i / 9_000)) as u8).collect();
        let mut whole = Vec::new();
        compress_lz4(&raw, &mut whole);
        for step in [1_000, FRAME_RAW_BYTES_MAX, 2 * FRAME_RAW_BYTES_MAX + 5] {
            let (mut writer, mut waiting) = (FrameWriter::default(), Vec::new());
            for bit in raw.chunks(step) {
                waiting.extend_from_slice(bit);
                writer.take_full(&mut waiting);
                assert!(waiting.len() < FRAME_RAW_BYTES_MAX);
            }
            let frames = writer.finish(&waiting);
            assert_eq!(frames.len(), 4, "steps of {step}");
            assert!(frames.concat() == whole, "steps of {step}");
        }
        assert!(FrameWriter::default().finish(&[]).is_empty());
    }
}
