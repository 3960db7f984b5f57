//! The book that ships, and a driver that does with it what `Reactor` does with its ring.

#[path = "../../src/reactor/book.rs"]
mod book;
#[path = "../../src/reactor/deadlines.rs"]
mod deadlines;
#[path = "../../src/reactor/list.rs"]
mod list;

use std::sync::Arc;
use std::task::Waker;

use annulus_ring::Errno;
use annulus_ring::abi::{Cqe, CqeFlags, Timespec};

use super::port::{OwnPort, Port, Ports};
use super::probe::{Log, Probe};
use super::slot::Phase;
use book::{Book, CANCEL, PAUSE};

/// When the kernel is done with an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// As soon as it has it.
    AtOnce,
    /// When it is cancelled.
    Held,
    /// At once, and it says so twice, which no kernel does.
    Twice,
    /// When it is cancelled, and the first cancels find nothing.
    Elusive,
}

/// What an operation that was done returns.
pub(crate) const RESULT: u32 = 7;

/// How many cancels find nothing where that is so.
const MISSES: u32 = 2;

/// What the kernel has of an operation.
#[derive(Clone, Copy, Debug)]
struct Entry {
    user_data: u64,
    /// The name of the first of its chain, which may be itself.
    chain: u64,
    /// Whether somebody cancelled it, or the one before it in its chain failed.
    is_cancelled: bool,
}

pub(crate) struct Driver {
    port: OwnPort,
    book: Book,
    work: Work,
    kernel: Vec<Entry>,
    /// What is to be told of cancels, and of the pauses between them.
    answers: Vec<Cqe>,
    /// How many more cancels find nothing.
    misses: u32,
    /// Whether this thread uses slots itself, as a waker that polls another future here does.
    uses_slots: bool,
    /// How many waits end without the bell, as if something had completed: with nothing in the
    /// inbox it stays said to sleep then, as the reactor of a runtime does.
    early: Option<u32>,
}

impl Driver {
    pub(crate) fn new(ports: Arc<Ports>, work: Work, uses_slots: bool) -> Self {
        let port = ports.own(0);
        // SAFETY: the book is given this port only.
        let book = unsafe { Book::new(&port, 64, 8) };
        let misses = if work == Work::Elusive { MISSES } else { 0 };
        let (kernel, answers) = (Vec::new(), Vec::new());
        Self { port, book, work, kernel, answers, misses, uses_slots, early: None }
    }

    /// One that does not end its sleep where it finds nothing; so many waits end early.
    pub(crate) fn that_stays_asleep(ports: Arc<Ports>, work: Work, early: u32) -> Self {
        Self { early: Some(early), ..Self::new(ports, work, false) }
    }

    /// Until the port is closed and nothing is left.
    pub(crate) fn run(mut self) {
        while self.turn() {}
    }

    fn turn(&mut self) -> bool {
        if self.early.is_none() || !self.port.inbox.is_quiet() || self.port.is_closing() {
            self.prepare();
        }
        self.push();
        if self.book.closing && self.book.in_flight == 0 && self.book.queued.is_empty() {
            self.book.close_mail(&self.port);
            self.book.wake(&self.port);
            return false;
        }
        let completed = self.complete();
        self.book.wake(&self.port);
        if self.uses_slots {
            use_a_slot(&self.port);
        }
        if !completed && self.book.falls_asleep(&self.port) {
            match self.early.and_then(|early| early.checked_sub(1)) {
                Some(left) => self.early = Some(left),
                None => self.port.bell.wait(),
            }
        }
        true
    }

    /// Takes what came.
    fn prepare(&mut self) {
        let Self { port, book, kernel, .. } = self;
        book.open_mail(port, Timespec::default, |slot| {
            let user_data = slot.entry().user_data;
            kernel.push(Entry { user_data, chain: user_data, is_cancelled: false });
            true
        });
        book.close_if_asked(port);
        book.wake(port);
    }

    fn push(&mut self) {
        let Self { port, book, kernel, answers, misses, .. } = self;
        let all = std::mem::take(&mut book.cancels_all);
        kernel.iter_mut().for_each(|entry| entry.is_cancelled |= all);
        while let Some(slot) = book.cancels.first(&port.slots) {
            let (name, pauses) = (slot.user_data(), slot.pauses.get());
            book.cancel_pushed(port, slot);
            let flags = CqeFlags::empty();
            if pauses {
                answers.push(Cqe { user_data: name | PAUSE, res: -Errno::ETIME.raw(), flags });
            } else if *misses > 0 {
                *misses -= 1;
                answers.push(Cqe { user_data: name | CANCEL, res: -Errno::ENOENT.raw(), flags });
            } else {
                let found = kernel.iter_mut().find(|entry| entry.user_data == name);
                found.expect("the kernel has it").is_cancelled = true;
                answers.push(Cqe { user_data: name | CANCEL, res: 0, flags });
            }
        }
        while let Some(first) = book.queued.first(&port.slots) {
            book.queued.remove_first(&port.slots, first);
            let chain = first.user_data();
            let mut next = Some(first);
            while let Some(slot) = next {
                slot.phase.set(Phase::InFlight);
                let user_data = slot.entry().user_data;
                kernel.push(Entry { user_data, chain, is_cancelled: false });
                book.in_flight += 1;
                next = slot.group_next(&port.slots);
            }
        }
    }

    /// Completes what is due: the last first, but a chain in its order. Whether there was anything.
    fn complete(&mut self) -> bool {
        let mut any = !self.answers.is_empty();
        for cqe in self.answers.drain(..) {
            self.book.complete::<false>(&self.port, cqe);
        }
        while let Some(at) = (0..self.kernel.len()).rev().find(|at| self.is_due(*at)) {
            let Entry { user_data, chain, is_cancelled } = self.kernel.remove(at);
            let behind = self.kernel.iter_mut().filter(|entry| entry.chain == chain);
            behind.for_each(|entry| entry.is_cancelled |= is_cancelled);
            let res = if is_cancelled { -Errno::ECANCELED.raw() } else { RESULT as i32 };
            let cqe = Cqe { user_data, res, flags: CqeFlags::empty() };
            self.book.complete::<false>(&self.port, cqe);
            if self.work == Work::Twice {
                self.book.complete::<false>(&self.port, cqe);
            }
            any = true;
        }
        any
    }

    fn is_due(&self, at: usize) -> bool {
        let entry = self.kernel[at];
        let is_behind = self.kernel[..at].iter().any(|other| other.chain == entry.chain);
        !is_behind && (entry.is_cancelled || !matches!(self.work, Work::Held | Work::Elusive))
    }
}

/// Takes a slot, fills it, and gives it back.
fn use_a_slot(port: &Port) {
    let slot = port.slots.take();
    // SAFETY: the slot was taken from the free list: it is empty and this call's alone.
    unsafe { slot.fill(Probe::new(&Arc::new(Log::default())), Some(Waker::noop().clone())) };
    // SAFETY: it was filled with a `Probe`, and is this call's alone.
    drop(unsafe { slot.take_back::<Probe>() });
    // SAFETY: it is empty now.
    unsafe { port.slots.give(slot) };
}
