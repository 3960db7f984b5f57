//! The drivers: a thread with a ring each, and how they end.

use core::time::Duration;
use std::io;
use std::os::fd::RawFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use annulus_emulate::{AnyKernel, Builder, KernelChoice, Parked};
use annulus_ring::abi::{Cqe, Sqe};
use annulus_ring::kernel::Kernel;
use annulus_ring::register::{CloneFrom, MaxWorkers, Register};
use annulus_ring::{Errno, Place, RingOf, op};

use super::caller;
use crate::bell::Bell;
use crate::buffer::FixedPool;
use crate::port::Ports;
use crate::reactor::{BesidePlan, Habits, LocalReactor};

/// The smallest ring there is: what is submitted together must fit, also where locked memory is
/// short.
const ENTRIES_MIN: u32 = 8;
/// The longest completion queue there is.
const CQ_ENTRIES_MAX: u32 = 65_536;

/// What was asked for.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) entries: u32,
    pub(super) in_flight_max: u32,
    pub(super) thread_name: String,
    pub(super) workers: (u32, u32),
    pub(super) close_limit: Duration,
    /// How many fixed buffers, of how many bytes.
    pub(super) fixed: Option<(usize, usize)>,
    pub(super) kernel: KernelChoice,
}

impl Plan {
    /// The pool that was asked for.
    pub(super) fn fixed_pool(&self) -> io::Result<Option<FixedPool>> {
        self.fixed.map(|(count, bytes)| FixedPool::new(count, bytes)).transpose()
    }
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            entries: 256,
            in_flight_max: u32::MAX,
            thread_name: "annulus".to_owned(),
            workers: (16, 16),
            close_limit: Duration::from_secs(5),
            fixed: None,
            kernel: KernelChoice::Environment,
        }
    }
}

impl Plan {
    /// How a reactor is to behave.
    pub(super) fn habits(&self) -> Habits {
        Habits { in_flight_max: self.in_flight_max, pause: std::thread::sleep, complain }
    }
}

impl Plan {
    /// How the ring beside that of Linux is to be.
    pub(super) fn beside(&self) -> BesidePlan {
        BesidePlan { workers: self.workers, allowed: None }
    }
}

/// Says what nobody else is there to be told.
pub(crate) fn complain(error: Option<&annulus_ring::Error>) {
    let why = error.map_or_else(|| "it takes nothing".to_owned(), ToString::to_string);
    eprintln!(
        "annulus: the kernel refuses an engine's ring ({why}): the engine takes nothing new, and \
         what is under way waits until the kernel can be entered again"
    );
}

/// The drivers of an engine, as long as somebody has a handle.
pub(crate) struct Drivers {
    pub(crate) ports: Arc<Ports>,
    pub(crate) entries: u32,
    /// How long the drop of the last handle waits; not at all where a future drives.
    close_limit: Option<Duration>,
    alive: Arc<Alive>,
}

/// How many drivers run.
#[derive(Debug, Default)]
struct Alive {
    count: Mutex<usize>,
    ended: Condvar,
}

impl Alive {
    fn count(&self) -> MutexGuard<'_, usize> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drivers {
    /// Makes the rings, then the threads.
    pub(super) fn start(plan: Plan, count: usize) -> io::Result<Arc<Self>> {
        let (first, entries) = ring(plan.entries, plan.kernel)?;
        // One entry of the queue may be the bell's.
        let bells = (0..count).map(|_| Bell::of_kernel()).collect::<annulus_ring::Result<_>>()?;
        let mut ports = Ports::new(bells, entries - 1)?;
        ports.kernel = first.kernel().name();
        ports.ops = first.register().probe().ok();
        ports.fixed = plan.fixed_pool()?;
        let ports = Arc::new(ports);
        let mut rings = vec![first];
        while rings.len() < count {
            rings.push(ring(entries, plan.kernel)?.0);
        }
        for ring in &rings {
            register_fixed(&ring.register(), &ports)?;
        }
        let habits = plan.habits();
        let alive = Arc::new(Alive::default());
        // Dropped on an error, it closes what was started.
        let drivers = Arc::new(Self { ports, entries, close_limit: Some(plan.close_limit), alive });
        for (index, ring) in rings.into_iter().enumerate() {
            drivers.spawn(ring, index, habits, &plan)?;
        }
        Ok(drivers)
    }

    fn spawn(&self, ring: Parked, index: usize, habits: Habits, plan: &Plan) -> io::Result<()> {
        let (ports, alive) = (Arc::clone(&self.ports), Arc::clone(&self.alive));
        let (workers, beside) = (plan.workers, plan.beside());
        let (tell, told) = std::sync::mpsc::channel();
        let body = move || {
            caller::set_driver();
            let ring = match ring.enable().and_then(proven) {
                Ok(ring) => ring,
                Err(error) => {
                    let _ = tell.send(Err(error));
                    return;
                }
            };
            cap_workers(&ring.register(), workers);
            let _ended = Ended::new(alive);
            let _ = tell.send(Ok(()));
            drop(tell);
            let guard = AbortOnPanic;
            LocalReactor::new(ring, ports, index, habits, beside).run();
            core::mem::forget(guard);
        };
        let thread = std::thread::Builder::new().name(plan.thread_name.clone());
        thread.spawn(body)?;
        // It answers, or it panicked in our code.
        told.recv().map_err(|_| io::Error::other("the driver of an engine did not start"))??;
        Ok(())
    }

    /// The one of an engine that a future drives, and what that drops when it is over.
    pub(crate) fn driven(ports: Arc<Ports>, entries: u32) -> (Arc<Self>, Ended) {
        let alive = Arc::new(Alive::default());
        let ended = Ended::new(Arc::clone(&alive));
        (Arc::new(Self { ports, entries, close_limit: None, alive }), ended)
    }

    /// Has the drivers end everything.
    pub(super) fn close(&self) {
        if !self.ports.is_forked() {
            self.ports.iter().for_each(crate::port::Port::close);
        }
    }

    /// Waits until the drivers are gone; whether they are. A driver does not wait for itself.
    pub(super) fn wait(&self, limit: Duration) -> bool {
        if self.ports.is_forked() {
            return true;
        }
        if caller::is_driver() {
            return *self.alive.count() == 0;
        }
        let waited = self.alive.ended.wait_timeout_while(self.alive.count(), limit, |n| *n > 0);
        let (count, _) = waited.unwrap_or_else(PoisonError::into_inner);
        *count == 0
    }
}

impl Drop for Drivers {
    fn drop(&mut self) {
        self.close();
        // To wait for a future on the thread that may have to poll it is to wait in vain.
        let Some(limit) = self.close_limit else { return };
        if !self.wait(limit) && !caller::is_driver() {
            eprintln!(
                "annulus: an engine was dropped, and after {limit:?} the kernel still has \
                 operations of it; their memory is kept until it has done with them"
            );
        }
    }
}

/// Says that a driver is gone, when its ring is.
pub(crate) struct Ended(Arc<Alive>);

impl Ended {
    fn new(alive: Arc<Alive>) -> Self {
        *alive.count() += 1;
        Self(alive)
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        *self.0.count() -= 1;
        self.0.ended.notify_all();
    }
}

/// Ends the process if a driver panics, which is a bug of ours: its futures would wait for ever,
/// and the kernel would write to buffers that unwinding frees.
struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        eprintln!("annulus: the driver of an engine panicked: ending the process");
        std::process::abort();
    }
}

/// Registers the buffers of `ports` with the ring of one of its reactors.
pub(crate) fn register_fixed<K: Kernel>(
    register: &Register<'_, K>,
    ports: &Ports,
) -> annulus_ring::Result<()> {
    let Some(pool) = &ports.fixed else { return Ok(()) };
    let pieces: Vec<_> = pool.iovecs().collect();
    // SAFETY: the memory is the pool's, of which the ports keep a handle, and the reactor keeps
    // those until its ring is gone; that is not before every operation has completed.
    unsafe { register.buffers(&pieces) }
}

/// As [`register_fixed`], for a ring that is to have what the ring `model` has: where the kernel
/// can, without pinning the pages once more.
pub(crate) fn share_fixed<K: Kernel>(
    register: &Register<'_, K>,
    model: RawFd,
    ports: &Ports,
) -> annulus_ring::Result<()> {
    if ports.fixed.is_none() {
        return Ok(());
    }
    // SAFETY: as in `register_fixed`: it is the same memory, and the same ports keep it.
    let cloned = unsafe { register.clone_buffers(CloneFrom::ring(model)) };
    cloned.or_else(|_| register_fixed(register, ports))
}

/// How many completions a ring of so many entries holds.
pub(crate) fn completions(entries: u32) -> u32 {
    entries.saturating_mul(4).min(CQ_ENTRIES_MAX)
}

/// A ring for a driver, of so many entries, or of as many as locked memory allows.
fn ring(entries: u32, kernel: KernelChoice) -> annulus_ring::Result<(Parked, u32)> {
    let ring = sized(entries, |entries| builder(entries, kernel).build_parked())?;
    let entries = ring.sq_entries();
    Ok((ring, entries))
}

/// What makes a ring of so many entries.
pub(crate) fn builder(entries: u32, kernel: KernelChoice) -> Builder {
    Builder::new().entries(entries).cq_entries(completions(entries)).kernel(kernel)
}

/// What `make` makes of so many entries, or of as many as locked memory allows.
pub(crate) fn sized<R>(
    entries: u32,
    make: impl Fn(u32) -> annulus_ring::Result<R>,
) -> annulus_ring::Result<R> {
    let mut entries = entries.max(ENTRIES_MIN);
    loop {
        match make(entries) {
            Ok(ring) => return Ok(ring),
            Err(error) if error.errno() == Some(Errno::ENOMEM) && entries > ENTRIES_MIN => {
                entries = (entries / 2).max(ENTRIES_MIN);
            }
            Err(error) => return Err(error),
        }
    }
}

/// The ring, once it has done something: a filter may allow making one and forbid entering it.
pub(crate) fn proven<P: Place>(
    mut ring: RingOf<P, Sqe, Cqe, AnyKernel>,
) -> annulus_ring::Result<RingOf<P, Sqe, Cqe, AnyKernel>> {
    // SAFETY: a NOP points to nothing.
    unsafe { ring.push(op::Nop::new()) }?;
    ring.submit_and_wait(1)?;
    ring.completions()?.for_each(drop);
    Ok(ring)
}

/// Bounds the threads that the kernel makes for what would block. Where that cannot be (a filter,
/// an old kernel), its own bounds hold.
pub(crate) fn cap_workers<K: Kernel>(register: &Register<'_, K>, workers: (u32, u32)) {
    let limits = MaxWorkers { bounded: workers.0, unbounded: workers.1 };
    let _ = register.iowq_max_workers(limits);
}

/// Runs what waits for the kernel on a thread that nobody waits for, after its time was up.
pub(super) fn leave_behind(wait: impl FnOnce() + Send + 'static) {
    eprintln!(
        "annulus: an engine was dropped, and the kernel still has operations of it; their memory \
         is kept until it has done with them"
    );
    let thread = std::thread::Builder::new().name("annulus-rest".to_owned());
    // Without a thread the memory is never given back, which is what matters: the closure, dropped
    // here, would free it.
    let wait = core::mem::ManuallyDrop::new(wait);
    let _ = thread.spawn(move || core::mem::ManuallyDrop::into_inner(wait)());
}
