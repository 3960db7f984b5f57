//! What is run on both kernels: entries and outside events over a small world, step by step.

use annulus_emulate::abi::{Op, SqeFlags};

/// The files of a world, by number. Regular files come first.
pub const FILES: i32 = 4;
/// Read and write end of a pipe, of another that holds a page, then both ends of two socket pairs.
pub const PIPE_READ: i32 = 4;
pub const PIPE_WRITE: i32 = 5;
pub const SMALL_READ: i32 = 6;
pub const SMALL_WRITE: i32 = 7;
pub const SOCKET: i32 = 8;
/// How many files there are; this number itself is never open.
pub const SLOTS: i32 = 12;

/// How much of a world's memory each entry has for itself.
pub const BUFFER_BYTES: u32 = 8192;

/// What polls are renamed to.
pub const NEW_NAMES: core::ops::Range<u64> = 1000..1003;

/// The names of the files of a world.
const NAMES: [&str; SLOTS as usize + 1] = [
    "file0", "file1", "file2", "file3", "pipe.r", "pipe.w", "small.r", "small.w", "sock0.a",
    "sock0.b", "sock1.a", "sock1.b", "none",
];

pub fn name(slot: i32) -> &'static str {
    usize::try_from(slot).ok().and_then(|slot| NAMES.get(slot).copied()).unwrap_or("outside")
}

/// A time that an entry points to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Time {
    /// Zero, or the first nanosecond of the clock.
    Now,
    /// A few milliseconds.
    Short,
    /// Longer than any test.
    Long,
    /// Refused.
    Negative,
}

/// What the address of an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// A number, as it is.
    Plain(u64),
    /// The entry's own buffer.
    Buffer,
    /// So many pieces of the entry's own buffer.
    Pieces(u32),
    /// A time, which `addr` points to.
    Time(Time),
    /// A time, which `off` points to; `addr` is a number.
    TimeBehind(u64, Time),
}

/// An entry. Fields have the names that they have in the kernel's structure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub op: Op,
    pub slot: i32,
    pub flags: SqeFlags,
    pub off: u64,
    pub len: u32,
    pub rw_flags: u32,
    pub ioprio: u16,
    pub memory: Memory,
    pub buf_index: u16,
    pub personality: u16,
    pub splice_fd_in: i32,
    pub user_data: u64,
    /// Whose buffer it has: its number among all entries of the program.
    pub place: usize,
}

impl Entry {
    pub fn new(op: Op, place: usize) -> Self {
        Self {
            op,
            slot: -1,
            flags: SqeFlags::empty(),
            off: 0,
            len: 0,
            rw_flags: 0,
            ioprio: 0,
            memory: Memory::Plain(0),
            buf_index: 0,
            personality: 0,
            splice_fd_in: 0,
            user_data: place as u64 + 1,
            place,
        }
    }

    /// Whether it may end some time after it began without anything that happens outside: on a
    /// kernel's thread, or when a time has come.
    pub fn lingers(&self) -> bool {
        let on_file = (0..FILES).contains(&self.slot);
        let soon = matches!(
            self.memory,
            Memory::Time(Time::Short | Time::Now) | Memory::TimeBehind(_, Time::Short | Time::Now)
        );
        self.flags.contains(SqeFlags::ASYNC) || on_file || soon
    }

    /// How long a time in it is, at most, in milliseconds.
    pub fn waits_ms(&self) -> u64 {
        match self.memory {
            Memory::Time(Time::Short) | Memory::TimeBehind(_, Time::Short) => {
                SHORT_MS * self.off.clamp(1, 3)
            }
            _ => 0,
        }
    }
}

/// What [`Time::Short`] is.
pub const SHORT_MS: u64 = 2;

/// What happens outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    Write { slot: i32, bytes: u32 },
    Read { slot: i32, bytes: u32 },
    Close { slot: i32 },
    ShutDown { slot: i32 },
}

/// A step: afterwards one waits until nothing goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Submit(Vec<Entry>),
    Happen(Event),
}

/// See above.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Whether a refused entry ends a submit.
    pub submit_all: bool,
    /// How many completions there is room for: 0 for plenty.
    pub cq_entries: u32,
    pub steps: Vec<Step>,
}

impl Program {
    /// Whether there are drains: then a cancel may wait for what it is to end.
    pub fn drains(&self) -> bool {
        let drains = |entry: &Entry| entry.flags.contains(SqeFlags::IO_DRAIN);
        self.steps.iter().any(|step| match step {
            Step::Submit(entries) => entries.iter().any(drains),
            Step::Happen(_) => false,
        })
    }
}

impl core::fmt::Display for Entry {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:>3}  {:?}", self.user_data, self.op)?;
        if self.slot != -1 {
            write!(f, " {}", name(self.slot))?;
        }
        if !self.flags.is_empty() {
            write!(f, " {:?}", self.flags)?;
        }
        if self.memory != Memory::Plain(0) {
            write!(f, " addr={:?}", self.memory)?;
        }
        let numbers = [
            ("off", self.off as i64),
            ("len", i64::from(self.len)),
            ("op_flags", i64::from(self.rw_flags)),
            ("ioprio", i64::from(self.ioprio)),
            ("buf_index", i64::from(self.buf_index)),
            ("personality", i64::from(self.personality)),
            ("splice_fd_in", i64::from(self.splice_fd_in)),
        ];
        for (name, value) in numbers.into_iter().filter(|(_, value)| *value != 0) {
            write!(f, " {name}={value:#x}")?;
        }
        Ok(())
    }
}

impl core::fmt::Display for Program {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        writeln!(f, "submit_all={} cq_entries={}", self.submit_all, self.cq_entries)?;
        for (n, step) in self.steps.iter().enumerate() {
            match step {
                Step::Submit(entries) => {
                    writeln!(f, "step {n}: submit")?;
                    for entry in entries {
                        writeln!(f, "    {entry}")?;
                    }
                }
                Step::Happen(event) => writeln!(f, "step {n}: {event:?}")?,
            }
        }
        Ok(())
    }
}
