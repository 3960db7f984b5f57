//! Signals, as something to be awaited.
//!
//! A [`Signal`] is told of each signal of its kind that comes after it was made, as are all others
//! of that kind, on any thread and runtime. Signals that come before it was asked again are one, as
//! they are for the kernel: it says that there was one since, and not how many. One that is being
//! delivered while it is made may be told or not.
//!
//! # What happens to the process
//! From the first listener on the signal does not do any more what it did by default: a `SIGTERM`
//! does not end the process, until somebody does so who listens. That stays so when the last
//! listener is gone, so that none that comes between two listeners ends the process half-way;
//! [`restore_default`] ends it. Handlers that others have installed before are called still.
//! Programs that are started have the default again: they inherit no handler.
//!
//! # How
//! By a handler that adds to an eventfd for each listener, which the ring polls. Not by a signalfd:
//! that needs the signal blocked in each thread of the process, those of other libraries too;
//! children inherit what is blocked, also over `execve`, and could not be ended then; and of
//! several readers of one signalfd one alone gets the signal.
//!
//! ```
//! use annulus::signal::{SignalKind, signal};
//! annulus::run(async {
//!     let mut hangups = signal(SignalKind::HANGUP)?;
//! #   let pid = std::process::id().to_string();
//! #   std::process::Command::new("kill").args(["-HUP", &pid]).status()?;
//!     hangups.next().await?; // read the configuration again
//!     std::io::Result::Ok(())
//! })??;
//! # Ok::<(), std::io::Error>(())
//! ```

use core::fmt;
use core::future::{Future, poll_fn};
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::io;
use std::os::fd::AsFd;

use annulus_runtime::LocalOp;
use annulus_runtime::engine::ops::PollOnce;
use annulus_runtime::runtime::File;
use annulus_runtime::runtime::process::{SignalWatch, restore_signal};

/// Which signal.
///
/// ```
/// use annulus::signal::SignalKind;
/// assert_eq!(SignalKind::from_raw(15), SignalKind::TERMINATE);
/// assert_eq!(SignalKind::INTERRUPT.as_raw(), 2);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SignalKind(i32);

impl SignalKind {
    /// `SIGALRM`: a timer of `alarm(2)`.
    pub const ALARM: Self = Self(14);
    /// `SIGCHLD`: a child has ended, or stopped.
    #[doc(alias = "SIGCHLD")]
    pub const CHILD: Self = Self(17);
    /// `SIGHUP`: the terminal is gone; servers read their configuration again.
    #[doc(alias = "SIGHUP")]
    pub const HANGUP: Self = Self(1);
    /// `SIGINT`: Ctrl-C at the terminal.
    #[doc(alias = "SIGINT")]
    pub const INTERRUPT: Self = Self(2);
    /// `SIGIO`: a file is ready, for who has asked so.
    pub const IO: Self = Self(29);
    /// `SIGPIPE`: a write to what nobody reads. Rust's programs ignore it.
    pub const PIPE: Self = Self(13);
    /// `SIGQUIT`: Ctrl-\ at the terminal.
    pub const QUIT: Self = Self(3);
    /// `SIGTERM`: somebody asks the process to end.
    #[doc(alias = "SIGTERM")]
    pub const TERMINATE: Self = Self(15);
    /// `SIGUSR1`: the program's own.
    pub const USER_DEFINED1: Self = Self(10);
    /// `SIGUSR2`: the program's own.
    pub const USER_DEFINED2: Self = Self(12);
    /// `SIGWINCH`: the terminal's window has another size.
    #[doc(alias = "SIGWINCH")]
    pub const WINDOW_CHANGE: Self = Self(28);

    /// The signal of this number, be there one or not.
    ///
    /// ```
    /// use annulus::signal::{SignalKind, signal};
    /// let why = annulus::run(async { signal(SignalKind::from_raw(9)).map(drop) })?.unwrap_err();
    /// assert_eq!(why.kind(), std::io::ErrorKind::InvalidInput); // nobody handles SIGKILL
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub const fn from_raw(number: i32) -> Self {
        Self(number)
    }

    /// Its number.
    ///
    /// ```
    /// assert_eq!(annulus::signal::SignalKind::HANGUP.as_raw(), 1);
    /// ```
    pub const fn as_raw(self) -> i32 {
        self.0
    }
}

/// Listens to a signal: see [`signal`].
pub struct Signal {
    // Before the file: what is under way is given up first.
    /// Waits until the eventfd is readable.
    pending: Option<LocalOp<PollOnce>>,
    file: File,
    watch: SignalWatch,
}

/// Listens to a signal from now on. See [the module's page](self) for what that does to the
/// process.
///
/// # Errors
/// - `EINVAL`: there is no such signal, or it cannot be handled (`SIGKILL`, `SIGSTOP`), or it says
///   that its thread cannot go on (`SIGSEGV`, `SIGBUS`, `SIGFPE`, `SIGILL`).
/// - `EMFILE`, `ENFILE`: there is no descriptor left: raise `RLIMIT_NOFILE`.
///
/// # Panics
/// Outside of a runtime.
///
/// See [sigaction(2)](https://man7.org/linux/man-pages/man2/sigaction.2.html).
///
/// ```
/// use annulus::signal::{SignalKind, signal};
/// annulus::run(async {
///     let (mut one, mut other) = (
///         signal(SignalKind::USER_DEFINED1)?,
///         signal(SignalKind::USER_DEFINED1)?,
///     );
/// #   let pid = std::process::id().to_string();
/// #   std::process::Command::new("kill").args(["-USR1", &pid]).status()?;
///     one.next().await?;
///     other.next().await?; // each gets it
///     std::io::Result::Ok(())
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "signalfd")]
#[track_caller]
pub fn signal(kind: SignalKind) -> io::Result<Signal> {
    let watch = SignalWatch::new(kind.0).map_err(|why| io::Error::from_raw_os_error(why.raw()))?;
    let file = File::new(watch.as_fd().try_clone_to_owned()?);
    Ok(Signal { pending: None, file, watch })
}

impl Signal {
    /// Waits until the signal has come since the last time, or since this was made.
    ///
    /// *Resumable*: where its future is dropped the signal is the next call's.
    ///
    /// # Errors
    /// [`is_closed`](annulus_runtime::Error::is_closed): the runtime has ended.
    ///
    /// ```
    /// use annulus::signal::{SignalKind, signal};
    /// use annulus::time::timeout;
    /// use std::time::Duration;
    /// annulus::run(async {
    ///     let mut signals = signal(SignalKind::USER_DEFINED2)?;
    ///     assert!(timeout(Duration::from_millis(1), signals.next()).await.is_err());
    /// #   let pid = std::process::id().to_string();
    /// #   std::process::Command::new("kill").args(["-USR2", &pid]).status()?;
    ///     signals.next().await
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "recv")]
    pub async fn next(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// The same, for who polls: a stream without an end.
    ///
    /// # Errors
    /// Those of [`next`](Self::next).
    ///
    /// ```
    /// use annulus::signal::{SignalKind, signal};
    /// annulus::run(async {
    ///     let mut signals = signal(SignalKind::WINDOW_CHANGE)?;
    ///     let now = core::future::poll_fn(|cx| signals.poll_next(cx).is_ready().into_poll());
    ///     assert!(!now.await);
    ///     std::io::Result::Ok(())
    /// })??;
    /// # trait IntoPoll { fn into_poll(self) -> core::task::Poll<bool>; }
    /// # impl IntoPoll for bool {
    /// #     fn into_poll(self) -> core::task::Poll<bool> { core::task::Poll::Ready(self) }
    /// # }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            if self.watch.take() {
                return Poll::Ready(Ok(()));
            }
            let pending = self.pending.get_or_insert_with(|| self.file.readable());
            let ready = ready!(Pin::new(pending).poll(cx));
            self.pending = None;
            ready?;
        }
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signal").field("watch", &self.watch).finish_non_exhaustive()
    }
}

/// Waits for a Ctrl-C at the terminal (`SIGINT`) that comes after it was polled first.
///
/// From then on Ctrl-C does not end the process, also when this is over: see [the module's
/// page](self#what-happens-to-the-process). For more than one make a [`signal`] and keep it: one
/// that comes between two calls of this is lost.
///
/// *Cancel and discard*: one that comes when its future is dropped nobody is told.
///
/// # Errors
/// Those of [`signal`] and [`Signal::next`].
///
/// # Panics
/// Outside of a runtime.
///
/// ```
/// use annulus::time::timeout;
/// use std::time::Duration;
/// annulus::run(async {
///     let pressed = timeout(Duration::from_millis(1), annulus::signal::ctrl_c()).await;
///     assert!(pressed.is_err(), "nobody did");
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub async fn ctrl_c() -> io::Result<()> {
    signal(SignalKind::INTERRUPT)?.next().await
}

/// Has the process do again what it did before the first listener of this kind: by default,
/// `SIGINT` and `SIGTERM` end it.
///
/// # Errors
/// - [`ResourceBusy`](io::ErrorKind::ResourceBusy): somebody listens.
/// - `EINVAL`: there is no such signal, or nobody can listen to it.
///
/// ```
/// use annulus::signal::{SignalKind, restore_default, signal};
/// annulus::run(async {
///     let listener = signal(SignalKind::QUIT)?;
///     let why = restore_default(SignalKind::QUIT).unwrap_err();
///     assert_eq!(why.kind(), std::io::ErrorKind::ResourceBusy);
///     drop(listener);
///     restore_default(SignalKind::QUIT)
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn restore_default(kind: SignalKind) -> io::Result<()> {
    restore_signal(kind.0).map_err(|why| io::Error::from_raw_os_error(why.raw()))
}
