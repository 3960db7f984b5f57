//! An operation's handle as one writes it first: it owns its buffer, and drops it when it is
//! dropped, whatever the kernel still does. What the engine must not be.

use std::cell::RefCell;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::rc::Rc;

use annulus_ring::abi::Sqe;
use annulus_ring::{LocalRing, op};

/// A read under way.
pub struct Naive {
    ring: Rc<RefCell<LocalRing>>,
    /// What the kernel writes to; freed with this.
    _buffer: Vec<u8>,
    /// Whether the drop waits for the read, as it should.
    waits: bool,
}

impl Naive {
    /// Begins a read into the whole of `buffer`; `change` has the last word on its entry.
    pub fn read(
        ring: &Rc<RefCell<LocalRing>>,
        file: &impl AsRawFd,
        mut buffer: Vec<u8>,
        change: impl FnOnce(Sqe) -> Sqe,
    ) -> Self {
        let len = buffer.len() as u32;
        let read = op::Read::new(file.as_raw_fd(), buffer.as_mut_ptr(), len);
        // SAFETY: none: whoever drops this breaks the promise. Not for use outside these tests,
        // whose allocator gives the memory to nobody else.
        unsafe { ring.borrow_mut().push(change(read.build())) }.expect("room in the queue");
        ring.borrow_mut().submit().expect("submitted");
        Self { ring: ring.clone(), _buffer: buffer, waits: false }
    }

    /// One that waits in its drop; it must be the only one of its ring.
    pub fn waiting(mut self) -> Self {
        self.waits = true;
        self
    }
}

impl Drop for Naive {
    fn drop(&mut self) {
        if self.waits {
            let mut ring = self.ring.borrow_mut();
            ring.submit_and_wait(1).expect("the read ends");
            assert_eq!(ring.completions().expect("a queue to read").count(), 1);
        }
    }
}

/// A ring that handles share.
pub fn shared_ring() -> Rc<RefCell<LocalRing>> {
    Rc::new(RefCell::new(LocalRing::new(64).expect("a ring")))
}

/// Reads of `count` pieces of `len` bytes from the file's beginning, each with its handle.
pub fn reads(ring: &Rc<RefCell<LocalRing>>, file: &File, count: usize, len: usize) -> Vec<Naive> {
    let buffers: Vec<Vec<u8>> = (0..count).map(|_| vec![1; len]).collect();
    let at = |n: usize| move |sqe: Sqe| Sqe { off: (n * len) as u64, ..sqe };
    let begin = |(n, buffer)| Naive::read(ring, file, buffer, at(n));
    buffers.into_iter().enumerate().map(begin).collect()
}
