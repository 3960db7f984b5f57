//! Polls: waits for what a file is ready for, once or at every change.
//!
//! One that is told of once looks first, then has its file watched; whatever the watch says, it
//! looks again, since that is what is told. One that goes on is told of changes (edges): the world
//! says that something came, what it is the look says, and no report is made of nothing.

use annulus_ring::Errno;
use annulus_ring::abi::{CqeFlags, PollEvents, PollFlags};

use super::Core;
use super::request::State;
use annulus_ring::abi::Op;

use crate::world::{Attempt, Token, World};

/// What is told although nobody asked for it.
const UNASKED: PollEvents =
    PollEvents(PollEvents::ERR.0 | PollEvents::HUP.0 | PollEvents::NVAL.0 | PollEvents::RDHUP.0);
/// The events; above them is how they are waited for.
const EVENTS: u32 = 0xffff;

impl<W: World> Core<W> {
    /// Whether a poll goes on after an event, and the events it waits for.
    fn wanted(&self, token: Token) -> Option<(bool, PollEvents)> {
        let sqe = self.entry(token)?;
        let events = PollEvents(sqe.rw_flags);
        let goes_on = PollFlags(sqe.len).contains(PollFlags::ADD_MULTI)
            && !events.contains(PollEvents::ONESHOT);
        Some((goes_on, PollEvents(events.bits() & EVENTS)))
    }

    /// What the file of a poll is ready for now, of what it is told of.
    fn look(&mut self, token: Token) -> Result<PollEvents, Errno> {
        let Some(work) = self.requests.get_mut(token).and_then(|request| request.work.as_mut())
        else {
            return Ok(PollEvents::empty());
        };
        let asked = work.sqe.rw_flags;
        work.sqe.rw_flags = asked & EVENTS | UNASKED.bits();
        let found = self.world.attempt(work);
        work.sqe.rw_flags = asked;
        match found {
            Attempt::Done(found) => {
                found.map(|found| PollEvents(found & (asked & EVENTS | UNASKED.bits())))
            }
            Attempt::Wait(_) | Attempt::Blocks => Ok(PollEvents::empty()),
        }
    }

    /// Begins a poll.
    pub(super) fn begin_poll(&mut self, token: Token) {
        let Some((goes_on, events)) = self.wanted(token) else { return };
        if goes_on {
            return self.watch_poll(token, events | PollEvents::ET);
        }
        match self.look(token) {
            Ok(found) if found.is_empty() => self.watch_poll(token, events),
            found => self.finish(token, found.map(PollEvents::bits)),
        }
    }

    /// Has the file of a poll watched.
    fn watch_poll(&mut self, token: Token, events: PollEvents) {
        let Some(request) = self.requests.get_mut(token) else { return };
        let Some(file) = request.work.as_mut().and_then(|work| work.file.as_mut()) else { return };
        let kept = match events.contains(PollEvents::ET) {
            true => self.world.keep_apart(file.clone()),
            false => self.world.keep(file.clone()),
        };
        let watched = kept.and_then(|kept| {
            *file = kept;
            let is_unready = !events.intersects(PollEvents::ET | PollEvents::OUT);
            self.world.watch(token, file, events, is_unready)
        });
        match watched {
            Ok(()) => request.state = State::Watching,
            // A file that never changes: it is ready now, or never.
            Err(Errno::EPERM) => match self.look(token) {
                Ok(found) if found.is_empty() => self.finish(token, Err(Errno::EINVAL)),
                found => self.finish(token, found.map(PollEvents::bits)),
            },
            Err(errno) => self.finish(token, Err(errno)),
        }
    }

    /// Something came that a poll waits for, or that goes on: it was [`State::Watching`].
    pub(super) fn polled(&mut self, token: Token) {
        let Some((goes_on, events)) = self.wanted(token) else { return };
        let found = self.look(token);
        match found {
            Ok(found) if found.is_empty() && goes_on => self.keep_watching(token),
            Ok(found) if found.is_empty() => self.watch_poll(token, events),
            // One that finds no room to tell of more ends with what it found.
            Ok(found) if goes_on && self.tell_more(token, found.bits(), CqeFlags::empty()) => {
                self.keep_watching(token);
            }
            found => {
                if goes_on {
                    self.unwatch(token);
                }
                self.finish(token, found.map(PollEvents::bits));
            }
        }
    }

    fn keep_watching(&mut self, token: Token) {
        if let Some(request) = self.requests.get_mut(token) {
            request.state = State::Watching;
        }
    }

    /// Whether a poll has something to tell that came in this round. Of one that goes on a look
    /// would find what it has told already: it is about to tell if its file was woken since.
    fn is_about_to_tell(&mut self, token: Token) -> bool {
        if self.wanted(token).is_some_and(|(goes_on, _)| goes_on) {
            self.take_news();
            return self.due.contains(&token);
        }
        self.look(token).is_ok_and(|found| !found.is_empty())
    }

    /// Has those go on in the next round whose files have told something by now, before what is
    /// not in it yet: as on Linux, where a wake-up asks for task work at once.
    pub(super) fn take_news(&mut self) {
        let mut ready = Vec::new();
        self.world.gather(&mut ready);
        for token in ready {
            if !self.due.contains(&token) {
                self.due.push_back(token);
            }
        }
    }

    /// `POLL_REMOVE`: ends a poll, or changes what it waits for and what it is called. That it goes
    /// on, or not, is not changed.
    pub(super) fn change_poll(&mut self, token: Token) {
        let Some(sqe) = self.entry(token) else { return };
        let polls = self.requests.named(sqe.addr).filter(|(_, request)| {
            let is_there = matches!(request.state, State::Watching | State::Leaving);
            request.opcode == Op::POLL_ADD && is_there
        });
        let Some((is_leaving, target)) =
            polls.map(|(target, poll)| (poll.state == State::Leaving, target)).min()
        else {
            return self.finish(token, Err(Errno::ENOENT));
        };
        // One that is cancelled is found until it is told.
        if is_leaving || self.is_about_to_tell(target) {
            return self.finish(token, Err(Errno::EALREADY));
        }
        let flags = PollFlags(sqe.len);
        let updates = PollFlags::UPDATE_EVENTS | PollFlags::UPDATE_USER_DATA;
        self.unwatch(target);
        if !flags.intersects(updates) {
            self.cancel_next(target);
            return self.finish(token, Ok(0));
        }
        if flags.contains(PollFlags::UPDATE_USER_DATA) {
            self.requests.rename(target, sqe.off);
        }
        if let Some(request) = self.requests.get_mut(target) {
            request.state = State::Begun;
            if let Some(work) = &mut request.work
                && flags.contains(PollFlags::UPDATE_EVENTS)
            {
                work.sqe.rw_flags = work.sqe.rw_flags & !EVENTS | sqe.rw_flags & EVENTS;
            }
        }
        self.begin_poll(target);
        self.finish(token, Ok(0));
    }
}
