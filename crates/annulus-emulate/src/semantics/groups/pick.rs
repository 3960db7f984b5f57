//! Picking buffers for requests, and what becomes of them.

use std::collections::VecDeque;

use annulus_ring::Errno;
use annulus_ring::abi::{CqeFlags, Op, RecvSendFlags, Sqe, SqeFlags};

use super::ring::Bundle;
use super::{Group, Provided, RingGroup};
use crate::semantics::Core;
use crate::semantics::sockets::{OUT_BYTES, is_bundle, is_multishot};
use crate::uaccess::Uaccess;
use crate::world::{Message, Span, Stable, Token, Work, World};

/// Where the number of a buffer is among a completion's flags.
const ID_SHIFT: u32 = 16;

/// What a request has picked.
#[derive(Debug)]
pub(in crate::semantics) struct Picked {
    group: u16,
    /// The number of the buffer, or of a bundle's first.
    id: u16,
    /// The length that the entry had.
    asked: u32,
    from: From,
}

/// The pieces of what was picked: one, unless it is a bundle.
#[derive(Clone, Debug)]
enum Spans {
    One([Span; 1]),
    Many(Vec<Span>),
}

impl core::ops::Deref for Spans {
    type Target = [Span];

    fn deref(&self) -> &[Span] {
        match self {
            Self::One(one) => one,
            Self::Many(many) => many,
        }
    }
}

#[derive(Debug)]
enum From {
    /// Provided by an entry: nobody else can have it. A bundle may go on in a second, after so many
    /// bytes.
    Provided(Provided, Option<(usize, Provided)>),
    /// Of a ring, whose head is still before it; a bundle's lengths.
    Ring(Spans),
    /// Of a ring that has gone on, and whether it is used up.
    Used(bool),
}

impl Picked {
    /// What a completion says of it.
    fn flags(&self) -> CqeFlags {
        let flags = CqeFlags::BUFFER | CqeFlags(u32::from(self.id) << ID_SHIFT);
        if matches!(self.from, From::Used(false)) { flags | CqeFlags::BUF_MORE } else { flags }
    }
}

impl<W: World> Core<W> {
    /// Picks a buffer for a request that wants one of a group; of a bundle, several. Its entry has
    /// address and length then; where it has a message, or is a bundle, that has the pieces.
    ///
    /// # Errors
    /// `ENOBUFS`: there is no such group, or none is left. `ENOENT`: no such group, for a send or a
    /// bundle.
    pub(in crate::semantics) fn pick_buffer(&mut self, token: Token) -> Result<(), Errno> {
        self.pick(token).map_err(|errno| {
            // That it is no socket is seen before.
            let work = self.requests.get(token).and_then(|request| request.work.as_ref());
            let file = work.filter(|work| is_message(&work.sqe)).and_then(|w| w.file.as_ref());
            match file {
                Some(file) if !self.world.is_socket(file) => Errno::ENOTSOCK,
                _ => errno,
            }
        })
    }

    fn pick(&mut self, token: Token) -> Result<(), Errno> {
        let Some(request) = self.requests.get_mut(token) else { return Ok(()) };
        let selects = request.flags.contains(SqeFlags::BUFFER_SELECT);
        if !selects {
            return Ok(());
        }
        if request.picked.is_some() {
            self.pick_second(token);
            return Ok(());
        }
        let Some(work) = &mut request.work else { return Ok(()) };
        if polls_first(&work.sqe) {
            return Ok(());
        }
        let (group, asked) = (work.sqe.buf_index, work.sqe.len);
        let waits = work.file.as_ref().is_none_or(|file| self.world.is_pollable(file));
        if work.sqe.opcode == Op::READ_MULTISHOT && !waits {
            return Err(Errno::EBADFD);
        }
        // A thread has one buffer, and keeps it. It does what was to wait first when it is ready,
        // but no multishot.
        let is_multishot = is_multishot(work.sqe.opcode, work.sqe.ioprio);
        let by_thread = work.sqe.flags.contains(SqeFlags::ASYNC) && !is_multishot;
        let is_send = work.sqe.opcode == Op::SEND;
        let is_socket = || work.file.as_ref().is_none_or(|file| self.world.is_socket(file));
        let uses_up = !waits || by_thread || is_send;
        if is_message(&work.sqe) && uses_up && !is_socket() {
            return Err(Errno::ENOTSOCK);
        }
        let is_bundle = is_bundle(&work.sqe);
        let bundle = match work.sqe.opcode {
            _ if !is_bundle => None,
            Op::SEND => Some(Bundle::Sent),
            _ if by_thread => Some(Bundle::ReceivedByThread),
            _ => Some(Bundle::Received),
        };
        let bytes = if request.room > 0 { request.room } else { wanted(&work.sqe) };
        let in_all = limit(&work.sqe);
        let want = Want { bytes, in_all, opcode: work.sqe.opcode, bundle, uses_up };
        let takes_several = is_bundle && !by_thread || is_send;
        let none = if takes_several { Errno::ENOENT } else { Errno::ENOBUFS };
        let found = self.groups.get_mut(&group).ok_or(none)?;
        // What else has arrived behind so many bytes is received at once.
        let queued = |bytes: usize| {
            let may_extend =
                is_bundle && extends(&work.sqe, bytes) && !request.took_all && !request.was_cut;
            let file = work.file.as_ref().filter(|_| may_extend);
            file.and_then(|file| self.world.queued(file))
        };
        let found = match found {
            Group::Provided(buffers) => take_provided(buffers, &want, queued)?,
            Group::Ring(ring) => take_of_ring(self.user, ring, &want, queued)?,
        };
        let Found { spans, id, from, took_all, was_cut } = found;
        // Until something is told of it: when it waited, there may have been none left.
        request.took_all |= took_all;
        request.was_cut |= was_cut;
        request.picked = Some(Picked { group, id, asked, from });
        if let Err(errno) = place(&mut work.sqe, &mut work.stable, spans) {
            self.put_back_buffer(token);
            return Err(errno);
        }
        Ok(())
    }

    /// Picks a second buffer of a ring for a bundle that a thread receives, and has waited for:
    /// what has arrived fills more than what is left of the first.
    fn pick_second(&mut self, token: Token) {
        let Some(request) = self.requests.get_mut(token) else { return };
        let (Some(picked), Some(work)) = (&mut request.picked, &mut request.work) else { return };
        let by_thread = work.sqe.flags.contains(SqeFlags::ASYNC);
        let goes_on =
            by_thread && is_bundle(&work.sqe) && extends(&work.sqe, 0) && !request.took_all;
        let is_one = !matches!(work.stable, Stable::Message(_));
        let (From::Used(_), true, true) = (&picked.from, goes_on, is_one) else { return };
        let queued = work.file.as_ref().and_then(|file| self.world.queued(file)).unwrap_or(0);
        let behind = queued.saturating_sub(work.sqe.len.saturating_sub(work.done));
        if behind < 2 {
            return;
        }
        let Some(Group::Ring(ring)) = self.groups.get_mut(&picked.group) else { return };
        let Ok((second, _)) = ring.peek(self.user, behind) else { return };
        picked.from = From::Used(ring.commit(self.user, second.bytes as u32, 1));
        let first = Span { addr: work.sqe.addr, bytes: work.sqe.len as usize };
        let placed = place(&mut work.sqe, &mut work.stable, Spans::Many(vec![first, second]));
        debug_assert!(placed.is_ok(), "{placed:?}");
    }

    /// Takes from a request what it has picked; its entry is as it was.
    fn unpick(&mut self, token: Token) -> Option<Picked> {
        let request = self.requests.get_mut(token)?;
        let picked = request.picked.take()?;
        if let Some(work) = &mut request.work {
            work.sqe.len = picked.asked;
            if is_bundle(&work.sqe)
                && matches!(&work.stable, Stable::Message(m) if m.address.is_empty())
            {
                work.stable = Stable::None;
            }
        }
        Some(picked)
    }

    /// So many bytes came: the buffer is the program's. What the completion says of it.
    pub(in crate::semantics) fn commit_buffer(&mut self, token: Token, bytes: u32) -> CqeFlags {
        let Some(picked) = self.unpick(token) else { return CqeFlags::empty() };
        let flags = picked.flags();
        if let From::Provided(_, second) = picked.from {
            self.count_first_again(token, &second, bytes);
            // What nothing came for is as before.
            let second = second.filter(|(begin, _)| bytes as usize <= *begin);
            self.put_back(picked.group, second.map(|(_, buffer)| buffer));
            return flags;
        }
        let From::Ring(spans) = &picked.from else { return flags };
        // It may be given up by now.
        let Some(Group::Ring(ring)) = self.groups.get_mut(&picked.group) else { return flags };
        let is_used_up = ring.commit(self.user, bytes, filled(spans, bytes as usize));
        if is_used_up { flags } else { flags | CqeFlags::BUF_MORE }
    }

    /// Of a bundle's limit in all, what came into its first buffer counts once more where something
    /// came into the second: so Linux has it, which looks at it behind each of them.
    fn count_first_again(&mut self, token: Token, second: &Option<(usize, Provided)>, bytes: u32) {
        let Some((begin, _)) = second.as_ref().filter(|(begin, _)| bytes as usize > *begin) else {
            return;
        };
        let work = self.requests.get_mut(token).and_then(|request| request.work.as_mut());
        if let Some(work) = work
            && let Some(in_all) = limit(&work.sqe)
        {
            work.sqe.splice_fd_in = in_all.saturating_sub(*begin) as u32 as i32;
        }
    }

    /// Nothing came: the buffer is as before. One that a ring has gone past is the program's, and
    /// what a completion says of it is the answer.
    pub(in crate::semantics) fn put_back_buffer(&mut self, token: Token) -> CqeFlags {
        let Some(picked) = self.unpick(token) else { return CqeFlags::empty() };
        match picked.from {
            From::Provided(first, second) => {
                self.put_back(picked.group, second.map(|(_, buffer)| buffer));
                self.put_back(picked.group, Some(first));
                CqeFlags::empty()
            }
            From::Ring(_) => CqeFlags::empty(),
            From::Used(_) => picked.flags(),
        }
    }

    /// Puts back what was provided.
    fn put_back(&mut self, group: u16, buffer: Option<Provided>) {
        if let (Some(Group::Provided(buffers)), Some(buffer)) =
            (self.groups.get_mut(&group), buffer)
        {
            buffers.push_front(buffer);
        }
    }

    /// What was picked is a thread's: the ring goes on.
    pub(in crate::semantics) fn use_up_buffer(&mut self, token: Token) {
        let Some(picked) = self.requests.get_mut(token).and_then(|r| r.picked.as_mut()) else {
            return;
        };
        let From::Ring(spans) = &picked.from else { return };
        let bytes = spans.iter().map(|span| span.bytes).sum::<usize>() as u32;
        let buffers = spans.len() as u16;
        let Some(Group::Ring(ring)) = self.groups.get_mut(&picked.group) else { return };
        picked.from = From::Used(ring.commit(self.user, bytes, buffers));
    }

    /// A request waits, which has moved so many bytes. What has something in it already is not put
    /// back: its ring goes on; nor is what was provided for a read or a send. What is put back was
    /// as long as a piece that was left of it: the request takes no more when something comes.
    pub(in crate::semantics) fn leave_buffer(&mut self, token: Token, moved: u32) {
        let Some(request) = self.requests.get_mut(token) else { return };
        let keeps = keeps(request.opcode);
        let Some(picked) = &mut request.picked else { return };
        match &picked.from {
            From::Used(_) => {}
            From::Provided(..) if keeps || moved > 0 => {}
            From::Ring(spans) if moved > 0 => {
                let buffers = filled(spans, moved as usize);
                if let Some(Group::Ring(ring)) = self.groups.get_mut(&picked.group) {
                    ring.commit(self.user, moved, buffers);
                }
                picked.from = From::Used(true);
            }
            _ => {
                let bytes = request.work.as_ref().map_or(0, room);
                request.room = bytes;
                self.put_back_buffer(token);
            }
        }
    }

    /// What a request says at its end that is cancelled, and has picked.
    pub(in crate::semantics) fn give_up_buffer(&mut self, token: Token) -> CqeFlags {
        self.unpick(token).map_or(CqeFlags::empty(), |picked| picked.flags())
    }

    /// What a request's end says of what it has picked.
    pub(in crate::semantics) fn settle_buffer(
        &mut self,
        token: Token,
        result: Result<u32, Errno>,
    ) -> CqeFlags {
        let Some(request) = self.requests.get(token) else { return CqeFlags::empty() };
        let Some(picked) = &request.picked else { return CqeFlags::empty() };
        let keeps = keeps(request.opcode);
        match (result, &picked.from) {
            (Ok(count), _) if count > 0 || keeps => self.commit_buffer(token, count),
            (Err(_), From::Provided(..)) if keeps => self.commit_buffer(token, 0),
            _ => self.put_back_buffer(token),
        }
    }
}

/// What is to be picked.
struct Want {
    /// How much at most; 0 is all.
    bytes: u32,
    /// How much at most in all shots of a bundle.
    in_all: Option<usize>,
    opcode: Op,
    bundle: Option<Bundle>,
    /// It is used up when it is picked.
    uses_up: bool,
}

/// What was picked.
struct Found {
    spans: Spans,
    id: u16,
    from: From,
    /// There is none left.
    took_all: bool,
    /// A bundle's length ends inside of one.
    was_cut: bool,
}

/// Takes what was provided first; for what has been `queued` behind that fills it, the second, too.
fn take_provided(
    buffers: &mut VecDeque<Provided>,
    want: &Want,
    queued: impl FnOnce(usize) -> Option<u32>,
) -> Result<Found, Errno> {
    let first = buffers.pop_front().ok_or(Errno::ENOBUFS)?;
    // A send takes all of it, whatever its length.
    let is_all = want.bytes == 0 || want.opcode == Op::SEND;
    let most = if is_all { usize::MAX } else { want.bytes as usize };
    let span = Span { bytes: first.span.bytes.min(most), ..first.span };
    let behind =
        queued(span.bytes).map_or(0, |queued| (queued as usize).saturating_sub(span.bytes));
    let second = if behind > 1 { buffers.pop_front() } else { None };
    let spans = match &second {
        None => Spans::One([span]),
        Some(second) => {
            let left = want.in_all.map_or(usize::MAX, |in_all| in_all.saturating_sub(span.bytes));
            let bytes = second.span.bytes.min(behind).min(left);
            Spans::Many(vec![span, Span { bytes, ..second.span }])
        }
    };
    let (id, took_all) = (first.id, buffers.is_empty());
    let second = second.map(|second| (span.bytes, second));
    Ok(Found { spans, id, from: From::Provided(first, second), took_all, was_cut: false })
}

/// Takes what comes next in a ring; of a bundle, all of it, and for what has been `queued` behind.
fn take_of_ring(
    user: Uaccess,
    ring: &mut RingGroup,
    want: &Want,
    queued: impl FnOnce(usize) -> Option<u32>,
) -> Result<Found, Errno> {
    let (spans, id, passed, was_cut) = match want.bundle {
        Some(bundle) => {
            let many = ring.peek_many(user, want.bytes, queued(usize::MAX), bundle)?;
            (Spans::Many(many.spans), many.first, many.passed, many.is_cut)
        }
        None => ring.peek(user, want.bytes).map(|(span, id)| (Spans::One([span]), id, 1, false))?,
    };
    let took_all = ring.available(user) == passed;
    let from = if want.uses_up {
        let bytes = spans.iter().map(|span| span.bytes).sum::<usize>();
        From::Used(ring.commit(user, bytes as u32, spans.len() as u16))
    } else {
        From::Ring(spans.clone())
    };
    Ok(Found { spans, id, from, took_all, was_cut })
}

/// Whether it keeps what was provided for it, though it waits or fails.
fn keeps(opcode: Op) -> bool {
    matches!(opcode, Op::READ | Op::READV | Op::SEND)
}

/// Gives an entry what was picked: its one piece, or the pieces of its message.
fn place(sqe: &mut Sqe, stable: &mut Stable, mut spans: Spans) -> Result<(), Errno> {
    sqe.addr = spans[0].addr;
    sqe.len = spans.iter().map(|span| span.bytes as u32).sum();
    if let Stable::Message(message) = stable {
        if sqe.opcode == Op::RECVMSG && is_multishot(sqe.opcode, sqe.ioprio) {
            // The buffer has a header, the sender's address and control data before the rest.
            let (name_bytes, control_bytes) = (message.name.bytes, message.control.bytes);
            let ahead =
                name_bytes.checked_add(control_bytes).and_then(|n| n.checked_add(OUT_BYTES));
            let ahead = ahead.ok_or(Errno::EOVERFLOW)?;
            if spans[0].bytes < ahead {
                return Err(Errno::EFAULT);
            }
            let name = spans[0].after(OUT_BYTES);
            // Nothing is said of an address that nobody asked for.
            message.name.addr = if name_bytes == 0 { 0 } else { name.addr };
            message.control.addr = name.after(name_bytes).addr;
            spans = Spans::One([spans[0].after(ahead)]);
        }
        message.pieces.clear();
        message.pieces.extend_from_slice(&spans);
    } else if spans.len() > 1 {
        let pieces = spans.to_vec();
        *stable = Stable::Message(Box::new(Message { pieces, ..Message::default() }));
    }
    Ok(())
}

/// How much an entry wants at most, 0 for as much as there is.
fn wanted(sqe: &Sqe) -> u32 {
    let in_all = sqe.splice_fd_in as u32;
    match (sqe.opcode, sqe.len) {
        // What is left of a multishot's limit; without a bundle it is known when it is over.
        (Op::RECV, len) if in_all != 0 && is_bundle(sqe) => {
            if len == 0 {
                in_all
            } else {
                len.min(in_all)
            }
        }
        (_, len) => len,
    }
}

/// How much an entry that has picked takes at most when it has waited: 0 for as much as it asked
/// for. What had one buffer takes no more than that had, a bundle too.
fn room<F>(work: &Work<F>) -> u32 {
    match work.sqe.opcode {
        Op::READ | Op::READV => work.sqe.len,
        Op::RECV if !matches!(work.stable, Stable::Message(_)) => work.sqe.len,
        _ => 0,
    }
}

/// How much a bundle receives in all its shots, if that is limited.
fn limit(sqe: &Sqe) -> Option<usize> {
    let is_limited = sqe.opcode == Op::RECV && is_bundle(sqe) && sqe.splice_fd_in != 0;
    is_limited.then_some(sqe.splice_fd_in as u32 as usize)
}

/// Whether a receive goes on with what else has arrived behind so many bytes. A multishot does not
/// that is as long by then as one, or all, may be.
fn extends(sqe: &Sqe, bytes: usize) -> bool {
    let has_room = |most: u32| most == 0 || bytes < most as usize;
    let may_grow = || has_room(sqe.len) && has_room(sqe.splice_fd_in as u32);
    sqe.opcode == Op::RECV && (!is_multishot(sqe.opcode, sqe.ioprio) || may_grow())
}

/// Whether an entry waits before it is first tried: nothing is picked for it yet.
fn polls_first(sqe: &Sqe) -> bool {
    matches!(sqe.opcode, Op::RECV | Op::RECVMSG | Op::SEND)
        && RecvSendFlags(sqe.ioprio).contains(RecvSendFlags::POLL_FIRST)
}

/// Whether an entry is of sockets alone.
fn is_message(sqe: &Sqe) -> bool {
    matches!(sqe.opcode, Op::RECV | Op::RECVMSG | Op::SEND)
}

/// How many buffers so many bytes filled, the last of them in part.
fn filled(spans: &[Span], mut bytes: usize) -> u16 {
    let mut count = 0;
    for span in spans {
        count += 1;
        if bytes <= span.bytes {
            break;
        }
        bytes -= span.bytes;
    }
    count
}
