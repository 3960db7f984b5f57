//! Everything at once, at random: chains of random lengths, waits of every kind, wake-ups, cancels,
//! from threads that run at random priorities; and an account of it at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::scope;
use std::time::Duration;

use annulus_ring::abi::Cqe;
use annulus_ring::{Errno, SharedRing, op};

/// A small generator of numbers, which are the same for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % end
    }
}

const PUSHERS: u64 = 4;
const TAKERS: u64 = 3;
const WAKERS: u64 = 2;
/// What a cancel's `user_data` has; what a chain's entry has: its chain, and its place there.
const CANCEL: u64 = 1 << 62;
const PLACES: u64 = 16;

struct Chaos<'a> {
    ring: &'a SharedRing,
    seed: u64,
    chains: u64,
    /// How many entries of chains were pushed, and seen; how many threads push.
    pushed: AtomicU64,
    seen: AtomicU64,
    pushing: AtomicU64,
    all: Mutex<BTreeSet<u64>>,
}

/// Each thread with a priority of its own: now and then one that runs only where nobody else does.
fn at_some_priority(random: &mut Random) {
    let nice = [0, 0, 5, 19][random.below(4) as usize];
    // SAFETY: three numbers; 0 is this thread.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) };
    let policy = if random.below(6) == 0 { libc::SCHED_IDLE } else { libc::SCHED_BATCH };
    // SAFETY: plain integers (musl has more of them than glibc), each of which may be 0.
    let parameter: libc::sched_param = unsafe { std::mem::zeroed() };
    // SAFETY: two numbers and a structure that lives during the call; refused, it changes nothing.
    unsafe { libc::sched_setscheduler(0, policy, &raw const parameter) };
}

impl Chaos<'_> {
    fn random(&self, thread: u64) -> Random {
        Random(self.seed ^ (thread + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn push(&self, thread: u64) {
        let mut random = self.random(thread);
        at_some_priority(&mut random);
        for n in 0..self.chains {
            let (chain, count) = (thread * self.chains + n, 1 + random.below(8));
            let entries: Vec<_> = (0..count)
                .map(|place| {
                    let nop = op::Nop::new().build().user_data(chain * PLACES + place);
                    if place + 1 < count { nop.link() } else { nop }
                })
                .collect();
            // Pairs with the loads in `take`: before a completion can be there.
            self.pushed.fetch_add(count, Ordering::SeqCst);
            // SAFETY: NOPs point to nothing.
            unsafe { self.ring.push_all(&entries) }.unwrap();
            if random.below(3) > 0 {
                let _ = self.ring.submit().unwrap();
            }
            if random.below(8) == 0 {
                self.ring.cancel(random.below(chain * PLACES + 1), CANCEL).unwrap();
            }
        }
        let _ = self.ring.submit().unwrap();
        // Pairs with the loads in `is_done`.
        self.pushing.fetch_sub(1, Ordering::SeqCst);
    }

    fn is_done(&self) -> bool {
        // Pairs with the subtraction in `push`: after it nothing is pushed.
        let pushing = self.pushing.load(Ordering::SeqCst);
        // Pairs with the additions in `push` and `take`.
        let (pushed, seen) = (self.pushed.load(Ordering::SeqCst), self.seen.load(Ordering::SeqCst));
        pushing == 0 && pushed == seen
    }

    fn take(&self, thread: u64) {
        let mut random = self.random(thread);
        at_some_priority(&mut random);
        let mut out = [Cqe::default(); 24];
        let mut last_of = BTreeMap::new();
        while !self.is_done() {
            let room = 1 + random.below(24) as usize;
            let limit = Duration::from_micros(random.below(3) * random.below(2000));
            let taken = match random.below(4) {
                0 => self.ring.peek_into(&mut out[..room]),
                1 => self.ring.wait_into_timeout(&mut out[..room], limit),
                _ => self.ring.wait_into(&mut out[..room]),
            };
            let count = match taken {
                Ok(count) => count,
                Err(error) if error.is_timeout() => 0,
                Err(error) => panic!("{error}"),
            };
            let mut seen = 0;
            for cqe in out[..count].iter().filter(|cqe| cqe.user_data != CANCEL) {
                assert!(matches!(cqe.result(), Ok(0) | Err(Errno::ECANCELED)), "{cqe:?}");
                let (chain, place) = (cqe.user_data / PLACES, cqe.user_data % PLACES);
                let before = last_of.insert(chain, place);
                assert!(
                    before < Some(place),
                    "{before:?} and {place} of {chain}: {:#x}",
                    self.seed
                );
                assert!(self.all.lock().unwrap().insert(cqe.user_data), "{cqe:?} twice");
                seen += 1;
            }
            // Pairs with the loads in `is_done`.
            self.seen.fetch_add(seen, Ordering::SeqCst);
        }
        // The others, which may be waiting for what does not come any more.
        self.ring.wake_all().unwrap();
    }

    /// Until all is done: it ends the waits of those that began before that.
    fn wake(&self, thread: u64) {
        let mut random = self.random(thread);
        while !self.is_done() {
            if random.below(4) == 0 {
                self.ring.wake_all().unwrap();
            } else {
                self.ring.wake().unwrap();
            }
            std::thread::sleep(Duration::from_micros(random.below(500)));
        }
        for _ in 0..TAKERS {
            self.ring.wake().unwrap();
        }
    }
}

/// `chains` chains from each of some threads.
pub fn chaos(ring: &SharedRing, chains: u64, seed: u64) {
    let chaos = Chaos {
        ring,
        seed,
        chains,
        pushed: AtomicU64::new(0),
        seen: AtomicU64::new(0),
        pushing: AtomicU64::new(PUSHERS),
        all: Mutex::new(BTreeSet::new()),
    };
    let chaos = &chaos;
    scope(|scope| {
        for thread in 0..PUSHERS + TAKERS + WAKERS {
            scope.spawn(move || match thread {
                0..PUSHERS => chaos.push(thread),
                PUSHERS..7 => chaos.take(thread),
                _ => chaos.wake(thread),
            });
        }
    });
    // Pairs with the additions in `push`, all made before the threads were joined.
    let pushed = chaos.pushed.load(Ordering::SeqCst);
    assert_eq!(chaos.all.lock().unwrap().len() as u64, pushed, "seed {seed:#x}");
}

/// A number that is another each time.
pub fn any_seed() -> u64 {
    let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    time.as_nanos() as u64 | 1
}
