//! [`Transport`]: what [`Polled`](super::Polled) asks of a connection.

use core::task::{Context, Poll, ready};
use std::io;
use std::net::Shutdown;

use annulus_runtime::runtime::net::{TcpStream, UnixStream};

use super::incoming::Room;

/// A connection that [`Polled`](super::Polled) can be made of: its operations own their buffers.
///
/// Implemented by the streams of this crate, and of the runtime; not to be implemented elsewhere.
///
/// ```
/// use annulus::polled::Transport;
/// fn is_one<S: Transport>() {}
/// is_one::<annulus_runtime::runtime::net::TcpStream>();
/// ```
pub trait Transport: Unpin + 'static {
    /// What a receive brings.
    #[doc(hidden)]
    type Chunk: AsRef<[u8]> + Unpin;

    /// Begins a receive, or goes on with the one that is under way. It is given memory by `room`,
    /// if it has none of its own.
    #[doc(hidden)]
    fn poll_recv(&mut self, cx: &mut Context<'_>, room: &mut Room)
    -> Poll<io::Result<Self::Chunk>>;

    /// Gives back what was consumed.
    #[doc(hidden)]
    fn recycle(chunk: Self::Chunk, room: &mut Room);

    /// Begins to send all of `bytes`, with nobody waiting. They come back where something else is
    /// under way.
    #[doc(hidden)]
    fn start_send(&mut self, bytes: Vec<u8>) -> Result<(), Vec<u8>>;

    /// Sends what can be sent at once, where nothing is under way.
    #[doc(hidden)]
    fn try_send(&mut self, bytes: &[u8], more: bool) -> io::Result<usize>;

    /// Waits for that send: its memory, and how many bytes went.
    #[doc(hidden)]
    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<(Vec<u8>, io::Result<usize>)>;

    /// Waits until a send can be begun.
    #[doc(hidden)]
    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Ends the sending direction.
    #[doc(hidden)]
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

macro_rules! transports {
    ($($Stream:ty),*) => {$(
        impl Transport for $Stream {
            type Chunk = Vec<u8>;

            #[inline]
            fn poll_recv(
                &mut self,
                cx: &mut Context<'_>,
                room: &mut Room,
            ) -> Poll<io::Result<Vec<u8>>> {
                let mut buf = room.lend();
                let polled = self.poll_read(cx, &mut buf);
                if let Some(buf) = buf {
                    // An earlier receive is not over.
                    room.give_back(buf);
                }
                match ready!(polled) {
                    Ok((_, buf)) => Poll::Ready(Ok(room.filled(buf))),
                    Err(error) => {
                        let (error, buf) = error.into_inner();
                        room.give_back(buf);
                        Poll::Ready(Err(error))
                    }
                }
            }

            #[inline]
            fn recycle(chunk: Vec<u8>, room: &mut Room) {
                room.give_back(chunk);
            }

            #[inline]
            fn start_send(&mut self, bytes: Vec<u8>) -> Result<(), Vec<u8>> {
                self.start_write(bytes)
            }

            fn try_send(&mut self, bytes: &[u8], more: bool) -> io::Result<usize> {
                self.try_write(bytes, more)
            }

            #[inline]
            fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<(Vec<u8>, io::Result<usize>)> {
                Poll::Ready(match ready!(self.poll_write::<Vec<u8>>(cx)) {
                    Ok((count, bytes)) => (bytes, Ok(count)),
                    Err(error) => {
                        let (error, bytes) = error.into_inner();
                        (bytes, Err(error))
                    }
                })
            }

            fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<()> {
                <$Stream>::poll_idle(self, cx)
            }

            fn poll_end(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(match self.shutdown(Shutdown::Write) {
                    // The peer was faster.
                    Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
                    ended => ended,
                })
            }
        }
    )*};
}

transports!(TcpStream, UnixStream);
