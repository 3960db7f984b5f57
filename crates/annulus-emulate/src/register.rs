//! [`annulus_ring::register`], of any kernel.

use crate::choice::AnyKernel;

#[doc(no_inline)]
pub use annulus_ring::register::*;

/// [`annulus_ring::register::Register`], of any kernel.
pub type Register<'a, K = AnyKernel> = annulus_ring::register::Register<'a, K>;
/// [`annulus_ring::register::BufRing`], of any kernel.
pub type BufRing<'r, K = AnyKernel> = annulus_ring::register::BufRing<'r, K>;
/// [`annulus_ring::register::BufferRing`], of any kernel.
pub type BufferRing<'r, K = AnyKernel> = annulus_ring::register::BufferRing<'r, K>;
/// [`annulus_ring::register::Buffer`], of any kernel.
pub type Buffer<'b, 'r, K = AnyKernel> = annulus_ring::register::Buffer<'b, 'r, K>;
