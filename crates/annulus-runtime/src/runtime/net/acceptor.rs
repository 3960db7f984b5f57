//! [`Acceptor`]: a listening socket, with the accept that is under way.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;

use annulus_ring::abi::{Op, SockAddr};

use super::at_once;
use super::ops::{Accept, Bind, Listen};
use crate::error::Error;
use crate::runtime::LocalOp;
use crate::runtime::context;
use crate::runtime::core::Core;
use crate::runtime::op::submit;

/// How many connections may wait to be accepted, unless one says otherwise: as many as Linux lets
/// (`net.core.somaxconn`), which by its own default are 4096.
pub(super) const BACKLOG: u32 = 4096;

/// A listening socket of any kind.
pub(super) struct Acceptor {
    // Before the socket: what is under way is given up first.
    pub(super) pending: Option<LocalOp<Accept>>,
    pub(super) socket: Arc<OwnedFd>,
    pub(super) core: Rc<Core>,
}

impl Acceptor {
    /// Of a socket that listens, on the runtime that this thread is inside of.
    #[track_caller]
    pub(super) fn new(socket: Arc<OwnedFd>) -> Self {
        context::with(|core| Self { pending: None, socket, core: Rc::clone(core) })
    }

    /// Has a socket listen at an address: by the ring where that can, which it does since Linux
    /// 6.11.
    pub(super) async fn bind(socket: OwnedFd, to: SockAddr, backlog: u32) -> io::Result<Self> {
        let socket = Arc::new(socket);
        let has = |opcode| context::with(|core| core.engine().has(opcode));
        if has(Op::BIND) && has(Op::LISTEN) {
            submit(Bind::new(Arc::clone(&socket), to)).await?;
            submit(Listen::new(Arc::clone(&socket), backlog)).await?;
        } else {
            at_once::bind(&socket, &to)?;
            at_once::listen(&socket, backlog)?;
        }
        Ok(Self::new(socket))
    }

    /// The pending accept, or a new one.
    #[inline]
    pub(super) fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(OwnedFd, SockAddr), Error>> {
        let accept = self.pending.get_or_insert_with(|| {
            LocalOp::new(Rc::clone(&self.core), Accept::new(Arc::clone(&self.socket)))
        });
        let accepted = ready!(Pin::new(accept).poll(cx));
        self.pending = None;
        Poll::Ready(accepted)
    }

    /// Ends a pending accept; what it has brought all the same.
    pub(super) async fn settle(&mut self) -> Option<(OwnedFd, SockAddr)> {
        let mut accept = self.pending.take()?;
        accept.cancel();
        // An error leaves the connection in the queue, or there was none.
        accept.await.ok()
    }
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acceptor")
            .field("fd", &self.socket)
            .field("pending", &self.pending)
            .finish_non_exhaustive()
    }
}
