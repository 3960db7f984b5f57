//! Pages to read: how to use the engine where a program has something already.

#[doc = include_str!("../docs/inside-tokio.md")]
pub mod inside_tokio {}

#[doc = include_str!("../docs/cancel-safety.md")]
pub mod cancel_safety {}

#[doc = include_str!("../docs/coming-from-home-made.md")]
pub mod coming_from_home_made {}

#[doc(no_inline)]
pub use annulus_emulate::guide::{containers, emulation};
