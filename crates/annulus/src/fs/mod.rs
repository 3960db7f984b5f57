//! Files and directories, as `std::fs` has them, by the ring of this thread's runtime.
//!
//! ```
//! use annulus::fs::{self, File};
//! let path = std::env::temp_dir().join(format!("annulus-fs-{}", std::process::id()));
//! annulus::run(async {
//!     fs::write(&path, "one ring").await?;
//!     let file = File::open(&path).await?;
//!     let (n, buf) = file.read_at(vec![0; 16], 4).await?;
//!     assert_eq!(&buf[..n], b"ring");
//!     file.close().await?;
//!     fs::remove_file(&path).await?;
//!     Ok::<(), std::io::Error>(())
//! })??;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # Buffers
//! What is read into or written from is given away for that time, and comes back with the result,
//! also with an error ([`BufResult`](crate::buffer::BufResult)): the kernel may touch it until
//! then, whatever becomes of the future. See [`buffer`](crate::buffer).
//!
//! # Positions
//! [`read_at`](File::read_at) and [`write_at`](File::write_at) say where, and any number of them
//! may be under way. [`read`](File::read) and [`write`](File::write) use the kernel's own position
//! of the open file, which clones, duplicates and child processes share, as they do in C: that is
//! what pipes and terminals need, and one at a time what a program that goes from the front to the
//! back wants.
//!
//! # When a future is dropped
//! Each method's page says which of these it is:
//!
//! - *cancel and discard*: the operation is cancelled; if the kernel did it all the same, or a
//!   part, that stays so, and the result (a descriptor, bytes) is thrown away: a descriptor is
//!   closed, a buffer freed when the kernel has done with it.
//! - *resumable*: nothing is lost; begin anew.
//!
//! A future that is a [`LocalOp`](crate::LocalOp) can be
//! [cancelled](crate::LocalOp::cancel) and awaited instead: then it says what became of the
//! operation, and gives the buffer back.
//!
//! # Errors
//! What is done by path fails with a [`PathError`], which says what was being done, with which
//! path, and why; `?` makes an [`std::io::Error`] of it: with the system's number, or
//! [`named`](PathError::named) with the whole text.
//!
//! # Outside of a runtime
//! Everything here panics when it is called, or first polled, outside of a runtime.

mod attributes;
mod copy;
mod dir;
mod dir_builder;
mod file;
mod inode;
mod link;
mod lock;
mod names;
mod options;
mod pipe;
mod read_dir;
mod remove;
mod replace;
mod rw;
mod seek;
mod space;
mod whole;

pub use annulus_ring::abi::RwFlags;
pub use annulus_runtime::engine::{Advice, DioAlignment, Metadata, PathError, Times, ops};
pub use annulus_runtime::runtime::net::{Reads, RecvPool};
pub use attributes::{SetXattr, get_xattr, list_xattr, remove_xattr, set_xattr};
pub use copy::copy;
pub use dir::Dir;
pub use dir_builder::DirBuilder;
pub use file::File;
pub use inode::{chown, lchown, set_permissions, set_times, set_times_nofollow};
pub use link::{canonicalize, read_link};
pub use names::{
    Rename, create_dir, create_dir_all, exists, hard_link, metadata, remove_dir, remove_file,
    rename, rename_with, symlink, symlink_metadata, try_exists,
};
pub use options::OpenOptions;
pub use pipe::pipe;
pub use read_dir::{DirEntry, FileType, ReadDir, read_dir};
pub use remove::remove_dir_all;
pub use replace::{ReplaceError, ReplaceStep, Standing, replace};
pub use std::fs::{Permissions, TryLockError};
pub use whole::{WriteError, read, read_to_string, write};
