//! [`Memory`]: the memory of tasks that are over, kept for the next ones: the allocator takes some
//! hundred instructions for a block of the size of a task, this takes ten.

use core::alloc::Layout;
use core::cell::Cell;
use core::ptr::NonNull;
use std::alloc::{alloc, dealloc, handle_alloc_error};

/// Blocks come in multiples of this.
const STEP_BYTES: usize = 64;
/// Larger ones are not kept.
const BLOCK_BYTES_MAX: usize = 4096;
const CLASSES: usize = BLOCK_BYTES_MAX / STEP_BYTES;
/// How many bytes are kept of each size: a burst of tasks shall not hold its memory for good.
const KEPT_BYTES_MAX: usize = 512 << 10;
/// What every block is aligned to: a task that wants more is not kept.
const ALIGN: usize = 16;

/// A block that nobody uses.
struct Free {
    next: Option<NonNull<Free>>,
}

/// The blocks of one size.
struct Class {
    first: Cell<Option<NonNull<Free>>>,
    count: Cell<usize>,
}

/// See above.
pub(super) struct Memory {
    classes: [Class; CLASSES],
}

impl Default for Memory {
    fn default() -> Self {
        let empty = |_| Class { first: Cell::new(None), count: Cell::new(0) };
        Self { classes: core::array::from_fn(empty) }
    }
}

/// The class of blocks for `layout`, and the size of those; none for what is not kept.
#[inline(always)]
const fn class_of(layout: Layout) -> Option<(usize, Layout)> {
    if layout.size() == 0 || layout.size() > BLOCK_BYTES_MAX || layout.align() > ALIGN {
        return None;
    }
    let class = (layout.size() - 1) / STEP_BYTES;
    match Layout::from_size_align((class + 1) * STEP_BYTES, ALIGN) {
        Ok(block) => Some((class, block)),
        Err(_) => None,
    }
}

impl Memory {
    /// Memory for `layout`, which is not of size zero. Nothing of it is initialised.
    #[inline]
    pub(super) fn take(&self, layout: Layout) -> NonNull<u8> {
        let Some((class, block)) = class_of(layout) else { return fresh(layout) };
        let class = &self.classes[class];
        let Some(first) = class.first.get() else { return fresh(block) };
        // SAFETY: a block in the list is ours, and `give` wrote a `Free` there.
        let free = unsafe { first.read() };
        class.first.set(free.next);
        class.count.set(class.count.get() - 1);
        first.cast()
    }

    /// Gives memory back.
    ///
    /// # Safety
    /// - It was taken from this, for the same layout, and nobody uses it any more.
    #[inline]
    pub(super) unsafe fn give(&self, memory: NonNull<u8>, layout: Layout) {
        let Some((class, block)) = class_of(layout) else {
            // SAFETY: `take` allocated it with this layout (the caller's promise).
            return unsafe { dealloc(memory.as_ptr(), layout) };
        };
        let class = &self.classes[class];
        if class.count.get() * block.size() >= KEPT_BYTES_MAX {
            // SAFETY: `take` allocated it with this layout (the caller's promise).
            return unsafe { dealloc(memory.as_ptr(), block) };
        }
        let free = memory.cast::<Free>();
        // SAFETY: a block has the room and the alignment, and is ours (the caller's promise).
        unsafe { free.write(Free { next: class.first.get() }) };
        class.first.set(Some(free));
        class.count.set(class.count.get() + 1);
    }
}

/// Memory from the allocator.
#[cold]
fn fresh(layout: Layout) -> NonNull<u8> {
    // SAFETY: the size is not zero: no task is without a header.
    let memory = unsafe { alloc(layout) };
    NonNull::new(memory).unwrap_or_else(|| handle_alloc_error(layout))
}

impl Drop for Memory {
    fn drop(&mut self) {
        for (n, class) in self.classes.iter().enumerate() {
            let size = (n + 1) * STEP_BYTES;
            let Ok(block) = Layout::from_size_align(size, ALIGN) else { continue };
            while let Some(first) = class.first.get() {
                // SAFETY: as in `take`.
                let free = unsafe { first.read() };
                class.first.set(free.next);
                // SAFETY: it was allocated with the layout of its class, and is out of the list.
                unsafe { dealloc(first.cast().as_ptr(), block) };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(bytes: usize, align: usize) -> Layout {
        Layout::from_size_align(bytes, align).expect("a layout")
    }

    #[test]
    fn what_is_given_is_taken_again() {
        let memory = Memory::default();
        let small = layout(100, 8);
        let first = memory.take(small);
        // SAFETY: it is not used again.
        unsafe { memory.give(first, small) };
        assert_eq!(memory.take(layout(128, 16)), first, "a block serves all sizes of its class");
        let other = memory.take(layout(129, 8));
        assert_ne!(other, first);
        // SAFETY: as above.
        unsafe { memory.give(first, small) };
        // SAFETY: as above.
        unsafe { memory.give(other, layout(129, 8)) };
    }

    #[test]
    fn what_is_large_or_aligned_is_not_kept() {
        let memory = Memory::default();
        for layout in [layout(BLOCK_BYTES_MAX + 1, 8), layout(64, 64)] {
            let block = memory.take(layout);
            assert!(block.as_ptr().addr().is_multiple_of(layout.align()));
            // SAFETY: it is not used again.
            unsafe { memory.give(block, layout) };
        }
        assert!(memory.classes.iter().all(|class| class.count.get() == 0));
    }

    #[test]
    fn a_burst_is_not_kept_for_good() {
        let memory = Memory::default();
        let layout = layout(BLOCK_BYTES_MAX, 16);
        let blocks: Vec<_> = (0..1000).map(|_| memory.take(layout)).collect();
        for block in blocks {
            // SAFETY: it is not used again.
            unsafe { memory.give(block, layout) };
        }
        assert_eq!(memory.classes[CLASSES - 1].count.get(), KEPT_BYTES_MAX / BLOCK_BYTES_MAX);
    }
}
