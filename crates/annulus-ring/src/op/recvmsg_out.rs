//! [`RecvMsgOut`]: a buffer that a multishot RECVMSG filled, taken apart.
//!
//! The kernel lays the buffer out by the lengths of the message that was submitted, not by what
//! came, so those lengths are needed to read it:
//!
//! ```text
//! | RecvmsgOut | address           | control data         | bytes |
//!   16           msg_namelen room    msg_controllen room    the rest of the completion's result
//! ```

use core::mem::offset_of;

use crate::abi::{MsgFlags, Msghdr, RecvmsgOut};

/// What one completion of a multishot [`RecvMsg`](super::RecvMsg) brought: the sender's address,
/// control messages and bytes, borrowed from the buffer.
///
/// ```
/// use annulus_ring::{abi::Msghdr, op::RecvMsgOut};
/// // As the kernel fills it: the header, 4 bytes of room for an address, and 2 bytes.
/// let mut buf = vec![0_u8; 16];
/// buf[0..4].copy_from_slice(&4_u32.to_ne_bytes());
/// buf[8..12].copy_from_slice(&2_u32.to_ne_bytes());
/// buf.extend_from_slice(b"namehi");
/// let msg = Msghdr { msg_namelen: 4, ..Msghdr::empty() };
/// let out = RecvMsgOut::parse(&buf, &msg).unwrap();
/// assert_eq!((out.name(), out.payload()), (&b"name"[..], &b"hi"[..]));
/// ```
#[doc(alias = "io_uring_recvmsg_out")]
#[derive(Clone, Copy, Debug)]
pub struct RecvMsgOut<'a> {
    header: RecvmsgOut,
    name: &'a [u8],
    control: &'a [u8],
    payload: &'a [u8],
}

impl<'a> RecvMsgOut<'a> {
    /// Takes apart `filled`: the bytes of the buffer that the completion counted in its result.
    /// `msg` is the message that was submitted.
    ///
    /// None if `filled` is shorter than the header and the room that `msg` reserves: then it does
    /// not belong to `msg`.
    ///
    /// ```
    /// use annulus_ring::{abi::Msghdr, op::RecvMsgOut};
    /// assert!(RecvMsgOut::parse(&[0; 15], &Msghdr::empty()).is_none());
    /// assert!(RecvMsgOut::parse(&[0; 16], &Msghdr::empty()).is_some());
    /// ```
    #[doc(alias = "io_uring_recvmsg_validate")]
    pub fn parse(filled: &'a [u8], msg: &Msghdr) -> Option<Self> {
        let (header, rest) = filled.split_at_checked(size_of::<RecvmsgOut>())?;
        let (name, rest) = rest.split_at_checked(usize::try_from(msg.msg_namelen).ok()?)?;
        let (control, payload) = rest.split_at_checked(msg.msg_controllen)?;
        let word = |at: usize| {
            let bytes = header[at..].first_chunk().expect("the header's words lie within it");
            u32::from_ne_bytes(*bytes)
        };
        let header = RecvmsgOut {
            namelen: word(offset_of!(RecvmsgOut, namelen)),
            controllen: word(offset_of!(RecvmsgOut, controllen)),
            payloadlen: word(offset_of!(RecvmsgOut, payloadlen)),
            flags: MsgFlags(word(offset_of!(RecvmsgOut, flags))),
        };
        Some(Self {
            header,
            // An address longer than its room was cut off, and the header has its whole length.
            name: &name[..name.len().min(header.namelen as usize)],
            control: &control[..control.len().min(header.controllen as usize)],
            payload,
        })
    }

    /// The sender's address, as far as there was room; empty for a connected stream.
    /// [`SockAddr::from_bytes`](crate::abi::SockAddr::from_bytes) reads it.
    ///
    /// ```
    /// use annulus_ring::{abi::Msghdr, op::RecvMsgOut};
    /// let out = RecvMsgOut::parse(&[0; 16], &Msghdr::empty()).unwrap();
    /// assert!(out.name().is_empty());
    /// ```
    #[doc(alias = "io_uring_recvmsg_name")]
    pub const fn name(&self) -> &'a [u8] {
        self.name
    }

    /// Whether the address had less room than it needs.
    ///
    /// ```
    /// use annulus_ring::{abi::Msghdr, op::RecvMsgOut};
    /// let mut buf = [0; 16];
    /// buf[0..4].copy_from_slice(&28_u32.to_ne_bytes());
    /// assert!(RecvMsgOut::parse(&buf, &Msghdr::empty()).unwrap().is_name_truncated());
    /// ```
    pub const fn is_name_truncated(&self) -> bool {
        self.header.namelen as usize > self.name.len()
    }

    /// The control messages, one after the other.
    ///
    /// ```
    /// use annulus_ring::{abi::Msghdr, op::RecvMsgOut};
    /// let out = RecvMsgOut::parse(&[0; 16], &Msghdr::empty()).unwrap();
    /// assert_eq!(out.control_messages().count(), 0);
    /// ```
    #[doc(alias = "io_uring_recvmsg_cmsg_firsthdr")]
    #[doc(alias = "io_uring_recvmsg_cmsg_nexthdr")]
    pub const fn control_messages(&self) -> ControlMessages<'a> {
        ControlMessages::new(self.control)
    }

    /// The bytes of the message, as far as there was room.
    ///
    /// ```
    /// use annulus_ring::{abi::Msghdr, op::RecvMsgOut};
    /// let out = RecvMsgOut::parse(&[0; 20], &Msghdr::empty()).unwrap();
    /// assert_eq!(out.payload().len(), 4);
    /// ```
    #[doc(alias = "io_uring_recvmsg_payload")]
    #[doc(alias = "io_uring_recvmsg_payload_length")]
    pub const fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// Whether a datagram had more bytes than the buffer had room for; the rest is lost.
    ///
    /// ```
    /// use annulus_ring::{abi::{MsgFlags, Msghdr}, op::RecvMsgOut};
    /// let mut buf = [0; 16];
    /// buf[12..].copy_from_slice(&MsgFlags::TRUNC.bits().to_ne_bytes());
    /// assert!(RecvMsgOut::parse(&buf, &Msghdr::empty()).unwrap().is_payload_truncated());
    /// ```
    pub const fn is_payload_truncated(&self) -> bool {
        self.header.flags.contains(MsgFlags::TRUNC)
    }

    /// Whether control data had less room than it needs. Descriptors that did not fit are closed.
    ///
    /// ```
    /// use annulus_ring::{abi::Msghdr, op::RecvMsgOut};
    /// let out = RecvMsgOut::parse(&[0; 16], &Msghdr::empty()).unwrap();
    /// assert!(!out.is_control_truncated());
    /// ```
    pub const fn is_control_truncated(&self) -> bool {
        self.header.flags.contains(MsgFlags::CTRUNC)
    }

    /// What the kernel wrote in front: the whole lengths, and all flags.
    ///
    /// ```
    /// use annulus_ring::{abi::Msghdr, op::RecvMsgOut};
    /// let out = RecvMsgOut::parse(&[0; 16], &Msghdr::empty()).unwrap();
    /// assert_eq!(out.header().payloadlen, 0);
    /// ```
    pub const fn header(&self) -> RecvmsgOut {
        self.header
    }
}

/// One control message: what `cmsg(3)` walks through with macros.
///
/// ```
/// use annulus_ring::op::ControlMessage;
/// let credentials = ControlMessage { level: 1, kind: 2, data: &[] };
/// assert_eq!(credentials.kind, 2);
/// ```
#[doc(alias = "cmsghdr")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControlMessage<'a> {
    /// The protocol it belongs to (`cmsg_level`; `SOL_SOCKET` is 1).
    pub level: i32,
    /// What it is (`cmsg_type`; of `SOL_SOCKET`, 1 is `SCM_RIGHTS`: an array of descriptors).
    pub kind: i32,
    /// Its data: not aligned.
    pub data: &'a [u8],
}

/// The control messages that `recvmsg(2)` left in a buffer; also of a RECVMSG that is no multishot.
///
/// It ends at the first that does not fit: bad data is not walked past its end.
///
/// ```
/// use annulus_ring::op::ControlMessages;
/// let mut control = (size_of::<usize>() + 8 + 4).to_ne_bytes().to_vec();
/// control.extend_from_slice(&1_i32.to_ne_bytes());
/// control.extend_from_slice(&1_i32.to_ne_bytes());
/// control.extend_from_slice(&7_i32.to_ne_bytes());
/// let rights = ControlMessages::new(&control).next().unwrap();
/// assert_eq!((rights.level, rights.kind, rights.data), (1, 1, &7_i32.to_ne_bytes()[..]));
/// ```
#[derive(Clone, Debug)]
pub struct ControlMessages<'a> {
    rest: &'a [u8],
}

impl<'a> ControlMessages<'a> {
    /// Walks through `control`.
    ///
    /// ```
    /// assert!(annulus_ring::op::ControlMessages::new(&[]).next().is_none());
    /// ```
    pub const fn new(control: &'a [u8]) -> Self {
        Self { rest: control }
    }
}

impl<'a> Iterator for ControlMessages<'a> {
    type Item = ControlMessage<'a>;

    fn next(&mut self) -> Option<ControlMessage<'a>> {
        // struct cmsghdr: a length that counts the header, the level, the type; then the data.
        // Each message begins at a multiple of the word's size.
        const WORD: usize = size_of::<usize>();
        const HEADER: usize = WORD + 8;
        let rest = core::mem::take(&mut self.rest);
        let len = usize::from_ne_bytes(*rest.first_chunk::<WORD>()?);
        let level = i32::from_ne_bytes(*rest.get(WORD..)?.first_chunk()?);
        let kind = i32::from_ne_bytes(*rest.get(WORD + 4..)?.first_chunk()?);
        let data = rest.get(HEADER..len)?;
        self.rest = rest.get(len.next_multiple_of(WORD)..).unwrap_or(&[]);
        Some(ControlMessage { level, kind, data })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(len: usize, data: &[u8]) -> Vec<u8> {
        let mut bytes = len.to_ne_bytes().to_vec();
        bytes.extend_from_slice(&1_i32.to_ne_bytes());
        bytes.extend_from_slice(&2_i32.to_ne_bytes());
        bytes.extend_from_slice(data);
        bytes
    }

    #[test]
    fn two_messages_are_walked_by_their_alignment() {
        let header = size_of::<usize>() + 8;
        let mut control = message(header + 4, b"abcd");
        control.resize(control.len().next_multiple_of(size_of::<usize>()), 0);
        control.extend(message(header + 2, b"xy"));
        let data: Vec<_> = ControlMessages::new(&control).map(|m| m.data).collect();
        assert_eq!(data, [&b"abcd"[..], &b"xy"[..]]);
    }

    #[test]
    fn a_length_below_the_header_or_past_the_end_ends_the_walk() {
        for len in [0, 1, size_of::<usize>() + 7, size_of::<usize>() + 8 + 5, usize::MAX] {
            assert_eq!(ControlMessages::new(&message(len, b"abcd")).next(), None, "{len}");
        }
        for cut in 0..size_of::<usize>() + 8 {
            let whole = message(size_of::<usize>() + 8, b"");
            assert_eq!(ControlMessages::new(&whole[..cut]).next(), None, "{cut}");
        }
    }

    #[test]
    fn a_message_that_reserves_more_than_came_is_not_parsed() {
        let msg = Msghdr { msg_namelen: 16, msg_controllen: 32, ..Msghdr::empty() };
        assert!(RecvMsgOut::parse(&[0; 16 + 16 + 31], &msg).is_none());
        assert!(RecvMsgOut::parse(&[0; 16 + 16 + 32], &msg).is_some());
        let negative = Msghdr { msg_namelen: -1, ..Msghdr::empty() };
        assert!(RecvMsgOut::parse(&[0; 64], &negative).is_none());
    }

    #[test]
    fn lengths_in_the_header_never_reach_past_their_room() {
        let mut buf = vec![0xff_u8; 16];
        buf.extend_from_slice(b"nameCTRLbytes");
        let msg = Msghdr { msg_namelen: 4, msg_controllen: 4, ..Msghdr::empty() };
        let out = RecvMsgOut::parse(&buf, &msg).unwrap();
        assert_eq!((out.name(), out.payload()), (&b"name"[..], &b"bytes"[..]));
        assert!(
            out.is_name_truncated() && out.is_payload_truncated() && out.is_control_truncated()
        );
        assert_eq!(out.control_messages().count(), 0);
    }
}
