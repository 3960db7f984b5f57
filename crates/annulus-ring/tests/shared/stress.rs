//! Millions of operations from several threads: pushes of every kind, cancels of what others wait
//! for, overflow, and an account of it all at the end.

use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::thread::scope;
use std::time::Duration;

use annulus_ring::abi::{Cqe, PollEvents, Sqe};
use annulus_ring::{Errno, SharedRing, op};

use crate::common::{limit, times};
use crate::many::{PATIENCE, settled};
use crate::nop;

/// How many operations: `ANNULUS_STRESS_OPS`.
fn operations() -> u64 {
    std::env::var("ANNULUS_STRESS_OPS")
        .map_or_else(|_| times(200_000), |n| n.parse().expect("a number"))
}

/// The `user_data` of what cancels every poll.
const CANCEL_ALL: u64 = u64::MAX - 1;

/// A small generator of numbers, which are the same for the same seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: u64) -> u64 {
        (self.next() >> 11) % end
    }
}

/// What an operation is, by its number, and how it may end.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// A NOP.
    Nop,
    /// A poll of a pipe that nobody writes to: it ends when it is cancelled.
    Poll,
    /// A cancel of a poll of any thread's, or of none.
    Cancel,
}

impl Kind {
    /// Three of eight are polls, and as many are cancels.
    fn of(id: u64) -> Self {
        match id % 8 {
            0 | 1 => Self::Nop,
            2..=4 => Self::Poll,
            _ => Self::Cancel,
        }
    }

    fn may_end(self, result: Result<u32, Errno>) -> bool {
        match self {
            Self::Nop => result == Ok(0),
            Self::Poll => result == Err(Errno::ECANCELED),
            Self::Cancel => matches!(result, Ok(_) | Err(Errno::ENOENT | Errno::EALREADY)),
        }
    }
}

struct Stress {
    ring: SharedRing,
    pipe: std::io::PipeReader,
    threads: u64,
    each: u64,
    /// How often each operation has completed.
    done: Vec<AtomicU8>,
    left: AtomicU64,
    seed: u64,
}

impl Stress {
    fn entry(&self, id: u64, random: &mut Random) -> Sqe {
        match Kind::of(id) {
            Kind::Nop => nop(id),
            Kind::Poll => {
                let poll = op::PollAdd::new(self.pipe.as_raw_fd(), PollEvents::IN);
                poll.build().user_data(id)
            }
            Kind::Cancel => {
                // Mostly one of this thread's last ones, which are under way; else any.
                let near = id - random.below(40).min(id);
                let target = if random.below(4) == 0 { random.below(self.total()) } else { near };
                op::AsyncCancel::user_data(target).build().user_data(id)
            }
        }
    }

    fn total(&self) -> u64 {
        self.threads * self.each
    }

    /// Pushes its share, singly and in chains.
    fn push(&self, thread: u64) {
        let mut random = Random(self.seed ^ (thread + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let (mut id, end) = (thread * self.each, (thread + 1) * self.each);
        while id < end {
            // Links break where an entry fails, so only NOPs are linked: all of them succeed.
            if random.below(16) == 0 && Kind::of(id) == Kind::Nop && id + 1 < end && id % 8 == 0 {
                // SAFETY: NOPs point to nothing.
                unsafe { self.ring.push_all(&[nop(id).link(), nop(id + 1)]) }.unwrap();
                id += 2;
            } else {
                // SAFETY: none of the entries points to anything; the pipe stays open.
                unsafe { self.ring.push(self.entry(id, &mut random)) }.unwrap();
                id += 1;
            }
            if random.below(5) == 0 {
                let _ = self.ring.submit().unwrap();
            }
        }
        let _ = self.ring.submit().unwrap();
    }

    /// Takes completions until all have come; cancels what nobody else does.
    fn take(&self, thread: u64) {
        let mut random = Random(self.seed ^ !thread);
        let mut out = [Cqe::default(); 64];
        // Pairs with the subtraction below.
        while self.left.load(Ordering::Relaxed) > 0 {
            let room = 1 + random.below(64) as usize;
            let count = match random.below(4) {
                0 => self.ring.peek_into(&mut out[..room]).unwrap(),
                // Where only polls are left, somebody has to end them.
                _ => match self.ring.wait_into_timeout(&mut out[..room], Duration::from_millis(20))
                {
                    Ok(count) => count,
                    Err(error) if error.is_timeout() => self.cancel_all(),
                    Err(error) => panic!("{error}"),
                },
            };
            let mut seen = 0;
            for cqe in &out[..count] {
                let Some(done) = self.done.get(cqe.user_data as usize) else { continue };
                // Pairs with nothing: a count of its own.
                assert_eq!(done.fetch_add(1, Ordering::Relaxed), 0, "{cqe:?} twice");
                let kind = Kind::of(cqe.user_data);
                assert!(kind.may_end(cqe.result()), "{kind:?}: {cqe:?}, seed {}", self.seed);
                seen += 1;
            }
            // Pairs with the load above.
            if seen > 0 && self.left.fetch_sub(seen, Ordering::Relaxed) == seen {
                self.ring.wake_all().unwrap();
            }
        }
    }

    /// Cancels every poll that is under way: nothing else is there longer than its submit.
    fn cancel_all(&self) -> usize {
        let all = op::AsyncCancel::any().all().build();
        // SAFETY: the entry points to nothing.
        unsafe { self.ring.push(all.user_data(CANCEL_ALL)) }.unwrap();
        let _ = self.ring.submit().unwrap();
        0
    }
}

fn stress(ring: SharedRing, operations: u64, seed: u64) {
    let threads = 4;
    let each = operations / threads;
    let (pipe, writer) = std::io::pipe().unwrap();
    let stress = Stress {
        ring,
        pipe,
        threads,
        each,
        done: (0..threads * each).map(|_| AtomicU8::new(0)).collect(),
        left: AtomicU64::new(threads * each),
        seed,
    };
    // What it takes on a slow machine, and what a hang does not.
    let time = PATIENCE * 4 + Duration::from_micros(60 * operations);
    limit(time, || {
        scope(|scope| {
            for thread in 0..threads {
                let stress = &stress;
                scope.spawn(move || stress.push(thread));
            }
            for thread in 0..3 {
                let stress = &stress;
                scope.spawn(move || stress.take(thread));
            }
        });
    });
    drop(writer);
    // Pairs with the additions in `take`, all made before the threads were joined.
    assert!(stress.done.iter().all(|done| done.load(Ordering::Relaxed) == 1));
    settled(&stress.ring, |user_data| user_data == CANCEL_ALL);
    let counters = stress.ring.counters().unwrap();
    assert!(counters.overflows > 0, "{counters:?}");
    println!("seed {seed:#x}: {operations} operations, {counters:?}");
}

fn seed() -> u64 {
    let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    time.as_nanos() as u64 | 1
}

/// Every kind of entry, with queues so short that both are full most of the time.
#[test]
fn every_operation_completes_once() {
    let ring = SharedRing::builder().entries(16).cq_entries(16).build().unwrap();
    stress(ring, operations(), seed());
}

/// The same where one thread submits for all.
#[test]
fn every_operation_completes_once_with_a_thread_that_submits() {
    let builder = SharedRing::builder().entries(16).cq_entries(16);
    stress(builder.submitter_thread().build().unwrap(), operations() / 4, seed());
}
