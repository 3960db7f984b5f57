//! A child's pipes.

use core::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use annulus_ring::Errno;
use annulus_runtime::runtime::File;

use crate::io::{AsyncReadOwned, AsyncWriteOwned, Incoming, Outgoing};
use annulus_runtime::buffer::{BufError, BufResult, IoBuf, IoBufMut};

/// The input of a child: what is written here it reads.
///
/// [`shutdown`](AsyncWriteOwned::shutdown) or drop it to say that this was all; [`Child::wait`]
/// does so for one that was not taken.
///
/// # When a future is dropped
/// *Cancel and discard*: a part may have gone; the next write begins when the one that was given up
/// has ended, so the two are never mixed.
///
/// # Errors
/// Of its writes: `EPIPE`: the child has closed its input, or has ended (no signal is raised); also
/// once this was shut down. [Those of every
/// operation](annulus_runtime::engine::File#errors-of-every-operation).
///
/// [`Child::wait`]: super::Child::wait
///
/// ```
/// use annulus::io::AsyncWriteOwned;
/// use annulus::process::{Command, Stdio};
/// annulus::run(async {
///     let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null())
///         .spawn().await?;
///     let mut to = child.stdin.take().unwrap();
///     to.write_all("ring").await?;
///     to.shutdown().await?;
///     assert!(child.wait().await?.success());
///     std::io::Result::Ok(())
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct ChildStdin {
    // Before the file: what is under way is given up first.
    outgoing: Outgoing,
    /// Until it is shut down.
    file: Option<File>,
}

impl ChildStdin {
    pub(super) fn new(fd: impl Into<OwnedFd>) -> Self {
        Self { outgoing: Outgoing::default(), file: Some(File::new(fd)) }
    }

    /// The descriptor, for another child's [`Stdio`](super::Stdio).
    ///
    /// # Errors
    /// Itself: a write is under way that was given up, or it was shut down.
    ///
    /// ```
    /// use annulus::process::{Command, Stdio};
    /// annulus::run(async {
    ///     let mut cat = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped())
    ///         .spawn().await?;
    ///     let input = cat.stdin.take().unwrap().try_into_fd().expect("nothing is under way");
    ///     Command::new("echo").arg("ring").stdout(Stdio::from(input)).status().await?;
    ///     assert_eq!(cat.wait_with_output().await?.stdout, b"ring\n");
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn try_into_fd(mut self) -> Result<OwnedFd, Self> {
        if !self.outgoing.is_idle() {
            return Err(self);
        }
        match self.file.take().map(File::try_into_fd) {
            Some(Ok(fd)) => Ok(fd),
            Some(Err(file)) => Err(Self { file: Some(file), ..self }),
            None => Err(self),
        }
    }
}

impl AsyncWriteOwned for ChildStdin {
    async fn write<B: IoBuf>(&mut self, buf: B) -> BufResult<usize, B> {
        match &self.file {
            Some(file) => self.outgoing.write(file, buf).await,
            None => Err(BufError::new(Errno::EPIPE, buf)),
        }
    }

    async fn flush(&mut self) -> io::Result<()> {
        self.outgoing.settle().await;
        Ok(())
    }

    /// Closes it: the child comes to the end of its input, when it has read what was written.
    async fn shutdown(&mut self) -> io::Result<()> {
        self.flush().await?;
        match self.file.take() {
            Some(file) => Ok(file.close().await?),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for ChildStdin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChildStdin").field("file", &self.file).finish_non_exhaustive()
    }
}

/// Declares an output of a child.
macro_rules! output {
    ($(#[$doc:meta])* $Type:ident, $field:literal) => {
        $(#[$doc])*
        ///
        /// The end is when the child, and all that it gave its descriptor to, have closed it: a
        /// grandchild in the background keeps it open after the child's end.
        ///
        /// # When a future is dropped
        /// *Resumable*: the read goes on, and the next takes the bytes that it brings, as many as
        /// there is room for; what is left stays for the one after. No byte is lost, doubled, or
        /// out of its order.
        ///
        /// # Errors
        /// Of its reads: [those of every
        /// operation](annulus_runtime::engine::File#errors-of-every-operation).
        ///
        /// ```
        /// use annulus::io::AsyncReadOwned;
        /// use annulus::process::{Command, Stdio};
        /// annulus::run(async {
        ///     let mut command = Command::new("sh");
        ///     command.args(["-c", "echo ring; echo ring >&2"]);
        ///     command.stdout(Stdio::piped()).stderr(Stdio::piped());
        ///     let mut child = command.spawn().await?;
        #[doc = concat!("    let mut from = child.", $field, ".take().unwrap();")]
        ///     assert_eq!(from.read_to_string().await?, "ring\n");
        ///     assert!(child.wait().await?.success());
        ///     std::io::Result::Ok(())
        /// })??;
        /// # Ok::<(), std::io::Error>(())
        /// ```
        pub struct $Type {
            // Before the file: what is under way is given up first.
            incoming: Incoming,
            file: File,
        }

        impl $Type {
            pub(super) fn new(fd: impl Into<OwnedFd>) -> Self {
                Self { incoming: Incoming::default(), file: File::new(fd) }
            }

            /// The descriptor, for another child's [`Stdio`](super::Stdio).
            ///
            /// # Errors
            /// Itself: a read that was dropped is under way, or has brought bytes that nobody took.
            ///
            /// ```
            /// use annulus::process::{Command, Stdio};
            /// annulus::run(async {
            ///     let mut echo = Command::new("sh");
            ///     echo.args(["-c", "echo ring; echo ring >&2"]);
            ///     echo.stdout(Stdio::piped()).stderr(Stdio::piped());
            ///     let mut echo = echo.spawn().await?;
            #[doc = concat!("    let from = echo.", $field, ".take().unwrap();")]
            ///     let from = from.try_into_fd().expect("nothing was read");
            ///     let wc = Command::new("wc").arg("-c").stdin(from).output().await?;
            ///     assert_eq!(wc.stdout, b"5\n");
            ///     std::io::Result::Ok(())
            /// })??;
            /// # Ok::<(), std::io::Error>(())
            /// ```
            pub fn try_into_fd(self) -> Result<OwnedFd, Self> {
                if !self.incoming.is_idle() {
                    return Err(self);
                }
                let Self { incoming, file } = self;
                file.try_into_fd().map_err(|file| Self { incoming, file })
            }
        }

        impl AsyncReadOwned for $Type {
            async fn read<B: IoBufMut>(&mut self, buf: B) -> BufResult<usize, B> {
                self.incoming.read(&self.file, buf).await
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
    /// The output of a child.
    ChildStdout, "stdout"
}

output! {
    /// What a child writes to its standard error.
    ChildStderr, "stderr"
}
