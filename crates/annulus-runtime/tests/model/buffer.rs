//! What a port keeps for its rings, of which there are none here.

/// A pool that nobody can make.
#[derive(Debug)]
pub(crate) enum FixedPool {}
