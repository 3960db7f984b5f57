//! tokio-uring beside Annulus's runtime.

mod runtime;

pub use runtime::TokioUring;
