//! The thread that submits for others: it lives as long as the ring, so what it submitted is not
//! cancelled when a thread that asked for it ends.

use core::time::Duration;
use std::sync::Arc;

use super::inner::Inner;
use crate::errno::Errno;
use crate::error::{Error, Result};
use crate::kernel::Kernel;
use crate::sync::thread::{self, JoinHandle};

/// How long the thread waits at first, and at most, before it tries again what the kernel was too
/// busy for: a quarter of a second until it has waited the longest, which is when pushes that find
/// no room are told.
const RETRY_MIN: Duration = Duration::from_millis(1);
const RETRY_MAX: Duration = Duration::from_millis(128);

/// Starts it.
pub(super) fn start<K>(inner: Arc<Inner<K>>) -> Result<JoinHandle<()>>
where
    K: Kernel + Send + Sync + 'static,
{
    let started =
        thread::Builder::new().name("annulus-submit".to_owned()).spawn(move || serve(&inner));
    started.map_err(|error| {
        let errno = error.raw_os_error().map_or(Errno::EAGAIN, Errno::from_raw);
        Error::os(errno, "starting the thread that submits for a shared ring")
    })
}

/// Submits whenever it is asked to, until it is told to end.
fn serve<K: Kernel>(inner: &Inner<K>) {
    let Some(hand_over) = &inner.hand_over else { return };
    let mut retry = None;
    while hand_over.wait(retry) {
        let before = inner.indices.head();
        let ended = inner.submit_here();
        // What was taken made room, even if an error came then.
        if inner.indices.head() != before {
            inner.make_room_known();
        }
        retry = match ended {
            Ok(_) => None,
            Err(error) if error.is_busy() => {
                if retry == Some(RETRY_MAX) && inner.is_room_wanted() {
                    tell(inner, &error);
                }
                Some(retry.map_or(RETRY_MIN, |last: Duration| (last * 2).min(RETRY_MAX)))
            }
            Err(error) => {
                tell(inner, &error);
                let _ = inner.wake_all();
                None
            }
        };
    }
}

/// Tells whoever comes next; and those that sleep for room do come.
#[cold]
fn tell<K: Kernel>(inner: &Inner<K>, error: &Error) {
    inner.keep_error(error.errno().unwrap_or(Errno::EIO));
    inner.make_room_known();
}
