//! The bytes of one record, read forwards; every length is checked before it is used.
use crate::error::DecodeReason;
use crate::schema_table::body_at;
use crate::utf8::check_utf8;
use crate::varint::{take_varint, zigzag};

/// Values that a record may claim beyond one per byte: arrays of null and records without fields take
/// no bytes, and nobody has more than some.
const FREE_VALUES: usize = 65_536;

/// Values nest at most this deep: it bounds the stack, real records stay below twenty.
pub(crate) const AVRO_DEPTH_MAX: usize = 128;

pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Values that may still be claimed.
    values_left: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, at: 0, values_left: bytes.len().saturating_mul(2) + FREE_VALUES }
    }

    #[cold]
    pub(crate) fn broken<T>(&self) -> Result<T, DecodeReason> {
        Err(DecodeReason::BrokenBinary { at: self.at + body_at() })
    }

    /// Counts values that are read, so that neither hostile counts nor hostile schemas make a short
    /// record long work.
    #[inline]
    pub(crate) fn claim(&mut self, values: usize) -> Result<(), DecodeReason> {
        self.values_left = self.values_left.checked_sub(values).ok_or(DecodeReason::TooManyValues)?;
        Ok(())
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.at == self.bytes.len()
    }

    #[inline]
    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], DecodeReason> {
        match self.rest().get(..length) {
            Some(taken) => {
                self.at += length;
                Ok(taken)
            }
            None => self.broken(),
        }
    }

    #[inline]
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeReason> {
        match self.rest().first_chunk() {
            Some(taken) => {
                self.at += N;
                Ok(*taken)
            }
            None => self.broken(),
        }
    }

    /// What is not read yet; who read on in it says where he stopped with [`Reader::resume`].
    #[inline]
    pub(crate) fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    /// Shape: the end of what [`Reader::rest`] gave.
    #[inline]
    pub(crate) fn resume(&mut self, rest: &[u8]) {
        self.at = self.bytes.len() - rest.len();
    }

    /// A zigzag number of up to 64 bits.
    #[inline]
    pub(crate) fn long(&mut self) -> Result<i64, DecodeReason> {
        let mut rest = self.rest();
        match take_varint(&mut rest) {
            Some(raw) => {
                self.resume(rest);
                Ok(zigzag(raw))
            }
            None => self.broken(),
        }
    }

    /// A number of 32 bits: writers that claim more are not believed.
    #[inline]
    pub(crate) fn int(&mut self) -> Result<i64, DecodeReason> {
        let value = self.long()?;
        if i32::try_from(value).is_ok() { Ok(value) } else { self.broken() }
    }

    #[inline]
    pub(crate) fn boolean(&mut self) -> Result<bool, DecodeReason> {
        match self.array()? {
            [0] => Ok(false),
            [1] => Ok(true),
            _ => self.broken(),
        }
    }

    #[inline]
    pub(crate) fn float(&mut self) -> Result<f32, DecodeReason> {
        self.array().map(f32::from_le_bytes)
    }

    #[inline]
    pub(crate) fn double(&mut self) -> Result<f64, DecodeReason> {
        self.array().map(f64::from_le_bytes)
    }

    /// A length, then that many bytes.
    #[inline(always)]
    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], DecodeReason> {
        match usize::try_from(self.long()?) {
            Ok(length) => self.take(length),
            Err(_) => self.broken(),
        }
    }

    #[inline]
    pub(crate) fn string(&mut self) -> Result<&'a [u8], DecodeReason> {
        let text = self.bytes()?;
        match check_utf8(text) {
            Ok(()) => Ok(text),
            Err(good) => {
                let at = self.at - text.len() + good + body_at();
                Err(DecodeReason::InvalidUtf8 { at })
            }
        }
    }

    /// An index below `end`.
    #[inline]
    pub(crate) fn index(&mut self, end: usize) -> Result<usize, DecodeReason> {
        match usize::try_from(self.long()?) {
            Ok(index) if index < end => Ok(index),
            _ => self.broken(),
        }
    }

    /// The head of the next block of an array or map: how many values it has (0: the end), and how
    /// many bytes, where the writer said so.
    pub(crate) fn block(&mut self) -> Result<(usize, Option<usize>), DecodeReason> {
        let count = self.long()?;
        let bytes = if count < 0 { Some(self.long()?) } else { None };
        match (usize::try_from(count.unsigned_abs()), bytes.map(usize::try_from)) {
            (Ok(count), None) => Ok((count, None)),
            (Ok(count), Some(Ok(bytes))) => Ok((count, Some(bytes))),
            _ => self.broken(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zigzag_numbers_are_read_to_both_ends() {
        let long = |bytes: &[u8]| Reader::new(bytes).long();
        assert_eq!(long(&[0x00]), Ok(0));
        assert_eq!(long(&[0x01]), Ok(-1));
        assert_eq!(long(&[0xfe, 0xff, 0xff, 0xff, 0x0f]), Ok(2_147_483_647));
        assert_eq!(long(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]), Ok(i64::MIN));
        for broken in [&[][..], &[0x80], &[0xff; 10], &[0x80; 11]] {
            assert!(long(broken).is_err());
        }
        assert!(Reader::new(&[0xfe, 0xff, 0xff, 0xff, 0x1f]).int().is_err());
    }

    #[test]
    fn lengths_beyond_the_record_are_refused() {
        let mut huge = vec![0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert!(Reader::new(&huge).bytes().is_err());
        huge[0] = 0xff;
        assert!(Reader::new(&huge).bytes().is_err());
        assert_eq!(Reader::new(&[4, b'h', b'i']).bytes(), Ok(&b"hi"[..]));
    }
}
