//! [`Child`]: a process that was started.

use core::fmt;
use std::io;
use std::process::{Child as StdChild, ExitStatus, Output};

use annulus_ring::Errno;
use annulus_runtime::runtime::File;
use annulus_runtime::runtime::process::{WaitChild, adopt_child, child_fd};
use annulus_runtime::submit;

use super::pipes::{ChildStderr, ChildStdin, ChildStdout};
use crate::io::{AsyncReadOwned, join};

/// A process that was started, and that this one waits for.
///
/// # When it is dropped
/// The child runs on, unless [`kill_on_drop`](super::Command::kill_on_drop) was asked for: then it
/// is killed. In either case it is waited for when it ends, by a thread that all such children
/// share: no zombie is left.
///
/// ```
/// use annulus::process::Command;
/// let status = annulus::run(async {
///     let mut child = Command::new("sh").args(["-c", "exit 3"]).spawn().await?;
///     child.wait().await
/// })??;
/// assert_eq!(status.code(), Some(3));
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Child {
    /// Its input, if that is a pipe and was not taken.
    pub stdin: Option<ChildStdin>,
    /// Its output, if that is a pipe and was not taken.
    pub stdout: Option<ChildStdout>,
    /// What it says to its standard error, if that is a pipe and was not taken.
    pub stderr: Option<ChildStderr>,
    process: Process,
}

/// A process that somebody is responsible for.
pub(super) struct Process {
    /// Until it is dropped.
    child: Option<StdChild>,
    status: Option<ExitStatus>,
    kill_on_drop: bool,
}

impl Process {
    pub(super) fn new(child: StdChild, kill_on_drop: bool) -> Self {
        Self { child: Some(child), status: None, kill_on_drop }
    }

    fn child(&mut self) -> &mut StdChild {
        self.child.as_mut().expect("a drop alone takes it")
    }

    /// What became of it, if it has ended.
    fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        if self.status.is_none() {
            self.status = self.child().try_wait()?;
        }
        Ok(self.status)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        if self.status.is_some() {
            return;
        }
        if self.kill_on_drop {
            // It may have ended by itself.
            let _ = child.kill();
        }
        adopt_child(child);
    }
}

impl Child {
    /// Takes charge of a process, with its pipes.
    pub(super) fn new(mut process: Process) -> Self {
        let child = process.child();
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let stderr = child.stderr.take();
        Self {
            stdin: stdin.map(ChildStdin::new),
            stdout: stdout.map(ChildStdout::new),
            stderr: stderr.map(ChildStderr::new),
            process,
        }
    }

    /// The standard library's child, with its pipes: for what is started otherwise. It is not
    /// killed when this is dropped.
    ///
    /// # Panics
    /// Outside of a runtime, if it has pipes.
    ///
    /// ```
    /// use annulus::process::Child;
    /// let std = std::process::Command::new("true").spawn()?;
    /// let status = annulus::run(async { Child::from_std(std).wait().await })??;
    /// assert!(status.success());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn from_std(child: StdChild) -> Self {
        Self::new(Process::new(child, false))
    }

    /// Its number, which is its own until it was waited for.
    ///
    /// ```
    /// use annulus::process::Command;
    /// let (id, output) = annulus::run(async {
    ///     let mut command = Command::new("sh");
    ///     command.args(["-c", "echo $$"]).stdout(std::process::Stdio::piped());
    ///     let child = command.spawn().await?;
    ///     std::io::Result::Ok((child.id(), child.wait_with_output().await?))
    /// })??;
    /// assert_eq!(output.stdout, format!("{id}\n").into_bytes());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn id(&self) -> u32 {
        self.process.child.as_ref().map_or(0, StdChild::id)
    }

    /// Kills it (`SIGKILL`). That takes a moment: [`wait`](Self::wait) for it.
    ///
    /// One that has been waited for is left alone, and so is who has its number since.
    ///
    /// # Errors
    /// `EPERM`: it runs as somebody else.
    ///
    /// See [kill(2)](https://man7.org/linux/man-pages/man2/kill.2.html).
    ///
    /// ```
    /// use annulus::process::Command;
    /// use std::os::unix::process::ExitStatusExt;
    /// let status = annulus::run(async {
    ///     let mut child = Command::new("sleep").arg("1000").spawn().await?;
    ///     child.kill()?;
    ///     child.wait().await
    /// })??;
    /// assert_eq!(status.signal(), Some(9));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn kill(&mut self) -> io::Result<()> {
        if self.process.status.is_some() {
            return Ok(());
        }
        self.process.child().kill()
    }

    /// Waits until it has ended: what became of it. The same again each time.
    ///
    /// Its input, if that is a pipe and was not taken, is closed first: it might wait for more of
    /// it. Output that nobody reads may keep it from its end: see
    /// [`wait_with_output`](Self::wait_with_output).
    ///
    /// *Resumable*: where its future is dropped nothing is lost.
    ///
    /// # Errors
    /// `ECHILD`: somebody else in this process has waited for it, by `wait(2)` or by ignoring
    /// `SIGCHLD`.
    ///
    /// By the ring (`IORING_OP_WAITID`, Linux 6.7); before, by polling a descriptor of it
    /// (`pidfd_open(2)`), also by the ring. See
    /// [waitid(2)](https://man7.org/linux/man-pages/man2/waitid.2.html).
    ///
    /// ```
    /// use annulus::process::Command;
    /// use annulus::time::timeout;
    /// use std::time::Duration;
    /// annulus::run(async {
    ///     let mut child = Command::new("sleep").arg("1000").spawn().await?;
    ///     assert!(timeout(Duration::from_millis(5), child.wait()).await.is_err());
    ///     child.kill()?;
    ///     assert!(!child.wait().await?.success());
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "IORING_OP_WAITID")]
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        drop(self.stdin.take());
        loop {
            if let Some(status) = self.process.try_wait()? {
                return Ok(status);
            }
            match submit(WaitChild::new(self.id())).await {
                Err(error) if error.errno() == Some(Errno::EINVAL) => {
                    self.poll_until_ended().await?;
                }
                ended => ended?,
            }
        }
    }

    /// Waits until it has ended where the ring has no operation for that.
    async fn poll_until_ended(&mut self) -> io::Result<()> {
        let file = File::new(child_fd(self.id())?);
        file.readable().await?;
        Ok(())
    }

    /// What became of it, if it has ended: at once, without waiting.
    ///
    /// # Errors
    /// Those of [`wait`](Self::wait).
    ///
    /// ```
    /// use annulus::process::Command;
    /// annulus::run(async {
    ///     let mut child = Command::new("sleep").arg("1000").kill_on_drop(true).spawn().await?;
    ///     assert_eq!(child.try_wait()?, None);
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.process.try_wait()
    }

    /// Waits until it has ended and its outputs, those that are pipes and were not taken, have come
    /// to theirs: status and all of the outputs.
    ///
    /// An output ends when all have closed it that the child gave it to, a grandchild in the
    /// background too. There is no limit to what is read.
    ///
    /// *Cancel and discard*: where its future is dropped, so is the child, as
    /// [above](Self#when-it-is-dropped).
    ///
    /// # Errors
    /// Those of [`wait`](Self::wait), and of reading a pipe.
    ///
    /// ```
    /// use annulus::process::{Command, Stdio};
    /// let output = annulus::run(async {
    ///     let mut command = Command::new("sh");
    ///     command.args(["-c", "echo out; echo err >&2"]);
    ///     command.stdout(Stdio::piped()).stderr(Stdio::piped());
    ///     command.spawn().await?.wait_with_output().await
    /// })??;
    /// assert_eq!((&output.stdout[..], &output.stderr[..]), (&b"out\n"[..], &b"err\n"[..]));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn wait_with_output(mut self) -> io::Result<Output> {
        let (stdout, stderr) = (self.stdout.take(), self.stderr.take());
        let outputs = join(to_the_end(stdout), to_the_end(stderr));
        let (status, (stdout, stderr)) = join(self.wait(), outputs).await;
        Ok(Output { status: status?, stdout: stdout?, stderr: stderr? })
    }
}

/// All that a pipe brings, if there is one.
async fn to_the_end(pipe: Option<impl AsyncReadOwned>) -> io::Result<Vec<u8>> {
    match pipe {
        Some(mut pipe) => Ok(pipe.read_to_end(Vec::new()).await?.1),
        None => Ok(Vec::new()),
    }
}

impl fmt::Debug for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Child")
            .field("id", &self.id())
            .field("status", &self.process.status)
            .field("stdin", &self.stdin)
            .field("stdout", &self.stdout)
            .field("stderr", &self.stderr)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_without_the_operation_polls_the_child() {
        let status = annulus_runtime::run(async {
            let mut cat = std::process::Command::new("cat");
            let mut child = Child::from_std(cat.stdin(std::process::Stdio::piped()).spawn()?);
            let input = child.stdin.take();
            let (ended, ()) = join(child.poll_until_ended(), async { drop(input) }).await;
            ended?;
            child.try_wait()
        });
        assert!(status.unwrap().unwrap().expect("it has ended").success());
    }
}
