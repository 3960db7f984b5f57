//! Driving a [`LocalRing`] with a fixed number of operations in flight, and counting what it takes.

use std::fs::File;
use std::mem;
use std::os::fd::AsRawFd;

use annulus_emulate::abi::{BufIndex, Cqe, FixedFd, Iovec, Sqe};
use annulus_emulate::{Builder, Errno, Error, KernelChoice, LocalRing, op};

use crate::bench::buffer::{ALIGN_BYTES, Buffer};
use crate::bench::plan::Rw;
use crate::bench::rng::Rng;
use crate::failure::Failure;

/// What the ring is to do.
#[derive(Clone, Copy, Debug)]
pub struct RingWork<'a> {
    /// Who is to do it.
    pub kernel: KernelChoice,
    pub rw: Rw,
    /// The file, unless NOPs are asked for.
    pub file: Option<&'a File>,
    /// How many blocks the file has.
    pub blocks: u64,
    pub block_bytes: u32,
    /// Whether to register the buffers: pays where the kernel would pin them for each operation.
    pub fixed_buffers: bool,
}

/// The file and the buffers, as the ring knows them.
const FILE: FixedFd = FixedFd(0);
const BUFFERS: BufIndex = BufIndex(0);

/// A ring with its buffers, and all that is in flight.
///
/// The buffers are freed only when nothing is in flight: dropping this waits for it.
pub struct Driver {
    ring: LocalRing,
    /// Slot n's block is at n × `stride`. Not looked at between `new` and the last completion.
    buffers: Buffer,
    entries: Entries,
    rng: Rng,
    depth: u32,
    in_flight: u32,
    /// How many entries the kernel said that it took.
    taken: u64,
    /// How many completions came.
    completed: u64,
    enters: u64,
    started: bool,
}

/// How to make the entry of a slot.
struct Entries {
    rw: Rw,
    fixed_buffers: bool,
    base: *mut u8,
    stride: usize,
    block_bytes: u32,
    blocks: u64,
}

impl Entries {
    /// The entry that does the work of `slot` at a place of the generator's choice.
    #[inline(always)]
    fn make(&self, slot: u32, rng: &mut Rng) -> Sqe {
        if self.rw == Rw::Nop {
            return op::Nop::new().build().user_data(slot.into());
        }
        let offset = rng.below(self.blocks) * u64::from(self.block_bytes);
        // No dereference: an address inside the buffers, since slots are below the depth.
        let block = self.base.wrapping_add(slot as usize * self.stride);
        let bytes = self.block_bytes;
        let sqe = match (self.rw, self.fixed_buffers) {
            (Rw::Write, true) => {
                op::WriteFixed::new(FILE, block, bytes, BUFFERS).offset(offset).build()
            }
            (Rw::Write, false) => op::Write::new(FILE, block, bytes).offset(offset).build(),
            (_, true) => op::ReadFixed::new(FILE, block, bytes, BUFFERS).offset(offset).build(),
            (_, false) => op::Read::new(FILE, block, bytes).offset(offset).build(),
        };
        sqe.user_data(slot.into())
    }

    /// What each completion must say.
    fn result(&self) -> i32 {
        if self.rw == Rw::Nop { 0 } else { self.block_bytes.cast_signed() }
    }
}

impl Driver {
    /// A ring for `depth` operations at a time, with the file and the buffers registered.
    pub fn new(depth: u32, work: RingWork<'_>) -> Result<Self, Failure> {
        let ring = ring(depth, work.kernel)?;
        let stride = (work.block_bytes as usize).next_multiple_of(ALIGN_BYTES);
        let bytes = if work.rw == Rw::Nop { 0 } else { stride * depth as usize };
        let mut buffers = Buffer::new(bytes);
        Rng::new(0).fill(buffers.as_mut_slice());
        let base = buffers.as_mut_slice().as_mut_ptr();
        if let Some(file) = work.file {
            register_file(&ring, file)?;
        }
        let fixed_buffers = work.fixed_buffers && register_buffers(&ring, base, bytes)?;
        let RingWork { rw, blocks, block_bytes, .. } = work;
        let entries = Entries { rw, fixed_buffers, base, stride, block_bytes, blocks };
        Ok(Self {
            ring,
            buffers,
            entries,
            rng: Rng::new(0),
            depth,
            in_flight: 0,
            taken: 0,
            completed: 0,
            enters: 0,
            started: false,
        })
    }

    /// Whether the buffers are registered: not, if the limit of locked memory is too low.
    pub fn has_fixed_buffers(&self) -> bool {
        self.entries.fixed_buffers
    }

    /// How often the kernel was entered.
    pub fn enters(&self) -> u64 {
        self.enters
    }

    /// Enters the kernel once, with what is queued, until at least one operation is done; then
    /// queues the next one for each that is. Returns how many were done.
    #[inline]
    pub fn turn(&mut self) -> Result<u32, Failure> {
        if !self.started {
            self.start()?;
        }
        // NOPs are done as they are taken: waiting for all of them costs nothing.
        let want = if self.entries.rw == Rw::Nop { self.in_flight } else { 1 };
        self.enter(want)?;
        let expected = self.entries.result();
        let (sq, cq, _) = self.ring.parts();
        let mut done = 0;
        for cqe in cq.completions().map_err(|error| refused("io_uring", &error))? {
            done += 1;
            self.in_flight -= 1;
            if cqe.res != expected {
                self.completed += u64::from(done);
                return Err(wrong(&cqe, self.entries.rw, expected));
            }
            // A slot is below the depth: it came back as it was sent.
            let sqe = self.entries.make(cqe.user_data as u32, &mut self.rng);
            // SAFETY: the slot's block is no other operation's (its own is done), and stays where
            // it is until the completion: `drop` waits for that. The ring holds the file.
            unsafe { sq.push(sqe) }.map_err(|error| refused("io_uring", &error))?;
            self.in_flight += 1;
        }
        self.completed += u64::from(done);
        Ok(done)
    }

    /// Queues the first operation of each slot.
    #[cold]
    fn start(&mut self) -> Result<(), Failure> {
        self.started = true;
        for slot in 0..self.depth {
            let sqe = self.entries.make(slot, &mut self.rng);
            // SAFETY: each slot's block is its own, and stays where it is until the completion:
            // `drop` waits for that. The ring holds the file.
            unsafe { self.ring.push(sqe) }.map_err(|error| refused("io_uring", &error))?;
            self.in_flight += 1;
        }
        Ok(())
    }

    /// One `io_uring_enter(2)`, counted. The parts' way, since it never enters behind our back.
    #[inline]
    fn enter(&mut self, want: u32) -> Result<(), Failure> {
        let (sq, _, submitter) = self.ring.parts();
        let taken = submitter.submit_and_wait(sq, want);
        self.taken += u64::from(taken.map_err(|error| refused("io_uring", &error))?);
        self.enters += 1;
        Ok(())
    }

    /// Waits for all that is in flight, then checks that it was the ring that did the work: every
    /// operation was an entry that the kernel took, and a completion that it posted.
    pub fn finish(mut self) -> Result<(), Failure> {
        self.drain()?;
        if self.taken != self.completed {
            let why = format!("{} entries taken, {} completions", self.taken, self.completed);
            return Err(Failure::new("the ring's own count", why).cure("report this as a bug"));
        }
        Ok(())
    }

    fn drain(&mut self) -> Result<(), Failure> {
        while self.in_flight > 0 {
            self.enter(1)?;
            let (_, cq, _) = self.ring.parts();
            let seen = cq.completions().map_err(|error| refused("io_uring", &error))?.count();
            // At most the depth.
            self.in_flight -= seen as u32;
            self.completed += seen as u64;
        }
        Ok(())
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let is_unused = self.drain().is_ok()
            && (!self.entries.fixed_buffers || self.ring.register().unregister_buffers().is_ok());
        if !is_unused {
            // The kernel may still write to them, and closing the ring does not stop it.
            mem::forget(mem::replace(&mut self.buffers, Buffer::new(0)));
        }
    }
}

/// A ring of `depth` entries.
pub fn ring(depth: u32, kernel: KernelChoice) -> Result<LocalRing, Failure> {
    let ring = Builder::new().entries(depth).kernel(kernel).build_local();
    ring.map_err(|error| refused("set-up", &error))
}

/// That a ring failed. Where it is blocked: which call, the cause and the cure; what these were
/// found by, `annulus probe` tells.
#[cold]
fn refused(what: &str, error: &Error) -> Failure {
    let Some(setup) = error.setup_error() else { return Failure::new(what, error) };
    let (call, errno) = (setup.call().name(), setup.errno());
    Failure::new(what, format!("{call}: {errno:?}: {}; fix: {}", setup.cause(), setup.cure()))
}

/// Tells the ring the file, so that operations need not look it up.
fn register_file(ring: &LocalRing, file: &File) -> Result<(), Failure> {
    let answer = ring.register().files(&[file.as_raw_fd()]);
    answer.map_err(|error| Failure::new("registering the file", error))
}

/// Tells the ring the buffers, so that operations need not pin them. False if the limit of locked
/// memory is too low for that.
fn register_buffers(ring: &LocalRing, base: *mut u8, bytes: usize) -> Result<bool, Failure> {
    let all = Iovec { iov_base: base.cast(), iov_len: bytes };
    // SAFETY: the memory is the driver's, which frees it when every operation is done and the
    // table is unregistered, or not at all: see its `drop`.
    let answer = unsafe { ring.register().buffers(&[all]) };
    match answer {
        Ok(()) => Ok(true),
        Err(error) if error.errno() == Some(Errno::ENOMEM) => Ok(false),
        Err(error) => Err(Failure::new("registering the buffers", error)),
    }
}

/// A completion that is not what was asked for.
#[cold]
fn wrong(cqe: &Cqe, rw: Rw, expected: i32) -> Failure {
    let what = match rw {
        Rw::Nop => "NOP through the ring",
        Rw::Read => "read through the ring",
        Rw::Write => "write through the ring",
    };
    match cqe.result() {
        Err(errno) => Failure::new(what, errno),
        Ok(bytes) => Failure::new(what, format!("{bytes} of {expected} bytes")),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const KERNELS: [KernelChoice; 2] = [KernelChoice::Linux, KernelChoice::Host];

    fn nops(depth: u32, kernel: KernelChoice) -> Driver {
        let work = RingWork {
            kernel,
            rw: Rw::Nop,
            file: None,
            blocks: 0,
            block_bytes: 512,
            fixed_buffers: false,
        };
        Driver::new(depth, work).unwrap()
    }

    fn file(bytes: usize) -> File {
        let mut file = crate::bench::files::unnamed(&std::env::temp_dir(), false).unwrap();
        file.write_all(&vec![7; bytes]).unwrap();
        file
    }

    #[test]
    fn every_turn_enters_once_and_keeps_the_depth() {
        for kernel in KERNELS {
            let mut driver = nops(4, kernel);
            for turn in 1..=10u64 {
                assert_eq!(driver.turn().unwrap(), 4);
                assert_eq!((driver.enters(), driver.completed), (turn, 4 * turn));
                assert_eq!(driver.in_flight, 4);
            }
            driver.finish().unwrap();
        }
    }

    #[test]
    fn reads_and_writes_move_whole_blocks() {
        let file = file(16 * 4096);
        let [linux, host] = KERNELS;
        for (kernel, rw, fixed_buffers) in [
            (linux, Rw::Read, false),
            (linux, Rw::Read, true),
            (linux, Rw::Write, false),
            (linux, Rw::Write, true),
            (host, Rw::Read, false),
            (host, Rw::Write, false),
        ] {
            let file = Some(&file);
            let work = RingWork { kernel, rw, file, blocks: 16, block_bytes: 4096, fixed_buffers };
            let mut driver = Driver::new(8, work).unwrap();
            let mut done = 0;
            while done < 100 {
                done += driver.turn().unwrap();
            }
            driver.finish().unwrap();
        }
        assert_eq!(file.metadata().unwrap().len(), 16 * 4096);
    }

    #[test]
    fn a_short_read_is_an_error_and_the_rest_is_drained() {
        let file = file(4096);
        let work = RingWork {
            kernel: KernelChoice::Linux,
            rw: Rw::Read,
            file: Some(&file),
            blocks: 1 << 20,
            block_bytes: 4096,
            fixed_buffers: false,
        };
        let mut driver = Driver::new(8, work).unwrap();
        let failure = (0..100).find_map(|_| driver.turn().err()).unwrap();
        assert!(failure.to_string().contains("0 of 4096 bytes"), "{failure}");
        driver.finish().unwrap();
    }
}
