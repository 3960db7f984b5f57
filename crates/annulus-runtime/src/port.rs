//! [`Port`]: the side of a reactor that other threads see, and [`Ports`]: all of an engine's.
//!
//! A future holds the ports alive, not the reactor: a slot is never unmapped under somebody who
//! has not taken its result.

use core::ptr::NonNull;
use core::task::Waker;
use std::sync::Arc;

use annulus_ring::register::ProbedOps;
use annulus_ring::{ForkMark, Result};

use crate::bell::Bell;
use crate::buffer::FixedPool;
use crate::counts::{CallerCounts, ReactorCounts};
use crate::files::FileTable;
use crate::operation::Origin;
use crate::slot::{Abandoned, Inbox, Message, Posted, Slot, Slots};
use crate::sync::{AtomicBool, Ordering};

/// Where the slots of one reactor are, and how it is reached.
pub(crate) struct Port {
    pub(crate) slots: Slots,
    pub(crate) inbox: Inbox,
    /// Wakes the reactor out of its wait.
    pub(crate) bell: Bell,
    /// Nothing new is begun.
    closing: AtomicBool,
    pub(crate) counts: ReactorCounts,
}

impl Port {
    pub(crate) fn new(bell: Bell) -> Self {
        Self {
            slots: Slots::new(),
            inbox: Inbox::new(),
            bell,
            closing: AtomicBool::new(false),
            counts: ReactorCounts::default(),
        }
    }

    /// Hands a slot to the reactor. Whether that is there to take it.
    ///
    /// # Safety
    /// - The slot is of this port, was filled, and is not in the inbox for it. It is the caller's
    ///   still if this says so.
    #[inline]
    pub(crate) unsafe fn ship(&self, slot: &Slot) -> bool {
        // SAFETY: the caller's promise.
        let posted = unsafe { self.inbox.put(slot, Message::Ship) };
        if posted == Posted::Asleep {
            self.bell.ring();
        }
        posted != Posted::Closed
    }

    /// Asks the reactor to cancel what a slot holds.
    ///
    /// # Safety
    /// - The slot is of this port, and its link was set for this call.
    pub(crate) unsafe fn request_cancel(&self, slot: &Slot) {
        // SAFETY: the caller's promise.
        match unsafe { self.inbox.put(slot, Message::Cancel) } {
            Posted::Seen => {}
            Posted::Asleep => self.bell.ring(),
            Posted::Closed => {
                // The reactor ended everything before it went, this too: what it would have done
                // with the link is done here.
                if slot.unlink() {
                    // SAFETY: the operation is gone, and nobody has the slot but this.
                    unsafe { self.slots.give(slot) };
                }
            }
        }
    }

    /// Has the reactor refuse what comes, and end what there is.
    pub(crate) fn close(&self) {
        // Relaxed: pairs with the load in `is_closing` behind `Inbox::sleep`, ordered by the poke:
        // the reactor sees it before it sleeps, or is found asleep.
        self.closing.store(true, Ordering::Relaxed);
        if self.inbox.poke() {
            self.bell.ring();
        }
    }

    /// Whether it was closed.
    #[inline]
    pub(crate) fn is_closing(&self) -> bool {
        // Relaxed: pairs with the store in `close`; ordered by `Inbox::sleep`, and by `Inbox::take`
        // behind what was shipped later, where that matters.
        self.closing.load(Ordering::Relaxed)
    }

    /// Gives up a slot for a future that is dropped. Whether the result is there; and the waker, to
    /// be dropped at the very end.
    ///
    /// # Safety
    /// - The slot is of this port; the caller is the future that shipped it, and does not use it
    ///   again, but to take and release it if this says so.
    pub(crate) unsafe fn abandon(&self, slot: &Slot) -> (bool, Option<Waker>) {
        // SAFETY: the caller's promise.
        let (abandoned, waker) = unsafe { slot.abandon() };
        if abandoned == Abandoned::Link {
            // SAFETY: `abandon` has set the link's bit for this call: it hangs there once, and the
            // reactor does not release it before it takes it out.
            unsafe { self.request_cancel(slot) };
        }
        (abandoned == Abandoned::Done, waker)
    }

    /// Releases a slot whose operation was taken out by its future.
    ///
    /// # Safety
    /// - The slot is of this port and empty; the caller is its future, and does not use it again.
    #[inline]
    pub(crate) unsafe fn release(&self, slot: &Slot) {
        if slot.is_linked() && slot.release_unless_linked() {
            // The reactor releases it when it takes it out of the inbox.
            return;
        }
        // SAFETY: nobody else has it: its future was the last but for the link, which is gone.
        unsafe { self.slots.give(slot) };
    }
}

/// Everything that the futures, the handles and the drivers of an engine share.
pub(crate) struct Ports {
    ports: Box<[Port]>,
    fork: ForkMark,
    /// How many entries a group may have: what a submission queue holds.
    pub(crate) group_max: u32,
    /// What the kernel said that it has. A filter may forbid to ask: then what is not in all
    /// kernels is taken for missing.
    pub(crate) ops: Option<ProbedOps>,
    /// The name of that kernel.
    pub(crate) kernel: &'static str,
    /// The buffers that the rings know by index. Kept here, where each reactor keeps them longer
    /// than its ring.
    pub(crate) fixed: Option<FixedPool>,
    /// The places in the table of files of the one ring, if that has one.
    pub(crate) files: Option<FileTable>,
    pub(crate) callers: CallerCounts,
}

impl Ports {
    /// A port for each bell.
    pub(crate) fn new(bells: Vec<Bell>, group_max: u32) -> Result<Self> {
        let ports = bells.into_iter().map(Port::new).collect();
        let (fork, callers) = (ForkMark::new()?, CallerCounts::default());
        Ok(Self {
            ports,
            fork,
            group_max,
            ops: None,
            kernel: "",
            fixed: None,
            files: None,
            callers,
        })
    }

    /// Whether this process is a child of the one whose threads drive these.
    #[inline]
    pub(crate) fn is_forked(&self) -> bool {
        self.fork.is_forked()
    }

    #[inline]
    pub(crate) fn get(&self, index: usize) -> &Port {
        &self.ports[index]
    }

    /// The port of a thread, by its number, which is asked for where there are several.
    #[inline]
    pub(crate) fn of_thread(&self, number: impl FnOnce() -> usize) -> &Port {
        match &*self.ports {
            // As it mostly is: a division takes some tens of cycles.
            [port] => port,
            ports => &ports[number() % ports.len()],
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.ports.len()
    }

    /// Why nothing is begun at `port`, if nothing is.
    #[inline]
    pub(crate) fn refusal(&self, port: &Port) -> Option<Origin> {
        if self.is_forked() {
            Some(Origin::Forked)
        } else if port.is_closing() {
            Some(Origin::Closed)
        } else {
            None
        }
    }

    /// The port `index`, and all of them with it.
    pub(crate) fn own(self: Arc<Self>, index: usize) -> OwnPort {
        OwnPort { port: NonNull::from(self.get(index)), ports: self }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Port> {
        self.ports.iter()
    }
}

/// One of the ports, which it keeps alive.
pub(crate) struct OwnPort {
    port: NonNull<Port>,
    ports: Arc<Ports>,
}

// SAFETY: it is an `Arc` of what all threads share, and a reference to a part of that.
unsafe impl Send for OwnPort {}

impl core::ops::Deref for OwnPort {
    type Target = Port;

    #[inline(always)]
    fn deref(&self) -> &Port {
        debug_assert!(self.ports.iter().any(|port| NonNull::from(port) == self.port));
        // SAFETY: the ports never move, and are kept by this, which is borrowed.
        unsafe { self.port.as_ref() }
    }
}
