//! Links: what begins, or is cancelled, when the one before it ends; and the times that limit one.

use annulus_ring::Errno;
use annulus_ring::abi::{Op, SqeFlags};

use super::Core;
use super::request::{Ended, State};
use crate::world::{Token, World};

impl<W: World> Core<W> {
    /// Takes the link timeout out of the chain that limits the request, and begins it.
    pub(super) fn arm_partner(&mut self, token: Token) {
        let Some(next) = self.requests.get(token).and_then(|request| request.next) else { return };
        let Some(limit) = self.requests.get_mut(next) else { return };
        if limit.opcode != Op::LINK_TIMEOUT || limit.failed {
            return;
        }
        limit.partner = Some(token);
        limit.state = State::Timing;
        let behind = limit.next.take();
        if let Some(request) = self.requests.get_mut(token) {
            request.next = behind;
            request.partner = Some(next);
        }
        self.begin_time(next);
    }

    /// Ends the link timeout of a request that is over: its time has not come.
    pub(super) fn end_partner(&mut self, request: &Ended) {
        let Some(partner) = request.partner else { return };
        if request.opcode == Op::LINK_TIMEOUT {
            if let Some(target) = self.requests.get_mut(partner) {
                target.partner = None;
            }
            return;
        }
        if let Some(limit) = self.requests.get_mut(partner) {
            // Not a failure of its own: told only if all of it is to be told, in the next round.
            limit.result = -Errno::ECANCELED.raw();
            // Until then it can still be changed.
            (limit.partner, limit.state, limit.is_over) = (None, State::Queued, true);
            self.behind.push_back(partner);
        }
    }

    /// Lets what is linked behind a request begin, or cancels it.
    pub(super) fn go_on_behind(&mut self, request: &Ended) {
        let Some(next) = request.next else { return };
        let Some(next) = self.pass_limit(next) else { return };
        if request.failed && !request.flags.contains(SqeFlags::IO_HARDLINK) {
            self.cancel_behind(next, request.silences);
        } else {
            self.behind.push_back(next);
        }
    }

    /// Ends a link timeout that is next, and was never armed: what it limits was over at once. What
    /// comes behind it.
    fn pass_limit(&mut self, next: Token) -> Option<Token> {
        let limit = self.requests.get_mut(next)?;
        if limit.opcode != Op::LINK_TIMEOUT || limit.failed {
            return Some(next);
        }
        // Not a failure of its own, and told in the next round.
        limit.result = -Errno::ECANCELED.raw();
        limit.is_over = true;
        let behind = limit.next.take();
        self.behind.push_back(next);
        behind
    }

    /// Cancels what is left of a chain, one after the other, in the next round: what counts
    /// completions may begin before.
    fn cancel_behind(&mut self, first: Token, silent: bool) {
        let mut next = Some(first);
        while let Some(token) = next {
            let Some(request) = self.requests.get_mut(token) else { return };
            next = request.next.take();
            if !request.failed {
                request.result = -Errno::ECANCELED.raw();
            }
            (request.silent, request.is_over) = (silent, true);
            self.behind.push_back(token);
        }
    }

    /// Has chains go on behind what ended in this round, which is told by now, and lets go what
    /// that held.
    pub(super) fn end_round(&mut self) {
        if !self.behind.is_empty() {
            if self.looks_behind() {
                self.take_news();
            }
            self.due.append(&mut self.behind);
        }
        self.release_held();
    }

    /// Whether one that comes next looks at others. What woke those in this round has its turn
    /// before, or it would find them waiting.
    fn looks_behind(&self) -> bool {
        let mut next = self.behind.iter().filter_map(|token| self.requests.get(*token));
        next.any(|request| matches!(request.opcode, Op::POLL_REMOVE | Op::ASYNC_CANCEL))
    }
}
