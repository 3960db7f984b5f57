//! Processes: started, fed, waited for by the ring.
//!
//! [`Command`] is that of the standard library, but for what waits: [`spawn`](Command::spawn),
//! [`status`](Command::status), [`output`](Command::output), and [`Child::wait`]. What a child's
//! pipes bring and take goes by the ring.
//!
//! No zombie is left, whatever is dropped: a [`Child`] that nobody waits for is waited for when it
//! ends, by a thread that is there as long as there are such children.
//!
//! ```
//! use annulus::io::{AsyncReadOwned, AsyncWriteOwned};
//! use annulus::process::{Command, Stdio};
//! let text = annulus::run(async {
//!     let mut tr = Command::new("tr");
//!     tr.args(["a-z", "A-Z"]).stdin(Stdio::piped()).stdout(Stdio::piped());
//!     let mut child = tr.spawn().await?;
//!     let (mut to, mut from) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
//!     to.write_all("ring").await?;
//!     to.shutdown().await?; // the end of its input
//!     let text = from.read_to_string().await?;
//!     assert!(child.wait().await?.success());
//!     std::io::Result::Ok(text)
//! })??;
//! assert_eq!(text, "RING");
//! # Ok::<(), std::io::Error>(())
//! ```

mod child;
mod command;
mod pipes;

pub use child::Child;
pub use command::Command;
pub use pipes::{ChildStderr, ChildStdin, ChildStdout};

#[doc(no_inline)]
pub use std::process::{ExitStatus, Output, Stdio};
