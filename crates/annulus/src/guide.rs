//! Pages to read: what io_uring is like to program with, and how to come here from elsewhere.
//!
//! For who knows Rust, and epoll or threads, and not io_uring:
//!
//! 1. [The completion model](completion_model): what is asked for, and what comes back.
//! 2. [Buffers and cancellation](buffers_and_cancellation): who has a buffer when, and what ending
//!    something early does.
//! 3. [Network] and [storage]: what to take for what, and what it costs.
//! 4. [hyper, axum and TLS](hyper_axum_tls).
//!
//! To decide by: [which layer](choosing_a_layer), [containers and limits](containers_and_limits),
//! [measuring honestly](measuring_honestly).
//!
//! For who comes from [tokio](coming_from_tokio), [tokio-uring](coming_from_tokio_uring) or
//! [liburing](coming_from_liburing); or has [an engine of one's own](coming_from_home_made), or
//! [a tokio program](inside_tokio) that is to stay one.
//!
//! [Network]: network
//!
//! The directory `examples` has programs: `cat`, `cp`, `echo`, `udp`, `http_server`, `http_client`,
//! `axum_hello`, `direct_io`, `linked_chain`, `fixed_buffers`, `cancel_and_timeout`,
//! `graceful_shutdown`, `thread_per_core`, `tokio_interop`, `metrics`. Each runs to its end without
//! arguments, and does the real thing with them: `cargo run --example echo -- serve 0.0.0.0:7777`.

#[doc = include_str!("../docs/completion-model.md")]
pub mod completion_model {}

#[doc = include_str!("../docs/buffers-and-cancellation.md")]
pub mod buffers_and_cancellation {}

#[doc = include_str!("../docs/choosing-a-layer.md")]
pub mod choosing_a_layer {}

#[doc = include_str!("../docs/containers-and-limits.md")]
pub mod containers_and_limits {}

#[doc = include_str!("../docs/measuring-honestly.md")]
pub mod measuring_honestly {}

#[doc = include_str!("../docs/network.md")]
pub mod network {}

#[doc = include_str!("../docs/storage.md")]
pub mod storage {}

#[doc = include_str!("../docs/hyper-axum-tls.md")]
pub mod hyper_axum_tls {}

#[doc = include_str!("../docs/coming-from-tokio.md")]
pub mod coming_from_tokio {}

#[doc = include_str!("../docs/coming-from-tokio-uring.md")]
pub mod coming_from_tokio_uring {}

#[doc = include_str!("../docs/coming-from-liburing.md")]
pub mod coming_from_liburing {}

#[doc(no_inline)]
pub use annulus_runtime::guide::{
    cancel_safety, coming_from_home_made, containers, emulation, inside_tokio,
};
