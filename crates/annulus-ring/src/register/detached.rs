//! Rings of buffers that are kept apart from the ring that they are registered with.

use core::ops::Deref;

use super::{BufRing, BufferRing, Register};
use crate::cq::CompletionQueue;
use crate::kernel::Kernel;
use crate::layout::CqeKind;

/// A ring of buffers that borrows no ring: to be kept in a struct beside it, and to travel with it.
///
/// It works as before, but cannot ask the kernel anything, and dropping it **leaks** its memory,
/// since the group stays registered: [`attach`](Self::attach) it first.
///
/// ```
/// use annulus_ring::{Ring, abi::BufGroup, register::{BufferRing, Detached}};
/// struct Server { ring: Ring, buffers: Option<Detached<BufferRing<'static>>> }
/// impl Drop for Server {
///     fn drop(&mut self) {
///         let buffers = self.buffers.take().unwrap();
///         // SAFETY: it is the ring that they were registered with.
///         drop(unsafe { buffers.attach(self.ring.register()) });
///     }
/// }
/// let ring = Ring::new(8)?;
/// let buffers = BufferRing::new(ring.register(), BufGroup(0), 3, 64)?.detach();
/// let server = Server { ring, buffers: Some(buffers) };
/// let elsewhere = std::thread::spawn(move || server.buffers.as_ref().unwrap().len());
/// assert_eq!(elsewhere.join().unwrap(), 3);
/// # Ok::<(), annulus_ring::Error>(())
/// ```
#[derive(Debug)]
pub struct Detached<B>(B);

// SAFETY: it borrows no ring (`detach`), so what it holds may move: the mappings are the process's,
// and the queue is the only producer wherever it is.
unsafe impl<K: Kernel + 'static> Send for Detached<BufRing<'static, K>> {}

// SAFETY: as above; its cells are used by whoever has it, and no `Buffer` borrows it then.
unsafe impl<K: Kernel + 'static> Send for Detached<BufferRing<'static, K>> {}

impl<B> Detached<B> {
    /// Wraps what borrows no ring.
    pub(super) fn new(detached: B) -> Self {
        Self(detached)
    }
}

// Shared only: through a mutable reference one that borrows a ring could be swapped in.
impl<B> Deref for Detached<B> {
    type Target = B;

    fn deref(&self) -> &B {
        &self.0
    }
}

impl<K: Kernel + 'static> Detached<BufferRing<'static, K>> {
    /// Takes the ring up again that it was [detached](BufferRing::detach) from.
    ///
    /// # Safety
    /// - `register` is of the ring that this was registered with: of another, the wrong group would
    ///   be unregistered, and memory freed that the kernel uses.
    ///
    /// ```
    /// use annulus_ring::{LocalRing, abi::BufGroup, register::BufferRing};
    /// let ring = LocalRing::new(8)?;
    /// let kept = BufferRing::new(ring.register(), BufGroup(0), 3, 64)?.detach();
    /// // SAFETY: it is the ring that they were registered with.
    /// assert_eq!(unsafe { kept.attach(ring.register()) }.available()?, 3);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub unsafe fn attach<'s>(self, register: Register<'s, K>) -> BufferRing<'s, K> {
        self.0.with_register(Some(register))
    }
}

impl<K: Kernel + 'static> Detached<BufRing<'static, K>> {
    /// Takes the ring up again that it was [detached](BufRing::detach) from.
    ///
    /// # Safety
    /// - `register` is of the ring that this was registered with: of another, the wrong group would
    ///   be unregistered, and memory freed that the kernel uses.
    ///
    /// ```
    /// use annulus_ring::{LocalRing, abi::BufGroup, register::BufRingOptions};
    /// let ring = LocalRing::new(8)?;
    /// let kept = BufRingOptions::new(BufGroup(3), 4).register(ring.register())?.detach();
    /// // SAFETY: it is the ring that it was registered with.
    /// let again = unsafe { kept.attach(ring.register()) };
    /// assert_eq!(again.available()?, 0);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub unsafe fn attach<'s>(self, register: Register<'s, K>) -> BufRing<'s, K> {
        self.0.with_register(Some(register))
    }

    /// As [`BufRing::add`].
    ///
    /// # Safety
    /// - As there.
    ///
    /// ```
    /// use annulus_ring::{LocalRing, abi::BufGroup, register::BufRingOptions};
    /// let ring = LocalRing::new(8)?;
    /// let mut kept = BufRingOptions::new(BufGroup(3), 4).register(ring.register())?.detach();
    /// let memory: &'static mut [u8] = vec![0; 16].leak();
    /// // SAFETY: the memory is never freed.
    /// unsafe { kept.add(memory.as_mut_ptr(), 16, 0) };
    /// assert_eq!(kept.advance(), 1);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub unsafe fn add(&mut self, buffer: *mut u8, len: u32, id: u16) {
        // SAFETY: the caller's promise.
        unsafe { self.0.add(buffer, len, id) };
    }

    /// As [`BufRing::advance`].
    ///
    /// ```
    /// use annulus_ring::{LocalRing, abi::BufGroup, register::BufRingOptions};
    /// let ring = LocalRing::new(8)?;
    /// let mut kept = BufRingOptions::new(BufGroup(3), 4).register(ring.register())?.detach();
    /// assert_eq!(kept.advance(), 0);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn advance(&mut self) -> u16 {
        self.0.advance()
    }

    /// As [`BufRing::cq_advance`].
    ///
    /// ```
    /// use annulus_ring::{LocalRing, abi::BufGroup, register::BufRingOptions};
    /// let mut ring = LocalRing::new(8)?;
    /// let mut kept = BufRingOptions::new(BufGroup(3), 4).register(ring.register())?.detach();
    /// assert_eq!(kept.cq_advance(ring.parts().1, 0), 0);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn cq_advance<C: CqeKind>(&mut self, cq: &mut CompletionQueue<C>, completions: u32) -> u16 {
        self.0.cq_advance(cq, completions)
    }
}
