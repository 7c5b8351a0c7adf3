//! A short text on the stack.
use std::fmt;

/// Takes at most `N` bytes; what is written beyond is refused by [`fmt::Write`].
pub(crate) struct TextBuffer<const N: usize> {
    bytes: [u8; N],
    length: usize,
}

impl<const N: usize> TextBuffer<N> {
    pub(crate) fn new() -> TextBuffer<N> {
        TextBuffer { bytes: [0; N], length: 0 }
    }

    /// Formats into a new buffer. Shape: `N` covers the longest text.
    pub(crate) fn of(arguments: fmt::Arguments<'_>) -> TextBuffer<N> {
        let mut buffer = TextBuffer::new();
        fmt::Write::write_fmt(&mut buffer, arguments).expect("the buffer covers the longest text");
        buffer
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl<const N: usize> fmt::Write for TextBuffer<N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length + text.len();
        self.bytes.get_mut(self.length..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}
