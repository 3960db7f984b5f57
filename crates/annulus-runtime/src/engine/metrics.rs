//! [`Metrics`]: what an engine has done.

use core::time::Duration;

use crate::counts::ReactorCounts;
use crate::port::Ports;

/// What an engine has done since it was made, and has to do now: of all its drivers together.
///
/// Each number is right by itself; together they are of slightly different moments.
///
/// ```
/// use annulus_runtime::Engine;
/// let engine = Engine::new()?;
/// let file = engine.file(std::fs::File::open("Cargo.toml")?);
/// futures::executor::block_on(file.read_at(vec![0; 9], 0))?;
/// let metrics = engine.metrics();
/// assert_eq!(metrics.inline + metrics.shipped, 1);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metrics {
    /// Which kernel answers: see [`Engine::kernel`](super::Engine::kernel).
    pub kernel: &'static str,
    /// How many rings there are: one for each driver, or for each thread that is busy with a
    /// [`Drive`](super::Drive).
    pub rings: u64,
    /// Operations that were done at once, on the thread that polled them.
    pub inline: u64,
    /// Operations that were handed to a driver.
    pub shipped: u64,
    /// Entries of theirs that the kernel was given: more than one where an operation went on.
    pub submitted: u64,
    /// Operations that a driver ended.
    pub completed: u64,
    /// Of those, cancelled ones.
    pub cancelled: u64,
    /// How often an operation came short and went on.
    pub short: u64,
    /// How often a completion queue had overflowed. Nothing is lost then, but time.
    pub overflows: u64,
    /// How often the drivers entered the kernel.
    pub enters: u64,
    /// How long they were there, waits included.
    pub in_kernel: Duration,
    /// Panics of wakers, and of destructors of what abandoned operations owned, that were caught.
    pub panics: u64,
    /// Completions that belonged to no operation: 0, unless somebody posts to the drivers' rings.
    pub strays: u64,
    /// Operations in the kernel now.
    pub in_flight: u64,
    /// Operations that wait for room in a ring now.
    pub queued: u64,
}

impl Metrics {
    pub(crate) fn of(ports: &Ports) -> Self {
        let (kernel, inline) = (ports.kernel, ports.callers.inline());
        let mut sum = Self { kernel, inline, ..Self::default() };
        for port in ports.iter() {
            sum.add(&port.counts);
        }
        sum
    }

    fn add(&mut self, counts: &ReactorCounts) {
        self.rings += counts.rings.get();
        self.shipped += counts.shipped.get();
        self.submitted += counts.submitted.get();
        self.completed += counts.completed.get();
        self.cancelled += counts.cancelled.get();
        self.short += counts.short.get();
        self.overflows += counts.overflows.get();
        self.enters += counts.enters.get();
        self.in_kernel += Duration::from_nanos(counts.kernel_ns.get());
        self.panics += counts.panics.get();
        self.strays += counts.strays.get();
        self.in_flight += counts.in_flight.get();
        self.queued += counts.queued.get();
    }

    /// How many enters an operation that was shipped took: less than 1 where they come together.
    ///
    /// ```
    /// let engine = annulus_runtime::Engine::new()?;
    /// assert_eq!(engine.metrics().enters_per_operation(), None);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn enters_per_operation(&self) -> Option<f64> {
        (self.completed > 0).then(|| self.enters as f64 / self.completed as f64)
    }
}
