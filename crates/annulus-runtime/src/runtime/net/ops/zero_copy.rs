//! [`ZeroCopy`]: a send in two steps: its result, and that its buffer is free.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use crate::operation::{Completion, Multishot};

/// A send of which the kernel says when it has done with the bytes: [`SendZc`](super::SendZc) and
/// [`SendMsgZc`](super::SendMsgZc), and no other.
///
/// Of its two results the first says how many bytes went into the socket's queue, and the last that
/// none of them is looked at any more. Where it was refused before it began there is one.
///
/// ```
/// use annulus_runtime::runtime::net::ops::{SendZc, ZeroCopy};
/// use std::{net::TcpListener, os::fd::OwnedFd, sync::Arc};
/// let socket = Arc::new(OwnedFd::from(TcpListener::bind("127.0.0.1:0")?));
/// assert_eq!(SendZc::new(socket, "never begun").into_buf(), "never begun");
/// # Ok::<(), std::io::Error>(())
/// ```
pub trait ZeroCopy: Multishot<Item = Completion> + sealed::Steps {
    /// What is sent: a buffer, or several.
    type Buf;

    /// What was sent, which is the caller's again: after the last result, or before the send was
    /// begun.
    fn into_buf(self) -> Self::Buf;
}

pub(super) mod sealed {
    use super::{Arc, OwnedFd};
    use crate::buffer::PoolId;

    /// What is asked of a send by who takes its steps.
    pub trait Steps {
        /// How many bytes are to be sent.
        fn bytes_total(&self) -> usize;

        /// Has the kernel go on until all is sent.
        fn set_exact(&mut self);

        /// The pool with which the ring is registered: a buffer of that is named by its index.
        fn set_pool(&mut self, pool: Option<PoolId>);

        /// Is to send what is behind the first `done` bytes, now that it is over.
        fn go_on(&mut self, socket: Arc<OwnedFd>, done: usize);

        /// Asks for no report of whether it copied: whether it had asked.
        fn stop_reporting(&mut self) -> bool;
    }
}
