//! [`Request`]: an entry that was taken, until its last completion; and [`Requests`]: all of them.

use std::time::Duration;

use annulus_ring::abi::{CqeFlags, Op, Sqe, SqeFlags};

use super::groups::Picked;
use super::names::Names;
use super::tags::Tag;
use crate::queues::Completion;
use crate::world::{Token, Work};

/// Where a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Behind another in a chain, or waiting for its turn.
    Queued,
    /// Waiting for those before it, as drains do.
    Deferred,
    /// Being begun, or gone on with.
    Begun,
    /// Waiting for its file.
    Watching,
    /// A thread does it.
    Working,
    /// Waiting for a time, or a number of completions.
    Timing,
    /// It was waiting for its file, and is cancelled: that is told in the next round.
    Leaving,
}

/// See above.
#[derive(Debug)]
pub(crate) struct Request<F> {
    /// What is to be done. A thread has it while it is [`Working`](State::Working).
    pub(crate) work: Option<Work<F>>,
    /// What it was submitted as.
    pub(crate) opcode: Op,
    pub(crate) fd: i32,
    pub(crate) flags: SqeFlags,
    pub(crate) user_data: u64,
    pub(crate) state: State,
    /// It failed, or came short: what is linked behind it is cancelled.
    pub(crate) failed: bool,
    /// What is told of it is known, and is told when it is its turn.
    pub(crate) is_over: bool,
    /// Nothing is told of it.
    pub(crate) silent: bool,
    /// Nothing is told of what is cancelled behind it.
    pub(crate) silences: bool,
    /// A second completion says when its buffer is free.
    pub(crate) notifies: bool,
    /// Its group was empty after it had picked.
    pub(crate) took_all: bool,
    /// The length of its bundle ended inside of a buffer: it goes on with no other.
    pub(crate) was_cut: bool,
    /// How long the buffer was that it waited with, if it had one: it takes no more.
    pub(crate) room: u32,
    /// It has waited for its file.
    pub(crate) was_polled: bool,
    /// When it was to wait first, its stream had ended.
    pub(crate) has_ended: bool,
    /// Linux has a thread wait in it: a cancel finds that it runs.
    pub(crate) in_thread: bool,
    /// How often it went on to wait.
    pub(crate) wakes: u32,
    /// How often in a row a multishot went on at once.
    pub(crate) loops: u32,
    /// What is told of it: preset where it was refused before it began.
    pub(crate) result: i32,
    pub(crate) cflags: CqeFlags,
    pub(crate) big: Option<[u64; 2]>,
    /// The next of its chain.
    pub(crate) next: Option<Token>,
    /// The link timeout that limits it; of a link timeout, what it limits.
    pub(crate) partner: Option<Token>,
    /// When it is over, by the monotonic clock, while it is in the list of times.
    pub(crate) due: Option<Duration>,
    /// Its place in that list, as Linux has it: what came last is at the end.
    pub(crate) order: u64,
    /// Somebody asked for its end.
    pub(crate) cancelled: bool,
    /// The buffer that it has of a group.
    pub(super) picked: Option<Picked>,
    /// The registered files and buffers that it uses, those that have tags.
    pub(super) holds: Vec<Tag>,
}

/// What is left of a request that is over: what it tells, and who goes with it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    pub(crate) opcode: Op,
    pub(crate) flags: SqeFlags,
    pub(crate) ioprio: u16,
    pub(crate) user_data: u64,
    pub(crate) failed: bool,
    pub(crate) silent: bool,
    pub(crate) silences: bool,
    pub(crate) notifies: bool,
    pub(crate) result: i32,
    pub(crate) cflags: CqeFlags,
    pub(crate) big: Option<[u64; 2]>,
    pub(crate) next: Option<Token>,
    pub(crate) partner: Option<Token>,
}

impl<F> Request<F> {
    fn new(sqe: &Sqe, work: Work<F>) -> Self {
        Self {
            work: Some(work),
            opcode: sqe.opcode,
            fd: sqe.fd,
            flags: sqe.flags,
            user_data: sqe.user_data,
            state: State::Queued,
            failed: false,
            is_over: false,
            silent: sqe.flags.contains(SqeFlags::CQE_SKIP_SUCCESS),
            silences: false,
            notifies: false,
            took_all: false,
            was_cut: false,
            room: 0,
            was_polled: false,
            has_ended: false,
            in_thread: false,
            wakes: 0,
            loops: 0,
            result: 0,
            cflags: CqeFlags::empty(),
            big: None,
            next: None,
            partner: None,
            due: None,
            order: 0,
            cancelled: false,
            picked: None,
            holds: Vec::new(),
        }
    }

    /// Becomes another: field by field, since all of it is long to move; each is named, so that
    /// none is forgotten. Of what was picked and held, [`Requests::remove`] has left nothing.
    fn become_another(&mut self, sqe: &Sqe, work: Work<F>) {
        self.work = Some(work);
        self.begin_anew(sqe);
    }

    /// As [`become_another`](Self::become_another), whose work is there.
    fn begin_anew(&mut self, sqe: &Sqe) {
        let Self {
            work: _,
            opcode,
            fd,
            flags,
            user_data,
            state,
            failed,
            is_over,
            silent,
            silences,
            notifies,
            took_all,
            was_cut,
            room,
            was_polled,
            has_ended,
            in_thread,
            wakes,
            loops,
            result,
            cflags,
            big,
            next,
            partner,
            due,
            order,
            cancelled,
            picked: _,
            holds: _,
        } = self;
        (*opcode, *fd, *flags, *user_data) = (sqe.opcode, sqe.fd, sqe.flags, sqe.user_data);
        (*state, *failed, *is_over) = (State::Queued, false, false);
        *silent = sqe.flags.contains(SqeFlags::CQE_SKIP_SUCCESS);
        (*silences, *notifies, *took_all, *was_polled) = (false, false, false, false);
        *was_cut = false;
        (*has_ended, *in_thread) = (false, false);
        (*room, *wakes, *loops, *result) = (0, 0, 0, 0);
        (*cflags, *big) = (CqeFlags::empty(), None);
        (*next, *partner, *due, *order, *cancelled) = (None, None, None, 0, false);
    }

    /// Whether nobody else has to be seen to at its end.
    pub(crate) fn is_alone(&self) -> bool {
        self.next.is_none() && self.partner.is_none() && !self.notifies && self.holds.is_empty()
    }

    /// What is told at its end.
    pub(crate) fn completion(&self) -> Completion {
        let Self { user_data, result, cflags, big, .. } = *self;
        Completion { user_data, res: result, flags: cflags, big }
    }

    /// What is left of it when it is over.
    fn ended(&self) -> Ended {
        Ended {
            opcode: self.opcode,
            flags: self.flags,
            ioprio: self.ioprio(),
            user_data: self.user_data,
            failed: self.failed,
            silent: self.silent,
            silences: self.silences,
            notifies: self.notifies,
            result: self.result,
            cflags: self.cflags,
            big: self.big,
            next: self.next,
            partner: self.partner,
        }
    }

    /// The flags of its own, as far as they are not done with.
    pub(crate) fn ioprio(&self) -> u16 {
        self.work.as_ref().map_or(0, |work| work.sqe.ioprio)
    }

    /// Whether another is linked behind it.
    pub(crate) fn links(&self) -> bool {
        self.flags.intersects(SqeFlags::IO_LINK | SqeFlags::IO_HARDLINK)
    }

    /// Takes note that it fails: it is told of then, and its chain breaks.
    pub(crate) fn fail(&mut self, result: i32) {
        self.result = result;
        self.mark_failed();
    }

    /// Takes note that it came short, or failed with what `result` says.
    pub(crate) fn mark_failed(&mut self) {
        self.failed = true;
        if core::mem::take(&mut self.silent) {
            self.silences = true;
        }
    }
}

/// All requests of a ring, by their names. They stay where they are, and what they were made of is
/// used again: none is moved, or allocated, as long as there are not more of them than there were.
#[derive(Debug)]
pub(crate) struct Requests<F> {
    places: Vec<Place<F>>,
    names: Names,
    vacant: Vec<u32>,
    len: usize,
}

#[derive(Debug)]
struct Place<F> {
    generation: u32,
    is_used: bool,
    request: Request<F>,
}

impl<F> Requests<F> {
    pub(crate) fn new() -> Self {
        Self { places: Vec::new(), names: Names::default(), vacant: Vec::new(), len: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Makes a request of an entry.
    pub(crate) fn insert(&mut self, sqe: &Sqe, work: Work<F>) -> Token {
        self.len += 1;
        let Some(place) = self.vacant.pop() else {
            self.places.push(Place {
                generation: 0,
                is_used: true,
                request: Request::new(sqe, work),
            });
            let place = (self.places.len() - 1) as u32;
            self.names.grow();
            self.names.insert(place, sqe.user_data);
            return Token { place, generation: 0 };
        };
        self.names.insert(place, sqe.user_data);
        let found = &mut self.places[place as usize];
        found.is_used = true;
        found.request.become_another(sqe, work);
        Token { place, generation: found.generation }
    }

    /// Room for the work of an entry, which is no request yet: the next [`adopt`](Self::adopt)
    /// makes it one; else it is another's room after this.
    pub(crate) fn draft(&mut self, sqe: &Sqe) -> &mut Work<F> {
        let place = match self.vacant.last() {
            Some(place) => *place as usize,
            None => {
                let request = Request::new(sqe, Work::new(sqe));
                self.vacant.push(self.places.len() as u32);
                self.places.push(Place { generation: 0, is_used: false, request });
                self.names.grow();
                self.places.len() - 1
            }
        };
        self.places[place].request.work.insert(Work::new(sqe))
    }

    /// Makes a request of the last [`draft`](Self::draft), whose entry it was.
    pub(crate) fn adopt(&mut self, sqe: &Sqe) -> Token {
        let Some(place) = self.vacant.pop() else { return self.insert(sqe, Work::new(sqe)) };
        self.len += 1;
        self.names.insert(place, sqe.user_data);
        let found = &mut self.places[place as usize];
        found.is_used = true;
        found.request.begin_anew(sqe);
        Token { place, generation: found.generation }
    }

    pub(crate) fn get(&self, token: Token) -> Option<&Request<F>> {
        let place = self.places.get(token.place as usize)?;
        (place.generation == token.generation && place.is_used).then_some(&place.request)
    }

    pub(crate) fn get_mut(&mut self, token: Token) -> Option<&mut Request<F>> {
        let place = self.places.get_mut(token.place as usize)?;
        (place.generation == token.generation && place.is_used).then_some(&mut place.request)
    }

    /// Takes out a request that is over: what is left of it. What it held is let go.
    pub(crate) fn remove(&mut self, token: Token) -> Option<Ended> {
        let place = self.places.get_mut(token.place as usize)?;
        if place.generation != token.generation || !place.is_used {
            return None;
        }
        let ended = place.request.ended();
        self.vacate(token);
        Some(ended)
    }

    /// Gives up the place of a request that is over.
    pub(crate) fn vacate(&mut self, token: Token) {
        let Some(place) = self.places.get_mut(token.place as usize) else { return };
        place.request.work = None;
        if place.request.picked.is_some() {
            place.request.picked = None;
        }
        place.request.holds.clear();
        place.is_used = false;
        place.generation = place.generation.wrapping_add(1);
        self.names.remove(token.place);
        self.vacant.push(token.place);
        self.len -= 1;
    }

    /// Gives a request another name.
    pub(crate) fn rename(&mut self, token: Token, user_data: u64) {
        let Some(request) = self.get_mut(token) else { return };
        request.user_data = user_data;
        self.names.remove(token.place);
        self.names.insert(token.place, user_data);
    }

    /// Those that are called so, in no order.
    pub(crate) fn named(&self, user_data: u64) -> impl Iterator<Item = (Token, &Request<F>)> {
        self.names.places(user_data).map(|place| {
            let found = &self.places[place as usize];
            (Token { place, generation: found.generation }, &found.request)
        })
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Token, &Request<F>)> {
        (0..)
            .zip(&self.places)
            .filter(|(_, found)| found.is_used)
            .map(|(place, found)| (Token { place, generation: found.generation }, &found.request))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_never_used_twice() {
        let insert = |requests: &mut Requests<()>, user_data| {
            let sqe = Sqe::default().user_data(user_data);
            requests.insert(&sqe, Work::new(&sqe))
        };
        let mut requests: Requests<()> = Requests::new();
        let first = insert(&mut requests, 1);
        assert_eq!(requests.remove(first).map(|request| request.user_data), Some(1));
        let second = insert(&mut requests, 2);
        assert_eq!(first.place, second.place);
        assert!(requests.get(first).is_none() && requests.remove(first).is_none());
        assert_eq!(requests.get_mut(second).map(|request| request.user_data), Some(2));
        assert_eq!((requests.len(), requests.iter().count()), (1, 1));
        assert_eq!((requests.named(1).count(), requests.named(2).count()), (0, 1));
        requests.rename(second, 3);
        assert_eq!((requests.named(2).count(), requests.named(3).count()), (0, 1));
    }
}
