//! tokio-uring beside Annulus's runtime.

mod echo;
mod runtime;

pub use runtime::TokioUring;
