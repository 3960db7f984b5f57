//! Which operations the kernel gives to one of its threads (io-wq) without trying them: what
//! `Operation::WAITS_IN_WORKER` says of ours, found out on the kernel that runs this.
//!
//! ```text
//! the one thread that there may be opens a FIFO for writing, which nobody reads
//! every operation is submitted with a link timeout, and a timer is set that comes later
//!     done          the kernel did it when it took the entry
//!     ended         it was tried, and its link timeout ended it where it waited after that
//!     not ended     it waits for the thread, and its link timeout was never started
//! ```

mod common;
#[path = "common/tree.rs"]
mod tree;

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{PipeReader, PipeWriter, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use annulus_ring::abi::{
    self, Fadvice, OpenFlags, PollEvents, Sqe, StatxMask, SyncFileRangeFlags, Timespec,
};
use annulus_ring::register::MaxWorkers;
use annulus_ring::{Errno, LocalRing, op};
use annulus_runtime::engine::ops;
use annulus_runtime::operation::Operation;

use rustix::fs::{OFlags, fcntl_setfl};

use common::{LIMIT, child, limit, skip};
use tree::Tree;

/// What becomes of an operation that has a link timeout while no thread is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route {
    Done,
    Ended,
    NotEnded,
}
use Route::{Done, Ended, NotEnded};

const ATTRIBUTE: &CStr = c"user.a";

const BLOCKER: u64 = 1 << 32;
const TIMER: u64 = 2 << 32;
const CANCEL: u64 = 3 << 32;
/// With an entry's number: its link timeout.
const LINK: u64 = 1 << 16;

/// What became of `entries`, in their order.
///
/// # Safety
/// - What they point to outlives the call.
unsafe fn routes(blocker: Sqe, entries: &[Sqe]) -> Vec<Route> {
    let mut ring = LocalRing::new(128).expect("a ring");
    let one = MaxWorkers { bounded: 1, unbounded: 1 };
    ring.register().iowq_max_workers(one).expect("a kernel that can be told");
    let soon = Timespec { tv_sec: 0, tv_nsec: 10_000_000 };
    let later = Timespec { tv_sec: 0, tv_nsec: 300_000_000 };
    let push = |ring: &mut LocalRing, entry: Sqe| {
        // SAFETY: the entries' memory outlives this call, which takes all completions; so do the
        // times.
        unsafe { ring.push(entry) }.expect("room");
    };
    push(&mut ring, blocker.user_data(BLOCKER));
    for (n, entry) in (0..).zip(entries) {
        push(&mut ring, entry.user_data(n).link());
        push(&mut ring, op::LinkTimeout::new(&soon).build().user_data(n | LINK));
    }
    push(&mut ring, op::Timeout::new(&later).build().user_data(TIMER));
    let mut answers = BTreeMap::new();
    let mut left = 2 * entries.len() + 3;
    while left > 0 {
        ring.submit_and_wait(1).expect("a kernel that waits");
        let completions: Vec<_> = ring.completions().expect("completions").collect();
        for cqe in completions {
            left -= 1;
            if cqe.user_data == TIMER {
                answers.insert(TIMER, cqe.result());
                push(&mut ring, op::AsyncCancel::any().all().build().user_data(CANCEL));
            } else if !answers.contains_key(&TIMER) {
                answers.insert(cqe.user_data, cqe.result());
            }
        }
    }
    assert!(!answers.contains_key(&BLOCKER), "nobody reads the FIFO");
    let routes = (0..).zip(entries).map(|(n, _)| match answers.get(&n) {
        None => NotEnded,
        Some(Err(Errno::ECANCELED)) => {
            assert_eq!(answers[&(n | LINK)], Err(Errno::ETIME), "who else?");
            Ended
        }
        Some(_) => Done,
    });
    routes.collect()
}

/// What is asked, what the kernel should do with it, and what our operations that ask it say.
struct Case {
    name: &'static str,
    entry: Sqe,
    route: Route,
    ours: Vec<bool>,
}

fn case(name: &'static str, entry: impl Into<Sqe>, route: Route) -> Case {
    Case { name, entry: entry.into(), route, ours: Vec::new() }
}

impl Case {
    /// One of ours.
    fn of<T: Operation>(mut self) -> Self {
        self.ours.push(T::WAITS_IN_WORKER);
        self
    }
}

/// On an open file. Those on pipes show that a link timeout works for what is tried.
fn of_files(file: &File, pipes: (&PipeReader, &PipeWriter), byte: *mut u8) -> Vec<Case> {
    let (empty, full) = pipes;
    let advise = |advice| op::Fadvise::new(file, advice);
    let write_back = op::SyncFileRange::new(file).flags(SyncFileRangeFlags::WRITE);
    let get = op::FGetXattr::new(file, ATTRIBUTE.as_ptr(), std::ptr::null_mut(), 0);
    let set = op::FSetXattr::new(file, ATTRIBUTE.as_ptr(), byte, 1);
    let read = op::Read::new(empty, byte, 1);
    let write = op::Write::new(full, byte, 1);
    vec![
        case("fsync", op::Fsync::new(file), NotEnded).of::<ops::Sync>(),
        case("sync_file_range", write_back, NotEnded).of::<ops::WriteBack>(),
        case("fallocate", op::Fallocate::new(file, 8192), NotEnded).of::<ops::Allocate>(),
        case("ftruncate", op::Ftruncate::new(file, 4096), NotEnded).of::<ops::Truncate>(),
        case("fadvise, will need", advise(Fadvice::WILLNEED), NotEnded).of::<ops::Advise>(),
        case("fadvise, don't need", advise(Fadvice::DONTNEED), NotEnded).of::<ops::Advise>(),
        case("fadvise, no reuse", advise(Fadvice::NOREUSE), NotEnded).of::<ops::Advise>(),
        case("fadvise, random", advise(Fadvice::RANDOM), Done),
        case("fgetxattr", get, NotEnded).of::<ops::GetXattr<ops::ByFile>>(),
        case("fsetxattr", set, NotEnded).of::<ops::SetXattr<ops::ByFile>>(),
        case("splice", op::Splice::new(empty, file, 1), NotEnded),
        case("read, async", read.build().force_async(), NotEnded),
        case("read of a pipe", read, Ended).of::<ops::Read<Vec<u8>>>(),
        case("readv of a pipe", read, Ended).of::<ops::ReadVectored<Vec<Vec<u8>>>>(),
        case("write to a pipe", write, Ended).of::<ops::Write<Vec<u8>>>(),
        case("writev to a pipe", write, Ended).of::<ops::WriteVectored<Vec<Vec<u8>>>>(),
        case("cached read", op::Read::new(file, byte, 1), Done),
        case("poll", op::PollAdd::new(empty, PollEvents::IN), Ended).of::<ops::PollOnce>(),
        // A close in a chain.
        case("nop", op::Nop::new(), Done).of::<ops::Close>(),
    ]
}

/// By path: of a file that is there, and of names that are not.
fn of_paths(paths: &[CString; 3], found: *mut abi::Statx, byte: *mut u8) -> Vec<Case> {
    let [file, a, b] = paths.each_ref().map(|path| path.as_ptr());
    let here = op::At::CWD;
    let open = |flags| op::OpenAt::new(here, file).flags(flags);
    let statx = || op::Statx::new(here, file, found).mask(StatxMask::BASIC_STATS);
    let get = op::GetXattr::new(file, ATTRIBUTE.as_ptr(), std::ptr::null_mut(), 0);
    let set = op::SetXattr::new(file, ATTRIBUTE.as_ptr(), byte, 1);
    vec![
        // Ours does one or the other, as the file is.
        case("open", open(OpenFlags::RDONLY), Done),
        case("open, async", open(OpenFlags::RDONLY).build().force_async(), NotEnded),
        case("open, create", open(OpenFlags::WRONLY | OpenFlags::CREAT), NotEnded),
        case("open, truncate", open(OpenFlags::WRONLY | OpenFlags::TRUNC), NotEnded),
        case("statx", statx(), NotEnded).of::<ops::Stat>().of::<ops::StatAt>(),
        case("statx of a type", statx(), NotEnded).of::<ops::Exists>(),
        case("renameat", op::RenameAt::new(here, a, here, b), NotEnded).of::<ops::Move>(),
        case("linkat", op::LinkAt::new(here, a, here, b), NotEnded).of::<ops::Move>(),
        case("symlinkat", op::SymlinkAt::new(a, here, b), NotEnded).of::<ops::Symlink>(),
        case("unlinkat", op::UnlinkAt::new(here, a), NotEnded).of::<ops::Change>(),
        case("mkdirat", op::MkdirAt::new(here, a, 0o755), NotEnded).of::<ops::Change>(),
        case("getxattr", get, NotEnded).of::<ops::GetXattr<ops::ByPath>>(),
        case("setxattr", set, NotEnded).of::<ops::SetXattr<ops::ByPath>>(),
    ]
}

fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    fcntl_setfl(&writer, OFlags::NONBLOCK).expect("a pipe");
    while writer.write(&[0; 4096]).is_ok() {}
    fcntl_setfl(&writer, OFlags::empty()).expect("a pipe");
    (reader, writer)
}

fn c_string(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).expect("no zero byte")
}

#[test]
fn what_waits_for_a_worker_is_known() {
    if child::is_blocked_here() {
        return skip("what_waits_for_a_worker_is_known", child::BLOCKED_HERE);
    }
    limit(LIMIT, || {
        let tree = Tree::new();
        let path = tree.file("file", "content");
        let file = File::options().read(true).write(true).open(&path).expect("it is there");
        let (empty, _writer) = std::io::pipe().expect("a pipe");
        let (_reader, full) = full_pipe();
        let paths = [path, tree.at("a"), tree.at("b")].map(|path| c_string(&path));
        let fifo = c_string(&tree.fifo("fifo"));
        let (mut found, mut byte) = (abi::Statx::default(), 0_u8);
        let mut cases = of_files(&file, (&empty, &full), &raw mut byte);
        cases.extend(of_paths(&paths, &raw mut found, &raw mut byte));
        let ring = LocalRing::new(1).expect("a ring");
        let has = ring.register().probe().expect("a kernel that says what it has");
        cases.retain(|case| has.is_supported(case.entry.opcode));
        let create = OpenFlags::WRONLY | OpenFlags::CREAT;
        let blocker = op::OpenAt::new(op::At::CWD, fifo.as_ptr()).flags(create).build();
        let entries: Vec<_> = cases.iter().map(|case| case.entry).collect();
        // SAFETY: all that they point to lives until the end of the test.
        let routes = unsafe { routes(blocker, &entries) };
        // Until 6.15, and the stable kernels of May 2025, the time of a link timeout began when its
        // operation was queued for a thread; since then it begins when it was tried.
        let begins_early = routes[0] == Ended;
        for (case, route) in cases.iter().zip(routes) {
            eprintln!("{:20} {route:?}", case.name);
            // Not for each of them then: Linux 6.1 leaves out an open.
            let is_early = begins_early && case.route == NotEnded && route == Ended;
            assert!(is_early || route == case.route, "{}: {route:?}", case.name);
            for waits in &case.ours {
                assert_eq!(*waits, case.route == NotEnded, "{}", case.name);
            }
        }
    });
}
