//! What is answered to a request.

use core::cell::Cell;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use annulus::spawn_blocking;
use hyper::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, ALLOW, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, LAST_MODIFIED, LOCATION, RANGE,
    RETRY_AFTER, VARY,
};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};

use super::body::{Answer, Segment, Series};
use super::conditions::{self, Outcome, Version as FileVersion};
use super::encoding::{self, Coding};
use super::multipart::{Boundaries, Multipart};
use super::notes::Notes;
use super::open::{Found, Root};
use super::path::{self, Refused, Target};
use super::range::{self, Span, Wanted};
use super::types::{self, Type};
use super::watch::Connection;
use super::{Config, listing};

/// Up to how many bytes a file is read, and written with the head of its answer: beyond, copying it
/// twice costs more than a call of `sendfile` (measured at 4, 8 and 16 KiB).
const SMALL_BYTES: u64 = 8 << 10;

/// How often a file is looked at anew that becomes shorter while it is read.
const TRIES: usize = 3;

/// A thread's part of the server.
pub struct Site {
    pub config: Arc<Config>,
    pub notes: Rc<Notes>,
    pub root: Root,
    /// The last date that was written, which most files of a site share.
    pub last_date: Cell<Option<(u64, HeaderValue)>>,
    pub boundaries: Boundaries,
}

/// A file that is to be answered.
struct Chosen {
    found: Found,
    kind: Type,
    coding: Option<&'static Coding>,
}

impl Site {
    /// Answers a request, and notes that.
    pub async fn answer(
        &self,
        head: &Parts,
        peer: SocketAddr,
        connection: &Connection,
    ) -> Response<Answer> {
        let answer = self.choose(head, connection).await;
        let answer = answer.unwrap_or_else(|status| refusal(head, status));
        self.notes.answer(head, peer.ip(), &answer);
        connection.answered();
        answer
    }

    async fn choose(
        &self,
        head: &Parts,
        connection: &Connection,
    ) -> Result<Response<Answer>, StatusCode> {
        if head.method != Method::GET && head.method != Method::HEAD {
            return Err(StatusCode::METHOD_NOT_ALLOWED);
        }
        let uri_path = head.uri.path();
        if self.config.metrics.as_deref() == Some(uri_path) {
            return Ok(page("text/plain; version=0.0.4", self.notes.totals.text().into_bytes()));
        }
        let target = path::decode(uri_path, self.config.hidden).map_err(|why| match why {
            Refused::Malformed => StatusCode::BAD_REQUEST,
            Refused::Unserved => StatusCode::NOT_FOUND,
        })?;
        let mut last = StatusCode::SERVICE_UNAVAILABLE;
        for _ in 0..TRIES {
            match self.choose_file(head, &target, connection).await {
                Err(StatusCode::SERVICE_UNAVAILABLE) => last = StatusCode::SERVICE_UNAVAILABLE,
                chosen => return chosen,
            }
        }
        Err(last)
    }

    async fn choose_file(
        &self,
        head: &Parts,
        target: &Target,
        connection: &Connection,
    ) -> Result<Response<Answer>, StatusCode> {
        if !target.is_dir {
            let found = self.root.find(&target.path).await?;
            if found.is_dir {
                return Ok(redirect(head));
            }
            let chosen = self.sibling(head, &target.path, found).await;
            return self.send(head, chosen, connection).await;
        }
        let mut index = target.path.clone();
        index.extend_from_slice(b"/index.html");
        match self.root.find(&index).await {
            Ok(found) if !found.is_dir => {
                let chosen = self.sibling(head, &index, found).await;
                self.send(head, chosen, connection).await
            }
            Ok(_) | Err(StatusCode::NOT_FOUND) if self.config.list => {
                self.list(head, &target.path).await
            }
            Ok(_) => Err(StatusCode::NOT_FOUND),
            Err(status) => Err(status),
        }
    }

    async fn list(&self, head: &Parts, path: &[u8]) -> Result<Response<Answer>, StatusCode> {
        let found = self.root.find(path).await?;
        if !found.is_dir {
            return Err(StatusCode::NOT_FOUND);
        }
        let (shown, hidden) = (head.uri.path().to_owned(), self.config.hidden);
        let made = spawn_blocking(move || listing::page(found.file, &shown, hidden)).await;
        match made {
            Ok(Ok(text)) => Ok(page("text/html; charset=utf-8", text)),
            _ => Err(StatusCode::INTERNAL_SERVER_ERROR),
        }
    }

    /// The file, or a sibling that is the same, compressed: one that is not older.
    async fn sibling(&self, head: &Parts, path: &[u8], found: Found) -> Chosen {
        let kind = types::of(path);
        let accepted = head.headers.get(ACCEPT_ENCODING).filter(|_| kind.is_compressible);
        if let Some(accepted) = accepted.and_then(|value| value.to_str().ok()) {
            for coding in encoding::wanted(accepted) {
                let path = [path, coding.suffix].concat();
                let Ok(sibling) = self.root.find(&path).await else { continue };
                let age = |found: &Found| (found.modified_s, found.modified_ns);
                if !sibling.is_dir && age(&sibling) >= age(&found) {
                    return Chosen { found: sibling, kind, coding: Some(coding) };
                }
            }
        }
        Chosen { found, kind, coding: None }
    }

    async fn send(
        &self,
        head: &Parts,
        chosen: Chosen,
        connection: &Connection,
    ) -> Result<Response<Answer>, StatusCode> {
        let Chosen { found, kind, coding } = chosen;
        let version = version(&found, coding);
        let mut headers = HeaderMap::with_capacity(10);
        self.describe(&mut headers, &version, kind, coding);
        match conditions::judge(&head.headers, &version) {
            Outcome::Send => {}
            Outcome::NotModified => {
                return Ok(answer(StatusCode::NOT_MODIFIED, headers, Answer::Empty));
            }
            Outcome::Failed => return Err(StatusCode::PRECONDITION_FAILED),
        }
        let all = Span { first: 0, count: found.len };
        let (status, span) = match asked(head, &version, found.len) {
            Wanted::All => (StatusCode::OK, all),
            Wanted::Part(span) => {
                headers.insert(CONTENT_RANGE, value(&span.text(found.len)));
                (StatusCode::PARTIAL_CONTENT, span)
            }
            Wanted::Parts(spans) => {
                let multipart = Multipart::new(self.boundaries.make(), kind, coding, found.len);
                headers.insert(CONTENT_TYPE, value(&multipart.content_type()));
                let body = series(found, multipart.segments(&spans), connection).await?;
                headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
                return Ok(answer(StatusCode::PARTIAL_CONTENT, headers, body));
            }
            Wanted::Nothing => {
                headers.insert(CONTENT_RANGE, value(&format!("bytes */{}", found.len)));
                headers.insert(CONTENT_LENGTH, HeaderValue::from(0));
                return Ok(answer(StatusCode::RANGE_NOT_SATISFIABLE, headers, Answer::Empty));
            }
        };
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind.name));
        if let Some(coding) = coding {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.name));
        }
        headers.insert(CONTENT_LENGTH, HeaderValue::from(span.count));
        check_size(span.count)?;
        let body = if head.method == Method::HEAD {
            Answer::Empty
        } else {
            body(found, span, connection).await?
        };
        Ok(answer(status, headers, body))
    }

    /// What an answer without a body says, too.
    fn describe(
        &self,
        headers: &mut HeaderMap,
        version: &FileVersion,
        kind: Type,
        coding: Option<&Coding>,
    ) {
        if let Ok(etag) = HeaderValue::from_str(&version.etag) {
            headers.insert(ETAG, etag);
        }
        if let Some(date) = version.modified_s.and_then(|at| self.date(at)) {
            headers.insert(LAST_MODIFIED, date);
        }
        headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        if kind.is_compressible || coding.is_some() {
            headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
        }
    }

    /// A date as a value.
    fn date(&self, seconds: u64) -> Option<HeaderValue> {
        let value = match self.last_date.take() {
            Some((at, value)) if at == seconds => value,
            _ => HeaderValue::from_str(&conditions::date(seconds)).ok()?,
        };
        self.last_date.set(Some((seconds, value.clone())));
        Some(value)
    }
}

/// Which bytes of the file are asked for. Of other methods than GET ranges have no meaning.
fn asked(head: &Parts, version: &FileVersion, len: u64) -> Wanted {
    let range = head.headers.get(RANGE).filter(|_| head.method == Method::GET);
    let range = range.and_then(|value| value.to_str().ok());
    let range = range.filter(|_| conditions::may_send_part(&head.headers, version));
    range.map_or(Wanted::All, |value| range::wanted(value, len))
}

/// The bytes of a file: read, if they are few, or sent from it.
async fn body(found: Found, span: Span, connection: &Connection) -> Result<Answer, StatusCode> {
    let Span { first: offset, count } = span;
    if count == 0 {
        return Ok(Answer::Empty);
    }
    if count <= SMALL_BYTES {
        return Ok(Answer::Bytes(found.read(offset, count as usize).await?));
    }
    let outbox = Rc::clone(&connection.outbox);
    Ok(Answer::File { file: found.file, offset, count, outbox })
}

/// The same of several parts, with what stands between them: few bytes are put together here, so
/// that they are written at once.
async fn series(
    found: Found,
    segments: VecDeque<Segment>,
    connection: &Connection,
) -> Result<Answer, StatusCode> {
    let count = segments.iter().map(Segment::file_bytes).sum();
    check_size(count)?;
    if count > SMALL_BYTES {
        let outbox = Rc::clone(&connection.outbox);
        return Ok(Answer::Series(Series::new(found.file, segments, outbox)));
    }
    let mut together = Vec::new();
    for segment in segments {
        match segment {
            Segment::Bytes(bytes) => together.extend_from_slice(&bytes),
            Segment::File { offset, count } => {
                together.extend_from_slice(&found.read(offset, count as usize).await?);
            }
        }
    }
    Ok(Answer::Bytes(together))
}

/// No body is longer than memory could be, if there were as much.
fn check_size(count: u64) -> Result<(), StatusCode> {
    match usize::try_from(count) {
        Ok(_) => Ok(()),
        Err(_) => Err(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

/// What a file is known by: its inode, its length and when it was changed, to the nanosecond.
fn version(found: &Found, coding: Option<&Coding>) -> FileVersion {
    let (seconds, ns) = (found.modified_s, found.modified_ns);
    let (dash, coding) = coding.map_or(("", ""), |coding| ("-", coding.name));
    let etag = format!("\"{seconds:x}.{ns:x}-{:x}-{:x}{dash}{coding}\"", found.len, found.inode);
    FileVersion { etag, modified_s: u64::try_from(seconds).ok() }
}

/// Text of our own as a value: letters, digits and signs.
fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

fn answer(status: StatusCode, headers: HeaderMap, body: Answer) -> Response<Answer> {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    *answer.headers_mut() = headers;
    answer
}

/// A page of the server's own.
fn page(kind: &'static str, text: Vec<u8>) -> Response<Answer> {
    let mut headers = HeaderMap::with_capacity(4);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(text.len()));
    headers.insert(HeaderName::from_static("cache-control"), HeaderValue::from_static("no-store"));
    answer(StatusCode::OK, headers, Answer::Bytes(text))
}

/// To the same path with a slash behind it, so that what a page names is found.
fn redirect(head: &Parts) -> Response<Answer> {
    let query = head.uri.query().map_or(String::new(), |query| format!("?{query}"));
    let mut headers = HeaderMap::with_capacity(4);
    headers.insert(LOCATION, value(&format!("{}/{query}", head.uri.path())));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(0));
    answer(StatusCode::MOVED_PERMANENTLY, headers, Answer::Empty)
}

/// What is answered where nothing is served.
fn refusal(head: &Parts, status: StatusCode) -> Response<Answer> {
    let text = format!("{status}\n").into_bytes();
    let mut headers = HeaderMap::with_capacity(4);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(text.len()));
    match status {
        StatusCode::METHOD_NOT_ALLOWED => {
            headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        }
        StatusCode::SERVICE_UNAVAILABLE => {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        _ => {}
    }
    let body = if head.method == Method::HEAD { Answer::Empty } else { Answer::Bytes(text) };
    answer(status, headers, body)
}
