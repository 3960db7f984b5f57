//! Without the feature `tracing` nobody listens.

/// Tells nobody.
pub(super) fn tell(_: &str) -> bool {
    false
}
