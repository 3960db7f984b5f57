//! [`Polled`] as the streams of `futures-io`.

use core::pin::Pin;
use core::task::{Context, Poll};
use std::io::{self, IoSlice};

use super::{Polled, Transport};

impl<S: Transport> ::futures_io::AsyncRead for Polled<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Polled::poll_read(self.get_mut(), cx, buf)
    }
}

impl<S: Transport> ::futures_io::AsyncBufRead for Polled<S> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        self.get_mut().poll_fill(cx)
    }

    fn consume(self: Pin<&mut Self>, count: usize) {
        Polled::consume(self.get_mut(), count);
    }
}

impl<S: Transport> ::futures_io::AsyncWrite for Polled<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Polled::poll_write(self.get_mut(), cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Polled::poll_write_vectored(self.get_mut(), cx, pieces)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Polled::poll_flush(self.get_mut(), cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Polled::poll_close(self.get_mut(), cx)
    }
}
