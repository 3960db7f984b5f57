//! glommio beside Annulus's runtime.

mod runtime;

pub use runtime::Glommio;
