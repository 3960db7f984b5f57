//! monoio beside Annulus's runtime.

mod runtime;

pub use runtime::Monoio;
