//! A shared ring on a kernel that does something awkward at a given moment.
#![cfg(not(loom))]

mod common;
mod model;

use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::thread::{scope, yield_now};
use std::time::Duration;

use annulus_ring::abi::{Cqe, EnterFlags, Params, RegisterOp, SetupFlags, Sqe, Timespec};
use annulus_ring::kernel::Kernel;
use annulus_ring::{Errno, Movable, RingOf, SharedRingOf, Submitted};

use common::{LIMIT, limit};
use model::entry::{Completion, nop};
use model::memory::Shape;
use model::{Config, Fault, Model, NoDescriptors};

type Plain = Model<Sqe, Cqe>;
/// What is done before an enter (false) and after it (true); how many entries it is for at most.
type Hook = Box<dyn Fn(bool, u32) + Send + Sync>;

/// The model, with a hook around its `enter`.
struct Hooked {
    model: Plain,
    hook: OnceLock<Hook>,
}

impl Hooked {
    fn call(&self, after: bool, to_submit: u32) {
        if let Some(hook) = self.hook.get() {
            hook(after, to_submit);
        }
    }

    fn hook(&self, hook: impl Fn(bool, u32) + Send + Sync + 'static) {
        assert!(self.hook.set(Box::new(hook)).is_ok());
    }
}

// SAFETY: the model does it all.
unsafe impl Kernel for Hooked {
    type Descriptors = NoDescriptors;

    unsafe fn enter(
        &self,
        to_submit: u32,
        min_complete: u32,
        flags: EnterFlags,
        arg: *const core::ffi::c_void,
        arg_bytes: usize,
    ) -> Result<u32, Errno> {
        self.call(false, to_submit);
        // SAFETY: the caller's promise.
        let answer = unsafe { self.model.enter(to_submit, min_complete, flags, arg, arg_bytes) };
        self.call(true, to_submit);
        answer
    }

    unsafe fn register(
        &self,
        _: RegisterOp,
        _: *mut core::ffi::c_void,
        _: u32,
    ) -> Result<u32, Errno> {
        Err(Errno::EINVAL)
    }

    fn now(&self) -> Timespec {
        self.model.now()
    }

    fn poll_fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    fn descriptors(&self) -> NoDescriptors {
        NoDescriptors
    }
}

fn hooked(entries: u32) -> (RingOf<Movable, Sqe, Cqe, Arc<Hooked>>, Arc<Hooked>) {
    let shape = Shape::new(entries, 2 * entries).near_wrap(3);
    let model = Config::new(shape).kernel();
    let kernel = Arc::new(Hooked { model, hook: OnceLock::new() });
    let params = Params {
        sq_entries: entries,
        cq_entries: 2 * entries,
        flags: SetupFlags::SUBMIT_ALL,
        ..Params::default()
    };
    let memory = kernel.model.memory().pointers();
    // SAFETY: the memory is this kernel's, which the ring keeps; no other ring is made of it.
    (unsafe { RingOf::from_parts(kernel.clone(), memory, params) }, kernel)
}

fn shared(entries: u32) -> (Arc<SharedRingOf<Arc<Hooked>>>, Arc<Hooked>) {
    let (ring, kernel) = hooked(entries);
    (Arc::new(SharedRingOf::from_ring(ring).unwrap()), kernel)
}

fn user_data(ring: &SharedRingOf<Arc<Hooked>>) -> Vec<u64> {
    ring.peek().unwrap().map(|cqe| cqe.user_data).collect()
}

/// Others leave entries to the one that submits whenever it comes out of the kernel: it goes at
/// last, and no entry is lost.
#[test]
fn who_submits_for_others_is_let_go() {
    limit(LIMIT, || {
        let (ring, kernel) = shared(8);
        let (enters, left) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let inside = Arc::new(AtomicBool::new(false));
        let counts = (enters.clone(), left.clone());
        let other: Weak<SharedRingOf<_>> = Arc::downgrade(&ring);
        kernel.hook(move |after, _| {
            // Pairs with the stores below: what this does itself in the kernel, it does unhooked.
            if !after || inside.load(Ordering::Relaxed) {
                return;
            }
            // Relaxed, all: one thread; pairs with nothing.
            let enter = counts.0.fetch_add(1, Ordering::Relaxed);
            let Some(ring) = other.upgrade().filter(|_| enter < 1000) else { return };
            inside.store(true, Ordering::Relaxed);
            ring.nop(enter.into()).unwrap();
            if ring.submit().unwrap() == Submitted::Left {
                counts.1.fetch_add(1, Ordering::Relaxed);
            }
            // It was taken, or left, or is a guest of the last enter.
            ring.peek().unwrap().for_each(drop);
            inside.store(false, Ordering::Relaxed);
        });
        ring.nop(5000).unwrap();
        let _ = ring.submit().unwrap();
        // Relaxed: as above.
        let (enters, left) = (enters.load(Ordering::Relaxed), left.load(Ordering::Relaxed));
        assert!((2..=20).contains(&enters) && left >= 1, "{enters} enters, {left} times left");
        assert_eq!(ring.counters().unwrap().queued, 0);
    });
}

/// The one beside the kernel is at its time limit when the wake-up comes that counts on it, and a
/// completion is there as well: the wake-up is not lost with it.
#[test]
fn a_wake_up_at_a_time_limit_is_not_lost() {
    limit(LIMIT, || {
        let (ring, kernel) = shared(4);
        let (gate, leads) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (open, came) = (gate.clone(), leads.clone());
        kernel.hook(move |after, to_submit| {
            if !after && to_submit == 0 {
                // Pairs with the load below.
                came.store(true, Ordering::Release);
                // Pairs with the store below.
                while !open.load(Ordering::Acquire) {
                    yield_now();
                }
            }
        });
        scope(|scope| {
            let leader = scope.spawn(|| ring.wait_into(&mut [Cqe::default()]));
            // Pairs with the store in the hook.
            while !leads.load(Ordering::Acquire) {
                yield_now();
            }
            let beside = scope
                .spawn(|| ring.wait_into_timeout(&mut [Cqe::default()], Duration::from_secs(5)));
            // It is asleep beside the kernel when the ring says that one is.
            while !format!("{ring:?}").contains("parked: 1") {
                yield_now();
            }
            ring.nop(1).unwrap();
            let _ = ring.submit().unwrap();
            kernel.model.pass(Duration::from_secs(6));
            ring.wake().unwrap();
            assert_eq!(beside.join().unwrap().unwrap(), 0, "woken");
            // Pairs with the load in the hook.
            gate.store(true, Ordering::Release);
            assert_eq!(leader.join().unwrap().unwrap(), 1);
        });
    });
}

/// An error of a wait that took something is told by the first wait that takes nothing.
#[test]
fn an_error_that_was_kept_is_told() {
    limit(LIMIT, || {
        let (ring, kernel) = shared(4);
        let completion = |n| Completion::of(&nop(n)).unwrap();
        let model = Arc::downgrade(&kernel);
        let once = AtomicBool::new(false);
        kernel.hook(move |after, _| {
            // Relaxed: one thread; pairs with nothing.
            if !after && !once.swap(true, Ordering::Relaxed) {
                model.upgrade().unwrap().model.post_message(completion(1));
            }
        });
        let lost = Fault::Refuse { errno: Errno::EBADR, after: Duration::ZERO };
        kernel.model.fault([lost]);
        assert_eq!(ring.wait().unwrap().len(), 1);
        kernel.model.post_message(completion(2));
        assert_eq!(ring.wait().unwrap().len(), 1);
        assert_eq!(ring.wait().unwrap_err().errno(), Some(Errno::EBADR));
    });
}

/// The kernel takes nothing while completions wait outside its full queue: a wait brings them.
#[test]
fn a_wait_brings_what_keeps_the_kernel_from_submitting() {
    limit(LIMIT, || {
        let (ring, kernel) = shared(1);
        for n in 0..4 {
            kernel.model.post_message(Completion::of(&nop(n)).unwrap());
        }
        // Another thread takes what is in the queue; the rest is outside.
        assert_eq!(user_data(&ring), [0, 1]);
        ring.nop(9).unwrap();
        kernel.model.fault([Fault::Refuse { errno: Errno::EBUSY, after: Duration::ZERO }]);
        let seen: Vec<u64> = ring.wait().unwrap().map(|cqe| cqe.user_data).collect();
        assert_eq!(seen, [2, 3]);
        assert_eq!(ring.wait().unwrap().next().unwrap().user_data, 9);
    });
}

/// With a thread of the ring's own, and a kernel that is busy for long: a push to the full queue
/// ends with an error, and does not sleep for ever.
#[test]
fn a_push_is_told_that_the_kernel_stays_busy() {
    limit(LIMIT, || {
        let (ring, kernel) = hooked(1);
        let ring = SharedRingOf::with_thread(ring).unwrap();
        let busy = Fault::Refuse { errno: Errno::EBUSY, after: Duration::ZERO };
        kernel.model.fault([busy; 100]);
        ring.nop(1).unwrap();
        assert!(ring.nop(2).unwrap_err().is_busy());
        kernel.model.state().clear_faults();
        ring.nop(3).unwrap();
        let _ = ring.submit().unwrap();
        let mut seen: Vec<u64> = Vec::new();
        while seen.len() < 2 {
            seen.extend(ring.wait().unwrap().map(|cqe| cqe.user_data));
        }
        assert_eq!(seen, [1, 3]);
    });
}

/// What the one owner pushed is the shared ring's; what that had under way is not counted twice.
#[test]
fn a_ring_is_shared_with_what_is_in_it() {
    limit(LIMIT, || {
        let (mut ring, _kernel) = hooked(4);
        // SAFETY: a NOP points to nothing; so below.
        unsafe { ring.push(nop(1)) }.unwrap();
        ring.submit().unwrap();
        // SAFETY: as above.
        unsafe { ring.push(nop(2)) }.unwrap();
        let ring = Arc::new(SharedRingOf::from_ring(ring).unwrap());
        assert_eq!(ring.counters().unwrap().queued, 1);
        assert_eq!(ring.submit().unwrap(), Submitted::Taken(1));
        assert_eq!(user_data(&ring), [1, 2]);
        let counters = ring.counters().unwrap();
        assert_eq!((counters.submitted, counters.completed, counters.in_flight), (1, 2, 0));
    });
}

/// What was left to the ring's own thread is submitted, even if the ring is dropped at once.
#[test]
fn what_was_left_to_the_thread_is_submitted_before_it_ends() {
    limit(LIMIT, || {
        for _ in 0..200 {
            let (ring, kernel) = hooked(4);
            let ring = SharedRingOf::with_thread(ring).unwrap();
            ring.nop(7).unwrap();
            assert_eq!(ring.submit().unwrap(), Submitted::Left);
            drop(ring);
            assert_eq!(kernel.model.state().batches, [[7]]);
        }
    });
}
