//! [`empty`], [`repeat`] and [`sink`].

use std::io;

use super::{AsyncReadOwned, AsyncWriteOwned};
use annulus_runtime::buffer::{BufResult, IoBuf, IoBufMut, copy_to};

/// How many bytes are copied at a time.
const PIECE_BYTES: usize = 256;

/// A stream at its end; whatever is written to it is gone. See [`empty`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Empty(());

/// A stream of one byte without end. See [`repeat`].
#[derive(Clone, Debug)]
pub struct Repeat {
    piece: [u8; PIECE_BYTES],
}

/// Whatever is written to it is gone. See [`sink`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Sink(());

/// A stream at its end; whatever is written to it is gone. Its reads are *resumable*.
///
/// ```
/// use annulus::io::{AsyncReadOwned, empty};
/// assert_eq!(annulus::run(async { empty().read(vec![0; 8]).await })??.0, 0);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn empty() -> Empty {
    Empty(())
}

/// A stream of `byte` without end. Its reads are *resumable*.
///
/// ```
/// use annulus::io::{AsyncReadOwned, repeat};
/// assert_eq!(annulus::run(async { repeat(7).read_exact(vec![0; 3]).await })??.1, [7; 3]);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn repeat(byte: u8) -> Repeat {
    Repeat { piece: [byte; PIECE_BYTES] }
}

/// Whatever is written to it is gone, at once.
///
/// ```
/// use annulus::io::{AsyncWriteOwned, sink};
/// assert_eq!(annulus::run(async { sink().write("ring").await })??.0, 4);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn sink() -> Sink {
    Sink(())
}

impl AsyncReadOwned for Empty {
    async fn read<B: IoBufMut>(&mut self, buf: B) -> BufResult<usize, B> {
        Ok((0, buf))
    }
}

impl AsyncReadOwned for Repeat {
    async fn read<B: IoBufMut>(&mut self, buf: B) -> BufResult<usize, B> {
        let mut buf = buf;
        let mut done = 0;
        let total = buf.bytes_total();
        while done < total {
            let mut part = buf.slice(done..total);
            done += copy_to(&mut part, &self.piece);
            buf = part.into_inner();
        }
        Ok((done, buf))
    }
}

macro_rules! swallows {
    ($($Type:ty),*) => {$(
        impl AsyncWriteOwned for $Type {
            async fn write<B: IoBuf>(&mut self, buf: B) -> BufResult<usize, B> {
                Ok((buf.bytes_init(), buf))
            }

            async fn shutdown(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
    )*};
}

swallows!(Empty, Sink);
