//! Taking entries: each is checked and copied, chains are put together, and what comes first of
//! each begins.

use annulus_ring::Errno;
use annulus_ring::abi::{Op, SetupFlags, Sqe, SqeFlags};

use super::request::State;
use super::{Core, prepare, sockets};
use crate::world::{Token, Work, World};

/// The flags that are known.
const KNOWN: SqeFlags = SqeFlags::FIXED_FILE
    .union(SqeFlags::IO_DRAIN)
    .union(SqeFlags::IO_LINK)
    .union(SqeFlags::IO_HARDLINK)
    .union(SqeFlags::ASYNC)
    .union(SqeFlags::BUFFER_SELECT)
    .union(SqeFlags::CQE_SKIP_SUCCESS);

/// A chain that is being put together.
#[derive(Default)]
struct Chain {
    first: Option<Token>,
    last: Option<Token>,
}

impl<W: World> Core<W> {
    /// Takes up to `max` entries, and begins them. How many were taken.
    pub(crate) fn submit(&mut self, max: u32) -> u32 {
        let count = max.min(self.queues.submitted());
        let mut taken = 0;
        let mut chain = Chain::default();
        self.begin_round();
        while taken < count {
            // An entry that the array does not name ends a submit, and is not counted.
            let Some(sqe) = self.queues.take() else { break };
            taken += 1;
            if chain.first.is_none() && self.do_plain(&sqe) {
                continue;
            }
            self.tell_unseen();
            let fine = self.accept(&sqe, &mut chain);
            if !fine && !self.flags.contains(SetupFlags::SUBMIT_ALL) {
                break;
            }
        }
        self.tell_unseen();
        // A chain whose last entry says that it goes on ends with the submit.
        if let Some(first) = chain.first.take() {
            self.enqueue(first);
        }
        self.queues.release();
        if taken < max {
            self.closed.comes_short();
        }
        self.run_rounds();
        taken
    }

    /// Takes an entry. False if it was refused, alone or as the end of a chain: a submit ends with
    /// it, unless it is to go on (`SUBMIT_ALL`).
    #[inline(never)]
    fn accept(&mut self, sqe: &Sqe, chain: &mut Chain) -> bool {
        let token = self.requests.insert(sqe, Work::new(sqe));
        let checked = self.check(sqe, token, chain);
        let notifies = checked.is_ok() && sockets::has_notification(sqe);
        let last = chain.last.and_then(|last| self.requests.get(last)).map(|last| last.opcode);
        let Some(request) = self.requests.get_mut(token) else { return false };
        request.notifies = notifies;
        let prepared = checked.and_then(|()| {
            prepare::check_link_timeout(sqe, last)?;
            let Some(work) = &mut request.work else { return Ok(()) };
            prepare::prepare(self.user, self.flags, sqe, work)
        });
        let refused = prepared.err();
        if let Some(errno) = refused {
            request.work = None;
            request.fail(-errno.raw());
        } else if self.drains
            && let Some(work) = &mut request.work
        {
            // What may have to wait for others is a thread's from the beginning.
            work.sqe.flags |= SqeFlags::ASYNC;
        }
        let links = request.links();
        if refused.is_some() {
            self.fail_first(chain);
        }
        if let Some(last) = chain.last.and_then(|last| self.requests.get_mut(last)) {
            last.next = Some(token);
        }
        let first = *chain.first.get_or_insert(token);
        chain.last = Some(token);
        if links {
            return true;
        }
        *chain = Chain::default();
        self.enqueue(first);
        refused.is_none()
    }

    /// A chain with a refused entry does not begin: its first is cancelled, unless it was refused
    /// itself.
    fn fail_first(&mut self, chain: &Chain) {
        let Some(first) = chain.first.and_then(|first| self.requests.get_mut(first)) else {
            return;
        };
        if !first.failed {
            first.fail(-Errno::ECANCELED.raw());
        }
    }

    /// Checks what all operations have in common, in Linux's order: what is refused early drains
    /// nothing.
    fn check(&mut self, sqe: &Sqe, token: Token, chain: &Chain) -> Result<(), Errno> {
        if !KNOWN.contains(sqe.flags) {
            return Err(Errno::EINVAL);
        }
        if sqe.opcode.0 >= Op::NOP128.0 {
            prepare::check_private(sqe, chain.first.is_some())?;
        }
        let traits = prepare::traits(sqe.opcode);
        if sqe.flags.contains(SqeFlags::BUFFER_SELECT) && !traits.selects_buffers {
            return Err(Errno::EOPNOTSUPP);
        }
        // Whose end nobody is told cannot be waited for.
        self.drains_refused |= sqe.flags.contains(SqeFlags::CQE_SKIP_SUCCESS);
        if sqe.flags.contains(SqeFlags::IO_DRAIN) {
            if self.drains_refused {
                return Err(Errno::EOPNOTSUPP);
            }
            self.drains = true;
            // In the middle of a chain it is the chain that waits, and what comes behind it too.
            if let Some(first) = chain.first.and_then(|first| self.requests.get_mut(first)) {
                first.flags |= SqeFlags::IO_DRAIN;
                if let Some(work) = &mut first.work {
                    work.sqe.flags |= SqeFlags::ASYNC;
                }
                self.drains_next = true;
            }
        }
        self.rules.check_entry(sqe)?;
        if self.drains_next && chain.first.is_none() {
            self.drains_next = false;
            self.drains = true;
            if let Some(request) = self.requests.get_mut(token) {
                request.flags |= SqeFlags::IO_DRAIN;
            }
        }
        if sqe.ioprio != 0 && !traits.has_ioprio {
            return Err(Errno::EINVAL);
        }
        if sqe.personality != 0 {
            // Credentials are the kernel's to lend.
            return Err(Errno::EINVAL);
        }
        Ok(())
    }

    /// Puts a chain behind those that wait, or lets it begin.
    fn enqueue(&mut self, first: Token) {
        let Some(request) = self.requests.get_mut(first) else { return };
        if request.failed {
            // It does not begin: all of it fails, hard links or not, and waits for nobody.
            request.flags = request.flags.difference(SqeFlags::IO_HARDLINK) | SqeFlags::IO_LINK;
            self.due.push_back(first);
            return;
        }
        if !self.drains {
            self.due.push_back(first);
            return;
        }
        let drains = request.flags.contains(SqeFlags::IO_DRAIN);
        request.state = State::Deferred;
        self.held_back += self.chain_len(first);
        self.deferred.push_back(first);
        self.begin_deferred();
        if !drains && self.deferred.is_empty() {
            self.drains = false;
        }
    }

    fn chain_len(&self, first: Token) -> usize {
        let next = |token: &Token| self.requests.get(*token).and_then(|request| request.next);
        core::iter::successors(Some(first), next).count()
    }

    /// Lets those begin that waited for others to end: the first, when nothing else is under way;
    /// and those behind it up to the next that waits itself.
    pub(super) fn begin_deferred(&mut self) {
        let (mut seen, mut is_first) = (false, true);
        while let Some(&first) = self.deferred.front() {
            let request = self.requests.get(first);
            seen |= request.is_some_and(|request| request.flags.contains(SqeFlags::IO_DRAIN));
            if (seen || is_first) && self.requests.len() > self.held_back {
                return;
            }
            is_first = false;
            self.deferred.pop_front();
            self.held_back -= self.chain_len(first);
            self.due.push_back(first);
        }
    }
}
