//! [`Bell`]: how a reactor that sleeps is woken: out of the kernel, or as a task of somebody's
//! runtime.

use core::task::Waker;
use std::sync::{Mutex, PoisonError};

use annulus_ring::abi::Sqe;
use annulus_ring::{Doorbell, Result};

/// See above.
#[derive(Debug)]
pub(crate) enum Bell {
    /// The reactor waits in the kernel, and polls this through its ring.
    Kernel(Doorbell),
    /// The reactor is a future: its task's waker.
    Task(Mutex<Option<Waker>>),
}

impl Bell {
    pub(crate) fn of_kernel() -> Result<Self> {
        Ok(Self::Kernel(Doorbell::new()?))
    }

    pub(crate) fn of_task() -> Self {
        Self::Task(Mutex::new(None))
    }

    /// Wakes the reactor.
    pub(crate) fn ring(&self) {
        match self {
            Self::Kernel(bell) => bell.ring(),
            Self::Task(waker) => {
                // Taken out first: waking is not our code, and runs under no lock of ours.
                let waker = waker.lock().unwrap_or_else(PoisonError::into_inner).take();
                if let Some(waker) = waker {
                    waker.wake();
                }
            }
        }
    }

    /// Says whom to wake, if the reactor is a task.
    pub(crate) fn set_waker(&self, new: &Waker) {
        if let Self::Task(waker) = self {
            let lock = || waker.lock().unwrap_or_else(PoisonError::into_inner);
            if lock().as_ref().is_some_and(|waker| waker.will_wake(new)) {
                return;
            }
            // Neither to clone nor to drop one is our code: no lock is held.
            let new = new.clone();
            let old = lock().replace(new);
            drop(old);
        }
    }

    /// The entry by which the reactor listens in the kernel, if that is where it waits.
    pub(crate) fn entry(&self) -> Option<Sqe> {
        match self {
            Self::Kernel(bell) => Some(bell.entry()),
            Self::Task(_) => None,
        }
    }
}
