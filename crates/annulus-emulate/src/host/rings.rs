//! The rings of the process, by their descriptors: for what one ring has to do with another.

use std::collections::BTreeMap;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::Inner;

static RINGS: Mutex<BTreeMap<RawFd, Weak<Inner>>> = Mutex::new(BTreeMap::new());

fn rings() -> MutexGuard<'static, BTreeMap<RawFd, Weak<Inner>>> {
    RINGS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Enters a ring that was made.
pub(super) fn enlist(inner: &Arc<Inner>) {
    rings().insert(inner.poller.fd().as_raw_fd(), Arc::downgrade(inner));
}

/// Strikes out a ring that is being closed, before its descriptor is.
pub(super) fn strike_out(inner: &Inner) {
    rings().remove(&inner.poller.fd().as_raw_fd());
}

/// The ring that has this descriptor. Take no ring's lock under another's.
pub(super) fn find(fd: RawFd) -> Option<Arc<Inner>> {
    // Out of the list's lock: this may become the last that holds it.
    let found = rings().get(&fd).cloned();
    found?.upgrade()
}

/// Whether a descriptor is a ring's.
pub(super) fn is_ring(fd: RawFd) -> bool {
    rings().contains_key(&fd)
}
