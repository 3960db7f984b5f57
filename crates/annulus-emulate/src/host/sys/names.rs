//! The names of hosts, by the C library: `/etc/hosts`, DNS, and whatever else a machine is set up
//! for.

use core::ffi::c_int;
use core::ptr::NonNull;
use std::ffi::CString;

use annulus_ring::Errno;
use annulus_ring::abi::private::ResolvedAddress;

use super::Answer;
use crate::world::Span;

/// What `getaddrinfo(3)` made, freed with this.
struct Found(NonNull<libc::addrinfo>);

impl Drop for Found {
    fn drop(&mut self) {
        // SAFETY: the list is the C library's, and this value's alone.
        unsafe { libc::freeaddrinfo(self.0.as_ptr()) };
    }
}

/// `getaddrinfo(3)` of `name`, without a service, to room for `to.1` addresses at `to.0`.
pub(in crate::host) fn resolve(name: Span, family: u32, to: (u64, u32)) -> Answer {
    let at: *const u8 = core::ptr::with_exposed_provenance(name.addr as usize);
    if at.is_null() || to.0 == 0 {
        return Err(Errno::EFAULT);
    }
    // SAFETY: the name is an entry's, which keeps it (`Kernel::enter`); nobody writes to it.
    let bytes = unsafe { core::slice::from_raw_parts(at, name.bytes) };
    let name = CString::new(bytes).map_err(|_zero_byte| Errno::EINVAL)?;
    let Some(found) = look_up(&name, family)? else { return Err(Errno::ENOENT) };
    let mut count = 0;
    let mut next = Some(found.0);
    while let Some(info) = next
        && count < to.1
    {
        // SAFETY: it is of the list, which `found` keeps.
        let info = unsafe { info.as_ref() };
        next = NonNull::new(info.ai_next);
        let Some(address) = address(info) else { continue };
        let room: *mut ResolvedAddress = core::ptr::with_exposed_provenance_mut(to.0 as usize);
        // SAFETY: the entry has room for so many (`Kernel::enter`).
        let place = unsafe { room.add(count as usize) };
        // SAFETY: as above, writable for it.
        unsafe { place.write_unaligned(address) };
        count += 1;
    }
    if count == 0 && to.1 > 0 { Err(Errno::ENOENT) } else { Ok(count) }
}

/// The list, if there is anything in it.
fn look_up(name: &CString, family: u32) -> Result<Option<Found>, Errno> {
    // SAFETY: integers and pointers: all bits zero is a value.
    let mut hints: libc::addrinfo = unsafe { core::mem::zeroed() };
    hints.ai_family = family as c_int;
    // Each address once, and not for each kind of socket.
    hints.ai_socktype = libc::SOCK_STREAM;
    let mut list = core::ptr::null_mut();
    let (service, hints) = (core::ptr::null(), &raw const hints);
    // SAFETY: a name and hints that live during the call; the list is a local.
    let failed = unsafe { libc::getaddrinfo(name.as_ptr(), service, hints, &raw mut list) };
    match failed {
        0 => Ok(NonNull::new(list).map(Found)),
        libc::EAI_SYSTEM => Err(super::errno()),
        failed => Err(errno_of(failed)),
    }
}

/// What is said instead of the library's own numbers: see `private::getaddrinfo`.
fn errno_of(failed: c_int) -> Errno {
    match failed {
        libc::EAI_AGAIN => Errno::ETIMEDOUT,
        libc::EAI_FAIL => Errno::EIO,
        libc::EAI_MEMORY => Errno::ENOMEM,
        libc::EAI_FAMILY => Errno::from_raw(libc::EAFNOSUPPORT),
        libc::EAI_OVERFLOW => Errno::ENAMETOOLONG,
        libc::EAI_NONAME | libc::EAI_SERVICE => Errno::ENOENT,
        // No address of that family, which each library has another number for.
        _ => Errno::ENOENT,
    }
}

/// The address that one of a list has, if it is of the internet.
fn address(info: &libc::addrinfo) -> Option<ResolvedAddress> {
    let of = |family: c_int, bytes: usize| {
        info.ai_family == family && info.ai_addrlen as usize >= bytes && !info.ai_addr.is_null()
    };
    if of(libc::AF_INET, size_of::<libc::sockaddr_in>()) {
        let from = info.ai_addr.cast::<libc::sockaddr_in>();
        // SAFETY: the family says what it is, and the length that all of it is there.
        let from = unsafe { from.read_unaligned() };
        let mut addr = [0; 16];
        addr[..4].copy_from_slice(&from.sin_addr.s_addr.to_ne_bytes());
        return Some(ResolvedAddress {
            family: libc::AF_INET as u16,
            addr,
            ..ResolvedAddress::default()
        });
    }
    if of(libc::AF_INET6, size_of::<libc::sockaddr_in6>()) {
        let from = info.ai_addr.cast::<libc::sockaddr_in6>();
        // SAFETY: as above.
        let from = unsafe { from.read_unaligned() };
        let (family, scope_id) = (libc::AF_INET6 as u16, from.sin6_scope_id);
        let addr = from.sin6_addr.s6_addr;
        return Some(ResolvedAddress { family, scope_id, addr, ..ResolvedAddress::default() });
    }
    None
}
