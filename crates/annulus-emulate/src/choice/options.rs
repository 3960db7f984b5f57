//! [`KernelOptions`]: what is chosen of a kernel.

use super::KernelChoice;
use crate::workers::Workers;

/// Which kernel is to answer, and what threads it has if it is the host: see
/// [`KernelChoice::with_workers`].
///
/// ```
/// use annulus_emulate::{KernelChoice, KernelOptions};
/// assert_eq!(KernelOptions::from(KernelChoice::Environment), KernelOptions::default());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KernelOptions {
    pub(crate) choice: KernelChoice,
    pub(crate) workers: Workers,
}

impl From<KernelChoice> for KernelOptions {
    fn from(choice: KernelChoice) -> Self {
        Self { choice, ..Self::default() }
    }
}

impl From<Workers> for KernelOptions {
    fn from(workers: Workers) -> Self {
        Self { workers, ..Self::default() }
    }
}

impl KernelChoice {
    /// This kernel, with those threads if it is the host.
    ///
    /// ```
    /// use annulus_emulate::{Builder, KernelChoice, Workers};
    /// let alone = KernelChoice::Host.with_workers(Workers::new().threads_max(0));
    /// assert!(Builder::new().entries(8).kernel(alone).build()?.kernel().is_host());
    /// # Ok::<(), annulus_emulate::Error>(())
    /// ```
    pub fn with_workers(self, workers: Workers) -> KernelOptions {
        KernelOptions { choice: self, workers }
    }
}
