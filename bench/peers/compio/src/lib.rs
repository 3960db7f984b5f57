//! compio beside Annulus's runtime.

mod runtime;

pub use runtime::Compio;
