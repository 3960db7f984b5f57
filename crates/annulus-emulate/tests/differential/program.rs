//! What is run on both kernels: entries and outside events over a small world, step by step.

use core::fmt;

use annulus_emulate::abi::{CancelFlags, Op, SqeFlags, TimeoutFlags};

/// The files of a world, by number. Regular files come first: two on the disk, two in memory.
pub const FILES: i32 = 4;
/// Read and write end of a pipe, and of another that holds a page.
pub const PIPE_READ: i32 = 4;
pub const PIPE_WRITE: i32 = 5;
pub const SMALL_READ: i32 = 6;
pub const SMALL_WRITE: i32 = 7;
/// Both ends of two pairs of streams, and of a pair of sockets for messages.
pub const SOCKET: i32 = 8;
pub const DATAGRAM: i32 = 12;
/// An eventfd.
pub const COUNTER: i32 = 14;
/// Listeners of their own address family, and two sockets for each that may connect.
pub const LOCAL: i32 = 15;
pub const INTERNET: i32 = 18;
/// The directory of the files.
pub const DIRECTORY: i32 = 21;
/// How many files there are; this number itself is never open.
pub const SLOTS: i32 = 22;

/// How much of a world's memory each entry has for itself.
pub const BUFFER_BYTES: u32 = 8192;

/// The table of files: how long it is.
pub const TABLE: u32 = 8;
/// The tags of the table's slots, and of the registered buffers.
pub const FILE_TAG: u64 = 5000;
pub const BUFFER_TAG: u64 = 5100;
/// How many registered buffers there are; the last has no memory.
pub const BUFFERS: u16 = 3;
/// How long they are.
pub const FIXED_BYTES: [u32; BUFFERS as usize] = [4096, 600, 0];

/// Groups of buffers: what entries provide, a ring, one that is used up piece by piece.
pub const PROVIDED: u16 = 1;
pub const RING: u16 = 2;
pub const PIECEWISE: u16 = 3;
/// How many buffers a group has, and how long each is.
pub const GROUP_ENTRIES: u32 = 8;
pub const GROUP_BYTES: u32 = 128;

/// What polls are renamed to.
pub const NEW_NAMES: core::ops::Range<u64> = 1000..1003;
/// What messages are called.
pub const MESSAGES: core::ops::Range<u64> = 2000..2010;

/// The names of the files of a world.
const NAMES: [&str; SLOTS as usize + 1] = [
    "file0",
    "file1",
    "memory0",
    "memory1",
    "pipe.r",
    "pipe.w",
    "small.r",
    "small.w",
    "sock0.a",
    "sock0.b",
    "sock1.a",
    "sock1.b",
    "gram.a",
    "gram.b",
    "counter",
    "local",
    "local.a",
    "local.b",
    "inet",
    "inet.a",
    "inet.b",
    "directory",
    "none",
];

pub fn name(slot: i32) -> &'static str {
    usize::try_from(slot).ok().and_then(|slot| NAMES.get(slot).copied()).unwrap_or("outside")
}

/// What the descriptor of an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fd {
    /// A file of the world.
    Slot(i32),
    /// A number, as it is: a slot of the table of files, where the flags say so.
    Number(i32),
    /// The ring itself.
    Ring,
}

impl Fd {
    pub const NONE: Self = Self::Number(-1);

    /// The file that it is of the world.
    pub fn slot(self) -> Option<i32> {
        if let Self::Slot(slot) = self { Some(slot) } else { None }
    }
}

impl fmt::Display for Fd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slot(slot) => write!(f, "{}", name(*slot)),
            Self::Number(number) => write!(f, "#{number}"),
            Self::Ring => write!(f, "itself"),
        }
    }
}

/// A time that an entry points to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Time {
    /// Zero, or the first nanosecond of the clock.
    Now,
    /// A little later.
    Short,
    /// Late enough for a thread to begin, where there is little time for threads, and so soon that
    /// a case sees its end.
    Soon,
    /// Longer than any test.
    Long,
    /// Refused.
    Negative,
}

/// What the address of an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Memory {
    /// A number, as it is.
    Plain(u64),
    /// The entry's own buffer.
    Buffer,
    /// So many pieces of the entry's own buffer.
    Pieces(u32),
    /// A message with so many pieces in the entry's own buffer; with room for an address or not.
    Message { pieces: u32, named: bool },
    /// A registered buffer, from a byte on.
    Fixed(u16, u32),
    /// So many pieces of a registered buffer.
    FixedPieces(u16, u32),
    /// The memory of the group of provided buffers.
    Group,
    /// Where the address of a peer goes, and how long it is.
    Peer,
    /// The address of a listener; `off` is how long it is.
    Address(i32),
    /// The name of a file.
    Path(i32),
    /// How to open a file by its name.
    How { slot: i32, flags: u64 },
    /// A list of descriptors: files of the world, or numbers as they are.
    Descriptors(Vec<Fd>),
    /// A time, which `addr` points to.
    Time(Time),
    /// A time, which `off` points to; `addr` is a number.
    TimeBehind(u64, Time),
}

/// An entry. Fields have the names that they have in the kernel's structure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub op: Op,
    pub fd: Fd,
    pub flags: SqeFlags,
    pub off: u64,
    pub len: u32,
    pub rw_flags: u32,
    pub ioprio: u16,
    pub memory: Memory,
    pub buf_index: u16,
    pub personality: u16,
    /// Also `file_index`, where the operation has one.
    pub splice_fd_in: Fd,
    pub addr3: u64,
    pub user_data: u64,
    /// Whose buffer it has: its number among all entries of the program.
    pub place: usize,
}

impl Entry {
    pub fn new(op: Op, place: usize) -> Self {
        Self {
            op,
            fd: Fd::NONE,
            flags: SqeFlags::empty(),
            off: 0,
            len: 0,
            rw_flags: 0,
            ioprio: 0,
            memory: Memory::Plain(0),
            buf_index: 0,
            personality: 0,
            splice_fd_in: Fd::Number(0),
            addr3: 0,
            user_data: place as u64 + 1,
            place,
        }
    }

    pub fn has(&self, flags: SqeFlags) -> bool {
        self.flags.contains(flags)
    }

    /// Whether a thread of Linux does it, or may do it.
    pub fn is_threaded(&self) -> bool {
        let on_file = self.fd.slot().is_some_and(|slot| slot < FILES);
        let blocks = [Op::FSYNC, Op::FTRUNCATE, Op::FALLOCATE, Op::SPLICE, Op::TEE, Op::OPENAT]
            .contains(&self.op)
            || self.op == Op::OPENAT2;
        on_file || blocks || self.has(SqeFlags::ASYNC)
    }

    /// Whether another is linked behind it.
    pub fn links(&self) -> bool {
        self.flags.intersects(SqeFlags::IO_LINK | SqeFlags::IO_HARDLINK)
    }

    /// Whether it is done before long once it begins, by a thread or not.
    pub fn ends_alone(&self) -> bool {
        let is_short = [
            Op::NOP,
            Op::FILES_UPDATE,
            Op::PROVIDE_BUFFERS,
            Op::REMOVE_BUFFERS,
            Op::OPENAT,
            Op::OPENAT2,
            Op::PIPE,
            Op::SOCKET,
            Op::SHUTDOWN,
            Op::CLOSE,
        ];
        let on_file = self.fd.slot().is_some_and(|slot| slot < FILES);
        on_file && self.op != Op::POLL_ADD || is_short.contains(&self.op)
    }

    /// Whether an eventfd may be behind it.
    pub fn uses_counter(&self) -> bool {
        let writes = [Op::WRITE, Op::WRITEV, Op::WRITE_FIXED, Op::WRITEV_FIXED];
        let is_transfer = writes.contains(&self.op);
        is_transfer && (self.fd == Fd::Slot(COUNTER) || self.has(SqeFlags::FIXED_FILE))
    }

    /// A time that ends it by itself, before long.
    fn is_timed(&self) -> bool {
        let soon = Time::Short;
        matches!(self.memory, Memory::Time(time) | Memory::TimeBehind(_, time) if time == soon)
    }

    /// Whether it may end some time after it began without anything that happens outside: on a
    /// kernel's thread, or when a time has come.
    pub fn lingers(&self) -> bool {
        let now = matches!(self.memory, Memory::Time(Time::Now) | Memory::TimeBehind(_, Time::Now));
        // Here the host has threads, too.
        let connects = [Op::ACCEPT, Op::CONNECT, Op::SHUTDOWN].contains(&self.op);
        self.is_threaded() || now || self.is_timed() || connects
    }

    /// How long a time in it is, at most, in milliseconds.
    pub fn waits_ms(&self) -> u64 {
        if !self.is_timed() {
            return 0;
        }
        let repeats = TimeoutFlags(self.rw_flags).contains(TimeoutFlags::MULTISHOT);
        SHORT_MS * if repeats { self.off.clamp(1, 3) } else { 1 }
    }

    /// Whether what it answers is a descriptor of the process.
    pub fn makes_descriptor(&self) -> bool {
        let opens = [Op::OPENAT, Op::OPENAT2, Op::ACCEPT, Op::SOCKET];
        self.op == Op::FIXED_FD_INSTALL
            || opens.contains(&self.op) && self.splice_fd_in == Fd::Number(0)
    }
}

/// What [`Time::Short`] is.
pub const SHORT_MS: u64 = 1;
/// What [`Time::Soon`] is.
pub const SOON_MS: u64 = 25;

/// What happens outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    Write {
        slot: i32,
        bytes: u32,
    },
    Read {
        slot: i32,
        bytes: u32,
    },
    Close {
        slot: i32,
    },
    ShutDown {
        slot: i32,
    },
    /// A socket connects to its listener.
    Connect {
        slot: i32,
    },
    /// A connection is taken from a listener, and closed.
    Accept {
        slot: i32,
    },
    /// The table of files is made, changed or dropped.
    MakeTable {
        files: Vec<Fd>,
    },
    UpdateTable {
        first: u32,
        files: Vec<Fd>,
    },
    DropTable,
    /// Where free slots are picked.
    PickIn {
        first: u32,
        count: u32,
    },
    /// A registered buffer is there, or not; or all of them are dropped.
    UpdateBuffer {
        index: u16,
        is_there: bool,
    },
    DropBuffers,
    /// Buffers are put into a ring of them; it is dropped, or made.
    Refill {
        group: u16,
        count: u32,
    },
    DropGroup {
        group: u16,
    },
    MakeGroup {
        group: u16,
    },
    /// What is under way is cancelled.
    Cancel {
        flags: CancelFlags,
        user_data: u64,
        fd: Fd,
        op: Op,
    },
}

/// A step: afterwards one waits until nothing goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Submit(Vec<Entry>),
    Happen(Event),
}

/// What a ring has from the beginning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Setting {
    /// Whether a refused entry ends a submit.
    pub submit_all: bool,
    /// How many completions there is room for: 0 for plenty.
    pub cq_entries: u32,
    /// Its table of files: none, where there are none.
    pub table: Vec<Fd>,
    /// Files and buffers have tags.
    pub tagged: bool,
    pub buffers: bool,
    /// The rings of buffers, and how many each has.
    pub groups: bool,
    pub filled: u32,
    /// Files that are non-blocking.
    pub nonblocking: Vec<i32>,
}

/// See above.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    pub setting: Setting,
    pub steps: Vec<Step>,
}

impl Program {
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.steps.iter().flat_map(|step| match step {
            Step::Submit(entries) => entries.as_slice(),
            Step::Happen(_) => &[],
        })
    }

    /// The files that are named anywhere: no others need be there.
    pub fn slots(&self) -> Vec<i32> {
        let mut used = self.setting.nonblocking.clone();
        used.extend(self.setting.table.iter().filter_map(|fd| fd.slot()));
        for entry in self.entries() {
            used.extend(entry.fd.slot().into_iter().chain(entry.splice_fd_in.slot()));
            match &entry.memory {
                Memory::Descriptors(files) => used.extend(files.iter().filter_map(|fd| fd.slot())),
                Memory::Address(slot) | Memory::Path(slot) | Memory::How { slot, .. } => {
                    used.push(*slot);
                }
                _ => {}
            }
        }
        for step in &self.steps {
            let Step::Happen(event) = step else { continue };
            match event {
                Event::Write { slot, .. } | Event::Read { slot, .. } => used.push(*slot),
                Event::Close { slot } | Event::ShutDown { slot } => used.push(*slot),
                Event::Connect { slot } | Event::Accept { slot } => used.push(*slot),
                Event::MakeTable { files } | Event::UpdateTable { files, .. } => {
                    used.extend(files.iter().filter_map(|fd| fd.slot()));
                }
                Event::Cancel { fd, .. } => used.extend(fd.slot()),
                _ => {}
            }
        }
        // Of what belongs together all is there.
        let all = used.clone();
        for slot in all {
            let wholes = [slot & !1..(slot & !1) + 2, LOCAL..INTERNET, INTERNET..DIRECTORY];
            let pairs = (PIPE_READ..COUNTER).contains(&slot);
            let wholes = if pairs { &wholes[..1] } else { &wholes[1..] };
            used.extend(wholes.iter().filter(|whole| whole.contains(&slot)).cloned().flatten());
        }
        used.retain(|slot| (0..SLOTS).contains(slot));
        used.sort_unstable();
        used.dedup();
        used
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>3}  {:?}", self.user_data, self.op)?;
        if self.fd != Fd::NONE {
            write!(f, " {}", self.fd)?;
        }
        if !self.flags.is_empty() {
            write!(f, " {:?}", self.flags)?;
        }
        if self.memory != Memory::Plain(0) {
            write!(f, " addr={:?}", self.memory)?;
        }
        if self.splice_fd_in != Fd::Number(0) {
            write!(f, " splice_fd_in={}", self.splice_fd_in)?;
        }
        let numbers = [
            ("off", self.off as i64),
            ("len", i64::from(self.len)),
            ("op_flags", i64::from(self.rw_flags)),
            ("ioprio", i64::from(self.ioprio)),
            ("buf_index", i64::from(self.buf_index)),
            ("personality", i64::from(self.personality)),
            ("addr3", self.addr3 as i64),
        ];
        for (name, value) in numbers.into_iter().filter(|(_, value)| *value != 0) {
            write!(f, " {name}={value:#x}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:?}", self.setting)?;
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
