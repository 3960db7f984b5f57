//! Copies a file with many reads and writes under way at once: `copy_file [FROM TO]`. Without
//! arguments it copies a temporary file of its own, and compares.
//!
//! Each of a few slots has a buffer and goes round: read a block, write what was read, take the
//! next block. Short reads and writes go on where they stopped. When something fails, no slot
//! begins anew, and those under way are waited for: **a buffer that the kernel may still write to
//! is not freed**.

use std::error::Error;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use annulus_ring::abi::Sqe;
use annulus_ring::{Errno, LocalRing, op};

/// How many blocks are under way at once.
const SLOTS: usize = 8;
const BLOCK_BYTES: usize = 64 << 10;

/// A block on its way: read up to `filled`, written up to `written`.
struct Slot {
    buf: Vec<u8>,
    offset: u64,
    filled: usize,
    written: usize,
    wanted: usize,
}

impl Slot {
    fn new() -> Self {
        Self { buf: vec![0; BLOCK_BYTES], offset: 0, filled: 0, written: 0, wanted: 0 }
    }

    /// What is to be done next: the rest of the read, or the rest of the write.
    fn entry(&mut self, from: &File, to: &File) -> Sqe {
        if self.filled < self.wanted {
            let rest = &mut self.buf[self.filled..self.wanted];
            op::Read::new(from, rest.as_mut_ptr(), rest.len() as u32)
                .offset(self.offset + self.filled as u64)
                .build()
        } else {
            let rest = &self.buf[self.written..self.filled];
            op::Write::new(to, rest.as_ptr(), rest.len() as u32)
                .offset(self.offset + self.written as u64)
                .build()
        }
    }

    /// Takes the result in. Whether the block is copied.
    fn advance(&mut self, count: usize) -> Result<bool, Errno> {
        if self.filled < self.wanted {
            if count == 0 {
                // The file is shorter than it was: what is there is copied.
                self.wanted = self.filled;
            }
            self.filled += count;
        } else if count == 0 {
            return Err(Errno::EIO);
        } else {
            self.written += count;
        }
        Ok(self.filled == self.wanted && self.written == self.filled)
    }
}

struct Copier<'a> {
    ring: LocalRing,
    from: &'a File,
    to: &'a File,
    slots: Vec<Slot>,
    /// Where the next block begins, and where the file ends.
    next: u64,
    end: u64,
    under_way: usize,
}

impl Copier<'_> {
    /// Gives slot `n` the next block, if there is one.
    fn begin(&mut self, n: usize) -> annulus_ring::Result<()> {
        if self.next == self.end {
            return Ok(());
        }
        let wanted = BLOCK_BYTES.min((self.end - self.next) as usize);
        let slot = &mut self.slots[n];
        (slot.offset, slot.filled, slot.written, slot.wanted) = (self.next, 0, 0, wanted);
        self.next += wanted as u64;
        self.push(n)
    }

    fn push(&mut self, n: usize) -> annulus_ring::Result<()> {
        let entry = self.slots[n].entry(self.from, self.to).user_data(n as u64);
        // SAFETY: the slot's buffer is neither touched nor freed while it is under way (`copy`
        // waits for the last one, or leaks them), and both files are open as long as `self`.
        unsafe { self.ring.push(entry)? };
        self.under_way += 1;
        Ok(())
    }

    /// Deals with the completions that are there.
    fn turn(&mut self) -> Result<(), Box<dyn Error>> {
        let mut outcome = Ok(());
        // There are never more completions than slots.
        let done: Vec<_> = self.ring.completions()?.collect();
        for cqe in done {
            self.under_way -= 1;
            let n = cqe.user_data as usize;
            let step = cqe.result().and_then(|count| self.slots[n].advance(count as usize));
            match step {
                // After an error nothing new begins.
                _ if outcome.is_err() => {}
                Ok(true) => outcome = self.begin(n).map_err(Into::into),
                Ok(false) => outcome = self.push(n).map_err(Into::into),
                Err(errno) => outcome = Err(errno.into()),
            }
        }
        outcome
    }

    fn copy(mut self) -> Result<(), Box<dyn Error>> {
        let mut outcome = (0..SLOTS).try_for_each(|n| self.begin(n)).map_err(Into::into);
        while self.under_way > 0 {
            match self.ring.submit_and_wait(1) {
                // Completions must be taken first, which the next lines do.
                Err(error) if !error.is_busy() => {
                    // The kernel cannot be asked any more what it still writes to.
                    std::mem::forget(self.slots);
                    return Err(error.into());
                }
                _ => {}
            }
            let turn = self.turn();
            if outcome.is_ok() {
                outcome = turn;
            }
            if outcome.is_err() {
                self.next = self.end;
            }
        }
        outcome
    }
}

fn copy(from: &Path, to: &Path) -> Result<u64, Box<dyn Error>> {
    let (from, to) = (File::open(from)?, File::create(to)?);
    let end = from.metadata()?.len();
    let ring = LocalRing::new(SLOTS as u32)?;
    let slots = (0..SLOTS).map(|_| Slot::new()).collect();
    Copier { ring, from: &from, to: &to, slots, next: 0, end, under_way: 0 }.copy()?;
    Ok(end)
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    if let [from, to] = &arguments[..] {
        println!("{} bytes copied", copy(from.as_ref(), to.as_ref())?);
        return Ok(());
    }
    let folder = std::env::temp_dir().join(format!("annulus-copy-{}", std::process::id()));
    std::fs::create_dir(&folder)?;
    let (from, to) = (folder.join("from"), folder.join("to"));
    // No multiple of the block, so that the last one is short.
    let mut noise = Vec::new();
    File::open("/dev/urandom")?.take(3_000_001).read_to_end(&mut noise)?;
    std::fs::write(&from, &noise)?;
    let copied = copy(&from, &to)?;
    let same = std::fs::read(&to)? == noise;
    std::fs::remove_dir_all(&folder)?;
    assert_eq!(copied, 3_000_001);
    assert!(same, "the copy differs");
    println!("{copied} bytes copied, and the same");
    Ok(())
}
