//! A fixed piece of work that survives any error of the kernel: what `cargo xtask errno` runs while
//! one system call after the other is made to fail.
//!
//! It does what a good program does. Errors that call for a retry are retried, a bounded number of
//! times; whatever a submit answers, the entries that were not taken are still queued and go with
//! the next one; where a registration is refused it goes on without; where it must give up it
//! cancels, takes what still comes, and frees no buffer that the kernel may still write to. At its
//! end every entry is accounted for: it completed once, or is still queued, or (only where the
//! kernel could not be entered any more) is under way and its memory leaked.
//!
//! It ends with 0 unless that account is wrong.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use annulus_ring::abi::{
    BufGroup, BufIndex, Cqe, FixedFd, Iovec, PollEvents, SetupFlags, Sqe, Timespec,
};
use annulus_ring::op::{self, Target};
use annulus_ring::register::{BufferRing, MaxWorkers, SyncCancel};
use annulus_ring::{
    Builder, Errno, Error, Linux, LocalRing, Place, Ring, RingOf, RingRegion, Wait, latched_off,
};

type AnyRing<P> = RingOf<P, Sqe, Cqe, Linux>;

const BLOCKS: usize = 16;
const BLOCK_BYTES: usize = 512;

/// How often something is tried again that the kernel says is worth it.
const TRIES: u32 = 60;

/// When an operation that ends soon counts as lost.
const HANG: Duration = Duration::from_secs(10);

/// Ends soon, and never.
static SOON: Timespec = Timespec { tv_sec: 0, tv_nsec: 500_000 };
static NEVER: Timespec = Timespec { tv_sec: 3600, tv_nsec: 0 };

/// A ring, and what became of each entry pushed to it. The `user_data` of an entry is its place.
struct Work<P: Place> {
    ring: AnyRing<P>,
    results: Vec<Option<i32>>,
}

impl<P: Place> Work<P> {
    fn new(ring: AnyRing<P>) -> Self {
        Self { ring, results: Vec::new() }
    }

    /// Notes what completed. It never enters the kernel.
    fn take(&mut self) {
        let Ok(completions) = self.ring.parts().1.completions() else { return };
        for cqe in completions {
            let place = &mut self.results[cqe.user_data as usize];
            assert_eq!(*place, None, "entry {} completed twice", cqe.user_data);
            *place = Some(cqe.res);
        }
    }

    /// As [`take`](Self::take); what waits in the kernel is brought first.
    fn bring(&mut self) -> Result<(), Error> {
        let brought = self.ring.completions().map(drop);
        self.take();
        brought
    }

    /// Repeats `step` until it says that it is done, as long as its errors call for that.
    fn patiently(
        &mut self,
        mut step: impl FnMut(&mut Self) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        let (mut tries, mut since) = (0, Instant::now());
        loop {
            let before = (self.unfinished(), self.ring.sq_len());
            let passing = match step(self) {
                Ok(true) => return Ok(()),
                Ok(false) => None,
                Err(e) if e.is_busy() || e.is_interrupted() || e.is_timeout() => Some(e),
                Err(error) => return Err(error),
            };
            self.take();
            // Only what makes no progress is counted.
            if before != (self.unfinished(), self.ring.sq_len()) {
                (tries, since) = (0, Instant::now());
            }
            tries += 1;
            match passing {
                Some(error) if tries > TRIES => return Err(error),
                None => assert!(since.elapsed() < HANG, "no error, and no progress"),
                Some(_) => {}
            }
            if tries > TRIES / 2 {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }

    /// Queues one entry, submitting if there is no room. Its place in the account.
    fn push(&mut self, sqe: Sqe) -> Result<usize, Error> {
        let place = self.results.len();
        self.chain(&[sqe])?;
        Ok(place)
    }

    /// Queues entries that go together.
    fn chain(&mut self, sqes: &[Sqe]) -> Result<(), Error> {
        let first = self.results.len();
        self.patiently(|work| {
            let Ok(room) = work.ring.reserve(sqes.len() as u32) else {
                work.ring.submit()?;
                if work.ring.setup_flags().contains(SetupFlags::SQPOLL) {
                    work.ring.submitter().squeue_wait()?;
                }
                return Ok(false);
            };
            let entry = |n: u32| sqes[n as usize].user_data(first as u64 + u64::from(n));
            // SAFETY: what entries point to is static, or is kept until `end` has said that
            // nothing is under way.
            unsafe { room.fill(entry) };
            work.results.resize(first + sqes.len(), None);
            Ok(true)
        })
    }

    fn submit(&mut self) -> Result<(), Error> {
        self.patiently(|work| {
            work.ring.submit()?;
            // A polling thread takes them when it comes to it.
            let polled = work.ring.setup_flags().contains(SetupFlags::SQPOLL);
            Ok(polled || work.ring.sq_len() == 0)
        })
    }

    /// Submits, and waits until every entry has completed.
    fn finish(&mut self) -> Result<(), Error> {
        self.patiently(|work| {
            work.bring()?;
            if work.unfinished() == 0 {
                return Ok(true);
            }
            // As many as fit without overflow: some of the steps before this one overflow enough.
            let want = work.unfinished().min(8) as u32;
            work.ring.submit_and_wait(want)?;
            Ok(false)
        })
    }

    fn unfinished(&self) -> usize {
        self.results.iter().filter(|result| result.is_none()).count()
    }

    #[track_caller]
    fn expect(&self, place: usize, expected: Result<usize, Errno>) {
        let expected = expected.map_or_else(|errno| -errno.raw(), |n| n as i32);
        assert_eq!(self.results[place], Some(expected), "entry {place}");
    }

    /// Ends the work, wherever it stands: cancels, takes what still comes, and settles the account.
    /// Whether the kernel may still use the memory of some entry.
    #[must_use]
    fn end(mut self, name: &str) -> bool {
        if self.unfinished() > 0 {
            // Its own place in the account, like any other entry; if there is no room, the
            // registration does the same.
            let _ = self.push(op::AsyncCancel::any().all().build());
            let _ = self.ring.register().sync_cancel(&SyncCancel::any().all());
        }
        let soon = Wait::new().timeout(Duration::from_millis(5));
        for _ in 0..TRIES {
            if self.unfinished() == 0 {
                break;
            }
            if self.ring.submit_and_wait_with(1, &soon).is_err() {
                std::thread::sleep(Duration::from_millis(1));
            }
            self.take();
        }
        let queued = self.ring.sq_len() as usize;
        let (unfinished, all) = (self.unfinished(), self.results.len());
        assert!(queued <= unfinished, "{name}: entries completed that are still queued");
        let last = &self.results[all - queued..];
        assert!(last.iter().all(Option::is_none), "{name}: a queued entry completed");
        let under_way = unfinished - queued;
        if unfinished > 0 {
            eprintln!("{name}: of {all} entries {queued} stayed queued, {under_way} under way");
        }
        under_way > 0
    }
}

/// Says that something was refused; the work goes on without it.
fn report<T>(what: &str, result: Result<T, Error>) -> Option<T> {
    result.inspect_err(|error| eprintln!("{what}: {error}")).ok()
}

/// What entries point to.
struct Memory {
    out: Box<[u8]>,
    back: Box<[u8]>,
    group: Box<[u8]>,
}

impl Memory {
    fn new() -> Self {
        let pattern = |n: usize| (n * 7 + n / BLOCK_BYTES) as u8;
        Self {
            out: (0..BLOCKS * BLOCK_BYTES).map(pattern).collect(),
            back: vec![0; BLOCKS * BLOCK_BYTES].into(),
            group: vec![0; 64].into(),
        }
    }
}

/// What was registered, of all that was tried.
#[derive(Clone, Copy, Default)]
struct Registered {
    file: bool,
    buffers: bool,
}

/// Tries every registration that needs no device.
fn registrations<P: Place>(work: &Work<P>, file: &File, memory: &mut Memory) -> Registered {
    let register = work.ring.register();
    let mut have = Registered::default();
    if report("files", register.files_sparse(4)).is_some() {
        let update = register.update_files(FixedFd(0), &[file.as_raw_fd()]);
        have.file = report("files_update", update) == Some(1);
    }
    let piece = |b: &mut [u8]| Iovec { iov_base: b.as_mut_ptr().cast(), iov_len: b.len() };
    let pieces = [piece(&mut memory.out), piece(&mut memory.back)];
    // SAFETY: the memory is freed after the ring, or never.
    have.buffers = report("buffers", unsafe { register.buffers(&pieces) }).is_some();
    if let Some(who) = report("personality", register.personality()) {
        report("unregister_personality", register.unregister_personality(who));
    }
    report("iowq_max_workers", register.iowq_max_workers(MaxWorkers::default()));
    report("probe", register.probe());
    // Dropped at once; if the kernel does not give the group up, its memory stays for good.
    report("buffer ring", BufferRing::new(register, BufGroup(7), 4, 64));
    // A ring without a descriptor has an index only.
    if work.ring.raw_fd() >= 0
        && let Some(index) = report("ring_fds", register.ring_fd(work.ring.raw_fd(), None))
    {
        // SAFETY: the index was given above, and no ring is entered by it.
        let given_up = unsafe { register.unregister_ring_fd(index) };
        report("unregister_ring_fds", given_up);
    }
    have
}

/// More NOPs than both queues hold, with nothing taken meanwhile.
fn nops<P: Place>(work: &mut Work<P>) -> Result<(), Error> {
    let first = work.results.len();
    let count = 2 * work.ring.cq_entries() as usize;
    for _ in 0..count {
        work.push(op::Nop::new().build())?;
    }
    work.submit()?;
    work.finish()?;
    (first..first + count).for_each(|place| work.expect(place, Ok(0)));
    Ok(())
}

/// Writes a file and reads it back, through what was registered.
fn file<P: Place>(
    work: &mut Work<P>,
    file: &File,
    memory: &mut Memory,
    have: Registered,
) -> Result<(), Error> {
    let target: Target = if have.file { FixedFd(0).into() } else { file.into() };
    let len = BLOCK_BYTES as u32;
    let first = work.results.len();
    for (n, block) in memory.out.chunks_exact(BLOCK_BYTES).enumerate() {
        let (at, offset) = (block.as_ptr(), (n * BLOCK_BYTES) as u64);
        let write = if have.buffers {
            op::WriteFixed::new(target, at, len, BufIndex(0)).offset(offset).build()
        } else {
            op::Write::new(target, at, len).offset(offset).build()
        };
        work.push(write)?;
    }
    work.finish()?;
    for (n, block) in memory.back.chunks_exact_mut(BLOCK_BYTES).enumerate() {
        let (at, offset) = (block.as_mut_ptr(), (n * BLOCK_BYTES) as u64);
        let read = if have.buffers {
            op::ReadFixed::new(target, at, len, BufIndex(1)).offset(offset).build()
        } else {
            op::Read::new(target, at, len).offset(offset).build()
        };
        work.push(read)?;
    }
    work.finish()?;
    (first..first + 2 * BLOCKS).for_each(|place| work.expect(place, Ok(BLOCK_BYTES)));
    assert!(memory.out == memory.back, "other bytes came back than were written");
    Ok(())
}

/// What ends by events: a poll, timeouts, chains whole and broken, a cancelled read.
fn events<P: Place>(work: &mut Work<P>, memory: &mut Memory) -> Result<(), Error> {
    let (reader, mut writer) = std::io::pipe().expect("a pipe can be made");
    let silent = std::io::pipe().expect("a pipe can be made");
    let at = memory.group.as_mut_ptr();
    let nop = op::Nop::new().build();

    let poll = work.push(op::PollAdd::new(&reader, PollEvents::IN).build())?;
    let timeout = work.push(op::Timeout::new(&SOON).build())?;
    let read = work.push(op::Read::new(&silent.0, at, 8).build())?;
    work.submit()?;
    writer.write_all(b"x").expect("the pipe has room");
    let cancel = work.push(op::AsyncCancel::user_data(read as u64).build())?;
    work.finish()?;
    work.expect(poll, Ok(usize::from(PollEvents::IN.bits() as u16)));
    work.expect(timeout, Err(Errno::ETIME));
    work.expect(read, Err(Errno::ECANCELED));
    work.expect(cancel, Ok(0));

    let chain = work.results.len();
    work.chain(&[nop.link(), nop.link(), nop])?;
    let broken = work.results.len();
    let refused = op::Read::new(-1, at, 8).build();
    work.chain(&[refused.link(), nop.link(), nop])?;
    let limited = work.results.len();
    let waits = op::Read::new(&silent.0, at, 8).build();
    work.chain(&[waits.link(), op::LinkTimeout::new(&SOON).build()])?;
    work.finish()?;
    (chain..broken).for_each(|place| work.expect(place, Ok(0)));
    work.expect(broken, Err(Errno::EBADF));
    (broken + 1..limited).for_each(|place| work.expect(place, Err(Errno::ECANCELED)));
    work.expect(limited, Err(Errno::ECANCELED));
    work.expect(limited + 1, Err(Errno::ETIME));

    let never = work.push(op::Timeout::new(&NEVER).build())?;
    work.submit()?;
    let remove = work.push(op::TimeoutRemove::new(never as u64).build())?;
    work.finish()?;
    work.expect(never, Err(Errno::ECANCELED));
    work.expect(remove, Ok(0));
    Ok(())
}

/// Everything that a ring of either kind does.
fn all<P: Place>(
    work: &mut Work<P>,
    disk: &File,
    memory: &mut Memory,
    have: Registered,
) -> Result<(), Error> {
    nops(work)?;
    file(work, disk, memory, have)?;
    events(work, memory)?;
    let wait = Wait::new().timeout(Duration::from_millis(1));
    let waited = work.ring.submit_and_wait_with(1, &wait);
    match waited {
        Err(error) if error.is_timeout() => Ok(()),
        other => other.map(drop),
    }
}

/// Makes a ring, does the work in it, and settles the account.
fn run<P: Place>(
    name: &str,
    made: Result<AnyRing<P>, Error>,
    last: impl FnOnce(&mut Work<P>) -> Result<(), Error>,
) {
    let Some(ring) = report(name, made) else { return };
    let disk = temporary_file();
    let mut memory = Memory::new();
    let mut work = Work::new(ring);
    let have = registrations(&work, &disk, &mut memory);
    let done = all(&mut work, &disk, &mut memory, have).and_then(|()| last(&mut work));
    report(name, done);
    // The ring is dropped in `end`, and with it what is registered.
    if work.end(name) {
        std::mem::forget(memory);
    }
}

/// A file that nobody else sees.
fn temporary_file() -> File {
    let path = std::env::temp_dir().join(format!("annulus-errno-{}", std::process::id()));
    let file = File::options().read(true).write(true).create_new(true).open(&path);
    let file = file.expect("a temporary file can be made");
    std::fs::remove_file(&path).expect("an own file can be removed");
    file
}

/// Changes the queues' lengths under what is queued. Where the new memory cannot be mapped the ring
/// is lost, and says so from then on.
fn resized(work: &mut Work<annulus_ring::Local>) -> Result<(), Error> {
    for _ in 0..3 {
        work.push(op::Nop::new().build())?;
    }
    match work.ring.resize(16, 64) {
        Err(error) if error.is_lost() => {
            assert!(work.ring.submit().is_err_and(|e| e.is_lost()));
            assert!(work.ring.completions().is_err_and(|e| e.is_lost()));
            return Err(error);
        }
        Err(error) => {
            eprintln!("resize: {error}");
            // As before, or resized and no more left out of children.
            let expected = if error.to_string().contains("children") { 16 } else { 8 };
            assert_eq!(work.ring.sq_entries(), expected);
        }
        Ok(()) => assert_eq!((work.ring.sq_entries(), work.ring.cq_entries()), (16, 64)),
    }
    work.finish()?;
    nops(work)
}

/// Two threads, a half each: one pushes, one takes.
fn halves(ring: Ring) {
    const COUNT: u64 = 200;
    let (mut submission, mut completion) = ring.split();
    let pusher = std::thread::Builder::new().spawn(move || {
        let (mut pushed, mut failures) = (0, 0);
        while (pushed < COUNT || !submission.queue().is_empty()) && failures < TRIES {
            // SAFETY: a NOP points to nothing.
            let push =
                || unsafe { submission.queue().push(op::Nop::new().build().user_data(pushed)) };
            if pushed < COUNT && { push }().is_ok() {
                pushed += 1;
                continue;
            }
            match submission.submit() {
                Ok(_) => {}
                Err(error) => {
                    failures += 1;
                    eprintln!("halves: {error}");
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
        }
        (pushed - u64::from(submission.queue().len()), submission)
    });
    let Ok(pusher) = pusher.inspect_err(|e| eprintln!("halves: no thread: {e}")) else { return };
    let mut seen = vec![false; COUNT as usize];
    let mut count = 0;
    let mut take = |completion: &mut annulus_ring::CompletionHalf| {
        for cqe in completion.completions().into_iter().flatten() {
            assert!(!seen[cqe.user_data as usize], "{} came twice", cqe.user_data);
            seen[cqe.user_data as usize] = true;
            count += 1;
        }
        count
    };
    let soon = Wait::new().timeout(Duration::from_millis(2));
    while !pusher.is_finished() {
        let _ = completion.wait_with(1, &soon);
        take(&mut completion);
    }
    let (taken, submission) = pusher.join().expect("the pusher does not panic");
    for _ in 0..TRIES {
        if take(&mut completion) == taken {
            break;
        }
        let _ = completion.wait_with(1, &soon);
    }
    let ring = submission.unsplit(completion).expect("the halves are of one ring");
    let lost = taken - count;
    // Only where no enter succeeds any more may some be left, outside the full queue.
    assert!(lost == 0 || ring.has_overflow(), "{lost} completions were lost");
}

fn small() -> Builder {
    Builder::new().entries(8).cq_entries(16)
}

/// A ring in memory of its owner's.
fn in_own_memory() -> Result<LocalRing, Error> {
    let builder = small();
    let region = RingRegion::new(builder.memory_bytes())?;
    builder.memory(region).registered_fd_only().build_local()
}

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

fn main() {
    let before = open_descriptors();
    run("local", small().dontfork().build_local(), resized);
    run("movable", small().build(), |_| Ok(()));
    run("parked", small().build_parked().and_then(|parked| parked.enable()), |_| Ok(()));
    run("own memory", in_own_memory(), |_| Ok(()));
    run("polled", small().sqpoll(Duration::from_millis(1)).build(), |_| Ok(()));
    if let Some(ring) = report("halves", small().build()) {
        halves(ring);
    }
    assert_eq!(open_descriptors(), before, "a descriptor was left open");
    for flag in [SetupFlags::NO_SQARRAY, SetupFlags::SUBMIT_ALL] {
        if latched_off().contains(flag) {
            let asked = small().without(SetupFlags(u32::MAX)).raw_flags(flag).build();
            assert!(asked.is_err(), "{flag:?} was latched off, and the kernel has it");
        }
    }
    println!("every entry is accounted for");
}
