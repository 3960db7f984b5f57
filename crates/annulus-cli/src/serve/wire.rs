//! [`Wire`]: a connection as hyper sees it, which sends files in the place of their stand-ins.

use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::io::{self, IoSlice, IoSliceMut};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::rc::Rc;

use annulus::LocalOp;
use annulus::fs::File;
use annulus::net::TcpStream;
use annulus::polled::Polled;
use annulus_runtime::engine::ops::Read as ReadOp;
use hyper::rt::{Read, ReadBufCursor, Write};
use rustix::io::{Errno, ReadWriteFlags, preadv2};

use super::body::{self, Part};
use super::watch::{Connection, Watch};

/// How much of a file that is not in memory is read at once.
const COLD_BYTES: usize = 128 << 10;

/// How much is copied where the socket has no room: the ring waits for it, and `sendfile` goes on.
const PLUG_BYTES: usize = 4 << 10;

/// How much of what nobody reads is thrown away at a time, in receives.
const LINGER_ROUNDS: usize = 16;

/// See the top of this file.
pub struct Wire {
    stream: Polled<TcpStream>,
    connection: Rc<Connection>,
    watch: Rc<Watch>,
    /// A part of a file on its way into memory.
    reading: Option<LocalOp<ReadOp<Vec<u8>>>>,
    /// `sendfile` does not wait for the peer.
    is_nonblocking: bool,
    /// Nothing more is sent.
    is_closed: bool,
    /// The peer may be sending still.
    lingers: bool,
}

impl Wire {
    pub fn new(stream: Polled<TcpStream>, connection: Rc<Connection>, watch: Rc<Watch>) -> Self {
        Self {
            stream,
            connection,
            watch,
            reading: None,
            is_nonblocking: false,
            is_closed: false,
            lingers: false,
        }
    }

    /// Whether anything may still be sent or received.
    #[inline]
    fn check(&self, cx: &Context<'_>) -> io::Result<()> {
        if self.connection.is_late(cx) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        if self.connection.outbox.is_broken() {
            return Err(unaccounted());
        }
        Ok(())
    }

    /// Bytes of the program's own.
    fn poll_bytes(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let stream = self.stream.get_ref();
        self.connection.answers(|| Some(stream.peer_addr().ok()?.ip()), bytes);
        let count = ready!(self.stream.poll_write(cx, bytes))?;
        self.connection.wrote();
        Poll::Ready(Ok(count))
    }

    /// A part of the next file, at most as many bytes as its stand-ins are: how many.
    #[cold]
    fn poll_file(&mut self, cx: &mut Context<'_>, count: usize) -> Poll<io::Result<usize>> {
        let part = self.connection.outbox.first();
        let part = part.filter(|part| count as u64 <= part.left.get()).ok_or_else(unaccounted)?;
        let sent = ready!(self.poll_part(cx, &part, count))?;
        if sent == 0 || sent > count {
            // It was truncated: what was promised cannot be sent any more.
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        self.connection.outbox.sent(&part, sent);
        self.connection.wrote();
        Poll::Ready(Ok(sent))
    }

    fn poll_part(
        &mut self,
        cx: &mut Context<'_>,
        part: &Part,
        count: usize,
    ) -> Poll<io::Result<usize>> {
        ready!(self.stream.poll_push(cx))?;
        if let Some(reading) = &mut self.reading {
            let read = ready!(Pin::new(reading).poll(cx));
            self.reading = None;
            let (n, bytes) = read.map_err(io::Error::from)?;
            return self.poll_read_bytes(cx, &bytes[..n.min(count)]);
        }
        if !is_in_memory(part, count)? {
            return self.poll_cold(cx, part, count);
        }
        if !self.is_nonblocking {
            rustix::io::ioctl_fionbio(self.stream.get_ref().as_fd(), true)?;
            self.is_nonblocking = true;
        }
        let (to, mut offset) = (self.stream.get_ref().as_fd(), part.offset.get());
        match rustix::fs::sendfile(to, part.file.as_fd(), Some(&mut offset), count) {
            Ok(sent) => Poll::Ready(Ok(sent)),
            Err(Errno::AGAIN) => {
                let mut plug = [0; PLUG_BYTES];
                let plug = &mut plug[..count.min(PLUG_BYTES)];
                match read_at_once(part, part.offset.get(), plug) {
                    Ok(n) => self.poll_read_bytes(cx, &plug[..n]),
                    Err(_) => self.poll_cold(cx, part, count),
                }
            }
            // The file system has no such way.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::INTR) => {
                self.poll_cold(cx, part, count)
            }
            Err(why) => Poll::Ready(Err(why.into())),
        }
    }

    /// What was read of a file, in its place. It begins with all before it sent: there is room.
    fn poll_read_bytes(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        match self.stream.poll_write(cx, bytes) {
            Poll::Pending => unreachable!("an empty buffer has room"),
            written => written,
        }
    }

    /// Has the ring read what is not in memory, which may take as long as a disk does.
    fn poll_cold(
        &mut self,
        cx: &mut Context<'_>,
        part: &Part,
        count: usize,
    ) -> Poll<io::Result<usize>> {
        let room = Vec::with_capacity(count.min(COLD_BYTES));
        // The operation keeps it open.
        let file = File::from(part.file.try_clone()?);
        let reading = self.reading.insert(file.read_at(room, part.offset.get()));
        let read = ready!(Pin::new(reading).poll(cx));
        self.reading = None;
        let (n, bytes) = read.map_err(io::Error::from)?;
        self.poll_read_bytes(cx, &bytes[..n.min(count)])
    }
}

impl Wire {
    /// Waits for the end of what a peer sends that nobody reads: coming to a closed socket, it
    /// would have the connection reset, and the answer lost that the peer has not read yet.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        for _ in 0..LINGER_ROUNDS {
            if !self.lingers {
                return Poll::Ready(Ok(()));
            }
            let count = ready!(self.stream.poll_fill(cx))?.len();
            self.stream.consume(count);
            self.lingers = count > 0;
        }
        // The others' turn.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// What is promised of a file is not what is to be written.
#[cold]
fn unaccounted() -> io::Error {
    io::Error::other("the answer and the file do not match")
}

/// Whether a part of a file can be sent without waiting for a disk, as far as its end tells: what
/// was read was read from the front on.
fn is_in_memory(part: &Part, count: usize) -> io::Result<bool> {
    match read_at_once(part, part.offset.get() + count as u64 - 1, &mut [0]) {
        // 0 is the end of a file that was truncated, which `sendfile` finds as well.
        Ok(_) => Ok(true),
        Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::NOSYS) => Ok(false),
        Err(why) => Err(why.into()),
    }
}

/// Reads what is in memory.
fn read_at_once(part: &Part, offset: u64, to: &mut [u8]) -> Result<usize, Errno> {
    preadv2(part.file.as_fd(), &mut [IoSliceMut::new(to)], offset, ReadWriteFlags::NOWAIT)
}

impl Read for Wire {
    #[inline]
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.check(cx)?;
        ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
        this.connection.received();
        Poll::Ready(Ok(()))
    }
}

impl Write for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.check(cx)?;
        if body::is_stand_in(bytes) {
            return this.poll_file(cx, bytes.len());
        }
        this.poll_bytes(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    #[inline]
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.check(cx)?;
        let mut written = 0;
        for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
            if body::is_stand_in(piece) {
                if written == 0 {
                    return this.poll_file(cx, piece.len());
                }
                break;
            }
            match this.poll_bytes(cx, piece) {
                Poll::Ready(Ok(count)) => {
                    written += count;
                    if count < piece.len() {
                        break;
                    }
                }
                // What was written before it comes first.
                Poll::Pending if written > 0 => break,
                other => return other,
            }
        }
        Poll::Ready(Ok(written))
    }

    #[inline]
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.check(cx)?;
        ready!(this.stream.poll_send(cx))?;
        this.connection.flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.check(cx)?;
        if !this.is_closed {
            ready!(this.stream.poll_close(cx))?;
            this.is_closed = true;
            this.lingers = this.connection.closes();
        }
        this.poll_linger(cx)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.watch.leave(&self.connection);
        if !self.is_closed {
            // What the peer does not take would keep the socket. One that is gone is no error.
            let _ = self.stream.get_ref().shutdown(Shutdown::Both);
        }
    }
}

#[cfg(test)]
mod tests {
    use core::convert::Infallible;
    use core::time::Duration;
    use std::io::{Read as _, Write as _};
    use std::sync::Arc;

    use hyper::Response;
    use hyper::server::conn::http1;
    use hyper::service::service_fn;

    use super::super::body::Answer;
    use super::super::counts::Totals;
    use super::super::notes::Notes;
    use super::super::watch::Limits;
    use super::*;

    const BYTES: usize = 300_000;

    /// Serves a file without a zero by a connection of hyper's, to one request: what came, and
    /// whether hyper was content.
    fn serve(writev: bool, promised: u64) -> (Vec<u8>, bool) {
        let path = std::env::temp_dir();
        let path = path.join(format!("annulus-wire-{}-{writev}-{promised}", std::process::id()));
        std::fs::write(&path, vec![b'x'; BYTES]).unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        let peer = listener.accept().unwrap().0;
        let file = std::fs::File::open(&path).unwrap();
        let server = std::thread::spawn(move || {
            let second = Duration::from_secs(9);
            let limits = Limits { head: second, answer: second, idle: second };
            annulus::run(async move {
                let watch = Watch::new(limits, Notes::new(Arc::new(Totals::new(1)), 0, None));
                let connection = watch.enter();
                let outbox = Rc::clone(&connection.outbox);
                let stream = Polled::new(TcpStream::from_std(peer));
                let wire = Wire::new(stream, Rc::clone(&connection), watch);
                let service = service_fn(move |_| {
                    connection.asked(false);
                    let file = file.try_clone().unwrap().into();
                    let outbox = Rc::clone(&outbox);
                    let answer = Answer::File { file, offset: 0, count: promised, outbox };
                    async { Ok::<_, Infallible>(Response::new(answer)) }
                });
                http1::Builder::new().writev(writev).serve_connection(wire, service).await.is_ok()
            })
        });
        let mut got = Vec::new();
        // A connection that was cut off may say so.
        let _ = client.read_to_end(&mut got);
        let is_content = server.join().unwrap().unwrap();
        std::fs::remove_file(path).unwrap();
        (got, is_content)
    }

    #[test]
    fn a_file_is_sent_in_the_place_of_zeros() {
        let (got, is_content) = serve(true, BYTES as u64);
        assert!(is_content && got.ends_with(&[b'x'; BYTES]) && !got.contains(&0));
    }

    /// hyper copies what it is given, so that the zeros do not come by their address.
    #[test]
    fn zeros_that_were_copied_end_the_connection() {
        let (got, is_content) = serve(false, BYTES as u64);
        assert!(!is_content && got.is_empty(), "{} bytes came", got.len());
    }

    #[test]
    fn a_file_that_is_shorter_than_promised_ends_the_connection() {
        let (got, is_content) = serve(true, BYTES as u64 + 1);
        assert!(!is_content && got.ends_with(&[b'x'; BYTES]) && !got.contains(&0));
    }
}
