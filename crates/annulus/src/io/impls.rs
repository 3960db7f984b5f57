//! The traits for what the standard library has, and for files and sockets.

use std::io::{self, Cursor};
use std::net::Shutdown;

use annulus_runtime::runtime::File;
use annulus_runtime::runtime::net::{ReadHalf, TcpStream, UnixStream, WriteHalf};

use super::{AsyncReadAt, AsyncReadOwned, AsyncWriteAt, AsyncWriteOwned};
use annulus_runtime::buffer::{
    BufResult, IoBuf, IoBufMut, IoVecBuf, IoVecBufMut, as_bytes, copy_to,
};

/// A stream by a reference to it, or by a box of it.
macro_rules! by_pointer {
    ($($pointer:ty),*) => {$(
        impl<T: AsyncReadOwned + ?Sized> AsyncReadOwned for $pointer {
            async fn read<B: IoBufMut>(&mut self, buf: B) -> BufResult<usize, B> {
                (**self).read(buf).await
            }

            async fn read_vectored<V: IoVecBufMut>(&mut self, bufs: V) -> BufResult<usize, V> {
                (**self).read_vectored(bufs).await
            }

            async fn read_exact<B: IoBufMut>(&mut self, buf: B) -> BufResult<usize, B> {
                (**self).read_exact(buf).await
            }
        }

        impl<T: AsyncWriteOwned + ?Sized> AsyncWriteOwned for $pointer {
            async fn write<B: IoBuf>(&mut self, buf: B) -> BufResult<usize, B> {
                (**self).write(buf).await
            }

            async fn flush(&mut self) -> io::Result<()> {
                (**self).flush().await
            }

            async fn shutdown(&mut self) -> io::Result<()> {
                (**self).shutdown().await
            }

            async fn write_vectored<V: IoVecBuf>(&mut self, bufs: V) -> BufResult<usize, V> {
                (**self).write_vectored(bufs).await
            }

            async fn write_all<B: IoBuf>(&mut self, buf: B) -> BufResult<usize, B> {
                (**self).write_all(buf).await
            }
        }
    )*};
}

by_pointer!(&mut T, Box<T>);

/// What is left of the bytes: each read makes it shorter. Its reads are *resumable*.
impl AsyncReadOwned for &[u8] {
    async fn read<B: IoBufMut>(&mut self, buf: B) -> BufResult<usize, B> {
        let mut buf = buf;
        let n = copy_to(&mut buf, self);
        *self = &self[n..];
        Ok((n, buf))
    }
}

/// From the cursor's position on. Its reads are *resumable*.
impl<T: AsRef<[u8]>> AsyncReadOwned for Cursor<T> {
    async fn read<B: IoBufMut>(&mut self, buf: B) -> BufResult<usize, B> {
        let mut buf = buf;
        let n = copy_to(&mut buf, from(self.get_ref().as_ref(), self.position()));
        self.set_position(self.position() + n as u64);
        Ok((n, buf))
    }
}

/// What is behind an offset.
fn from(bytes: &[u8], offset: u64) -> &[u8] {
    usize::try_from(offset).ok().and_then(|offset| bytes.get(offset..)).unwrap_or_default()
}

/// At its end.
impl AsyncWriteOwned for Vec<u8> {
    async fn write<B: IoBuf>(&mut self, buf: B) -> BufResult<usize, B> {
        self.extend_from_slice(as_bytes(&buf));
        Ok((buf.bytes_init(), buf))
    }

    async fn shutdown(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a cursor can write to, by `std::io::Write` for it, which never waits.
macro_rules! written_by_cursor {
    ($($Memory:ty),*) => {$(
        /// At the cursor's position.
        impl AsyncWriteOwned for Cursor<$Memory> {
            async fn write<B: IoBuf>(&mut self, buf: B) -> BufResult<usize, B> {
                // It fails only where a position is beyond what memory can have: nothing went.
                let n = io::Write::write(self, as_bytes(&buf)).unwrap_or(0);
                Ok((n, buf))
            }

            async fn shutdown(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
    )*};
}

written_by_cursor!(Vec<u8>, Box<[u8]>);

impl AsyncReadAt for [u8] {
    async fn read_at<B: IoBufMut>(&self, buf: B, offset: u64) -> BufResult<usize, B> {
        let mut buf = buf;
        Ok((copy_to(&mut buf, from(self, offset)), buf))
    }
}

impl AsyncReadAt for Vec<u8> {
    async fn read_at<B: IoBufMut>(&self, buf: B, offset: u64) -> BufResult<usize, B> {
        self[..].read_at(buf, offset).await
    }
}

impl<T: AsyncReadAt + ?Sized> AsyncReadAt for &T {
    async fn read_at<B: IoBufMut>(&self, buf: B, offset: u64) -> BufResult<usize, B> {
        (**self).read_at(buf, offset).await
    }
}

/// It grows, with zeros up to the offset; where that is more than an address can say, nothing is
/// written.
impl AsyncWriteAt for Vec<u8> {
    async fn write_at<B: IoBuf>(&mut self, buf: B, offset: u64) -> BufResult<usize, B> {
        let bytes = as_bytes(&buf);
        let end = usize::try_from(offset).ok().and_then(|offset| offset.checked_add(bytes.len()));
        let Some(end) = end.filter(|end| isize::try_from(*end).is_ok()) else {
            return Ok((0, buf));
        };
        if self.len() < end {
            self.resize(end, 0);
        }
        self[end - bytes.len()..end].copy_from_slice(bytes);
        Ok((bytes.len(), buf))
    }
}

/// Files, as the runtime has them and as [`fs`](crate::fs) does.
macro_rules! files {
    ($($File:ty),*) => {$(
        /// At the file's own position, which its clones share; of a pipe, what comes.
        ///
        /// A read is *cancel and discard*: of a pipe or a terminal it loses bytes, of a file the
        /// position may have moved.
        impl AsyncReadOwned for $File {
            async fn read<B: IoBufMut>(&mut self, buf: B) -> BufResult<usize, B> {
                Self::read(self, buf).await
            }

            async fn read_vectored<V: IoVecBufMut>(&mut self, bufs: V) -> BufResult<usize, V> {
                Self::read_vectored(self, bufs).await
            }
        }

        /// At the file's own position, which its clones share; or to a pipe. Shutting it down does
        /// nothing: drop the last handle to end a pipe.
        impl AsyncWriteOwned for $File {
            async fn write<B: IoBuf>(&mut self, buf: B) -> BufResult<usize, B> {
                Self::write(self, buf).await
            }

            async fn shutdown(&mut self) -> io::Result<()> {
                Ok(())
            }

            async fn write_vectored<V: IoVecBuf>(&mut self, bufs: V) -> BufResult<usize, V> {
                Self::write_vectored(self, bufs).await
            }
        }

        impl AsyncReadAt for $File {
            async fn read_at<B: IoBufMut>(&self, buf: B, offset: u64) -> BufResult<usize, B> {
                Self::read_at(self, buf, offset).await
            }

            async fn read_exact_at<B: IoBufMut>(&self, buf: B, offset: u64) -> BufResult<usize, B> {
                Self::read_exact_at(self, buf, offset).await
            }
        }

        impl AsyncWriteAt for $File {
            async fn write_at<B: IoBuf>(&mut self, buf: B, offset: u64) -> BufResult<usize, B> {
                Self::write_at(self, buf, offset).await
            }

            async fn write_all_at<B: IoBuf>(&mut self, buf: B, offset: u64) -> BufResult<usize, B> {
                Self::write_all_at(self, buf, offset).await
            }
        }
    )*};
}

files!(File, crate::fs::File);

/// A read is *resumable*, as [`TcpStream::read`] says.
macro_rules! read_by_socket {
    ($($Stream:ty),*) => {$(
        /// All reads are *resumable*: where a future is dropped the next takes the bytes.
        impl AsyncReadOwned for $Stream {
            async fn read<B: IoBufMut>(&mut self, buf: B) -> BufResult<usize, B> {
                Self::read(self, buf).await
            }

            async fn read_vectored<V: IoVecBufMut>(&mut self, bufs: V) -> BufResult<usize, V> {
                Self::read_vectored(self, bufs).await
            }

            async fn read_exact<B: IoBufMut>(&mut self, buf: B) -> BufResult<usize, B> {
                Self::read_exact(self, buf).await
            }
        }
    )*};
}

read_by_socket!(TcpStream, UnixStream, ReadHalf);

macro_rules! written_by_socket {
    ($($Stream:ty),*) => {$(
        /// Shutting it down ends the direction of its writes.
        impl AsyncWriteOwned for $Stream {
            async fn write<B: IoBuf>(&mut self, buf: B) -> BufResult<usize, B> {
                Self::write(self, buf).await
            }

            async fn shutdown(&mut self) -> io::Result<()> {
                Self::shutdown(self, Shutdown::Write)
            }

            async fn write_vectored<V: IoVecBuf>(&mut self, bufs: V) -> BufResult<usize, V> {
                Self::write_vectored(self, bufs).await
            }

            async fn write_all<B: IoBuf>(&mut self, buf: B) -> BufResult<usize, B> {
                Self::write_all(self, buf).await
            }
        }
    )*};
}

written_by_socket!(TcpStream, UnixStream, WriteHalf);
