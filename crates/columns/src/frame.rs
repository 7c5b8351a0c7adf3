//! Compressed frames, as ClickHouse reads them from an HTTP body with `decompress=1`.
//!
//! Frame: CityHash128 (version 1.0.2) of everything behind it, high 64 bits first, each half
//! little-endian; method byte; u32 size of header and data (9 bytes of header); u32 raw size; data.
use bytes::Bytes;
use cityhash_rs::cityhash_102_128;
use lz4_flex::block::{compress_into, get_maximum_output_size};

/// Raw bytes of one frame: what the server itself uses as its largest block of compression.
pub const FRAME_RAW_BYTES_MAX: usize = 1 << 20;

const CHECKSUM_BYTES: usize = 16;
/// Behind checksum and header (9 bytes).
const DATA_AT: usize = CHECKSUM_BYTES + 9;
const METHOD_NONE: u8 = 0x02;
const METHOD_LZ4: u8 = 0x82;
const METHOD_ZSTD: u8 = 0x90;

/// How the data of a frame is written.
///
/// Measured on one core with blocks of twelve columns (`cargo xtask decode-bench`): docs/performance.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// As it is; the checksum stays.
    None,
    /// LZ4, fast mode: the codec has no other level that costs less than it saves.
    Lz4,
    /// ZSTD, level 1: the higher ones cost several times as much for a tenth less.
    Zstd,
}

const ZSTD_LEVEL: i32 = 1;

/// Makes frames of bytes that come bit by bit, so that they never have to be in memory all at once.
pub struct FrameWriter {
    maker: FrameMaker,
    pieces: Vec<Bytes>,
}

impl FrameWriter {
    /// Without frames yet.
    pub fn new(compression: Compression) -> FrameWriter {
        FrameWriter { maker: FrameMaker::new(compression), pieces: Vec::new() }
    }

    /// Takes full frames' worth of bytes from the front of `raw`; less than [`FRAME_RAW_BYTES_MAX`] stay.
    pub(crate) fn take_full(&mut self, raw: &mut Vec<u8>) {
        let full = raw.len() - raw.len() % FRAME_RAW_BYTES_MAX;
        if full > 0 {
            self.put(&raw[..full]);
            raw.drain(..full);
        }
    }

    /// Appends `raw` as frames.
    pub(crate) fn put(&mut self, raw: &[u8]) {
        for chunk in raw.chunks(FRAME_RAW_BYTES_MAX) {
            self.pieces.push(Bytes::copy_from_slice(self.maker.frame(chunk)));
        }
    }

    /// Appends frames that are ready.
    pub(crate) fn put_ready(&mut self, frames: Bytes) {
        self.pieces.push(frames);
    }

    /// All frames, one behind the other: at least one in each piece.
    pub fn finish(self) -> Vec<Bytes> {
        self.pieces
    }
}

/// Appends `raw` to `out` as frames. Reuse `out` (cleared) to reuse its memory.
pub fn put_frames(compression: Compression, raw: &[u8], out: &mut Vec<u8>) {
    FrameMaker::new(compression).put(raw, out);
}

/// Makes one frame after the other in the same memory.
pub(crate) struct FrameMaker {
    compression: Compression,
    /// Room for the largest frame; grown once, and not filled again for every frame.
    room: Vec<u8>,
    zstd: Option<zstd::bulk::Compressor<'static>>,
}

impl FrameMaker {
    pub(crate) fn new(compression: Compression) -> FrameMaker {
        let zstd = (compression == Compression::Zstd)
            .then(|| zstd::bulk::Compressor::new(ZSTD_LEVEL).expect("the level exists"));
        FrameMaker { compression, room: Vec::new(), zstd }
    }

    /// Appends `raw` to `out` as frames.
    pub(crate) fn put(&mut self, raw: &[u8], out: &mut Vec<u8>) {
        for chunk in raw.chunks(FRAME_RAW_BYTES_MAX) {
            out.extend_from_slice(self.frame(chunk));
        }
    }

    fn frame(&mut self, chunk: &[u8]) -> &[u8] {
        let most = DATA_AT
            + match self.compression {
                Compression::None => chunk.len(),
                Compression::Lz4 => get_maximum_output_size(chunk.len()),
                Compression::Zstd => zstd::zstd_safe::compress_bound(chunk.len()),
            };
        if self.room.len() < most {
            self.room.resize(most, 0);
        }
        let room = &mut self.room[DATA_AT..];
        const ROOM: &str = "the room has the largest size that the codec can need";
        let (method, written) = match &mut self.zstd {
            Some(zstd) => (METHOD_ZSTD, zstd.compress_to_buffer(chunk, room).expect(ROOM)),
            None if self.compression == Compression::None => {
                room[..chunk.len()].copy_from_slice(chunk);
                (METHOD_NONE, chunk.len())
            }
            None => (METHOD_LZ4, compress_into(chunk, room).expect(ROOM)),
        };
        let frame = &mut self.room[..DATA_AT + written];
        put_header(method, chunk.len(), frame);
        frame
    }
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

    const ALL: [Compression; 3] = [Compression::None, Compression::Lz4, Compression::Zstd];

    #[test]
    fn frames_hold_the_raw_bytes() {
        let raw: Vec<u8> = (0..FRAME_RAW_BYTES_MAX + 1000).map(|i| (i % 251) as u8).collect();
        for compression in ALL {
            let mut out = Vec::new();
            put_frames(compression, &raw, &mut out);
            let mut back = Vec::new();
            let mut rest = &out[..];
            while !rest.is_empty() {
                let u32_at = |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().unwrap()) as usize;
                let (size, raw_size) = (u32_at(17), u32_at(21));
                let data = &rest[25..16 + size];
                match rest[16] {
                    METHOD_LZ4 => back.extend(lz4_flex::block::decompress(data, raw_size).unwrap()),
                    METHOD_ZSTD => back.extend(zstd::bulk::decompress(data, raw_size).unwrap()),
                    _ => back.extend_from_slice(data),
                }
                rest = &rest[16 + size..];
            }
            assert!(back == raw, "{compression:?}");
            assert_eq!(out.len() < raw.len(), compression != Compression::None);
        }
    }

    #[test]
    fn bytes_that_come_bit_by_bit_make_the_same_frames() {
        let raw: Vec<u8> = (0..3 * FRAME_RAW_BYTES_MAX + 77).map(|i| (i % 241 * (i / 9_000)) as u8).collect();
        for compression in ALL {
            let mut whole = Vec::new();
            put_frames(compression, &raw, &mut whole);
            for step in [1_000, FRAME_RAW_BYTES_MAX, 2 * FRAME_RAW_BYTES_MAX + 5] {
                let (mut writer, mut waiting) = (FrameWriter::new(compression), Vec::new());
                for bit in raw.chunks(step) {
                    waiting.extend_from_slice(bit);
                    writer.take_full(&mut waiting);
                    assert!(waiting.len() < FRAME_RAW_BYTES_MAX);
                }
                writer.put(&waiting);
                let pieces = writer.finish();
                assert!(pieces.concat() == whole, "{compression:?}, steps of {step}");
            }
            assert!(FrameWriter::new(compression).finish().is_empty());
        }
    }
}
