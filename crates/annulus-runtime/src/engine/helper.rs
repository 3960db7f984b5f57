//! [`Helper`]: a call that may wait and that the ring cannot make, on a thread of its own, awaited
//! by the ring.
//!
//! Only where there is no better way: truncating on Linux before 6.9, closing a file of a server.
//! The thread lives as long as the call. That costs what a worker of the kernel costs, some tens of
//! microseconds, and needs no pool whose size could be wrong.

use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};

use annulus_ring::abi::{PollEvents, Sqe};
use annulus_ring::{Doorbell, Errno, op};

/// See above.
#[derive(Debug)]
pub(super) struct Helper(Arc<Call>);

#[derive(Debug)]
struct Call {
    /// Rung when the result is there. A poll of it is what the ring waits for.
    bell: Doorbell,
    result: Mutex<Option<Result<u32, Errno>>>,
}

impl Helper {
    /// Begins `call`, which owns what it needs: it goes on whoever still waits.
    ///
    /// # Errors
    /// `EMFILE`, `ENFILE`, `ENOMEM`: no doorbell. `EAGAIN`: no thread. `call` is dropped then.
    pub(super) fn start(
        call: impl FnOnce() -> Result<u32, Errno> + Send + 'static,
    ) -> Result<Self, Errno> {
        let bell = Doorbell::new().map_err(|error| error.errno().unwrap_or(Errno::ENOMEM))?;
        let shared = Arc::new(Call { bell, result: Mutex::new(None) });
        let body = {
            let shared = Arc::clone(&shared);
            move || {
                let result = call();
                *shared.result.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
                shared.bell.ring();
            }
        };
        let thread = std::thread::Builder::new().name("annulus-helper".to_owned());
        match thread.spawn(body) {
            Ok(_) => Ok(Self(shared)),
            Err(error) => Err(error.raw_os_error().map_or(Errno::EAGAIN, Errno::from_raw)),
        }
    }

    /// The entry that completes when the call is over. It points to nothing, and names a descriptor
    /// that is kept open by this value.
    pub(super) fn entry(&self) -> Sqe {
        op::PollAdd::new(self.0.bell.as_fd(), PollEvents::IN).build()
    }

    /// What the call answered, after the entry completed.
    pub(super) fn result(self) -> Result<u32, Errno> {
        let result = self.0.result.lock().unwrap_or_else(PoisonError::into_inner).take();
        result.expect("the bell rings after the result is there")
    }
}
