//! monoio beside Annulus's runtime.

mod echo;
mod runtime;

pub use runtime::Monoio;
