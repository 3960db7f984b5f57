//! [`stdin`], [`stdout`] and [`stderr`].

use core::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use annulus_runtime::runtime::File;

use super::kept::{Incoming, Outgoing};
use super::traits::{AsyncReadOwned, AsyncWriteOwned};
use annulus_runtime::buffer::{BufResult, IoBuf, IoBufMut};

/// Standard input, by the ring. See [`stdin`].
pub struct Stdin {
    // Before the file: what is under way is given up first.
    incoming: Incoming,
    file: File,
}

/// Standard input: a terminal, a pipe, a socket or a file, read by the ring; no thread waits in it
/// for somebody to type.
///
/// It has no buffer: put a [`BufReader`](super::BufReader) around it for lines. Make one, and keep
/// it: what it has read belongs to it, and to no other. `std::io::stdin` has a buffer of its own,
/// which this does not see.
///
/// # When a future is dropped
/// *Resumable*: the read goes on, into the buffer that it was given, and the next read takes the
/// bytes that it brings, as many as there is room for; what is left stays for the one after. No
/// byte is lost, not the end that a terminal tells once either. Dropping the object itself ends the
/// read, and may lose what came a moment before.
///
/// # Errors
/// `EMFILE`, `ENFILE`: there is no descriptor left: raise `RLIMIT_NOFILE`. `EBADF`: there is no
/// standard input. Of its reads: `EIO`, where a process in the background reads from its terminal;
/// `EISDIR`; [those of every operation](annulus_runtime::engine::File#errors-of-every-operation).
///
/// # Panics
/// Outside of a runtime.
///
/// ```
/// use annulus::io::{BufReader, stdin};
/// # fn main() -> std::io::Result<()> {
/// # // Standard input of a test may be a terminal: here it is the program's own child's.
/// # if std::env::args().len() == 1 {
/// #     let this = std::env::current_exe()?;
/// #     let mut again = std::process::Command::new(this);
/// #     let mut child = again.arg("child").stdin(std::process::Stdio::piped()).spawn()?;
/// #     std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"ring\n")?;
/// #     assert!(child.wait()?.success());
/// #     return Ok(());
/// # }
/// annulus::run(async {
///     let mut lines = BufReader::new(stdin()?).lines();
///     assert_eq!(lines.next().await?.as_deref(), Some("ring"));
///     assert_eq!(lines.next().await?, None);
///     std::io::Result::Ok(())
/// })??;
/// # Ok(())
/// # }
/// ```
#[track_caller]
pub fn stdin() -> io::Result<Stdin> {
    let fd = io::stdin().as_fd().try_clone_to_owned()?;
    Ok(Stdin { incoming: Incoming::default(), file: File::new(fd) })
}

impl AsyncReadOwned for Stdin {
    async fn read<B: IoBufMut>(&mut self, buf: B) -> BufResult<usize, B> {
        self.incoming.read(&self.file, buf).await
    }
}

impl AsFd for Stdin {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl fmt::Debug for Stdin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stdin").field("file", &self.file).finish_non_exhaustive()
    }
}

/// Declares an output.
macro_rules! output {
    ($(#[$doc:meta])* $Type:ident, $(#[$function_doc:meta])* $function:ident) => {
        $(#[$doc])*
        pub struct $Type {
            // Before the file: what is under way is given up first.
            outgoing: Outgoing,
            file: File,
        }

        $(#[$function_doc])*
        #[track_caller]
        pub fn $function() -> io::Result<$Type> {
            let fd = io::$function().as_fd().try_clone_to_owned()?;
            Ok($Type { outgoing: Outgoing::default(), file: File::new(fd) })
        }

        impl AsyncWriteOwned for $Type {
            async fn write<B: IoBuf>(&mut self, buf: B) -> BufResult<usize, B> {
                self.outgoing.write(&self.file, buf).await
            }

            /// Waits for a write that was given up.
            async fn flush(&mut self) -> io::Result<()> {
                self.outgoing.settle().await;
                Ok(())
            }

            /// As flushing: the process has it open still.
            async fn shutdown(&mut self) -> io::Result<()> {
                self.flush().await
            }
        }

        impl AsFd for $Type {
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.file.as_fd()
            }
        }

        impl fmt::Debug for $Type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($Type)).field("file", &self.file).finish_non_exhaustive()
            }
        }
    };
}

output! {
    /// Standard output, by the ring. See [`stdout`].
    Stdout,
    /// Standard output: a terminal, a pipe, a socket or a file.
    ///
    /// It has no buffer, unlike `std::io::stdout`, and knows nothing of what that has in its own:
    /// flush the one before the other is used. Put a [`BufWriter`](super::BufWriter) around it for
    /// many small writes.
    ///
    /// # When a future is dropped
    /// *Cancel and discard*: a part may have gone; the next write begins when the one that was
    /// given up has ended, so the two are never mixed.
    ///
    /// # Errors
    /// `EMFILE`, `ENFILE`: there is no descriptor left: raise `RLIMIT_NOFILE`. `EBADF`: there is no
    /// standard output. Of its writes: `EPIPE`, where nobody reads any more; `ENOSPC`; [those of
    /// every operation](annulus_runtime::engine::File#errors-of-every-operation).
    ///
    /// # Panics
    /// Outside of a runtime.
    ///
    /// ```
    /// use annulus::io::{AsyncWriteOwned, stdout};
    /// annulus::run(async {
    ///     assert_eq!(stdout()?.write_all("ring\n").await?.0, 5);
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    stdout
}

output! {
    /// Standard error, by the ring. See [`stderr`].
    Stderr,
    /// Standard error: as [`stdout`].
    ///
    /// # Errors
    /// Those of [`stdout`].
    ///
    /// # Panics
    /// Outside of a runtime.
    ///
    /// ```
    /// use annulus::io::{AsyncWriteOwned, stderr};
    /// annulus::run(async {
    ///     assert_eq!(stderr()?.write_all("ring\n").await?.0, 5);
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    stderr
}
