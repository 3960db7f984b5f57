//! Asking the ring's own thread to submit.

use core::time::Duration;

use crate::sync::{Condvar, Mutex, lock};

/// Where the thread sleeps, and is asked.
pub(super) struct HandOver {
    asked: Mutex<Asked>,
    bell: Condvar,
}

struct Asked {
    submit: bool,
    end: bool,
}

impl HandOver {
    pub(super) fn new() -> Self {
        Self { asked: Mutex::new(Asked { submit: false, end: false }), bell: Condvar::new() }
    }

    /// Asks it to submit what is queued.
    pub(super) fn request(&self) {
        let mut asked = lock(&self.asked);
        if !asked.submit {
            asked.submit = true;
            self.bell.notify_one();
        }
    }

    /// Tells it to end.
    pub(super) fn end(&self) {
        lock(&self.asked).end = true;
        self.bell.notify_one();
    }

    /// Sleeps until it is asked, or `retry` has passed; false if it is told to end. What it was
    /// asked for before, it does first: who asked was told that it would.
    pub(super) fn wait(&self, retry: Option<Duration>) -> bool {
        let mut asked = lock(&self.asked);
        while !asked.submit && !asked.end {
            let Some(retry) = retry else {
                asked = self.bell.wait(asked).unwrap_or_else(std::sync::PoisonError::into_inner);
                continue;
            };
            let waited = self.bell.wait_timeout(asked, retry);
            asked = waited.unwrap_or_else(std::sync::PoisonError::into_inner).0;
            break;
        }
        let submit = core::mem::take(&mut asked.submit);
        submit || !asked.end
    }
}
