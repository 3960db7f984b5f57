//! A fixed piece of work on the kernel in user space, which survives any error of the system calls
//! that this is made of: what `cargo xtask errno` runs while one after the other is made to fail.
//!
//! An entry may end with an error then, and a ring or a registration may be refused. But each entry
//! that was taken ends, once; whoever waits wakes; nothing hangs; and no descriptor is left open.
//!
//! It ends with 0 unless that is wrong.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::sync::atomic::AtomicU32;
use std::time::{Duration, Instant};

use annulus_emulate::abi::{BufGroup, Iovec, PollEvents, Sqe, Timespec};
use annulus_emulate::register::BufferRing;
use annulus_emulate::{Builder, Error, KernelChoice, Ring, Wait, op};

/// When an entry counts as lost.
const HANG: Duration = Duration::from_secs(5);

/// Ends soon.
static SOON: Timespec = Timespec { tv_sec: 0, tv_nsec: 500_000 };

/// A ring, and what became of each entry. The `user_data` of an entry is its place.
struct Work {
    ring: Ring,
    results: Vec<Option<i32>>,
}

impl Work {
    fn push(&mut self, sqe: impl Into<Sqe>) -> u64 {
        let place = self.results.len() as u64;
        // SAFETY: what entries point to is kept until `finish` has said that all are over.
        unsafe { self.ring.push(sqe.into().user_data(place)) }.expect("room");
        self.results.push(None);
        place
    }

    /// Takes what has completed.
    fn take(&mut self) {
        for cqe in self.ring.completions().expect("a ring of this process") {
            let place = &mut self.results[cqe.user_data as usize];
            assert_eq!(*place, None, "entry {} completed twice", cqe.user_data);
            *place = Some(cqe.res);
        }
    }

    fn submit(&mut self) {
        self.ring.submit().expect("a submit takes entries, whatever becomes of them");
    }

    /// Submits, and waits until every entry has completed.
    fn finish(&mut self) {
        let begun = Instant::now();
        let wait = Wait::new().timeout(Duration::from_millis(200));
        loop {
            let waited = self.ring.submit_and_wait_with(1, &wait);
            if let Some(error) = waited.err().filter(|error| !is_over(error)) {
                panic!("{error}");
            }
            self.take();
            let Some(lost) = self.results.iter().position(Option::is_none) else { return };
            assert!(begun.elapsed() < HANG, "entry {lost} was lost");
        }
    }
}

/// Whether a wait was cut short.
fn is_over(error: &Error) -> bool {
    error.is_timeout() || error.is_interrupted()
}

/// Says what was refused, and goes on without.
fn report<T, E: core::fmt::Display>(what: &str, answer: Result<T, E>) -> Option<T> {
    answer.inspect_err(|error| eprintln!("{what}: {error}")).ok()
}

/// Waits for a pipe, a word, a time and a thread; cancels some.
fn events(work: &mut Work, file: &File) -> Option<()> {
    let (reader, mut writer) = report("a pipe", std::io::pipe())?;
    let (ready, mut other) = report("a pipe", std::io::pipe())?;
    let (silent, _writer) = report("a pipe", std::io::pipe())?;
    let word = AtomicU32::new(1);
    let mut bytes = [0_u8; 24];
    let at = bytes.as_mut_ptr();
    work.push(op::Read::new(&reader, at, 8));
    work.push(op::PollAdd::new(&ready, PollEvents::IN));
    let read = work.push(op::Read::new(&silent, at, 8));
    let poll = work.push(op::PollAdd::new(&silent, PollEvents::IN).multishot());
    work.push(op::Timeout::new(&SOON));
    let futex = work.push(op::FutexWait::new(&word, 1));
    work.push(op::Fsync::new(file).build().force_async().link());
    work.push(op::Nop::new());
    work.submit();
    writer.write_all(b"x").expect("room");
    other.write_all(b"y").expect("room");
    for place in [read, poll] {
        work.push(op::AsyncCancel::user_data(place));
    }
    work.push(op::FutexWake::new(&word, 1));
    // The wait may have come after the wake.
    let begun = Instant::now();
    while work.results[futex as usize].is_none() {
        let wait = Wait::new().timeout(Duration::from_millis(5));
        let _ = work.ring.submit_and_wait_with(1, &wait);
        work.take();
        assert!(begun.elapsed() < HANG, "the futex was not woken");
    }
    work.finish();
    Some(())
}

/// Registers what needs a descriptor, memory or a thread.
fn registrations(work: &mut Work, file: &File) {
    let mut memory = vec![0_u8; 4096];
    let register = work.ring.register();
    let pieces = [Iovec { iov_base: memory.as_mut_ptr().cast(), iov_len: memory.len() }];
    // SAFETY: the memory is freed after they are unregistered, or never.
    if report("buffers", unsafe { register.buffers(&pieces) }).is_some() {
        report("unregister_buffers", register.unregister_buffers());
    }
    if report("files", register.files_sparse(2)).is_some() {
        let files = [file.as_raw_fd()];
        report("files_update", register.update_files(annulus_emulate::abi::FixedFd(0), &files));
    }
    report("buffer ring", BufferRing::new(register, BufGroup(7), 4, 64));
    std::mem::forget(memory);
}

/// Two threads wait on one ring, and one eventfd is told.
fn signalled(work: &mut Work) -> Option<()> {
    let (reader, mut writer) = report("a pipe", std::io::pipe())?;
    let flags = rustix::event::EventfdFlags::NONBLOCK;
    let eventfd = report("an eventfd", rustix::event::eventfd(0, flags))?;
    let is_served = report("eventfd", work.ring.register().eventfd(eventfd.as_raw_fd())).is_some();
    let mut bytes = [0_u8; 8];
    work.push(op::Read::new(&reader, bytes.as_mut_ptr(), 8));
    work.submit();
    // Beside that thread, which waits for the pipe.
    let wait = Wait::new().timeout(Duration::from_millis(5));
    let waited = work.ring.submit_and_wait_with(1, &wait);
    assert!(waited.is_ok() || waited.is_err_and(|error| is_over(&error)));
    writer.write_all(b"z").expect("room");
    if is_served {
        let begun = Instant::now();
        // Nobody enters: a thread of the kernel's sees that it is told.
        while rustix::io::read(&eventfd, &mut [0_u8; 8]).is_err() {
            assert!(begun.elapsed() < HANG, "the eventfd was not signalled");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    work.finish();
    Some(())
}

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

fn main() {
    let file = File::open("Cargo.toml").expect("a file");
    let before = open_descriptors();
    for _ in 0..2 {
        let made = Builder::new().entries(32).kernel(KernelChoice::Host).build();
        let Some(ring) = report("a ring", made) else { continue };
        let mut work = Work { ring, results: Vec::new() };
        registrations(&mut work, &file);
        events(&mut work, &file);
        signalled(&mut work);
        // Under way when the ring goes.
        let pipes = (std::io::pipe(), std::io::pipe());
        let word = AtomicU32::new(1);
        if let (Ok((from, _writer)), Ok((_reader, to))) = &pipes {
            work.push(op::Splice::new(from, to, 8));
            work.push(op::FutexWait::new(&word, 1));
            work.submit();
        }
        drop(work);
    }
    // A thread of the kernel's may be about to end.
    let begun = Instant::now();
    while open_descriptors() != before {
        assert!(begun.elapsed() < HANG, "a descriptor was left open");
        std::thread::sleep(Duration::from_millis(1));
    }
    println!("every entry is accounted for");
}
