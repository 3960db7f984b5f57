//! When a run ends: after `ops=` operations, after `seconds=`, or after whichever comes first.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::program::{Args, fail};

/// Set once the time is over.
static OVER: AtomicBool = AtomicBool::new(false);

/// The longest that a run may be asked to take.
const SECONDS_MAX: f64 = 3600.0;

/// How long a run is.
#[derive(Clone, Copy)]
pub struct Limit {
    ops: u64,
    seconds: Option<f64>,
}

impl Limit {
    /// Reads `ops=` and `seconds=`: without either it is `default` operations.
    pub fn of(args: &Args, default: u64) -> Self {
        let seconds = args.get("seconds", 0.0);
        if !(0.0..=SECONDS_MAX).contains(&seconds) {
            fail(&format!("seconds={seconds}: from 0 (no limit) to {SECONDS_MAX}"));
        }
        let seconds = (seconds > 0.0).then_some(seconds);
        let default = if seconds.is_some() { u64::MAX } else { default };
        Self { ops: args.count("ops", default, u64::MAX), seconds }
    }

    /// The number of operations, the most there is if only the time ends the run.
    pub fn ops(&self) -> u64 {
        self.ops
    }

    /// Begins to count the time. It costs the run one thread that sleeps until then.
    pub fn start(&self) {
        let Some(seconds) = self.seconds else { return };
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_secs_f64(seconds));
            // Relaxed: pairs with the load in `is_over`, which only ends a loop.
            OVER.store(true, Ordering::Relaxed);
        });
    }

    /// Whether the time is over.
    #[inline(always)]
    pub fn is_over(&self) -> bool {
        // Relaxed: pairs with the timer's store; nothing else is read because of it.
        OVER.load(Ordering::Relaxed)
    }

    /// What the worker called `index` of `workers` does.
    pub fn share(&self, index: u64, workers: u64) -> Share {
        let left = self.ops / workers + u64::from(index < self.ops % workers);
        Share { left, limit: *self }
    }
}

/// One worker's part of a run.
pub struct Share {
    left: u64,
    limit: Limit,
}

impl Share {
    /// So many operations, whatever the time.
    pub fn one_of(count: u64) -> Self {
        Self { left: count, limit: Limit { ops: count, seconds: None } }
    }

    /// Takes at most `want` operations from what is left: how many, and 0 at the end.
    #[inline(always)]
    pub fn take(&mut self, want: u64) -> u64 {
        let taken = if self.limit.is_over() { 0 } else { want.min(self.left) };
        self.left -= taken;
        taken
    }
}
