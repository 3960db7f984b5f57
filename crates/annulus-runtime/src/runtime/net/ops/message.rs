//! [`Message`]: what comes with the bytes of a message; and the header that both directions have.

use core::fmt;
use std::os::fd::{FromRawFd, OwnedFd};

use annulus_ring::abi::{Iovec, MsgFlags, Msghdr, SockAddr};
use annulus_ring::op::ControlMessages;

use super::super::options::Credentials;
use super::control;
use crate::buffer::Iovecs;

/// What came with the bytes of a message: the sender's address, descriptors, and what was cut off.
///
/// Descriptors that are in it when it is dropped are closed.
///
/// ```
/// use annulus_runtime::runtime::net::ops::{RecvMsg, SendMsg};
/// use std::{os::fd::OwnedFd, os::unix::net::UnixDatagram, sync::Arc};
/// let (here, there) = UnixDatagram::pair()?;
/// let [here, there] = [here, there].map(|socket| Arc::new(OwnedFd::from(socket)));
/// let ((n, message), [buf]) = annulus_runtime::run(async move {
///     annulus_runtime::submit(SendMsg::new(here, ["too long"])).await?;
///     let received = annulus_runtime::submit(RecvMsg::new(there, [vec![0; 3]])).await?;
///     std::io::Result::Ok(received)
/// })??;
/// assert_eq!((n, &buf[..]), (3, &b"too"[..]));
/// assert!(message.is_truncated() && message.descriptors().is_empty());
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Message {
    from: SockAddr,
    flags: MsgFlags,
    segment_bytes: Option<u32>,
    credentials: Option<Credentials>,
    descriptors: Vec<OwnedFd>,
    /// Control messages that have no place above.
    others: Vec<u8>,
}

impl Message {
    /// Of bytes that came alone.
    pub(in crate::runtime::net) fn none() -> Self {
        Self {
            from: nobody(),
            flags: MsgFlags::empty(),
            segment_bytes: None,
            credentials: None,
            descriptors: Vec::new(),
            others: Vec::new(),
        }
    }

    /// Puts in descriptors that came earlier, as many as were asked for.
    pub(in crate::runtime::net) fn put_descriptors(&mut self, mut fds: Vec<OwnedFd>, max: usize) {
        self.descriptors.append(&mut fds);
        self.limit_descriptors(max);
    }

    /// Closes the descriptors beyond so many, as the kernel does with those it has no room for: it
    /// counts room in other units.
    pub(super) fn limit_descriptors(&mut self, max: usize) {
        if self.descriptors.len() > max {
            self.flags |= MsgFlags::CTRUNC;
            self.descriptors.truncate(max);
        }
    }

    /// Says that a part of the bytes was thrown away.
    pub(in crate::runtime::net) fn cut(&mut self) {
        self.flags |= MsgFlags::TRUNC;
    }

    /// What is said of a message that was received: the bytes of its sender's address, and its
    /// control data.
    ///
    /// # Safety
    /// - The kernel has written the control data for a message that it has received, and this is
    ///   the one call that takes it.
    pub(super) unsafe fn of(name: &[u8], flags: MsgFlags, control: &[u8]) -> Self {
        let mut message = Self::none();
        message.from = SockAddr::from_bytes(name).unwrap_or(message.from);
        message.flags = flags;
        for (level, kind, data) in control::messages(control) {
            match (level, kind) {
                (control::SOL_SOCKET, control::RIGHTS) => {
                    // SAFETY: the kernel made these descriptors for this message, which is taken
                    // here alone (the caller's promise).
                    let own = |raw| unsafe { OwnedFd::from_raw_fd(raw) };
                    message.descriptors.extend(control::numbers(data).map(own));
                }
                (control::SOL_SOCKET, control::PIDFD) => {
                    for raw in control::numbers(data).filter(|raw| *raw >= 0) {
                        // Asked for by an option that is not ours: it must not be left open.
                        // SAFETY: as above.
                        drop(unsafe { OwnedFd::from_raw_fd(raw) });
                    }
                }
                (control::SOL_SOCKET, control::CREDENTIALS) => {
                    message.credentials = Credentials::from_bytes(data);
                }
                (control::SOL_UDP, control::GRO) => {
                    let bytes = control::numbers(data).next();
                    message.segment_bytes = bytes.and_then(|bytes| u32::try_from(bytes).ok());
                }
                _ => control::push(&mut message.others, level, kind, data),
            }
        }
        message
    }

    /// The sender's address, where it was asked for and the socket has one: else its family is
    /// [`UNSPEC`](annulus_ring::abi::AddressFamily::UNSPEC).
    ///
    /// ```
    /// use annulus_runtime::runtime::net::ops::RecvMsg;
    /// use std::{net::UdpSocket, os::fd::OwnedFd, sync::Arc};
    /// let [here, there] = [UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?];
    /// here.send_to(b"ring", there.local_addr()?)?;
    /// let recv = RecvMsg::new(Arc::new(OwnedFd::from(there)), [vec![0; 16]]).named();
    /// let ((_, message), _) =
    ///     annulus_runtime::run(async move { annulus_runtime::submit(recv).await })??;
    /// assert_eq!(message.from().to_socket_addr(), Some(here.local_addr()?));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn from(&self) -> &SockAddr {
        &self.from
    }

    /// Whether the message was longer than the buffers: the rest is lost.
    #[doc(alias = "MSG_TRUNC")]
    pub fn is_truncated(&self) -> bool {
        self.flags.contains(MsgFlags::TRUNC)
    }

    /// Whether there was too little room for what went with it: descriptors for which there was
    /// none are closed, and lost.
    #[doc(alias = "MSG_CTRUNC")]
    pub fn is_control_truncated(&self) -> bool {
        self.flags.contains(MsgFlags::CTRUNC)
    }

    /// How long each datagram is that the bytes were put together from (the last may be shorter),
    /// where there were several, as a UDP socket was asked to do.
    pub fn segment_bytes(&self) -> Option<u32> {
        self.segment_bytes
    }

    /// Who sent it, of a Unix socket that was told to say so
    /// ([`Options::set_pass_credentials`](super::super::Options::set_pass_credentials)), and where
    /// descriptors were asked for, or this.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::UnixStream;
    /// annulus_runtime::run(async {
    ///     let (mut here, mut there) = UnixStream::pair()?;
    ///     there.options().set_pass_credentials(true)?;
    ///     here.write_all("who?").await?;
    ///     let ((_, message), _) = there.recv_with_fds(vec![0; 16], 1).await?;
    ///     assert_eq!(message.credentials().map(|from| from.pid), Some(std::process::id()));
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn credentials(&self) -> Option<Credentials> {
        self.credentials
    }

    /// The descriptors that came with it.
    pub fn descriptors(&self) -> &[OwnedFd] {
        &self.descriptors
    }

    /// Control messages that nothing else here is about: what an option of the socket asked for, as
    /// the time of arrival. There must have been [room](super::RecvMsg::control_bytes) for them.
    pub fn control(&self) -> ControlMessages<'_> {
        ControlMessages::new(&self.others)
    }

    /// Takes the descriptors.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::UnixStream;
    /// annulus_runtime::run(async {
    ///     let (mut here, mut there) = UnixStream::pair()?;
    ///     let file = std::fs::File::open("Cargo.toml")?;
    ///     here.send_with_fds("x", &[&file]).await?;
    ///     let ((_, mut message), _) = there.recv_with_fds(vec![0; 16], 1).await?;
    ///     let file = std::fs::File::from(message.take_descriptors().pop().expect("one"));
    ///     assert!(std::io::read_to_string(file)?.starts_with("[package]"));
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn take_descriptors(&mut self) -> Vec<OwnedFd> {
        core::mem::take(&mut self.descriptors)
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("from", &self.from)
            .field("flags", &self.flags)
            .field("segment_bytes", &self.segment_bytes)
            .field("descriptors", &self.descriptors)
            .finish_non_exhaustive()
    }
}

/// An address of no bytes.
fn nobody() -> SockAddr {
    // So many always fit.
    SockAddr::from_bytes(&[]).unwrap_or(SockAddr::empty())
}

/// So many pieces are held without an allocation, and as many as fit into a slot.
const FEW: usize = 2;

/// The pieces of a message.
enum Pieces {
    Few([Iovec; FEW], usize),
    Many(Box<Iovecs>),
}

/// A header, and what it points to beside the bytes, for both directions. It points to itself when
/// it is [`filled`](Self::fill), and so is not moved from then on.
pub(super) struct Header {
    header: Msghdr,
    pieces: Pieces,
    /// Of no bytes where there is none.
    name: SockAddr,
    extra: Option<Box<Extra>>,
}

/// What goes with a message or comes with it, which most do without.
#[derive(Default)]
pub(super) struct Extra {
    /// Control messages, or room for them.
    pub(super) control: Vec<u8>,
    /// What the control messages name by number: open until the kernel has taken them.
    pub(super) descriptors: Vec<OwnedFd>,
}

// SAFETY: addresses of what lies here, or of buffers for which whoever has the header answers.
unsafe impl Send for Header {}

impl Header {
    pub(super) fn new() -> Self {
        let none = Iovec { iov_base: core::ptr::null_mut(), iov_len: 0 };
        Self {
            header: Msghdr::empty(),
            pieces: Pieces::Few([none; FEW], 0),
            name: nobody(),
            extra: None,
        }
    }

    /// With an address: room for one, or one to send to.
    pub(super) fn set_name(&mut self, name: SockAddr) {
        self.name = name;
    }

    /// What goes with it.
    pub(super) fn extra(&mut self) -> &mut Extra {
        self.extra.get_or_insert_default()
    }

    /// Has the header point to these pieces, and to the address and the control data that lie here:
    /// its address, good while this is neither moved nor changed.
    pub(super) fn fill(&mut self, pieces: Iovecs, with_control: bool) -> *mut Msghdr {
        let list = pieces.as_slice();
        let count = list.len();
        if count <= FEW {
            let none = Iovec { iov_base: core::ptr::null_mut(), iov_len: 0 };
            let mut few = [none; FEW];
            few[..count].copy_from_slice(list);
            self.pieces = Pieces::Few(few, count);
        } else {
            self.pieces = Pieces::Many(Box::new(pieces));
        }
        self.header = Msghdr::empty();
        (self.header.msg_iov, self.header.msg_iovlen) = match &mut self.pieces {
            Pieces::Few(few, count) => (few.as_mut_ptr(), *count),
            Pieces::Many(many) => (many.as_ptr().cast_mut(), count),
        };
        let bytes = self.name.len_bytes();
        if bytes > 0 {
            self.header.msg_namelen = bytes.cast_signed();
            self.header.msg_name = self.name.as_mut_ptrs().0;
        }
        if let Some(extra) = self.extra.as_mut().filter(|_| with_control) {
            self.header.msg_control = extra.control.as_mut_ptr().cast();
            self.header.msg_controllen = extra.control.len();
        }
        &raw mut self.header
    }

    /// What a receive has left here.
    ///
    /// # Safety
    /// - It was filled, and the kernel has received a message by it; this is the one call that
    ///   takes it.
    pub(super) unsafe fn take_message(&mut self) -> Message {
        let Self { header, name, extra, .. } = self;
        let control = extra.as_ref().map_or(&[][..], |extra| &extra.control);
        let control = &control[..control.len().min(header.msg_controllen)];
        let name_bytes = match header.msg_name.is_null() {
            true => 0,
            false => usize::try_from(header.msg_namelen).unwrap_or(0),
        };
        let name = &name.as_bytes()[..name_bytes.min(name.as_bytes().len())];
        // SAFETY: the caller's promise.
        unsafe { Message::of(name, header.msg_flags, control) }
    }
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Header").field("name", &self.name).finish_non_exhaustive()
    }
}
