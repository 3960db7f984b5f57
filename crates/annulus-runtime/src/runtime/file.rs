//! [`File`]: a descriptor whose operations go by the ring of the runtime on this thread.

use core::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;

use super::context;
use super::core::Core;
use super::op::LocalOp;
use crate::buffer::{IoBuf, IoBufMut};
use crate::engine::file::OpenFile;
use crate::engine::ops::{Read, Write};

/// A file, socket, pipe or whatever else a descriptor is, on the ring of the runtime that this
/// thread is inside of.
#[derive(Clone)]
pub struct File {
    open: Arc<OpenFile>,
    core: Rc<Core>,
}

impl File {
    /// The file of a descriptor.
    ///
    /// # Panics
    /// Outside of a runtime.
    #[track_caller]
    pub fn new(fd: impl Into<OwnedFd>) -> Self {
        let open = Arc::new(OpenFile::new(fd.into().into(), None));
        context::with(|core| Self { open, core: Rc::clone(core) })
    }

    /// Reads at `offset`, as `pread(2)`: how many bytes, and the buffer.
    #[inline]
    pub fn read_at<B: IoBufMut>(&self, buf: B, offset: u64) -> LocalOp<Read<B>> {
        LocalOp::new(Rc::clone(&self.core), Read::at(Arc::clone(&self.open), buf, offset))
    }

    /// Writes at `offset`, as `pwrite(2)`: how many bytes, and the buffer.
    #[inline]
    pub fn write_at<B: IoBuf>(&self, buf: B, offset: u64) -> LocalOp<Write<B>> {
        LocalOp::new(Rc::clone(&self.core), Write::at(Arc::clone(&self.open), buf, offset))
    }
}

impl AsFd for File {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.open.fd()
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File").field("open", &self.open).finish_non_exhaustive()
    }
}
