//! What is done by path: opening, names, attributes.
//!
//! A path is copied into its operation, which owns it until the kernel has done with it; a failure
//! gives it back in its [`PathError`]. A relative path begins at the working directory, or at the
//! [`Dir`] whose method it is.
//!
//! # What it costs
//! Opening an existing file, whose name is cached, is done by the driver's thread when it submits.
//! All else that is here the kernel gives to a thread of its own (io-wq), always: it may wait for a
//! disk or a server, and here nobody waits with it.

mod change;
mod dir;
mod error;
mod inode;
mod link;
mod list;
mod name;
mod names;
mod open;
mod options;
mod stat;
mod temporary;
mod whole;
mod xattr;
mod xattr_names;

pub use dir::{Dir, OpeningDir};
pub use error::PathError;
pub use list::{DirEntries, DirEntry, DirIter};
pub use open::Opening;
pub use options::OpenOptions;
pub use temporary::Temporary;
pub use whole::Steps;

/// The operations, for who must name one.
pub(super) mod ops {
    pub use super::change::{Change, Move, Symlink};
    pub use super::inode::SetInodeAt;
    pub use super::link::ReadLink;
    pub use super::list::ListDir;
    pub use super::stat::{Exists, StatAt};
    pub use super::temporary::CreateTemporary;
    pub use super::xattr::{ByFile, ByPath, GetXattr, Owner, SetXattr};
    pub use super::xattr_names::{ListXattr, RemoveXattr};
}

use core::fmt;
use std::sync::Arc;

use annulus_ring::op::At;

use super::file::OpenFile;
use super::{Engine, Op};
use crate::operation::Operation;

/// Where relative paths begin.
#[derive(Clone)]
pub(super) struct Anchor(Option<Arc<OpenFile>>);

impl Anchor {
    /// The working directory of the process, as it is when the kernel looks.
    pub(super) const CWD: Self = Self(None);

    /// For an entry of the operation that keeps this.
    fn at(&self) -> At {
        self.0.as_ref().map_or(At::CWD, |dir| At::from(dir.raw()))
    }
}

impl fmt::Debug for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Anchor").field(&self.at().fd()).finish()
    }
}

/// The future of an operation on `engine`.
fn op_on<T: Operation + Send>(engine: &Engine, operation: T) -> Op<T> {
    Op::new(Arc::clone(engine.ports()), operation)
}
