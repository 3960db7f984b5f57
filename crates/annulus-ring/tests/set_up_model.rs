//! A kernel of the test's own, made by the builder: every kind of ring, and what a kernel that has
//! only `set_up` says to what Linux's rings can do besides.
#![cfg(not(any(loom, miri)))]

mod common;
mod model;

use std::ffi::c_void;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use annulus_ring::abi::{
    BufGroup, Cqe, Cqe32, EnterFlags, Features, Params, RegisterOp, SetupFlags, Sqe, Sqe128,
    Timespec,
};
use annulus_ring::kernel::{Kernel, Plan, Pollable, RingMemory, SetUp};
use annulus_ring::register::BufRingOptions;
use annulus_ring::{
    Allow, Builder, BuilderOf, CqeKind, Errno, Error, Local, Movable, Parked, Result, RingOf,
    RingRegion, SharedRingOf, SqeKind, Submitted,
};

use common::{LIMIT, limit};
use model::entry::{Entry, Posted, long_nop, nop};
use model::memory::Shape;
use model::{Config, Model, NoDescriptors};

/// What happened to the kernels that were made with one [`Choice`].
#[derive(Debug, Default)]
struct Seen {
    made: AtomicU32,
    settled: AtomicU32,
    enabled: AtomicU32,
}

/// How a [`Made`] kernel is made.
#[derive(Clone, Debug, Default)]
struct Choice {
    seen: Arc<Seen>,
    /// What becomes readable, says the kernel.
    descriptor: Option<Arc<std::io::PipeReader>>,
}

/// The model, for rings of one kind.
#[derive(Debug)]
struct Made<S: Entry = Sqe, C: Posted = Cqe> {
    model: Arc<Model<S, C>>,
    choice: Choice,
}

// SAFETY: the model's promises.
unsafe impl<S: Entry, C: Posted> Kernel for Made<S, C> {
    type Descriptors = NoDescriptors;

    unsafe fn enter(
        &self,
        to_submit: u32,
        min_complete: u32,
        flags: EnterFlags,
        arg: *const c_void,
        arg_bytes: usize,
    ) -> std::result::Result<u32, Errno> {
        // SAFETY: the caller's promise.
        unsafe { self.model.enter(to_submit, min_complete, flags, arg, arg_bytes) }
    }

    unsafe fn register(
        &self,
        op: RegisterOp,
        _: *mut c_void,
        _: u32,
    ) -> std::result::Result<u32, Errno> {
        match op {
            RegisterOp::ENABLE_RINGS => {
                // Relaxed: a statistic; pairs with the loads of the test, on this thread.
                self.choice.seen.enabled.fetch_add(1, Ordering::Relaxed);
                Ok(0)
            }
            RegisterOp::RESTRICTIONS | RegisterOp::PBUF_RING | RegisterOp::UNREGISTER_PBUF_RING => {
                Ok(0)
            }
            _ => Err(Errno::EINVAL),
        }
    }

    fn now(&self) -> Timespec {
        self.model.now()
    }

    fn poll_fd(&self) -> Option<BorrowedFd<'_>> {
        self.choice.descriptor.as_ref().map(|fd| fd.as_fd())
    }

    fn descriptors(&self) -> NoDescriptors {
        NoDescriptors
    }
}

// SAFETY: the memory is the model's, which sits in an `Arc` of the kernel's; it is made once for
// this ring, of entries of the kinds `S` and `C`, which `T` and `D` were found to be. A model is
// tied to no thread.
unsafe impl<S: Entry, C: Posted> SetUp for Made<S, C> {
    type Choice = Choice;

    fn set_up<T: SqeKind, D: CqeKind>(
        plan: &mut Plan,
        choice: &Choice,
    ) -> Result<(Self, RingMemory<T, D::Slot>, Params)> {
        let flags = plan.flags() | plan.wishes();
        if (T::SETUP, D::SETUP) != (S::SETUP, C::SETUP) {
            return Err(plan.refused(Errno::EINVAL, flags));
        }
        let (sq_entries, cq_entries) =
            plan.lengths().map_err(|errno| plan.refused(errno, flags))?;
        let mut shape = Shape::new(sq_entries, cq_entries);
        shape.array = !flags.contains(SetupFlags::NO_SQARRAY);
        let model = Arc::new(Config::new(shape).flags(flags).kernel());
        let memory = cast(model.memory().pointers());
        // Relaxed: a statistic; pairs with the loads of the test, on this thread.
        choice.seen.made.fetch_add(1, Ordering::Relaxed);
        let params = Params {
            sq_entries,
            cq_entries,
            flags,
            features: Features::REG_REG_RING,
            ..*plan.params()
        };
        Ok((Self { model, choice: choice.clone() }, memory, params))
    }

    fn settle(&mut self) {
        // Relaxed: a statistic; pairs with the loads of the test, on this thread.
        self.choice.seen.settled.fetch_add(1, Ordering::Relaxed);
    }
}

impl<S: Entry, C: Posted> Pollable for Made<S, C> {}

/// The same memory by the names that `set_up` has for its kinds.
fn cast<S, C, T, D>(memory: RingMemory<S, C>) -> RingMemory<T, D> {
    use annulus_ring::kernel::{CqMemory, SqMemory};
    assert_eq!((size_of::<S>(), size_of::<C>()), (size_of::<T>(), size_of::<D>()));
    let RingMemory { sq, cq } = memory;
    let SqMemory { head, tail, flags, dropped, array, slots, entries } = sq;
    let sq = SqMemory { head, tail, flags, dropped, array, slots: slots.cast(), entries };
    let CqMemory { head, tail, flags, overflow, slots, entries } = cq;
    let cq = CqMemory { head, tail, flags, overflow, slots: slots.cast(), entries };
    RingMemory { sq, cq }
}

type LocalRing<S = Sqe, C = Cqe> = RingOf<Local, S, C, Made<S, C>>;
type Ring = RingOf<Movable, Sqe, Cqe, Made>;
type SharedRing = SharedRingOf<Made>;

/// A builder, and what will have happened to what it makes.
fn builder<S: Entry, C: Posted>() -> (BuilderOf<Sqe, Cqe, Made<S, C>>, Arc<Seen>) {
    let choice = Choice::default();
    let seen = Arc::clone(&choice.seen);
    (BuilderOf::new().entries(4).kernel(choice), seen)
}

/// How many kernels were made, settled and enabled.
fn counts(seen: &Seen) -> [u32; 3] {
    // Relaxed: statistics; pairs with the additions, made on this thread.
    [&seen.made, &seen.settled, &seen.enabled].map(|count| count.load(Ordering::Relaxed))
}

#[test]
fn a_kernel_of_ones_own_makes_every_kind_of_ring() {
    limit(LIMIT, || {
        let mut local = LocalRing::new(8).unwrap();
        let mut movable = Ring::new(8).unwrap();
        assert!(local.setup_flags().contains(SetupFlags::DEFER_TASKRUN));
        assert!(!movable.setup_flags().contains(SetupFlags::SINGLE_ISSUER));
        // SAFETY: a NOP points to nothing.
        unsafe { local.push(nop(1)) }.unwrap();
        assert_eq!(local.submit_and_wait(1).unwrap(), 1);
        assert_eq!(local.completions().unwrap().next().unwrap().user_data, 1);

        // SAFETY: a NOP points to nothing.
        unsafe { movable.push(nop(2)) }.unwrap();
        let (mut submission, mut completion) = movable.split();
        submission.submit().unwrap();
        assert_eq!(completion.completions().unwrap().next().unwrap().user_data, 2);
        assert_eq!(submission.unsplit(completion).unwrap().cq_entries(), 16);

        let shared = SharedRing::new(8).unwrap();
        shared.nop(3).unwrap();
        assert_eq!(shared.wait().unwrap().next().unwrap().user_data, 3);
    });
}

#[test]
fn entry_sizes_are_the_kernels_to_have() {
    let (wide, _) = builder::<Sqe128, Cqe32>();
    let mut ring: LocalRing<Sqe128, Cqe32> = wide.sqe128().cqe32().build_local().unwrap();
    assert!(ring.setup_flags().contains(SetupFlags::SQE128 | SetupFlags::CQE32));
    // SAFETY: a NOP points to nothing.
    unsafe { ring.push(long_nop(3)) }.unwrap();
    ring.submit().unwrap();
    assert_eq!(ring.completions().unwrap().next().unwrap().big_cqe, [!3, 3 ^ 0x55]);

    let (plain, seen) = builder::<Sqe, Cqe>();
    let refused = plain.sqe128().build().unwrap_err();
    assert_eq!((refused.errno(), counts(&seen)[0]), (Some(Errno::EINVAL), 0));
    assert!(refused.setup_error().is_some(), "{refused}");
}

#[test]
fn only_what_stays_is_settled_once_it_is_there() {
    limit(LIMIT, || {
        let (plain, seen) = builder::<Sqe, Cqe>();
        plain.build().unwrap();
        assert_eq!(counts(&seen), [1, 0, 0]);

        let (plain, seen) = builder::<Sqe, Cqe>();
        plain.build_local().unwrap();
        assert_eq!(counts(&seen), [1, 1, 0]);

        let (plain, seen) = builder::<Sqe, Cqe>();
        let parked: Parked<Sqe, Cqe, Made> = plain.build_parked().unwrap();
        assert_eq!(counts(&seen), [1, 0, 0]);
        let of_another_thread = move || {
            let mut ring = parked.enable()?;
            // SAFETY: a NOP points to nothing.
            unsafe { ring.push(nop(1)) }?;
            ring.submit_and_wait(1)
        };
        assert_eq!(std::thread::spawn(of_another_thread).join().unwrap().unwrap(), 1);
        assert_eq!(counts(&seen), [1, 1, 1]);
    });
}

#[test]
fn a_shared_ring_is_restricted_and_has_a_thread_on_any_kernel() {
    limit(LIMIT, || {
        let choice = Choice::default();
        let seen = Arc::clone(&choice.seen);
        let shared = SharedRing::builder().entries(4).kernel(choice);
        let shared = shared.allow(Allow::new()).submitter_thread().build().unwrap();
        assert_eq!(counts(&seen), [1, 0, 1]);
        shared.nop(7).unwrap();
        assert_eq!(shared.submit().unwrap(), Submitted::Left);
        assert_eq!(shared.wait().unwrap().next().unwrap().user_data, 7);
    });
}

#[test]
fn the_descriptor_is_the_one_to_poll() {
    let local = LocalRing::<Sqe, Cqe>::new(4).unwrap();
    assert_eq!((local.raw_fd(), local.is_descriptor_registered()), (-1, false));

    let (reader, _writer) = std::io::pipe().unwrap();
    let choice = Choice { descriptor: Some(Arc::new(reader)), ..Choice::default() };
    let number = choice.descriptor.as_ref().unwrap().as_raw_fd();
    let ring: Ring = BuilderOf::new().entries(4).kernel(choice.clone()).build().unwrap();
    assert_eq!((ring.raw_fd(), ring.as_fd().as_raw_fd()), (number, number));
    let shared: SharedRing = BuilderOf::new().entries(4).kernel(choice).build_shared().unwrap();
    assert_eq!(shared.as_fd().as_raw_fd(), number);
}

#[test]
fn what_a_kernel_has_not_is_unsupported() {
    let (plain, _) = builder::<Sqe, Cqe>();
    let mut ring = plain.build_local().unwrap();
    // SAFETY: a NOP points to nothing.
    unsafe { ring.push(nop(1)) }.unwrap();
    let in_kernel = BufRingOptions::new(BufGroup(0), 4).register_in_kernel(ring.register());
    let in_kernel = in_kernel.map(drop).unwrap_err();
    for error in [ring.resize(8, 16).unwrap_err(), ring.close_descriptor().unwrap_err(), in_kernel]
    {
        assert_eq!(error.errno(), Some(Errno::EOPNOTSUPP), "{error}");
        assert!(error.is_unsupported() && !error.is_lost());
    }
    // And the ring goes on.
    assert_eq!(ring.submit_and_wait(1).unwrap(), 1);
    assert_eq!(ring.completions().unwrap().count(), 1);
}

#[test]
fn what_contradicts_itself_reaches_no_kernel() {
    type Make = fn(BuilderOf<Sqe, Cqe, Made>) -> Result<Ring>;
    let asked: [(Make, &str); 4] = [
        (|b| b.entries(0).build(), "0 entries"),
        (|b| b.raw_flags(SetupFlags::NO_MMAP).build(), "memory()"),
        (|b| b.sqpoll_cpu(0).build(), "sqpoll()"),
        (|b| b.raw_flags(SetupFlags::SQE128).build(), "sqe128()"),
    ];
    for (make, why) in asked {
        let (plain, seen) = builder::<Sqe, Cqe>();
        let error = make(plain).unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
        assert_eq!(counts(&seen), [0; 3]);
    }
}

/// What a kernel is told: it says so in place of making a ring.
#[derive(Debug)]
struct Told;

// SAFETY: no ring is ever made of it.
unsafe impl Kernel for Told {
    type Descriptors = NoDescriptors;

    unsafe fn enter(
        &self,
        _: u32,
        _: u32,
        _: EnterFlags,
        _: *const c_void,
        _: usize,
    ) -> std::result::Result<u32, Errno> {
        unreachable!()
    }

    unsafe fn register(
        &self,
        _: RegisterOp,
        _: *mut c_void,
        _: u32,
    ) -> std::result::Result<u32, Errno> {
        unreachable!()
    }

    fn now(&self) -> Timespec {
        unreachable!()
    }

    fn poll_fd(&self) -> Option<BorrowedFd<'_>> {
        unreachable!()
    }

    fn descriptors(&self) -> NoDescriptors {
        NoDescriptors
    }
}

// SAFETY: it makes none.
unsafe impl SetUp for Told {
    type Choice = Option<fn(&mut Plan)>;

    fn set_up<S: SqeKind, C: CqeKind>(
        plan: &mut Plan,
        choice: &Self::Choice,
    ) -> Result<(Self, RingMemory<S, C::Slot>, Params)> {
        choice.unwrap()(plan);
        Err(Error::os(Errno::ENODEV, "making a ring to look at the plan"))
    }
}

#[test]
fn a_plan_says_all_that_was_asked_for() {
    let asked = || BuilderOf::<Sqe, Cqe, Told>::new().entries(5);
    let look = |builder: BuilderOf<Sqe, Cqe, Told>, look: fn(&mut Plan)| {
        let error = builder.kernel(Some(look)).build().unwrap_err();
        assert_eq!(error.errno(), Some(Errno::ENODEV));
        assert!(error.to_string().contains("ENODEV"), "{error}");
    };
    look(asked(), |plan| {
        assert_eq!((plan.entries(), plan.sq_entries(), plan.cq_entries()), (5, 8, 16));
        assert_eq!(plan.flags(), SetupFlags::empty());
        assert_eq!(plan.wishes(), SetupFlags::NO_SQARRAY | SetupFlags::SUBMIT_ALL);
        assert!(!plan.keeps_from_children());
        assert!(plan.workers_of().is_none() && plan.take_region().is_none());
    });
    let declined = asked().without(SetupFlags::NO_SQARRAY).raw_flags(SetupFlags::SUBMIT_ALL);
    look(declined.cq_entries(100).dontfork(), |plan| {
        assert_eq!((plan.params().cq_entries, plan.cq_entries()), (100, 128));
        assert_eq!(plan.flags(), SetupFlags::SUBMIT_ALL | SetupFlags::CQSIZE);
        assert_eq!(plan.wishes(), SetupFlags::empty());
        assert!(plan.keeps_from_children());
    });
    let (reader, _writer) = std::io::pipe().unwrap();
    let region = RingRegion::new(1).unwrap();
    look(asked().attach_wq(reader.as_fd()).memory(region), |plan| {
        assert!(plan.workers_of().is_some());
        let region = plan.take_region().unwrap();
        assert!(region.start().addr().get().is_multiple_of(region.bytes()));
    });
}

#[test]
fn lengths_are_refused_and_rounded_as_linux_does() {
    let no_more = u32::MAX;
    for entries in [1, 5, 64, 32_768, 32_769, no_more] {
        for cq_entries in [None, Some(0), Some(1), Some(9), Some(64), Some(65_537), Some(no_more)] {
            for clamp in [false, true] {
                same_lengths(entries, cq_entries, clamp);
            }
        }
    }
}

/// Asks Linux and the test's kernel for the same.
fn same_lengths(entries: u32, cq_entries: Option<u32>, clamp: bool) {
    fn asked<K: SetUp>(
        entries: u32,
        cq_entries: Option<u32>,
        clamp: bool,
    ) -> std::result::Result<(u32, u32), Option<Errno>> {
        let mut builder = BuilderOf::<Sqe, Cqe, K>::new().entries(entries);
        if let Some(cq_entries) = cq_entries {
            builder = builder.cq_entries(cq_entries);
        }
        if clamp {
            builder = builder.clamp();
        }
        let ring = builder.build().map_err(|error| error.errno())?;
        Ok((ring.sq_entries(), ring.cq_entries()))
    }
    let linux = asked::<annulus_ring::Linux>(entries, cq_entries, clamp);
    if linux == Err(Some(Errno::ENOMEM)) {
        return; // the limit on locked memory
    }
    let own = asked::<Made>(entries, cq_entries, clamp);
    assert_eq!(own, linux, "{entries} {cq_entries:?} {clamp}");
}

#[test]
fn linux_has_nothing_to_choose() {
    let ring: annulus_ring::Ring = Builder::new().entries(4).kernel(()).build().unwrap();
    assert_eq!(ring.sq_entries(), 4);
}
