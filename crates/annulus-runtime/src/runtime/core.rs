//! [`Core`]: what a runtime is made of, and its loop. It alone knows both tasks and operations.
//!
//! ```text
//!  ┌─▶ poll tasks, as long as there are some and budget is left
//!  │   turn:  submit what they began, take what completed; wait, if nothing else is due
//!  │   fire timers, drain what other threads sent
//!  └── wake who is not a task of ours, with nothing borrowed
//! ```
//!
//! Foreign code (wakers, destructors) may run in the middle of a turn, and may begin or drop an
//! operation there: what cannot borrow the reactor then goes by its inbox, as from another thread.

use core::cell::{Cell, OnceCell, RefCell};
use core::future::Future;
use core::mem::ManuallyDrop;
use core::pin::pin;
use core::task::{Poll, Waker};
use core::time::Duration;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;

use annulus_emulate::AnyKernel;
use annulus_ring::abi::{BufGroup, FixedFd, Sqe};
use annulus_ring::kernel::Kernel;
use annulus_ring::register::{EMPTY_SLOT, Register};
use annulus_ring::{Errno, Error};

use super::context;
use super::metrics::RuntimeMetrics;
use super::net::RecvPool;
use super::net::pool::Inner as Pool;
use super::stop::Stop;
use crate::blocking::BlockingPool;
use crate::engine::registered::Registered;
use crate::engine::{Engine, Metrics};
use crate::executor::{Executor, Ran};
use crate::files::FileTable;
use crate::inside::{Hung, OpInfo};
use crate::operation::Origin;
use crate::port::{OwnPort, Port, Ports};
use crate::reactor::{LocalReactor, Patience};
#[cfg(broken = "freed_at_the_end")]
use crate::slot::Phase;
use crate::slot::Slot;
use crate::slot::local::LocalFree;
use crate::timer::Wheel;
use crate::traced;

/// How many calls tasks may make between two turns instead of asking the ring: more than one for
/// each poll, and few enough that one that makes nothing else keeps the others waiting for less
/// than a millisecond.
const CALLS_MAX: u32 = 128;

/// The budgets of a loop.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    /// How many polls there are before the kernel is looked at.
    pub(super) polls: u32,
    /// How long the end of a runtime that is dropped waits.
    pub(super) end: Duration,
}

/// See above.
pub(crate) struct Core {
    pub(super) executor: Executor,
    reactor: RefCell<Option<ManuallyDrop<Box<LocalReactor<AnyKernel>>>>>,
    pub(super) wheel: RefCell<Wheel>,
    pub(super) blocking: BlockingPool,
    pub(super) stop: Stop,
    ports: Arc<Ports>,
    /// The one of its reactor.
    port: OwnPort,
    /// For what other threads ask of this ring.
    engine: Engine,
    free: LocalFree,
    /// An empty list to exchange for that of the reactor.
    wakers: Cell<Vec<Waker>>,
    /// The time when its kernel was asked last.
    last_ns: Cell<u64>,
    /// Buffers that its ring knows of, until it ends.
    pools: RefCell<Vec<Rc<Pool>>>,
    /// The one of the streams that turn to a pool by themselves, once one did: none if none can be
    /// had.
    own_pool: OnceCell<Option<RecvPool>>,
    /// Whether they may.
    pub(super) auto_pool: bool,
    has_ended: Cell<bool>,
    polls: Cell<u64>,
    turns: Cell<u64>,
    /// How many calls tasks may make before the next turn.
    calls_left: Cell<u32>,
    pub(super) budget: Budget,
}

impl Core {
    pub(super) fn new(
        executor: Executor,
        reactor: LocalReactor<AnyKernel>,
        ports: Arc<Ports>,
        engine: Engine,
        blocking: BlockingPool,
        budget: Budget,
        auto_pool: bool,
    ) -> Rc<Self> {
        let now_ns = reactor.now_ns();
        Rc::new(Self {
            executor,
            reactor: RefCell::new(Some(ManuallyDrop::new(Box::new(reactor)))),
            wheel: RefCell::new(Wheel::new(now_ns)),
            blocking,
            stop: Stop::default(),
            port: Arc::clone(&ports).own(0),
            ports,
            engine,
            free: LocalFree::default(),
            wakers: Cell::default(),
            last_ns: Cell::new(now_ns),
            pools: RefCell::default(),
            own_pool: OnceCell::new(),
            auto_pool,
            has_ended: Cell::new(false),
            polls: Cell::new(0),
            turns: Cell::new(0),
            calls_left: Cell::new(CALLS_MAX),
            budget,
        })
    }

    /// The port of its reactor.
    #[inline(always)]
    pub(super) fn port(&self) -> &Port {
        &self.port
    }

    pub(super) fn ports(&self) -> &Arc<Ports> {
        &self.ports
    }

    /// Its ring, for other threads.
    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The time of its kernel, in nanoseconds of the monotonic clock.
    #[inline]
    pub(super) fn now_ns(&self) -> u64 {
        let found = self.reactor.try_borrow();
        let now_ns = found.as_ref().ok().and_then(|found| found.as_ref().map(|r| r.now_ns()));
        // In the middle of a turn, and after the end, the last is as good: a turn takes no time.
        let now_ns = now_ns.unwrap_or(self.last_ns.get());
        self.last_ns.set(now_ns);
        now_ns
    }

    /// An empty slot, which is the caller's.
    #[inline(always)]
    pub(super) fn take_slot(&self) -> &Slot {
        // SAFETY: `give_slot` is given slots of this port alone.
        unsafe { self.free.take(&self.port().slots) }
    }

    /// Takes a slot back.
    ///
    /// # Safety
    /// - The slot is of this port, and empty; the caller is its future, and does not use it again.
    #[inline(always)]
    pub(super) unsafe fn give_slot(&self, slot: &Slot) {
        if slot.is_linked() && slot.release_unless_linked() {
            // The reactor releases it when it takes it out of the inbox.
            return;
        }
        // SAFETY: nobody else has it: its future was the last but for the link, which is gone.
        unsafe { self.free.give(slot) };
    }

    /// Begins what lies in a slot: `entry` asks it for its entry, which is in the ring then.
    /// Whether that could be at once.
    ///
    /// # Safety
    /// - The slot is of this port, and was filled by `put_local` on this thread.
    /// - It is [plain](Slot::is_plain).
    #[inline(always)]
    pub(super) unsafe fn begin(&self, slot: &Slot, entry: impl FnOnce() -> Sqe) -> bool {
        let Ok(mut reactor) = self.reactor.try_borrow_mut() else { return false };
        let Some(reactor) = &mut *reactor else { return false };
        // SAFETY: the caller's promise.
        unsafe { reactor.begin(slot, entry) }
    }

    /// Has what lies in a slot wait for room in the ring, or for the end of the turn. Why not, if
    /// that cannot be: then it is the caller's still.
    ///
    /// # Safety
    /// - As [`begin`](Self::begin), which said no; the entry is the slot's.
    #[cold]
    pub(super) unsafe fn begin_later(&self, slot: &Slot, entry: Sqe) -> Result<(), Origin> {
        // The tests must find the broken one: for what finds no room nobody looks again.
        if cfg!(broken = "full_queue_loses") {
            return Ok(());
        }
        if self.ports.is_forked() {
            return Err(Origin::Forked);
        }
        if let Ok(mut reactor) = self.reactor.try_borrow_mut() {
            let Some(reactor) = &mut *reactor else { return Err(Origin::Closed) };
            // SAFETY: the caller's promise.
            unsafe { reactor.begin_later(slot, entry) };
            return Ok(());
        }
        slot.keep_entry(entry);
        // SAFETY: the caller's promise.
        if unsafe { self.port.ship(slot) } { Ok(()) } else { Err(Origin::Closed) }
    }

    /// Whether a task may make a call of the system that cannot block, where an operation of the
    /// ring would do: not so once it is refused, or where others have waited for long.
    #[inline]
    pub(super) fn may_call(&self) -> bool {
        let left = self.calls_left.get();
        if left == 0 || self.ports.is_forked() || self.port.is_closing() {
            return false;
        }
        self.calls_left.set(left - 1);
        true
    }

    /// Makes a pool of buffers, which `make` registers as a group of its own.
    pub(super) fn add_pool(
        &self,
        make: impl FnOnce(Register<'_, AnyKernel>, BufGroup) -> Result<Pool, Error>,
    ) -> io::Result<Rc<Pool>> {
        let mut pools = self.pools.borrow_mut();
        let group = u16::try_from(pools.len()).map_err(|_| io::Error::from(Errno::ENOSPC))?;
        // In the middle of a turn nobody may.
        let reactor = self.reactor.try_borrow().map_err(|_| io::Error::from(Errno::EBUSY))?;
        let reactor = reactor.as_ref().ok_or(io::ErrorKind::BrokenPipe)?;
        let pool = Rc::new(make(reactor.register(), BufGroup(group))?);
        pools.push(Rc::clone(&pool));
        Ok(pool)
    }

    /// The pool of the streams that turn to one by themselves, if it can be had: not once the
    /// runtime ends, which gives its pools up.
    pub(super) fn own_pool(&self) -> Option<RecvPool> {
        if self.port.is_closing() {
            return None;
        }
        self.own_pool.get_or_init(|| RecvPool::on(self, None).ok()).clone()
    }

    /// Whether it is one of these.
    pub(super) fn has_pool(&self, pool: &Rc<Pool>) -> bool {
        self.pools.borrow().iter().any(|own| Rc::ptr_eq(own, pool))
    }

    /// Runs until `future` is ready.
    pub(super) fn block_on<F: Future>(self: &Rc<Self>, future: F) -> F::Output {
        let _inside = context::enter(self);
        let _entered = self.executor.enter();
        let mut future = pin!(future);
        self.executor.wake_root();
        let mut budget = self.budget.polls;
        loop {
            let before = budget;
            let ran = self.executor.run(&mut budget);
            self.polls.set(self.polls.get() + u64::from(before - budget));
            match ran {
                Ran::Root => {
                    let polled = self.executor.with_root(|cx| future.as_mut().poll(cx));
                    if let Poll::Ready(output) = polled {
                        // What was begun goes to the kernel before others have the thread.
                        self.turn(Patience::None);
                        return output;
                    }
                    continue;
                }
                Ran::More => self.turn(Patience::None),
                Ran::Idle => self.turn(self.patience()),
            }
            budget = self.budget.polls;
        }
    }

    /// How long the kernel may be waited in, with no task due: until the next timer.
    #[inline(always)]
    fn patience(&self) -> Patience {
        if self.wheel.borrow().is_empty() { Patience::Endless } else { self.patience_of_timers() }
    }

    #[inline(never)]
    fn patience_of_timers(&self) -> Patience {
        let now_ns = self.now_ns();
        // Time has passed since the last turn, by what the tasks did.
        self.fire_due(now_ns);
        if !self.executor.is_idle() {
            return Patience::None;
        }
        let next_ns = self.wheel.borrow().next_ns();
        match next_ns.map(|next_ns| next_ns.saturating_sub(now_ns)) {
            None => Patience::Endless,
            Some(0) => Patience::None,
            Some(left_ns) => Patience::For(Duration::from_nanos(left_ns)),
        }
    }

    /// One turn of the reactor, and what it brings.
    fn turn(&self, patience: Patience) {
        self.turns.set(self.turns.get() + 1);
        self.calls_left.set(CALLS_MAX);
        let mut has_wakers = false;
        if let Some(reactor) = &mut *self.reactor.borrow_mut() {
            let (remote, files) = (self.executor.remote(), self.ports.files.as_ref());
            if let Some(files) = files.filter(|files| files.is_dirty()) {
                empty_places(files, &reactor.register());
            }
            // Looked at once more when the reactor can be woken: who gives a place up wakes it.
            let has_places = || files.is_some_and(FileTable::is_dirty);
            reactor.turn_local(patience, || !has_places() && remote.sleep());
            has_wakers = reactor.has_wakers();
            self.last_ns.set(reactor.turned_ns());
        }
        self.fire_timers();
        self.executor.take_remote();
        if has_wakers {
            self.wake_others();
        }
    }

    /// Puts a file into the table of the ring, in a place that is free: which.
    ///
    /// # Errors
    /// `ENXIO`: there is no table. `ENFILE`: it is full. Else the kernel's.
    pub(super) fn register_file(&self, fd: BorrowedFd<'_>) -> Result<Registered, Errno> {
        let Some(files) = &self.ports.files else { return Err(Errno::ENXIO) };
        let reactor = self.reactor.try_borrow().map_err(|_| Errno::EBUSY)?;
        let Some(reactor) = &*reactor else { return Err(Errno::EBUSY) };
        let register = reactor.register();
        let place = files.take().or_else(|| {
            empty_places(files, &register);
            files.take()
        });
        let place = place.ok_or(Errno::ENFILE)?;
        match register.update_files(place, &[fd.as_raw_fd()]) {
            Ok(_) => Ok(Registered::new(place, Arc::clone(&self.ports))),
            Err(error) => {
                files.give(place);
                Err(error.errno().unwrap_or(Errno::EIO))
            }
        }
    }

    /// Wakes who waits for a time that was over at the end of the turn.
    #[inline(always)]
    fn fire_timers(&self) {
        if !self.wheel.borrow().is_empty() {
            self.fire_due(self.last_ns.get());
        }
    }

    #[inline(never)]
    fn fire_due(&self, now_ns: u64) {
        let mut others = Vec::new();
        let mut wheel = self.wheel.borrow_mut();
        // In this order: what is set anew is near to where the wheel is then, and is put into the
        // slot from which it is fired.
        wheel.advance(now_ns, |waker| {
            if let Some(other) = waker.wake_task() {
                others.push(other);
            }
        });
        wheel.settle(now_ns);
        drop(wheel);
        others.into_iter().for_each(wake);
    }

    /// Wakes who is due and is no task of ours.
    #[cold]
    fn wake_others(&self) {
        let mut wakers = self.wakers.take();
        if let Ok(mut reactor) = self.reactor.try_borrow_mut()
            && let Some(reactor) = &mut *reactor
        {
            reactor.swap_wakers(&mut wakers);
        }
        wakers.drain(..).for_each(wake);
        self.wakers.set(wakers);
    }

    /// The operations that are not over. None in the middle of a turn, where nobody may look.
    pub(super) fn ops(&self) -> Vec<OpInfo> {
        let Ok(reactor) = self.reactor.try_borrow() else { return Vec::new() };
        reactor.as_ref().map(|reactor| reactor.ops()).unwrap_or_default()
    }

    pub(super) fn metrics(&self) -> RuntimeMetrics {
        let (blocking_threads, blocking_queued) = self.blocking.counts();
        RuntimeMetrics {
            ops: Metrics::of(&self.ports),
            tasks: self.executor.tasks_count() as u64,
            polls: self.polls.get(),
            turns: self.turns.get(),
            blocking_threads,
            blocking_queued,
        }
    }

    /// Ends everything: every task is dropped, every operation cancelled and waited for, up to
    /// `limit`. What the kernel has not let go of by then is left in place for good.
    pub(super) fn end(self: &Rc<Self>, limit: Duration) -> Result<(), Hung> {
        if self.has_ended.replace(true) {
            return Ok(());
        }
        let ended = self.end_all(limit);
        traced::ended(&ended);
        ended
    }

    fn end_all(self: &Rc<Self>, limit: Duration) -> Result<(), Hung> {
        let _inside = context::enter_for_end(self);
        self.executor.close();
        if self.ports.is_forked() {
            // The ring is the parent's, and so are its operations and threads: not to be dropped.
            self.reactor.take();
            return Ok(());
        }
        let begun_ns = self.now_ns();
        #[cfg(broken = "freed_at_the_end")]
        for slot in self.port.slots.all().filter(|slot| slot.phase.get() != Phase::Idle) {
            // SAFETY: none: the tests must find this one.
            unsafe { slot.free_under_way() };
        }
        // What blocks may wait for an operation, and the other way round: both are told at once.
        self.ports.iter().for_each(Port::close);
        // The tests must find the broken one: it leaves the threads to themselves.
        let blocking = cfg!(not(broken = "threads_left")) && !self.blocking.close(limit);
        let Some(mut reactor) = self.reactor.take() else { return Ok(()) };
        let spent_ns = reactor.now_ns().saturating_sub(begun_ns);
        if !reactor.end(limit.saturating_sub(Duration::from_nanos(spent_ns))) {
            // It is not dropped, and so neither the ring nor, by it, the ports with all slots.
            return Hung::found(reactor.ops(), blocking);
        }
        let mut wakers = self.wakers.take();
        reactor.swap_wakers(&mut wakers);
        for pool in self.pools.take() {
            pool.close(reactor.register());
        }
        drop(ManuallyDrop::into_inner(reactor));
        wakers.into_iter().for_each(wake);
        Hung::found(Vec::new(), blocking)
    }
}

/// Empties the places that files gave up.
#[cold]
fn empty_places<K: Kernel>(files: &FileTable, register: &Register<'_, K>) {
    for place in files.take_given_up() {
        // One that cannot be emptied is not given again: a file is in it still.
        if register.update_files(FixedFd(place), &[EMPTY_SLOT]).is_ok() {
            files.give(FixedFd(place));
        }
    }
}

/// Wakes somebody whose waker is not ours: a panic there keeps nobody else asleep.
fn wake(waker: Waker) {
    // The panic hook has told it.
    let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
}
