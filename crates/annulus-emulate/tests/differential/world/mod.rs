//! The small world that a program runs in: files, pipes, sockets, memory. Each kernel has its own,
//! the same in all that a program can see.

mod entry;
mod memory;
mod open;
mod register;

use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::path::PathBuf;

use crate::compare::Remains;
use crate::program::{DIRECTORY, FILES, Fd, INTERNET, LOCAL, Program, name};

pub use memory::Memory;

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
    pub memory: Memory,
    /// How often the world began anew.
    round: u64,
    /// The addresses of the listeners.
    addresses: [Vec<u8>; 2],
    /// The files that there were at the beginning.
    slots: Vec<i32>,
    /// Descriptors that entries have made.
    made: Vec<OwnedFd>,
}

impl World {
    /// A world in a directory of its own, with the numbers from `base` on.
    pub fn new(directory: &TempDir, base: RawFd) -> Self {
        let directory = directory.0.join(base.to_string());
        std::fs::create_dir_all(&directory).expect("a directory");
        Self {
            directory,
            base,
            memory: Memory::new(),
            round: 0,
            addresses: Default::default(),
            slots: Vec::new(),
            made: Vec::new(),
        }
    }

    /// Everything as at the beginning, with what `program` names and memory for its entries.
    pub fn reset(&mut self, program: &Program, places: usize) {
        self.round += 1;
        self.memory.reset(places);
        self.slots = program.slots();
        for slot in self.slots.clone() {
            if slot < FILES {
                let file = open::file(self.path(slot), slot);
                self.place(slot, file);
            } else if slot == DIRECTORY {
                let file = std::fs::File::open(&self.directory).expect("a directory");
                self.place(slot, file.into());
            } else {
                self.reset_sockets(slot);
            }
        }
        for slot in &program.setting.nonblocking {
            open::make_nonblocking(self.base + slot);
        }
    }

    fn path(&self, slot: i32) -> PathBuf {
        self.directory.join(name(slot))
    }

    /// The number of an entry's descriptor. `ring` is the ring's own.
    pub fn number(&self, fd: Fd, ring: RawFd) -> RawFd {
        match fd {
            Fd::Slot(slot) => self.base + slot,
            Fd::Number(number) => number,
            Fd::Ring => ring,
        }
    }

    /// Keeps a descriptor that an entry has made until the end.
    pub fn keep(&mut self, file: OwnedFd) {
        self.made.push(file);
    }

    /// What is left of it all; of pipes and sockets only if nothing is `stuck`. Closes everything.
    pub fn end(&mut self, stuck: bool) -> Remains {
        let mut parts = self.memory.parts();
        for slot in self.slots.iter().copied().filter(|slot| *slot < FILES) {
            parts.push((format!("the content of {}", name(slot)), self.content(slot)));
        }
        for slot in self.slots.iter().copied().filter(|slot| *slot >= FILES) {
            if stuck || slot == LOCAL || slot == INTERNET || slot == DIRECTORY {
                continue;
            }
            let mut left = vec![0_u8; 1 << 17];
            let count = self.take_into(slot, &mut left);
            left.truncate(usize::try_from(count).unwrap_or(0));
            left.extend(count.to_le_bytes());
            parts.push((format!("what is left in {}", name(slot)), left));
        }
        let mut open = Vec::new();
        for slot in self.slots.iter().copied() {
            // SAFETY: a number of this world's, and nobody else's.
            open.push(u8::from(unsafe { libc::close(self.base + slot) } == 0));
        }
        parts.push(("which files are open".to_owned(), open));
        parts.push(("how many were made".to_owned(), vec![self.made.len() as u8]));
        self.made.clear();
        Remains(parts)
    }

    /// What a file has in it.
    fn content(&self, slot: i32) -> Vec<u8> {
        if slot < 2 {
            return std::fs::read(self.path(slot)).expect("a file");
        }
        // One in memory has no other name than its number, if it is still open.
        let path = format!("/proc/self/fd/{}", self.base + slot);
        let mut content = Vec::new();
        if let Ok(mut file) = std::fs::File::open(path) {
            file.read_to_end(&mut content).expect("a file");
        }
        content
    }

    /// Gives a file the number of its slot.
    fn place(&self, slot: i32, file: OwnedFd) {
        // SAFETY: the target is a number of this world's, nobody else's.
        let placed = unsafe { libc::dup3(file.as_raw_fd(), self.base + slot, libc::O_CLOEXEC) };
        assert_eq!(placed, self.base + slot, "{}", std::io::Error::last_os_error());
    }
}

/// What says that a result is a descriptor of the process: those have other numbers on either side.
pub const DESCRIPTOR: i32 = i32::MAX - 1;
