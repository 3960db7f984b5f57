//! Reading and writing with buffers that are lent and come back: traits, and what is made of them.
//!
//! The kernel writes to a buffer while a program does other things, and goes on when the program
//! has lost interest. So a buffer is not borrowed by a read: it is given to it, and comes back with
//! the result ([`BufResult`]), also with an error. That is what the traits here have in their
//! names, and what tells them from `std::io::Read` and its kin:
//!
//! | trait | what has it |
//! | --- | --- |
//! | [`AsyncReadOwned`], [`AsyncWriteOwned`] | streams: sockets, pipes, terminals, files at their own position |
//! | [`AsyncReadAt`], [`AsyncWriteAt`] | files, memory: whatever has offsets |
//! | [`Split`] | connections whose two directions are used at once |
//!
//! Their methods are `async`, and dispatched statically: there is no `dyn AsyncReadOwned`. Whatever
//! is generic over them costs no allocation.
//!
//! # When a future is dropped
//! Each method says which of three it is:
//! - *resumable*: nothing is lost; the next call goes on where this one was;
//! - *cancel and return the buffer*: the operation is ended, and says so, with its buffer;
//! - *cancel and discard*: what it did until then nobody is told.
//!
//! The traits promise the last. What has more to promise says so: see
//! [`read`](AsyncReadOwned::read).
//!
//! ```
//! use annulus::io::{AsyncReadOwned, AsyncWriteOwned, BufReader};
//! annulus::run(async {
//!     let mut text = Vec::new();
//!     text.write_all("one\ntwo\n").await?;
//!     let mut lines = BufReader::new(&text[..]).lines();
//!     assert_eq!(lines.next().await?.as_deref(), Some("one"));
//!     assert_eq!(lines.next().await?.as_deref(), Some("two"));
//!     assert_eq!(lines.next().await?, None);
//!     std::io::Result::Ok(())
//! })??;
//! # Ok::<(), std::io::Error>(())
//! ```

mod at;
mod buf_reader;
mod buf_writer;
mod copy;
mod impls;
mod join;
mod kept;
mod limit;
mod lines;
mod search;
mod split;
mod standard;
mod traits;
mod util;

pub use at::{AsyncReadAt, AsyncWriteAt};
pub use buf_reader::BufReader;
pub use buf_writer::BufWriter;
pub use copy::{copy, copy_bidirectional, copy_with};
pub use limit::Take;
pub use lines::{Lines, SplitBy};
pub use split::Split;
pub use standard::{Stderr, Stdin, Stdout, stderr, stdin, stdout};
pub use traits::{AsyncReadOwned, AsyncWriteOwned};
pub use util::{Empty, Repeat, Sink, empty, repeat, sink};

pub(crate) use join::join;
pub(crate) use kept::{Incoming, Outgoing};

#[doc(no_inline)]
pub use annulus_runtime::buffer::{BufError, BufResult, IoBuf, IoBufMut, IoVecBuf, IoVecBufMut};
