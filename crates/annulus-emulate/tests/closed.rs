//! Whether what is linked behind a CLOSE finds the file open, on Linux and on the kernel in user
//! space. Linux closes a file by task work, as chains go on by task work: which of them comes first
//! is a matter of how the ring was set up, and of how it is entered.

#[allow(dead_code, reason = "these tests use some of it")]
#[path = "../../annulus-ring/tests/common/harness.rs"]
mod harness;

use std::os::fd::{AsRawFd, IntoRawFd, RawFd};
use std::time::Duration;

use annulus_emulate::abi::{Op, Sqe, SqeFlags, TimeoutFlags, Timespec};
use annulus_emulate::{Builder, KernelChoice, LocalRing, Ring};

const EPIPE: i32 = 32;
const ECANCELED: i32 = 125;
/// Long enough that it is waited for, whatever else the machine does.
const A_WHILE: Timespec = Timespec { tv_sec: 0, tv_nsec: 40_000_000 };
const LIMIT: Duration = Duration::from_secs(60);

/// How a ring is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// One thread's own, with `DEFER_TASKRUN`.
    Local,
    /// One that may move: whatever returns to the program does task work.
    Movable,
    /// A thread of the kernel's takes entries.
    Polled,
}

/// A ring of a kind.
enum AnyRing {
    Local(LocalRing),
    Movable(Ring),
}

macro_rules! of_any {
    ($self:expr, $ring:ident => $does:expr) => {
        match $self {
            AnyRing::Local($ring) => $does,
            AnyRing::Movable($ring) => $does,
        }
    };
}

impl AnyRing {
    fn new(kernel: KernelChoice, kind: Kind) -> Self {
        let builder = Builder::new().entries(16).kernel(kernel);
        let ring = match kind {
            Kind::Local => builder.build_local().map(Self::Local),
            Kind::Movable => builder.build().map(Self::Movable),
            Kind::Polled => builder.sqpoll(Duration::from_millis(1)).build().map(Self::Movable),
        };
        ring.expect("a ring")
    }

    fn push(&mut self, sqe: Sqe) {
        // SAFETY: what entries point to is kept until all of them have ended.
        of_any!(self, ring => unsafe { ring.push(sqe) }).expect("room");
    }

    /// Submits, and waits for so many completions, or does not look for any.
    fn submit(&mut self, want: Option<u32>) {
        let submitted = match want {
            Some(want) => of_any!(self, ring => ring.submit_and_wait(want)),
            None => of_any!(self, ring => ring.submit()),
        };
        submitted.expect("taken");
    }

    /// What comes of so many entries, by their numbers.
    fn results(&mut self, count: usize) -> Vec<i32> {
        let mut got = Vec::new();
        while got.len() < count {
            of_any!(self, ring => ring.submitter().get_events()).expect("a ring");
            let told = of_any!(self, ring => ring.completions()).expect("a ring");
            got.extend(told.map(|cqe| (cqe.user_data, cqe.res)));
            std::thread::sleep(Duration::from_micros(100));
        }
        got.sort_unstable();
        got.into_iter().map(|(_, res)| res).collect()
    }
}

/// Runs entries that are named by letters, each linked to the one before it if that is a small one:
/// `c` closes the reader of a pipe, `f` the same in a slot of the table, `u` has the slot updated,
/// `n` does nothing, `m` sends a message to its ring, `t` lets some time pass, and `w` writes to
/// the pipe. What the writes said: `+` for a reader that is there, `-` for none, `.` where it was
/// cancelled.
fn run(kernel: KernelChoice, kind: Kind, entries: &str, want: Option<u32>) -> String {
    let mut ring = AnyRing::new(kernel, kind);
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let mut reader = Some(reader.into_raw_fd());
    if entries.contains(['f', 'F', 'u', 'U']) {
        let fd = reader.take().expect("it is there");
        of_any!(&ring, ring => ring.submitter().register().files(&[fd])).expect("a table");
        close(fd);
    }
    let (time, byte, none) = (A_WHILE, 7_u8, [-1_i32]);
    for (n, letter) in entries.chars().enumerate() {
        let mut sqe = Sqe { user_data: n as u64, ..Sqe::default() };
        if letter.is_ascii_lowercase() {
            sqe.flags = SqeFlags::IO_LINK;
        }
        match letter.to_ascii_lowercase() {
            'c' => (sqe.opcode, sqe.fd) = (Op::CLOSE, reader.take().expect("it is there")),
            'f' => (sqe.opcode, sqe.splice_fd_in) = (Op::CLOSE, 1),
            'u' => {
                (sqe.opcode, sqe.len) = (Op::FILES_UPDATE, 1);
                sqe.addr = none.as_ptr().expose_provenance() as u64;
            }
            't' => {
                (sqe.opcode, sqe.len) = (Op::TIMEOUT, 1);
                sqe.addr = (&raw const time).expose_provenance() as u64;
                sqe.rw_flags = TimeoutFlags::ETIME_SUCCESS.bits();
            }
            'm' => {
                // Told behind all others.
                (sqe.opcode, sqe.off) = (Op::MSG_RING, entries.len() as u64);
                sqe.fd = of_any!(&ring, ring => ring.raw_fd());
            }
            'w' => {
                (sqe.opcode, sqe.fd, sqe.len) = (Op::WRITE, writer.as_raw_fd(), 1);
                sqe.addr = (&raw const byte).expose_provenance() as u64;
            }
            _ => sqe.opcode = Op::NOP,
        }
        ring.push(sqe);
    }
    ring.submit(want);
    let messages = entries.matches(['m', 'M']).count();
    let results = ring.results(entries.len() + messages);
    let writes = entries.chars().zip(results).filter(|(letter, _)| matches!(letter, 'w' | 'W'));
    let said = |(_, res)| match res {
        1 => '+',
        res if res == -EPIPE => '-',
        res if res == -ECANCELED => '.',
        res => panic!("{kernel:?} {kind:?} {entries}: {res}"),
    };
    writes.map(said).collect()
}

/// The kernels that there are; no Linux that is older than what is emulated.
fn kernels(name: &str) -> Vec<KernelChoice> {
    let mut kernels = vec![KernelChoice::Host];
    let linux = || Builder::new().entries(1).kernel(KernelChoice::Linux);
    if linux().cqe_mixed().build_local().is_ok() {
        kernels.push(KernelChoice::Linux);
    } else if linux().build_local().is_ok() {
        harness::skip(&format!("{name}: Linux"), "what is emulated is Linux 6.18");
    }
    kernels
}

fn close(fd: RawFd) {
    // SAFETY: a number that nobody else has.
    unsafe { libc::close(fd) };
}

/// Runs entries with each of the waits on each kernel: `said` is for no look for completions, then
/// for waits for 0, 1, and so on.
fn check(kernels: &[KernelChoice], kind: Kind, entries: &str, said: &[&str]) {
    for kernel in kernels {
        for (n, said) in said.iter().enumerate() {
            let want = (n as u32).checked_sub(1);
            let found = run(*kernel, kind, entries, want);
            assert_eq!(found, *said, "{kernel:?} {kind:?} {entries} {want:?}");
        }
    }
}

#[test]
fn a_ring_of_its_own_closes_when_it_has_looked_twice() {
    let kernels = kernels("a_ring_of_its_own_closes_when_it_has_looked_twice");
    let check = |entries: &str, said: &[&str]| check(&kernels, Kind::Local, entries, said);
    harness::limit(LIMIT, || {
        // In the submit itself.
        check("CW", &["+", "+", "+", "+"]);
        // Behind it, one look and the other.
        check("cW", &["-", "+", "+", "+"]);
        check("cnW", &["-", "+", "+", "+"]);
        check("cnnW", &["-", "-", "-", "+", "+", "+"]);
        check("ncW", &["-", "+", "+", "+"]);
        check("nncW", &["-", "-", "-", "+", "+"]);
        check("ncnW", &["-", "-", "-", "+", "+"]);
        check("nncnW", &["-", "-", "-", "+", "+", "+"]);
        // By itself, beside a chain.
        check("CnW", &["-", "+", "+"]);
        check("CnnW", &["-", "+", "+"]);
        check("NcWN", &["-", "+", "+"]);
        // A look ends when as many had their turn as are waited for.
        check("cwwW", &["-..", "++-", "++-", "+++", "+++"]);
        check("cnWNN", &["-", "+", "+", "+", "+"]);
        // What is told the ring by itself is one of those who have their turn.
        check("cnnnW", &["-", "-", "-", "+", "+"]);
        check("McnnnW", &["-", "-", "-", "-", "+"]);
        check("fmwnW", &["-.", "+-", "+-", "+-", "++", "++"]);
        check("mnMWCNnnnW", &["+-", "+-", "+-", "+-", "+-"]);
        // The table's files.
        check("fW", &["-", "+", "+"]);
        check("fnnW", &["-", "-", "-", "+"]);
        check("uW", &["-", "+", "+"]);
        check("unnW", &["-", "-", "-", "+"]);
    });
}

#[test]
fn a_wait_closes_when_it_has_looked_once() {
    let kernels = kernels("a_wait_closes_when_it_has_looked_once");
    let check = |entries: &str, said: &[&str]| check(&kernels, Kind::Local, entries, said);
    harness::limit(LIMIT, || {
        check("tcW", &["-", "-", "-", "-", "+"]);
        check("tcnW", &["-", "-", "-", "-", "-", "+"]);
        check("tcnnW", &["-", "-", "-", "-", "-", "-"]);
    });
}

#[test]
fn a_movable_ring_closes_a_round_later() {
    let kernels = kernels("a_movable_ring_closes_a_round_later");
    let check = |entries: &str, said: &str| check(&kernels, Kind::Movable, entries, &[said; 4]);
    harness::limit(LIMIT, || {
        check("CW", "+");
        check("cW", "+");
        check("cnW", "-");
        check("cnnW", "-");
        check("ncW", "+");
        check("nncW", "+");
        check("ncnW", "-");
        check("CnW", "+");
        check("CnnW", "-");
        check("cwwW", "+-.");
        check("tcW", "+");
        check("tcnW", "-");
        check("fW", "+");
        check("fnW", "-");
        check("unW", "-");
    });
}

#[test]
fn a_thread_that_takes_entries_closes_behind_each_round() {
    let kernels = kernels("a_thread_that_takes_entries_closes_behind_each_round");
    let check = |entries: &str, said: &str| check(&kernels, Kind::Polled, entries, &[said; 2]);
    harness::limit(LIMIT, || {
        check("CW", "+");
        check("cW", "+");
        check("cnW", "-");
        check("ncW", "-");
        check("CnW", "+");
        check("CnnW", "-");
        check("cwwW", "+-.");
        check("tcW", "-");
        check("fW", "+");
        check("fnW", "-");
    });
}
