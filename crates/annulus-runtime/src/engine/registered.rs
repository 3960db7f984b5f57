//! [`Registered`]: a file's place in the table of its ring.

use core::fmt;
use std::sync::Arc;

use annulus_ring::abi::FixedFd;

use crate::port::Ports;

/// A file's place in the table of the one ring of its ports, for as long as something uses it. When
/// this is dropped, on any thread, the ring's thread is woken to empty the place.
pub(crate) struct Registered {
    place: FixedFd,
    ports: Arc<Ports>,
}

impl Registered {
    /// Of a place that was taken and filled.
    pub(crate) fn new(place: FixedFd, ports: Arc<Ports>) -> Self {
        Self { place, ports }
    }

    /// Its number.
    #[inline]
    pub(crate) fn place(&self) -> FixedFd {
        self.place
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        let Some(table) = &self.ports.files else { return };
        if self.ports.is_forked() {
            return;
        }
        table.give_up(self.place);
        let port = self.ports.get(0);
        if port.inbox.poke() {
            port.bell.ring();
        }
    }
}

impl fmt::Debug for Registered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Registered").field(&self.place).finish()
    }
}
