//! compio beside Annulus's runtime.

mod echo;
mod runtime;

pub use runtime::Compio;
