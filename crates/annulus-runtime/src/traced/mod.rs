//! What the feature `tracing` tells: a span for each operation of a runtime, with what becomes of
//! it, and the end of the runtime. Without the feature all of this is empty.

#[cfg_attr(feature = "tracing", path = "enabled.rs")]
#[cfg_attr(not(feature = "tracing"), path = "disabled.rs")]
mod chosen;

pub(crate) use chosen::{OpSpan, ended};
