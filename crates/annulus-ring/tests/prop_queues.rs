//! Random calls against a reference of two lists: nothing is lost, doubled or reordered, and the
//! counts are what the lists say, wherever the indices start.
#![cfg(not(any(loom, miri)))]

mod model;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use annulus_ring::abi::{Cqe, Cqe32, SetupFlags, Sqe, Sqe128};
use annulus_ring::{Errno, Local, Mixed, Result, RingOf, Wait};
use proptest::prelude::*;

use model::entry::{Completion, Entry, Posted, UNKNOWN, long_nop, nop};
use model::memory::Shape;
use model::{Config, Fault, Made, Model, Work};

/// One call of the program, or one event in the kernel.
#[derive(Clone, Debug)]
enum Step {
    Push {
        long: bool,
    },
    PushBad,
    PushAll(u32),
    Fill(u32),
    /// Reserves, and lets the room go.
    Reserve(u32),
    NextSqe,
    Submit,
    SubmitAndWait,
    SubmitTimed,
    /// The kernel takes so many at most.
    Short(u32),
    Refused(Errno),
    /// A pending entry completes: which one, modulo how many there are.
    Finish(usize),
    /// Takes so many completions and drops the iterator.
    Take(usize),
    /// Takes so many and forgets it.
    Forget(usize),
    CopyOut(usize),
    /// Looks at what is there in place; takes it or leaves it.
    Ready {
        consume: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let errno = prop::sample::select(vec![Errno::EAGAIN, Errno::EBUSY, Errno::EINTR]);
    prop_oneof![
        4 => any::<bool>().prop_map(|long| Step::Push { long }),
        1 => Just(Step::PushBad),
        2 => (0..6_u32).prop_map(Step::PushAll),
        2 => (0..6_u32).prop_map(Step::Fill),
        1 => (0..70_u32).prop_map(Step::Reserve),
        1 => Just(Step::NextSqe),
        4 => Just(Step::Submit),
        1 => Just(Step::SubmitAndWait),
        1 => Just(Step::SubmitTimed),
        1 => (0..4_u32).prop_map(Step::Short),
        1 => errno.prop_map(Step::Refused),
        8 => any::<usize>().prop_map(Step::Finish),
        4 => (0..5_usize).prop_map(Step::Take),
        1 => (0..5_usize).prop_map(Step::Forget),
        1 => (0..5_usize).prop_map(Step::CopyOut),
        2 => any::<bool>().prop_map(|consume| Step::Ready { consume }),
    ]
}

fn config() -> impl Strategy<Value = Config> {
    let start = prop_oneof![any::<u32>(), (0..140_u32).prop_map(|n| 0_u32.wrapping_sub(n))];
    let flags = prop::sample::select(vec![SetupFlags::empty(), SetupFlags::SUBMIT_ALL]);
    (0..7_u32, 0..3_u32, start.clone(), start, any::<bool>(), flags).prop_map(
        |(sq, more, sq_start, cq_start, array, flags)| {
            let (sq_entries, cq_entries) = (1 << sq, 1 << (sq + more));
            let shape = Shape { sq_entries, cq_entries, sq_start, cq_start, array };
            Config::new(shape).work(Work::Held).flags(flags)
        },
    )
}

/// A ring, and what it should hold.
struct Run<S: Entry, C: Posted> {
    ring: RingOf<Local, S, C, Arc<Model<S, C>>>,
    kernel: Arc<Model<S, C>>,
    submit_all: bool,
    /// The next entry's `user_data`.
    next: u64,
    queued: VecDeque<Sqe>,
    pending: Vec<Completion>,
    /// Complete and not taken, in the order in which they completed.
    complete: VecDeque<Completion>,
    accepted: usize,
    taken: usize,
}

impl<S: Entry, C: Posted> Run<S, C> {
    fn new(config: Config) -> Self {
        let (ring, kernel): Made<Local, S, C> = config.ring();
        Self {
            ring,
            kernel,
            submit_all: config.flags.contains(SetupFlags::SUBMIT_ALL),
            next: 0,
            queued: VecDeque::new(),
            pending: Vec::new(),
            complete: VecDeque::new(),
            accepted: 0,
            taken: 0,
        }
    }

    fn entry(&mut self, long: bool) -> Sqe {
        let sqe = if long { long_nop(self.next) } else { nop(self.next) };
        self.next += 1;
        sqe
    }

    fn room(&self) -> u32 {
        self.ring.sq_entries() - self.queued.len() as u32
    }

    /// What a call that queues `entries` must have done.
    fn pushed(&mut self, entries: &[Sqe], answer: Result<()>) {
        assert_eq!(answer.is_ok(), entries.len() as u32 <= self.room(), "{entries:?}");
        match answer {
            Ok(()) => {
                self.queued.extend(entries);
                self.accepted += entries.len();
            }
            Err(error) => assert!(error.is_queue_full(), "{error}"),
        }
    }

    /// What a submit must have taken, and what it returned.
    fn submitted(&mut self, answer: Result<u32>, most: u32) {
        let mut taken = 0;
        while taken < most {
            let Some(sqe) = self.queued.pop_front() else { break };
            taken += 1;
            let completion = C::through(Completion::of(&sqe).expect("none is silent"));
            if sqe.opcode == UNKNOWN {
                self.complete.push_back(completion);
                if !self.submit_all {
                    break;
                }
            } else {
                self.pending.push(completion);
            }
        }
        assert_eq!(answer.unwrap(), taken);
    }

    /// What came out of the queue must be the oldest that are complete.
    fn took(&mut self, seen: Vec<Completion>) {
        for completion in seen {
            assert_eq!(Some(completion), self.complete.pop_front());
            self.taken += 1;
        }
    }

    /// Takes up to `count` completions without giving anything back.
    fn peek(&mut self, count: usize) {
        let mut completions = self.ring.completions().unwrap();
        let seen: Vec<_> = completions.by_ref().take(count).map(|c| C::seen(&c)).collect();
        std::mem::forget(completions);
        assert!(seen.iter().eq(self.complete.iter().take(seen.len())));
    }

    /// A wait wants no more than is there: nobody else would post it.
    fn submit_and_wait(&mut self, timed: bool) {
        let answer = if timed {
            let wait = Wait::new().timeout(Duration::from_millis(1));
            // Nothing pending and nothing taken is a timeout.
            match self.ring.submit_and_wait_with(u32::MAX, &wait) {
                Err(error) if self.queued.is_empty() => {
                    return assert!(error.is_timeout() && self.complete.is_empty());
                }
                answer => answer,
            }
        } else {
            self.ring.submit_and_wait(0)
        };
        self.submitted(answer, u32::MAX);
    }

    fn push(&mut self, step: &Step) {
        let count = match *step {
            Step::PushAll(count) | Step::Fill(count) => count,
            _ => 1,
        };
        let long = matches!(step, Step::Push { long: true });
        let mut entries: Vec<_> = (0..count).map(|_| self.entry(long)).collect();
        if matches!(step, Step::PushBad) {
            entries[0].opcode = UNKNOWN;
        }
        let ring = &mut self.ring;
        let answer = match step {
            Step::PushAll(_) => {
                let wide: Vec<S> = entries.iter().map(|sqe| S::from(*sqe)).collect();
                // SAFETY: a NOP points to nothing.
                unsafe { ring.push_all(&wide) }
            }
            Step::Fill(count) => ring.reserve(*count).map(|room| {
                // SAFETY: as above.
                unsafe { room.fill(|n| entries[n as usize]) }
            }),
            // SAFETY: as above.
            Step::NextSqe => unsafe { ring.next_sqe() }.map(|slot| *slot = S::from(entries[0])),
            // SAFETY: as above; an operation that nobody knows points to nothing either.
            _ => unsafe { ring.push(entries[0]) },
        };
        self.pushed(&entries, answer);
    }

    fn perform(&mut self, step: &Step) {
        match *step {
            Step::Push { .. } | Step::PushBad | Step::PushAll(_) | Step::Fill(_) => self.push(step),
            Step::NextSqe => self.push(step),
            Step::Reserve(count) => {
                let fits = count <= self.room();
                assert_eq!(self.ring.reserve(count).is_ok(), fits);
            }
            Step::Submit => {
                let answer = self.ring.submit();
                self.submitted(answer, u32::MAX);
            }
            Step::SubmitAndWait => self.submit_and_wait(false),
            Step::SubmitTimed => self.submit_and_wait(true),
            Step::Short(most) => self.faulty(Fault::Short(most), most),
            Step::Refused(errno) => {
                self.faulty(Fault::Refuse { errno, after: Duration::ZERO }, 0);
            }
            Step::Finish(which) if !self.pending.is_empty() => {
                let nth = which % self.pending.len();
                self.kernel.finish(nth);
                self.complete.push_back(self.pending.remove(nth));
            }
            Step::Finish(_) => {}
            Step::Take(count) => {
                let completions = self.ring.completions().unwrap();
                let seen = completions.take(count).map(|item| C::seen(&item)).collect();
                self.took(seen);
            }
            Step::Forget(count) => self.peek(count),
            Step::CopyOut(_) | Step::Ready { .. } => self.in_place(step),
        }
    }

    /// A submit that meets `fault`, if it enters at all.
    fn faulty(&mut self, fault: Fault, most: u32) {
        if self.queued.is_empty() {
            return;
        }
        self.kernel.fault([fault]);
        let answer = self.ring.submit();
        match fault {
            Fault::Refuse { errno, .. } => {
                let error = answer.unwrap_err();
                assert_eq!(error.errno(), Some(errno));
                assert_eq!(error.queued(), Some(self.queued.len() as u32));
            }
            _ => self.submitted(answer, most),
        }
    }

    /// The calls of the queue alone, which never enter the kernel. In place there are slots, which
    /// are completions where none is long.
    fn in_place(&mut self, step: &Step) {
        let queue = self.ring.parts().1;
        let there = queue.len();
        match *step {
            Step::CopyOut(count) => {
                let mut out: Vec<_> = (0..count).map(|_| C::blank()).collect();
                let copied = queue.copy_out(&mut out).unwrap();
                self.took(out[..copied].iter().map(C::seen).collect());
            }
            Step::Ready { consume } if C::SETUP != SetupFlags::CQE_MIXED => {
                let ready = queue.ready().unwrap();
                let slices = ready.slices();
                assert_eq!((slices.0.len() + slices.1.len()) as u32, there);
                assert_eq!(ready.len(), there);
                if consume {
                    ready.consume();
                    self.complete.drain(..there as usize);
                    self.taken += there as usize;
                }
            }
            _ => {}
        }
    }

    /// The counts are what the lists say.
    fn check(&self) {
        assert_eq!(self.ring.sq_len(), self.queued.len() as u32);
        assert_eq!(self.ring.sq_space_left(), self.room());
        assert_eq!(self.kernel.pending(), self.pending.len());
        let all = self.queued.len() + self.pending.len() + self.complete.len();
        assert!(self.ring.cq_len() <= self.ring.cq_entries());
        if C::SETUP != SetupFlags::CQE_MIXED && !self.ring.has_overflow() {
            assert_eq!(self.ring.cq_len(), self.complete.len() as u32);
        }
        assert_eq!(self.taken + all, self.accepted);
    }

    /// In the end everything comes.
    fn finish(mut self) {
        while !self.queued.is_empty() {
            self.perform(&Step::Submit);
        }
        while !self.pending.is_empty() {
            self.perform(&Step::Finish(0));
        }
        while !self.complete.is_empty() {
            let before = self.complete.len();
            self.perform(&Step::Take(usize::MAX));
            assert!(self.complete.len() < before, "{} are lost", before);
        }
        assert_eq!(self.ring.completions().unwrap().count(), 0);
        assert!(!self.ring.has_overflow());
        self.check();
    }
}

fn follow<S: Entry, C: Posted>(config: Config, steps: &[Step]) {
    let mut run = Run::<S, C>::new(config);
    for step in steps {
        run.perform(step);
        run.check();
    }
    run.finish();
}

proptest! {
    // Enough to pass the wrap in every shape, and quick; a failure is printed with its seed.
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..<_>::default() })]

    #[test]
    fn ordinary_queues_keep_everything(
        config in config(), steps in prop::collection::vec(step(), 1..200)
    ) {
        follow::<Sqe, Cqe>(config, &steps);
    }

    #[test]
    fn wide_queues_keep_everything(
        config in config(), steps in prop::collection::vec(step(), 1..100)
    ) {
        follow::<Sqe128, Cqe32>(config, &steps);
    }

    #[test]
    fn mixed_queues_keep_everything(
        config in config(), steps in prop::collection::vec(step(), 1..200)
    ) {
        // A long completion needs two slots: a queue of one has not even room for one.
        prop_assume!(config.shape.cq_entries > 1);
        follow::<Sqe, Mixed>(config, &steps);
    }
}
