//! `multipart/byteranges`: several parts of a file in one answer (RFC 9110, 14.6 and 15.3.7.2).
//!
//! ```text
//! --BOUNDARY                                 a part's head: what the whole file would be said
//! Content-Type: text/plain; charset=utf-8    to be, and which bytes of it these are
//! Content-Range: bytes 0-1/10
//!
//! 01
//! --BOUNDARY                                 the line before belongs to the boundary
//! Content-Type: text/plain; charset=utf-8
//! Content-Range: bytes 5-6/10
//!
//! 56
//! --BOUNDARY--
//! ```
//!
//! How a file is compressed is said of each part, and not of the whole: the parts are compressed,
//! and what stands between them is not. A client that saw it above would decompress all of it.

use core::cell::Cell;
use core::hash::BuildHasher;
use std::collections::VecDeque;
use std::hash::RandomState;

use super::body::Segment;
use super::encoding::Coding;
use super::range::Span;
use super::types::Type;

/// What makes boundaries: numbers that nobody can foresee, and so write into a file beforehand.
#[derive(Default)]
pub struct Boundaries {
    /// The secret, of the system's randomness.
    keys: RandomState,
    next: Cell<u64>,
}

impl Boundaries {
    /// One that was not there before: 32 digits, so that no file has it by accident. They need no
    /// quotes, which some clients do not understand.
    pub fn make(&self) -> String {
        let number = self.next.get();
        self.next.set(number.wrapping_add(1));
        let half = |which: u8| self.keys.hash_one((number, which));
        format!("{:016x}{:016x}", half(0), half(1))
    }
}

/// An answer in several parts, of which it knows all but the bytes.
pub struct Multipart {
    boundary: String,
    /// What is said of each part, up to its range.
    fields: String,
    /// How many bytes the file has.
    len: u64,
}

impl Multipart {
    /// Parts of a file of `len` bytes that is of such a kind, and compressed so.
    pub fn new(boundary: String, kind: Type, coding: Option<&Coding>, len: u64) -> Self {
        let coding = coding.map_or(String::new(), |c| format!("Content-Encoding: {}\r\n", c.name));
        let fields = format!("Content-Type: {}\r\n{coding}", kind.name);
        Self { boundary, fields, len }
    }

    /// The type of the answer.
    pub fn content_type(&self) -> String {
        format!("multipart/byteranges; boundary={}", self.boundary)
    }

    /// What is sent, in its order: texts, and the parts of the file behind them.
    pub fn segments(&self, spans: &[Span]) -> VecDeque<Segment> {
        let mut segments = VecDeque::with_capacity(2 * spans.len() + 1);
        for (index, span) in spans.iter().enumerate() {
            let before = if index == 0 { "" } else { "\r\n" };
            let Self { boundary, fields, len } = self;
            let range = span.text(*len);
            let text = format!("{before}--{boundary}\r\n{fields}Content-Range: {range}\r\n\r\n");
            segments.push_back(Segment::Bytes(text.into_bytes()));
            segments.push_back(Segment::File { offset: span.first, count: span.count });
        }
        segments.push_back(Segment::Bytes(format!("\r\n--{}--\r\n", self.boundary).into_bytes()));
        segments
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::encoding::CODINGS;
    use super::super::types;
    use super::*;

    /// The text of an answer, with the file's bytes as `[FIRST+COUNT]`.
    fn text(coding: Option<&Coding>) -> String {
        let multipart = Multipart::new("b".to_owned(), types::of(b"a.txt"), coding, 10);
        let spans = [Span { first: 0, count: 2 }, Span { first: 5, count: 1 }];
        let segments = multipart.segments(&spans).into_iter().map(|segment| match segment {
            Segment::Bytes(bytes) => String::from_utf8(bytes).unwrap(),
            Segment::File { offset, count } => format!("[{offset}+{count}]"),
        });
        segments.collect()
    }

    #[test]
    fn each_part_has_its_head() {
        let want = "--b\r\nContent-Type: text/plain; charset=utf-8\r\n\
                    Content-Range: bytes 0-1/10\r\n\r\n[0+2]\r\n\
                    --b\r\nContent-Type: text/plain; charset=utf-8\r\n\
                    Content-Range: bytes 5-5/10\r\n\r\n[5+1]\r\n--b--\r\n";
        assert_eq!(text(None), want);
    }

    #[test]
    fn each_part_says_how_it_is_compressed() {
        let text = text(Some(&CODINGS[2]));
        assert_eq!(text.matches("\r\nContent-Encoding: gzip\r\nContent-Range: ").count(), 2);
    }

    #[test]
    fn no_boundary_comes_twice() {
        let (one, other) = (Boundaries::default(), Boundaries::default());
        let made: HashSet<String> = (0..1000).flat_map(|_| [one.make(), other.make()]).collect();
        assert_eq!(made.len(), 2000);
        // Unquoted, and within the 70 characters that a boundary may have.
        let is_plain =
            |text: &String| text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
        assert!(made.iter().all(is_plain));
    }
}
