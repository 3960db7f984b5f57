//! [`SendingFile`]: a file on its way to a peer, within the kernel.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::rc::Rc;

use super::kept::{Leaves, Sink};
use super::{TcpStream, WriteHalf};
use crate::engine::ops::SendFile;
use crate::error::Error;
use crate::operation::{Completion, Origin};
use crate::runtime::{File, LocalOp};

impl Leaves for SendFile {
    fn leave(output: Self::Output, _: Sink<'_>) -> Result<usize, Error> {
        output.map(|sent| sent as usize)
    }
}

/// The future of [`TcpStream::send_file`].
///
/// # When it is dropped
/// What it has begun is cancelled, and the stream waits for the end of it before it begins another,
/// as with [`Writing`](super::Writing). A forgotten one goes on to its end.
///
/// # Panics
/// When polled again after its result was given.
#[must_use = "nothing is sent until it is awaited"]
pub struct SendingFile<'a> {
    half: &'a mut WriteHalf,
    /// Until it is begun.
    send: Option<SendFile>,
    is_begun: bool,
    is_cancelled: bool,
}

impl SendingFile<'_> {
    /// Ends it: await it for how much went: *cancel and tell*. Where nothing did,
    /// [`is_cancelled`](Error::is_cancelled) says so.
    ///
    /// ```
    /// use annulus_runtime::runtime::{File, net::TcpStream};
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let client = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// annulus_runtime::run(async move {
    ///     let mut stream = TcpStream::from_std(client);
    ///     let file = File::new(std::fs::File::open("Cargo.toml")?);
    ///     let mut send = stream.send_file(&file, 0, 9);
    ///     send.cancel();
    ///     assert!(send.await.unwrap_err().is_cancelled());
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn cancel(&mut self) {
        if self.is_begun {
            self.half.outgoing.cancel();
        } else {
            self.is_cancelled = true;
        }
    }

    /// The first polls: as long as this has begun nothing of its own.
    fn begin(&mut self, cx: &mut Context<'_>, send: SendFile) -> Poll<Result<u64, Error>> {
        if self.is_cancelled {
            let refused = Completion::refused(Origin::Cancelled);
            return Poll::Ready(refused.outcome().map(u64::from));
        }
        let half = &mut *self.half;
        if !half.outgoing.is_empty() && half.poll_outgoing(cx).is_pending() {
            self.send = Some(send);
            return Poll::Pending;
        }
        self.is_begun = true;
        half.outgoing.begin(LocalOp::new(Rc::clone(&half.core), send), cx)
    }
}

impl Future for SendingFile<'_> {
    type Output = Result<u64, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        match this.send.take() {
            Some(send) => this.begin(cx, send),
            None => this.half.outgoing.poll::<SendFile>(cx),
        }
    }
}

impl Drop for SendingFile<'_> {
    fn drop(&mut self) {
        // Where the result was given nothing is there.
        if self.is_begun && !self.half.outgoing.is_empty() {
            self.half.outgoing.cancel();
        }
    }
}

impl fmt::Debug for SendingFile<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendingFile").field("begun", &self.is_begun).finish_non_exhaustive()
    }
}

/// # Files
impl WriteHalf {
    /// Sends up to `bytes` bytes from `offset` of `file` on, without bringing them into the program
    /// (`sendfile(2)`). How many went: all of them, up to 2 GiB, unless the file ends before, or
    /// this is cancelled.
    ///
    /// io_uring has no operation for it: a thread waits for the disk and the peer (see
    /// [`IS_PRIVATE`](crate::operation::Operation::IS_PRIVATE)), so it is for files that are larger
    /// than a hand-over costs, some tens of KiB. Smaller ones are read and written.
    ///
    /// *Cancel and discard*: dropped, a part went, and nobody says how much.
    ///
    /// # Errors
    /// Those of [`File::send_to`](crate::engine::File::send_to).
    ///
    /// ```
    /// use annulus_runtime::runtime::{File, net::TcpStream};
    /// use std::io::Read;
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let client = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// let mut server = listener.accept()?.0;
    /// annulus_runtime::run(async move {
    ///     let mut stream = TcpStream::from_std(client);
    ///     let file = File::new(std::fs::File::open("Cargo.toml")?);
    ///     assert_eq!(stream.send_file(&file, 0, 9).await?, 9);
    ///     std::io::Result::Ok(())
    /// })??;
    /// let mut text = String::new();
    /// server.read_to_string(&mut text)?;
    /// assert_eq!(text, "[package]");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "sendfile")]
    pub fn send_file(&mut self, file: &File, offset: u64, bytes: u64) -> SendingFile<'_> {
        let send = SendFile::to_socket(file.engine_file(), offset, &self.socket, bytes);
        SendingFile { half: self, send: Some(send), is_begun: false, is_cancelled: false }
    }
}

/// # Files
impl TcpStream {
    /// Sends up to `bytes` bytes from `offset` of `file` on: see [`WriteHalf::send_file`].
    ///
    /// # Errors
    /// As there.
    #[doc(alias = "sendfile")]
    pub fn send_file(&mut self, file: &File, offset: u64, bytes: u64) -> SendingFile<'_> {
        self.write.send_file(file, offset, bytes)
    }
}
