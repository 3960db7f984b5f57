//! The small world that a program runs in: files, pipes, sockets, memory. Each kernel has its own,
//! the same in all that a program can see.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use annulus_emulate::abi::{Iovec, Op, Sqe, Timespec};

use crate::compare::Remains;
use crate::program::{
    BUFFER_BYTES, Entry, Event, FILES, Memory, PIPE_READ, SHORT_MS, SLOTS, SMALL_READ, SOCKET,
    Time, name,
};

/// What a file has in it at first.
const FILE_BYTES: usize = 1000;
/// The smallest capacity of a pipe.
const SMALL_BYTES: i32 = 4096;

/// A directory that is removed at the end.
pub struct TempDir(PathBuf);

impl TempDir {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("annulus-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a directory");
        Self(path)
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub struct World {
    directory: PathBuf,
    /// The number of the first file: the others follow. So high that nothing else gets them when
    /// they were closed.
    base: RawFd,
    memory: Vec<u8>,
    times: Vec<Timespec>,
    pieces: Vec<Iovec>,
}

impl World {
    /// A world with memory for so many entries; `directory` is its own.
    pub fn new(directory: &TempDir, base: RawFd) -> Self {
        let directory = directory.0.join(base.to_string());
        std::fs::create_dir_all(&directory).expect("a directory");
        let memory = Vec::with_capacity(256 * BUFFER_BYTES as usize);
        let (times, pieces) = (Vec::new(), Vec::new());
        Self { directory, base, memory, times, pieces }
    }

    fn path(&self, slot: i32) -> PathBuf {
        self.directory.join(name(slot))
    }

    /// Everything as at the beginning, with buffers for so many entries.
    pub fn reset(&mut self, places: usize) {
        let bytes = places * BUFFER_BYTES as usize;
        // What was allocated stays where it is: an old request that is late finds its memory.
        self.memory.resize(bytes.max(self.memory.len()), 0);
        for (n, byte) in self.memory[..bytes].iter_mut().enumerate() {
            *byte = (n / BUFFER_BYTES as usize * 31 + n * 7) as u8;
        }
        for slot in 0..FILES {
            let mut file = create(&self.path(slot));
            file.write_all(&[b'a' + slot as u8; FILE_BYTES]).expect("room on the disk");
            // SAFETY: a number of this process.
            unsafe { libc::lseek(file.as_raw_fd(), 0, libc::SEEK_SET) };
            self.place(slot, file.into());
        }
        for (slot, bytes) in [(PIPE_READ, 65536), (SMALL_READ, SMALL_BYTES)] {
            let (reader, writer) = std::io::pipe().expect("a pipe");
            // SAFETY: numbers.
            unsafe { libc::fcntl(writer.as_raw_fd(), libc::F_SETPIPE_SZ, bytes) };
            self.place(slot, reader.into());
            self.place(slot + 1, writer.into());
        }
        for slot in [SOCKET, SOCKET + 2] {
            let (one, other) = UnixStream::pair().expect("sockets");
            self.place(slot, one.into());
            self.place(slot + 1, other.into());
        }
    }

    /// Gives a file the number of its slot.
    fn place(&self, slot: i32, file: OwnedFd) {
        // SAFETY: the target is a number of this world's, nobody else's.
        let placed = unsafe { libc::dup3(file.as_raw_fd(), self.base + slot, libc::O_CLOEXEC) };
        assert_eq!(placed, self.base + slot, "{}", std::io::Error::last_os_error());
    }

    fn fd(&self, slot: i32) -> RawFd {
        if slot < 0 { slot } else { self.base + slot }
    }

    /// The times and pieces that entries of a step point to are gone with it.
    pub fn begin_step(&mut self, entries: &[Entry]) {
        self.times.clear();
        self.times.reserve(entries.len());
        self.pieces.clear();
        self.pieces.reserve(entries.len() * 4);
    }

    fn buffer(&mut self, entry: &Entry) -> *mut u8 {
        self.memory[entry.place * BUFFER_BYTES as usize..].as_mut_ptr()
    }

    fn time(&mut self, time: Time) -> u64 {
        let (tv_sec, tv_nsec) = match time {
            Time::Now => (0, 1),
            Time::Short => (0, SHORT_MS as i64 * 1_000_000),
            Time::Long => (1 << 33, 0),
            Time::Negative => (-1, 0),
        };
        assert!(self.times.len() < self.times.capacity(), "times stay where they are");
        self.times.push(Timespec { tv_sec, tv_nsec });
        self.times.last().expect("just pushed") as *const Timespec as u64
    }

    /// The entry as the kernel takes it.
    pub fn sqe(&mut self, entry: &Entry) -> Sqe {
        let mut sqe = Sqe {
            opcode: entry.op,
            flags: entry.flags,
            ioprio: entry.ioprio,
            fd: self.fd(entry.slot),
            off: entry.off,
            len: entry.len,
            rw_flags: entry.rw_flags,
            user_data: entry.user_data,
            buf_index: entry.buf_index,
            personality: entry.personality,
            splice_fd_in: entry.splice_fd_in,
            ..Sqe::default()
        };
        match entry.memory {
            Memory::Plain(addr) => sqe.addr = addr,
            Memory::Buffer => sqe.addr = self.buffer(entry).addr() as u64,
            Memory::Pieces(count) => {
                let start = self.pieces.len();
                let base = self.buffer(entry);
                for n in 0..count as usize {
                    let iov_base = base.wrapping_add(n * 100).cast();
                    self.pieces.push(Iovec { iov_base, iov_len: 40 });
                }
                assert!(self.pieces.len() <= self.pieces.capacity());
                sqe.addr = self.pieces[start..].as_ptr().addr() as u64;
            }
            Memory::Time(time) => sqe.addr = self.time(time),
            Memory::TimeBehind(addr, time) => (sqe.addr, sqe.off) = (addr, self.time(time)),
        }
        debug_assert!(entry.op != Op::READ || entry.len <= BUFFER_BYTES);
        sqe
    }

    /// Has something happen: what it answered.
    pub fn happen(&mut self, event: Event) -> i64 {
        match event {
            Event::Write { slot, bytes } => {
                let from: Vec<u8> = (0..bytes).map(|n| (n * 13) as u8).collect();
                let piece = libc::iovec { iov_base: from.as_ptr() as *mut _, iov_len: from.len() };
                // SAFETY: one piece, which lives during the call.
                answer(unsafe {
                    libc::pwritev2(self.fd(slot), &raw const piece, 1, -1, libc::RWF_NOWAIT)
                })
            }
            Event::Read { slot, bytes } => {
                let (count, sum) = self.take(slot, bytes as usize);
                if count < 0 { count } else { count << 32 | i64::from(sum) }
            }
            Event::Close { slot } => {
                // SAFETY: a number of this world's.
                answer(unsafe { libc::close(self.fd(slot)) } as isize)
            }
            Event::ShutDown { slot } => {
                // SAFETY: numbers.
                answer(unsafe { libc::shutdown(self.fd(slot), libc::SHUT_WR) } as isize)
            }
        }
    }

    /// Reads without waiting: how much, and a sum of it.
    fn take(&self, slot: i32, bytes: usize) -> (i64, u32) {
        let mut to = vec![0_u8; bytes];
        let count = self.take_into(slot, &mut to);
        let got = &to[..usize::try_from(count).unwrap_or(0)];
        let sum = got.iter().fold(0_u32, |sum, byte| sum.wrapping_mul(31) + u32::from(*byte));
        (count, sum & 0x7fff_ffff)
    }

    fn take_into(&self, slot: i32, to: &mut [u8]) -> i64 {
        let piece = libc::iovec { iov_base: to.as_mut_ptr().cast(), iov_len: to.len() };
        // SAFETY: one piece, which lives during the call.
        answer(unsafe { libc::preadv2(self.fd(slot), &raw const piece, 1, -1, libc::RWF_NOWAIT) })
    }

    /// What is left of it all; of pipes and sockets only if nothing is `stuck`: Linux closes what
    /// requests of a closed ring had some time later. Closes everything.
    pub fn end(&mut self, places: usize, stuck: bool) -> Remains {
        let mut parts = Vec::new();
        for place in 0..places {
            let start = place * BUFFER_BYTES as usize;
            let buffer = &self.memory[start..start + BUFFER_BYTES as usize];
            parts.push((format!("the buffer of entry {}", place + 1), buffer.to_vec()));
        }
        for slot in 0..FILES {
            let content = std::fs::read(self.path(slot)).expect("a file");
            parts.push((format!("the content of {}", name(slot)), content));
        }
        for slot in [PIPE_READ, SMALL_READ, SOCKET, SOCKET + 1, SOCKET + 2, SOCKET + 3] {
            if stuck {
                break;
            }
            let mut left = vec![0_u8; 1 << 18];
            let count = self.take_into(slot, &mut left);
            left.truncate(usize::try_from(count).unwrap_or(0));
            left.extend(count.to_le_bytes());
            parts.push((format!("what is left in {}", name(slot)), left));
        }
        let mut open = Vec::new();
        for slot in 0..SLOTS {
            // SAFETY: a number of this world's, and nobody else's.
            open.push(u8::from(unsafe { libc::close(self.base + slot) } == 0));
        }
        parts.push(("which files are open".to_owned(), open));
        Remains(parts)
    }
}

/// A file anew, empty.
fn create(path: &Path) -> File {
    let options = File::options().read(true).write(true).create(true).truncate(true).open(path);
    options.expect("a file")
}

/// A count, or the negated error number.
fn answer(result: isize) -> i64 {
    if result >= 0 {
        return result as i64;
    }
    -i64::from(std::io::Error::last_os_error().raw_os_error().unwrap_or(0))
}
