//! tokio beside Annulus's runtime.

mod runtime;

pub use runtime::Tokio;
