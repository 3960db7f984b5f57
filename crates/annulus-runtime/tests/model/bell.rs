//! A bell without a descriptor.

use std::task::Waker;

use annulus_ring::abi::Sqe;

use super::threads::Gauge;

#[derive(Debug)]
pub(crate) struct Bell(Gauge);

impl Bell {
    pub(crate) fn new() -> Self {
        Self(Gauge::new())
    }

    pub(crate) fn ring(&self) {
        self.0.raise();
    }

    /// Waits for a ring; one that came before counts, as an eventfd that is readable does.
    pub(crate) fn wait(&self) {
        self.0.wait();
    }

    pub(crate) fn set_waker(&self, _: &Waker) {}

    /// No ring listens to it.
    pub(crate) fn entry(&self) -> Option<Sqe> {
        None
    }
}
