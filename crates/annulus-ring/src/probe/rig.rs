//! One ring that every test shares, with an end to each wait and a place for what an operation
//! that never ended still points to.

use core::ffi::c_void;
use core::mem::ManuallyDrop;
use core::time::Duration;
use std::time::Instant;

use super::report::Outcome;
use crate::abi::{Cqe, RegisterOp, Sqe};
use crate::errno::Errno;
use crate::error::Error;
use crate::op::AsyncCancel;
use crate::ring::Ring;
use crate::wait::Wait;

/// How long a completion may take: all of it happens in memory.
const PATIENCE: Duration = Duration::from_millis(50);

/// Why a test ended early.
#[derive(Debug)]
pub(super) enum Fault {
    /// The kernel refused.
    Refused(Errno),
    /// What came back is not what was asked for.
    Wrong(&'static str),
    /// It cannot be tried here.
    Untried(&'static str),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        error.errno().map_or(Self::Wrong("the ring refused"), Self::Refused)
    }
}

impl From<Errno> for Fault {
    fn from(errno: Errno) -> Self {
        Self::Refused(errno)
    }
}

impl From<Fault> for Outcome {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Refused(errno) => Self::Refused(errno),
            Fault::Wrong(what) => Self::Wrong(what),
            Fault::Untried(why) => Self::Untried(why),
        }
    }
}

pub(super) type Tried<T = ()> = Result<T, Fault>;

/// Does what takes locked memory, again while it meets `ENOMEM`: rings that were closed a moment
/// ago, by the trials before, still hold theirs.
pub(super) fn patiently<T>(mut act: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    let mut waits_ms = [2, 4, 8, 16, 32, 64].into_iter();
    loop {
        match (act(), waits_ms.next()) {
            (Err(Errno::ENOMEM), Some(ms)) => std::thread::sleep(Duration::from_millis(ms)),
            (result, _) => return result,
        }
    }
}

/// The ring of the tests.
pub(super) struct Rig {
    ring: Ring,
    /// How many operations have not ended.
    in_flight: u32,
    /// What the completions of the test that runs now carry.
    tag: u64,
    deadline: Instant,
}

impl Rig {
    pub(super) fn new(ring: Ring, deadline: Instant) -> Self {
        Self { ring, in_flight: 0, tag: 0, deadline }
    }

    /// Runs one test on `memory`, which the kernel may be given pointers to: it outlives every
    /// operation, for ever if one does not end.
    pub(super) fn test<T>(
        &mut self,
        memory: T,
        test: impl FnOnce(&mut Self, &mut T) -> Tried,
    ) -> Outcome {
        if self.in_flight > 0 {
            return Outcome::Untried("an operation before it did not end");
        }
        if Instant::now() > self.deadline {
            return Outcome::Untried("no time was left");
        }
        self.tag += 1;
        // Leaked, unless all has ended: by a panic as well, the kernel may still write to it.
        let mut memory = ManuallyDrop::new(Box::new(memory));
        let tried = test(self, &mut memory);
        self.settle();
        if self.in_flight == 0 {
            drop(ManuallyDrop::into_inner(memory));
        }
        tried.map_or_else(Outcome::from, |()| Outcome::Works)
    }

    /// Submits `sqe`, whose completions [`next`](Self::next) gives.
    ///
    /// # Safety
    /// - What the entry points to lies in the memory of [`test`](Self::test), or lives for ever.
    pub(super) unsafe fn submit(&mut self, sqe: Sqe) -> Tried {
        // SAFETY: the caller's promise: `test` keeps that memory until the last completion.
        unsafe { self.ring.push(sqe.user_data(self.tag)) }?;
        self.in_flight += 1;
        if self.ring.submit()? == 1 { Ok(()) } else { Err(Fault::Wrong("it was not taken")) }
    }

    /// The next completion of this test.
    pub(super) fn next(&mut self) -> Tried<Cqe> {
        let end = Instant::now() + PATIENCE;
        loop {
            while let Some(cqe) = self.take()? {
                if cqe.user_data == self.tag {
                    return Ok(cqe);
                }
            }
            if Instant::now() > end {
                return Err(Fault::Wrong("no completion came"));
            }
            let wait = Wait::new().timeout(Duration::from_millis(5));
            if self.ring.submit_and_wait_with(1, &wait).is_err_and(|error| !error.is_timeout()) {
                // Before 5.11 no wait has a limit.
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }

    fn take(&mut self) -> Tried<Option<Cqe>> {
        let cqe = self.ring.completions()?.next();
        if let Some(cqe) = cqe
            && !cqe.has_more()
        {
            // Every entry has one last completion: the count cannot go below 0.
            self.in_flight -= self.in_flight.min(1);
        }
        Ok(cqe)
    }

    /// Submits `sqe` and takes its result.
    ///
    /// # Safety
    /// - As [`submit`](Self::submit).
    pub(super) unsafe fn run(&mut self, sqe: Sqe) -> Tried<Cqe> {
        // SAFETY: the caller's promise.
        unsafe { self.submit(sqe) }?;
        let cqe = self.next()?;
        cqe.result()?;
        Ok(cqe)
    }

    /// Ends what is still underway.
    pub(super) fn settle(&mut self) {
        let began = Instant::now();
        if self.in_flight > 0 {
            // SAFETY: a cancellation points to nothing.
            let _ = unsafe { self.submit(AsyncCancel::any().all().build()) };
        }
        while self.in_flight > 0 && began.elapsed() < PATIENCE {
            if !matches!(self.take(), Ok(Some(_))) {
                let wait = Wait::new().timeout(Duration::from_millis(5));
                let _ = self.ring.submit_and_wait_with(1, &wait);
            }
        }
    }

    /// Registers.
    ///
    /// # Safety
    /// - As [`Register::raw`](crate::register::Register::raw): the memory as for
    ///   [`submit`](Self::submit).
    pub(super) unsafe fn register<T>(&self, op: RegisterOp, arg: *const T, count: u32) -> Tried {
        let arg = arg.cast_mut().cast::<c_void>();
        patiently(|| {
            // SAFETY: the caller's promise.
            unsafe { self.ring.register().raw(op, arg, count) }
                .map_err(|error| error.errno().unwrap_or(Errno::EIO))
        })?;
        Ok(())
    }

    /// The ring itself.
    pub(super) fn ring(&mut self) -> &mut Ring {
        &mut self.ring
    }
}
