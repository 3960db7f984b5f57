//! [`Command`]: a program that is to be started.

use core::fmt;
use std::ffi::OsStr;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command as StdCommand, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use annulus_runtime::spawn_blocking;

use super::child::{Child, Process};

/// A program that is to be started, with its arguments, its environment and its files: as that of
/// the standard library, but for what waits.
///
/// # Where it is started
/// On a thread of the runtime's pool. The kernel stops who starts a program until that was loaded:
/// 0.1 ms from the page cache, as long as a disk takes without; and with [`uid`](Self::uid) or
/// [`gid`](Self::gid) it copies the page tables first (`fork(2)`), which took 80 ms in a process
/// of 1 GiB. Handing it over takes 0.02 ms. What must be started by this thread
/// (`PR_SET_PDEATHSIG` is about the thread) is so by [`spawn_here`](Self::spawn_here).
///
/// ```
/// use annulus::process::Command;
/// let output = annulus::run(async { Command::new("echo").arg("ring").output().await })??;
/// assert!(output.status.success());
/// assert_eq!(output.stdout, b"ring\n");
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Command {
    /// Shared with the thread that starts it.
    std: Arc<Mutex<StdCommand>>,
    kill_on_drop: bool,
    has: Has,
}

/// Which of the three were set.
#[derive(Clone, Copy, Default)]
struct Has {
    stdin: bool,
    stdout: bool,
    stderr: bool,
}

fn lock(std: &Mutex<StdCommand>) -> MutexGuard<'_, StdCommand> {
    std.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is set on the standard library's.
macro_rules! forwarded {
    ($($(#[$doc:meta])* $name:ident $(<$($T:ident: $Bound:path),*>)?
        ($($arg:ident: $Arg:ty),*) = $example:literal;)*) => {
        $(
            $(#[$doc])*
            ///
            /// ```
            /// use annulus::process::Command;
            /// let output = annulus::run(async {
            ///     let mut command = Command::new("sh");
            #[doc = concat!("    ", $example)]
            ///     command.output().await
            /// })??;
            /// assert_eq!(String::from_utf8_lossy(&output.stdout), "ring\n");
            /// # Ok::<(), std::io::Error>(())
            /// ```
            pub fn $name $(<$($T: $Bound),*>)? (&mut self, $($arg: $Arg),*) -> &mut Self {
                lock(&self.std).$name($($arg),*);
                self
            }
        )*
    };
}

impl Command {
    /// A program, found as the shell finds it: by `PATH`, unless there is a `/` in it.
    ///
    /// ```
    /// use annulus::process::Command;
    /// assert!(annulus::run(async { Command::new("true").status().await })??.success());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self::from(StdCommand::new(program))
    }

    forwarded! {
        /// One more argument.
        arg<S: AsRef<OsStr>>(arg: S) = r#"command.arg("-c").arg("echo ring");"#;
        /// What the program finds for its own name, instead of the program's.
        arg0<S: AsRef<OsStr>>(arg: S) = r#"command.arg0("ring").args(["-c", "echo $0"]);"#;
        /// A variable of its environment.
        env<K: AsRef<OsStr>, V: AsRef<OsStr>>(key: K, value: V) =
            r#"command.env("A", "ring").args(["-c", "echo $A"]);"#;
        /// A variable that it does not inherit.
        env_remove<K: AsRef<OsStr>>(key: K) =
            r#"command.env("A", "x").env_remove("A").args(["-c", "echo ${A-ring}"]);"#;
        /// Has it inherit no variable; what was set before is gone too. The program is found by
        /// the `PATH` that is set for it, if one is.
        env_clear() = r#"command.env_clear().args(["-c", "echo ${HOME-ring}"]);"#;
        /// Where it is started.
        current_dir<P: AsRef<Path>>(dir: P) =
            r#"command.current_dir("/").args(["-c", "test $PWD = / && echo ring"]);"#;
        /// The user that it runs as: needs `CAP_SETUID`; supplementary groups are given up where
        /// this process is root.
        uid(id: u32) = r#"command.uid(0).args(["-c", "test `id -u` = 0 && echo ring"]);"#;
        /// The group that it runs as: needs `CAP_SETGID`.
        gid(id: u32) = r#"command.gid(0).args(["-c", "test `id -g` = 0 && echo ring"]);"#;
        /// The process group that it is in; 0 for one of its own, so that a Ctrl-C at the terminal
        /// is not for it.
        process_group(pgroup: i32) =
            r#"command.process_group(0).args(["-c", "test `ps -o pgid= $$` = $$ && echo ring"]);"#;
    }

    /// More arguments.
    ///
    /// ```
    /// use annulus::process::Command;
    /// let output = annulus::run(async { Command::new("echo").args(["a", "b"]).output().await })??;
    /// assert_eq!(output.stdout, b"a b\n");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn args<S: AsRef<OsStr>>(&mut self, args: impl IntoIterator<Item = S>) -> &mut Self {
        lock(&self.std).args(args);
        self
    }

    /// Variables of its environment.
    ///
    /// ```
    /// use annulus::process::Command;
    /// let output = annulus::run(async {
    ///     let mut command = Command::new("sh");
    ///     command.args(["-c", "echo $A$B"]).envs([("A", "1"), ("B", "2")]).output().await
    /// })??;
    /// assert_eq!(output.stdout, b"12\n");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn envs<K, V>(&mut self, vars: impl IntoIterator<Item = (K, V)>) -> &mut Self
    where
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        lock(&self.std).envs(vars);
        self
    }

    /// Its standard input: this process's, if nothing is set; none for [`output`](Self::output).
    ///
    /// ```
    /// use annulus::process::{Command, Stdio};
    /// let output = annulus::run(async {
    ///     Command::new("cat").stdin(Stdio::null()).output().await
    /// })??;
    /// assert_eq!(output.stdout, b"");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn stdin(&mut self, stdin: impl Into<Stdio>) -> &mut Self {
        self.has.stdin = true;
        lock(&self.std).stdin(stdin);
        self
    }

    /// Its standard output: this process's, if nothing is set; a pipe for
    /// [`output`](Self::output).
    ///
    /// ```
    /// use annulus::process::{Command, Stdio};
    /// let output = annulus::run(async {
    ///     Command::new("ls").stdout(Stdio::null()).output().await
    /// })??;
    /// assert_eq!(output.stdout, b"");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn stdout(&mut self, stdout: impl Into<Stdio>) -> &mut Self {
        self.has.stdout = true;
        lock(&self.std).stdout(stdout);
        self
    }

    /// Its standard error: this process's, if nothing is set; a pipe for [`output`](Self::output).
    ///
    /// ```
    /// use annulus::process::{Command, Stdio};
    /// let output = annulus::run(async {
    ///     Command::new("sh").args(["-c", "echo ring >&2"]).stderr(Stdio::null()).output().await
    /// })??;
    /// assert_eq!(output.stderr, b"");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn stderr(&mut self, stderr: impl Into<Stdio>) -> &mut Self {
        self.has.stderr = true;
        lock(&self.std).stderr(stderr);
        self
    }

    /// Whether the child is killed when its [`Child`] is dropped before it has ended, or the future
    /// of [`spawn`](Self::spawn), [`status`](Self::status) or [`output`](Self::output). It is not,
    /// if nothing is set.
    ///
    /// ```
    /// use annulus::process::Command;
    /// let id = annulus::run(async {
    ///     let child = Command::new("sleep").arg("1000").kill_on_drop(true).spawn().await?;
    ///     std::io::Result::Ok(child.id())
    /// })??;
    /// while std::fs::exists(format!("/proc/{id}"))? {
    ///     std::thread::yield_now();
    /// }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn kill_on_drop(&mut self, kill: bool) -> &mut Self {
        self.kill_on_drop = kill;
        self
    }

    /// Starts it, [on a thread of the pool](Self#where-it-is-started).
    ///
    /// *Cancel and discard*: where its future is dropped the child is started all the same if that
    /// was begun, and is dropped as a [`Child`] is.
    ///
    /// # Errors
    /// - `ENOENT`: there is no such program, or no such directory to start it in, or what it is
    ///   interpreted by is not there. `ENOTDIR`.
    /// - `EACCES`: it is not executable for this user, or a directory on the way is closed.
    /// - `ENOEXEC`: it is no program, and no script that says what interprets it.
    /// - `EAGAIN`: too many processes: raise `RLIMIT_NPROC`, or the limit of the control group.
    /// - `EMFILE`, `ENFILE`: no descriptor is left for its pipes: raise `RLIMIT_NOFILE`.
    /// - `ENOMEM`; `E2BIG`: too many arguments and variables; `EPERM`: the user or group may not
    ///   be taken; `InvalidInput`: a zero byte in a text; `ETXTBSY`: somebody writes to it.
    ///
    /// # Panics
    /// Outside of a runtime.
    ///
    /// See [execve(2)](https://man7.org/linux/man-pages/man2/execve.2.html).
    ///
    /// ```
    /// use annulus::process::Command;
    /// annulus::run(async {
    ///     assert!(Command::new("true").spawn().await?.wait().await?.success());
    ///     let why = Command::new("/nowhere").spawn().await.unwrap_err();
    ///     assert_eq!(why.kind(), std::io::ErrorKind::NotFound);
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn spawn(&mut self) -> io::Result<Child> {
        let (std, kill_on_drop) = (Arc::clone(&self.std), self.kill_on_drop);
        let process = spawn_blocking(move || {
            // Whoever gets it is responsible for it, also where that is nobody any more.
            lock(&std).spawn().map(|child| Process::new(child, kill_on_drop))
        });
        Ok(Child::new(process.await.map_err(|ended| io::Error::other(ended.to_string()))??))
    }

    /// Starts it on this thread, which stops until it was loaded. See [where it is
    /// started](Self#where-it-is-started).
    ///
    /// # Errors
    /// Those of [`spawn`](Self::spawn).
    ///
    /// # Panics
    /// Outside of a runtime, if it has pipes.
    ///
    /// ```
    /// use annulus::process::Command;
    /// let status = annulus::run(async { Command::new("true").spawn_here()?.wait().await })??;
    /// assert!(status.success());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn spawn_here(&mut self) -> io::Result<Child> {
        let child = lock(&self.std).spawn()?;
        Ok(Child::new(Process::new(child, self.kill_on_drop)))
    }

    /// Starts it, and waits until it has ended: what became of it.
    ///
    /// *Cancel and discard*: where its future is dropped, so is the child, as a [`Child`] is.
    ///
    /// # Errors
    /// Those of [`spawn`](Self::spawn) and [`Child::wait`]. That the program says it failed is
    /// none: see [`ExitStatus::success`].
    ///
    /// ```
    /// use annulus::process::Command;
    /// let status = annulus::run(async { Command::new("false").status().await })??;
    /// assert_eq!(status.code(), Some(1));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn status(&mut self) -> io::Result<ExitStatus> {
        let mut child = self.spawn().await?;
        // Nobody could read them.
        drop((child.stdout.take(), child.stderr.take()));
        child.wait().await
    }

    /// Starts it, and waits until it has ended and its outputs have come to theirs: status and all
    /// of the outputs. What was not set otherwise is a pipe for the outputs, and nothing for the
    /// input.
    ///
    /// *Cancel and discard*, and more: as [`Child::wait_with_output`].
    ///
    /// # Errors
    /// Those of [`spawn`](Self::spawn) and [`Child::wait_with_output`].
    ///
    /// ```
    /// use annulus::process::Command;
    /// let output = annulus::run(async { Command::new("cat").arg("Cargo.toml").output().await })??;
    /// assert!(output.stdout.starts_with(b"[package]"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn output(&mut self) -> io::Result<Output> {
        let unset = Unset { std: Arc::clone(&self.std), has: self.has };
        unset.set(Stdio::null, Stdio::piped);
        let child = self.spawn().await;
        drop(unset);
        child?.wait_with_output().await
    }
}

/// Those of the three that the user has not set: inherited again when this is dropped.
struct Unset {
    std: Arc<Mutex<StdCommand>>,
    has: Has,
}

impl Unset {
    fn set(&self, input: fn() -> Stdio, output: fn() -> Stdio) {
        let mut std = lock(&self.std);
        if !self.has.stdin {
            std.stdin(input());
        }
        if !self.has.stdout {
            std.stdout(output());
        }
        if !self.has.stderr {
            std.stderr(output());
        }
    }
}

impl Drop for Unset {
    fn drop(&mut self) {
        self.set(Stdio::inherit, Stdio::inherit);
    }
}

/// As it was set up. For [`output`](Command::output) its standard input, output and error count as
/// not set.
impl From<StdCommand> for Command {
    fn from(std: StdCommand) -> Self {
        Self { std: Arc::new(Mutex::new(std)), kill_on_drop: false, has: Has::default() }
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not by waiting for a thread that starts it.
        match self.std.try_lock() {
            Ok(std) => std.fmt(f),
            Err(_) => f.write_str("Command(being started)"),
        }
    }
}
