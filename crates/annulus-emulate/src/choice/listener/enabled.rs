//! Feature `tracing`: a warning event is for who listens.

/// Tells `text` to the subscriber, if there is one that wants warnings of ours.
pub(super) fn tell(text: &str) -> bool {
    let listens = tracing::enabled!(target: "annulus", tracing::Level::WARN);
    if listens {
        tracing::warn!(target: "annulus", "{text}");
    }
    listens
}
