//! What is noted of each answer: counted, and a line in the log.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use hyper::http::request::Parts;
use hyper::{Response, Version};

use super::body::Answer;
use super::counts::{Counts, Totals};
use super::log::{Line, Log};

/// A thread's notes.
pub struct Notes {
    pub totals: Arc<Totals>,
    /// Which of the threads.
    index: usize,
    log: Option<Rc<Log>>,
}

impl Notes {
    /// Of the thread `index`.
    pub fn new(totals: Arc<Totals>, index: usize, log: Option<Rc<Log>>) -> Rc<Self> {
        Rc::new(Self { totals, index, log })
    }

    /// What the thread counts.
    pub fn counts(&self) -> &Counts {
        &self.totals.threads[self.index]
    }

    /// An answer to a request.
    pub fn answer(&self, head: &Parts, peer: IpAddr, answer: &Response<Answer>) {
        let bytes = if head.method == hyper::Method::HEAD { 0 } else { answer.body().len() };
        if bytes > 0 {
            self.counts().file_bytes.add(answer.body().file_bytes());
        }
        self.note(&Line {
            peer,
            method: head.method.as_str(),
            target: head.uri.path_and_query().map_or("*", |target| target.as_str()),
            version: if head.version == Version::HTTP_10 { "HTTP/1.0" } else { "HTTP/1.1" },
            status: answer.status().as_u16(),
            bytes,
        });
    }

    /// What hyper itself answers to what is no request: its head, whose status is noted. Of what
    /// was asked nothing is known.
    #[cold]
    pub fn refusal(&self, peer: IpAddr, head: &[u8]) {
        let status = head.get(9..12).and_then(|digits| str::from_utf8(digits).ok());
        let Some(status) = status.and_then(|digits| digits.parse().ok()) else { return };
        if (100..600).contains(&status) {
            self.note(&Line { peer, method: "-", target: "-", version: "-", status, bytes: 0 });
        }
    }

    fn note(&self, line: &Line<'_>) {
        let counts = self.counts();
        counts.answers[usize::from(line.status / 100 - 1)].add(1);
        counts.body_bytes.add(line.bytes);
        let Some(log) = &self.log else { return };
        log.line(line);
        counts.lines_lost.set(log.lost());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_counted_by_their_status() {
        let notes = Notes::new(Arc::new(Totals::new(1)), 0, None);
        let peer = IpAddr::from([127, 0, 0, 1]);
        notes.refusal(peer, b"HTTP/1.1 431 Request Header Fields Too Large\r\n");
        notes.refusal(peer, b"HTTP/1.1 400 Bad Request\r\n");
        for nonsense in [&b"HTTP/1.1 4"[..], b"", b"HTTP/1.1 999 x", b"HTTP/1.1 \xff\xff\xff"] {
            notes.refusal(peer, nonsense);
        }
        assert_eq!(notes.counts().answers[3].get(), 2);
        assert_eq!(notes.totals.answers(), 2);
    }
}
