//! What io_uring means, whoever does the work: order, links, drains, times, cancels, buffers and
//! files of a ring's own, and what a ring is told.
//!
//! ```text
//! submit   entries in order → checked, copied (prepare) → chains
//! begin    first of a chain → attempt ─ done ───────────────▶ complete → the next of the chain
//!                                     ├ wait for its file ──▶ ready    ─┐
//!                                     └ a thread that blocks ▶ returned ┴▶ attempt again, or done
//! ```
//!
//! Everything is one state, changed by one thread at a time: who enters holds the ring's lock.

mod buffers;
mod cancel;
mod chain;
mod closed;
mod control;
mod files;
mod groups;
mod later;
mod message;
mod names;
mod nop;
mod plain;
mod poll;
mod prepare;
mod register;
mod request;
mod rules;
mod run;
mod sockets;
mod submit;
mod tags;
mod times;

use request::{Ended, Requests, State};

use std::collections::VecDeque;

use annulus_ring::Errno;
use annulus_ring::abi::{CqeFlags, SetupFlags};

use crate::queues::{Completion, Queues};
use crate::uaccess::Uaccess;
use crate::world::{Token, World};
use buffers::BufferTable;
use closed::Closed;
use files::FileTable;
use groups::Groups;
use plain::Unseen;
use rules::Rules;
use tags::Tag;
use times::Times;

pub(crate) use cancel::Criteria;
pub(crate) use message::Message;
pub(crate) use rules::{OPERATIONS, REGISTRATIONS};

/// The state of a ring.
pub(crate) struct Core<W: World> {
    pub(crate) queues: Queues,
    pub(crate) world: W,
    user: Uaccess,
    flags: SetupFlags,
    requests: Requests<W::File>,
    /// Whose turn it is to begin.
    due: VecDeque<Token>,
    /// Who comes behind those: when all that ended in this round is told, chains go on.
    behind: VecDeque<Token>,
    /// First ones of chains that wait for those before them to end.
    deferred: VecDeque<Token>,
    /// How many requests are in those chains.
    held_back: usize,
    /// What is submitted waits behind those that wait.
    drains: bool,
    /// What is submitted next waits like a drain: one was in the middle of a chain.
    drains_next: bool,
    /// Drains are refused from now on: something was submitted of which nothing may be told.
    drains_refused: bool,
    files: FileTable<W::File>,
    buffers: BufferTable,
    groups: Groups,
    times: Times,
    /// The completions that timeouts told, which count for no other timeout.
    timeouts_told: u32,
    /// All completions.
    told: u32,
    /// How many the queue had room for when the last round began, and of those that no request
    /// ended with.
    begun_at: u32,
    /// What the ring may do.
    pub(crate) rules: Rules,
    /// The file that is signalled at completions, and whether only at those of workers.
    eventfd: Option<(W::File, bool)>,
    /// It is to be signalled.
    signal: bool,
    /// What is being told comes from a worker.
    by_worker: bool,
    /// What requests held that ended in this round.
    let_go: Vec<Tag>,
    /// What was closed, and is open a little longer.
    closed: Closed<W::File>,
    /// What was received of files that are not looked at yet: told when they are.
    unseen: Vec<Unseen>,
    /// Messages for other rings, and for this one.
    outbox: Vec<Message<W>>,
    own_messages: Vec<Completion>,
    /// The ring is being closed: nothing begins.
    closing: bool,
}

impl<W: World> Core<W> {
    pub(crate) fn new(queues: Queues, world: W, user: Uaccess) -> Self {
        let flags = queues.shape().flags;
        Self {
            queues,
            world,
            user,
            flags,
            requests: Requests::new(),
            due: VecDeque::new(),
            behind: VecDeque::new(),
            deferred: VecDeque::new(),
            held_back: 0,
            drains: false,
            drains_next: false,
            drains_refused: false,
            files: FileTable::new(),
            buffers: BufferTable::new(),
            groups: Groups::new(),
            times: Times::new(),
            timeouts_told: 0,
            told: 0,
            begun_at: 0,
            rules: Rules::new(flags),
            eventfd: None,
            signal: false,
            by_worker: false,
            let_go: Vec::new(),
            closed: Closed::new(flags),
            unseen: Vec::new(),
            outbox: Vec::new(),
            own_messages: Vec::new(),
            closing: false,
        }
    }

    /// How many requests are not over.
    pub(crate) fn outstanding(&self) -> usize {
        self.requests.len()
    }

    /// How many completions were told so far.
    pub(crate) fn told(&self) -> u32 {
        self.told
    }

    /// How many of them timeouts told: one ends waits for more.
    pub(crate) fn timeouts_told(&self) -> u32 {
        self.timeouts_told
    }

    /// A thread enters: how many completions it wants, if it asks for events.
    pub(crate) fn ask(&mut self, want: Option<u32>) {
        self.closed.ask(want);
    }

    /// Tells a completion.
    fn tell(&mut self, completion: Completion) {
        self.told = self.told.wrapping_add(1);
        self.queues.post(completion);
        self.signal_told();
    }

    /// Tells what no request ends with: unlike the ends of requests, it counts at once.
    fn tell_aside(&mut self, completion: Completion) {
        let before = self.queues.posted();
        self.tell(completion);
        self.begun_at = self.begun_at.wrapping_add(self.queues.posted().wrapping_sub(before));
        self.pass_counts_early();
    }

    /// Moves what found no room to the queue: it counts now.
    pub(crate) fn flush(&mut self) {
        self.queues.flush();
        self.run();
    }

    /// Takes note that something was told.
    fn signal_told(&mut self) {
        if let Some((_, workers_only)) = self.eventfd {
            self.signal |= self.by_worker || !workers_only;
        }
    }

    /// Whether the eventfd is to be signalled.
    pub(crate) fn is_signalled(&self) -> bool {
        self.signal
    }

    /// Signals the eventfd, if something was told since the last time.
    pub(crate) fn signal(&mut self) {
        if core::mem::take(&mut self.signal)
            && let Some((file, _)) = &self.eventfd
            && !self.queues.eventfd_is_off()
        {
            self.world.signal(file);
        }
    }

    /// Whether completions signal a file.
    pub(crate) fn has_eventfd(&self) -> bool {
        self.eventfd.is_some()
    }

    /// Ends a request: tells what became of it, and sees to those that go with it.
    fn complete(&mut self, token: Token) {
        let Some(request) = self.requests.get_mut(token) else { return };
        if let Some(due) = request.due {
            self.times.remove(due, token);
        }
        self.times.forget_count(token);
        // One that never began says nothing of what comes.
        let has_more = request.notifies && request.state != State::Queued;
        if request.is_alone() {
            let completion = request.completion();
            let is_told = !request.silent;
            self.requests.vacate(token);
            if is_told {
                self.tell(completion);
            }
            return;
        }
        let holds = core::mem::take(&mut request.holds);
        let Some(ended) = self.requests.remove(token) else { return };
        if !ended.silent {
            let Ended { user_data, result, mut cflags, big, .. } = ended;
            if has_more {
                cflags |= CqeFlags::MORE;
            }
            self.tell(Completion { user_data, res: result, flags: cflags, big });
        }
        if ended.notifies {
            self.notify(&ended);
        }
        self.let_go.extend(holds);
        if ended.partner.is_some() {
            self.end_partner(&ended);
        }
        if ended.next.is_some() {
            self.go_on_behind(&ended);
        }
    }

    /// Ends a request with a result.
    fn finish(&mut self, token: Token, result: Result<u32, Errno>) {
        let Some(request) = self.requests.get_mut(token) else { return };
        match result {
            Ok(count) => request.result = count as i32,
            // What was moved before is not lost.
            Err(errno) => match request.work.as_ref().map_or(0, |work| work.done) {
                0 => request.fail(-errno.raw()),
                done => request.fail(done as i32),
            },
        }
        self.complete(token);
    }

    /// Tells one of several results of a request that goes on; unless the queue is full: it ends
    /// then, as on Linux.
    #[must_use]
    fn tell_more(&mut self, token: Token, result: u32, cflags: CqeFlags) -> bool {
        let Some(request) = self.requests.get(token) else { return false };
        let (user_data, res) = (request.user_data, result as i32);
        let flags = cflags | CqeFlags::MORE;
        // What others ended with in this round is told before, and counts.
        if self.begun_at != self.queues.posted() {
            self.begun_at = self.queues.posted();
            self.pass_counts_early();
            self.end_round();
        }
        let is_told = self.queues.post_if_room(&Completion { user_data, res, flags, big: None });
        if is_told {
            self.told = self.told.wrapping_add(1);
            self.begun_at = self.begun_at.wrapping_add(1);
            self.signal_told();
        }
        is_told
    }
}
