//! A record's headers, asked for only where a table has a column for them.
use std::fmt;

/// Takes one header: its name, which need not be UTF-8 nor unique, and its value.
pub type TakeHeader<'t> = dyn FnMut(&[u8], Option<&[u8]>) + 't;

/// Calls its argument with each header, in order.
type Visit<'a> = dyn Fn(&mut TakeHeader<'_>) + 'a;

/// A record's headers: two words that cost nothing until they are asked.
#[derive(Clone, Copy, Default)]
pub struct HeadersRef<'a> {
    visit: Option<&'a Visit<'a>>,
}

impl<'a> HeadersRef<'a> {
    /// No headers.
    pub const NONE: HeadersRef<'static> = HeadersRef { visit: None };

    /// `visit` calls its argument for each header, in order, every time that it is called.
    pub fn new(visit: &'a Visit<'a>) -> HeadersRef<'a> {
        HeadersRef { visit: Some(visit) }
    }

    /// Calls `take` with each header's name and value.
    pub fn for_each(&self, mut take: impl FnMut(&[u8], Option<&[u8]>)) {
        if let Some(visit) = self.visit {
            visit(&mut take);
        }
    }
}

impl fmt::Debug for HeadersRef<'_> {
    /// Never the contents.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.visit.is_some() { "HeadersRef(..)" } else { "HeadersRef::NONE" })
    }
}
