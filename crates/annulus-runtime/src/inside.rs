//! What is seen of operations from outside: [`OpInfo`], and [`Hung`], those that an end left.

use core::fmt;
use core::time::Duration;
use std::os::fd::RawFd;

use annulus_ring::abi::{Op, Sqe};

/// Where an operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpStage {
    /// It waits for room in the ring.
    Queued,
    /// The kernel has it, or is shown it by the next turn.
    InFlight,
    /// So it does, and somebody asked for its end: by a drop, a cancel, a deadline or the
    /// runtime's end.
    Cancelling,
}

/// An operation that is not over: what [`Runtime::ops`](crate::Runtime::ops) lists.
///
/// ```
/// use annulus_runtime::runtime::{File, ops};
/// use annulus_runtime::spawn_local;
///
/// let (reader, _writer) = std::io::pipe()?;
/// annulus_runtime::run(async {
///     let file = File::new(reader);
///     let read = spawn_local(async move { file.read_at(vec![0; 1], 0).await });
///     annulus_runtime::yield_now().await;
///     let waits = ops();
///     assert_eq!(waits[0].op.name(), Some("IORING_OP_READ"));
///     println!("{}", waits[0]); // IORING_OP_READ on descriptor 9, in flight for 0 ms
///     read.abort();
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpInfo {
    /// What it is.
    pub op: Op,
    /// The descriptor in its entry, if that has one.
    pub fd: Option<RawFd>,
    /// How long ago it was begun, to some milliseconds. Not known of what other threads shipped by
    /// [`Runtime::engine`](crate::Runtime::engine).
    pub age: Option<Duration>,
    /// Where it is.
    pub stage: OpStage,
}

impl OpInfo {
    /// The operation of an entry.
    pub(crate) fn new(entry: &Sqe, stage: OpStage, age: Option<Duration>) -> Self {
        Self { op: entry.opcode, fd: (entry.fd >= 0).then_some(entry.fd), age, stage }
    }
}

impl fmt::Display for OpInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.op.name() {
            Some(name) => f.write_str(name)?,
            None => write!(f, "operation {}", self.op.0)?,
        }
        if let Some(fd) = self.fd {
            write!(f, " on descriptor {fd}")?;
        }
        f.write_str(match self.stage {
            OpStage::Queued => ", queued",
            OpStage::InFlight => ", in flight",
            OpStage::Cancelling => ", being cancelled",
        })?;
        match self.age {
            Some(age) => write!(f, " for {} ms", age.as_millis()),
            None => Ok(()),
        }
    }
}

/// What the end of a runtime had to leave behind, its time being over: see
/// [`Runtime::shutdown`](crate::Runtime::shutdown).
///
/// Whatever the kernel may still write, or a thread still use, is kept for good: nothing is freed
/// too early.
#[derive(Debug)]
#[non_exhaustive]
pub struct Hung {
    /// The operations that the kernel has not let go of, with their buffers and the ring itself.
    pub ops: Vec<OpInfo>,
    /// Whether threads of the blocking pool were still at work.
    pub blocking: bool,
}

impl Hung {
    /// What was left, if something was.
    pub(crate) fn found(ops: Vec<OpInfo>, blocking: bool) -> Result<(), Self> {
        if ops.is_empty() && !blocking { Ok(()) } else { Err(Self { ops, blocking }) }
    }
}

impl fmt::Display for Hung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a runtime ended before all that it had begun")?;
        if !self.ops.is_empty() {
            write!(
                f,
                "; the kernel has {} operations of it still, whose memory is kept for good",
                self.ops.len()
            )?;
        }
        const SHOWN_MAX: usize = 3;
        for op in self.ops.iter().take(SHOWN_MAX) {
            write!(f, "; {op}")?;
        }
        if self.ops.len() > SHOWN_MAX {
            f.write_str("; …")?;
        }
        if self.blocking {
            f.write_str("; threads for what blocks are still at work")?;
        }
        f.write_str("; give it more time, or find out what they wait for")
    }
}

impl std::error::Error for Hung {}

impl From<Hung> for std::io::Error {
    fn from(hung: Hung) -> Self {
        Self::new(std::io::ErrorKind::TimedOut, hung)
    }
}
