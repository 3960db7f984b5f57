//! Memory that is nobody's, or not to be written to.

use annulus_emulate::abi::{
    BufGroup, BufReg, IdType, Iovec, Op, PbufRingFlags, RegisterOp, Sqe, SqeFlags, WaitidOptions,
};
use annulus_emulate::{Errno, op};

use super::{LIMIT, address, on_each, push, results, ring};
use crate::harness::limit;

/// A page that may be read alone.
fn readable_page() -> Iovec {
    let (read, private) = (libc::PROT_READ, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: a new mapping, which nobody else knows, and which stays.
    let page = unsafe { libc::mmap(core::ptr::null_mut(), 4096, read, private, -1, 0) };
    Iovec { iov_base: page, iov_len: 4096 }
}

#[test]
fn memory_that_may_not_be_written_to_is_no_buffer() {
    limit(LIMIT, || {
        on_each(|ring| {
            // SAFETY: the page stays.
            let registered = unsafe { ring.register().buffers(&[readable_page()]) };
            let error = registered.expect_err("a read could not write to it");
            assert_eq!(error.errno(), Some(Errno::EFAULT));
        });
    });
}

/// Where a child is to be told of is looked at when there is one.
#[test]
fn a_child_told_of_where_nothing_is() {
    limit(LIMIT, || {
        let mut child = std::process::Command::new("true").spawn().expect("a child");
        let mut ring = ring();
        let options = WaitidOptions::EXITED | WaitidOptions::NOWAIT;
        let wait = Sqe {
            opcode: Op::WAITID,
            fd: child.id() as i32,
            len: IdType::PID.raw(),
            off: 8,
            splice_fd_in: options.bits() as i32,
            ..Sqe::default()
        };
        push(&mut ring, wait);
        assert_eq!(results(&mut ring, 1), [(0, -Errno::EFAULT.raw(), 0)]);
        child.wait().expect("it is still there");
    });
}

#[repr(align(4096))]
struct Page([u8; 4096]);

/// A buffer at the end of all addresses: what is used up of it is beyond.
#[test]
fn a_buffer_that_ends_behind_all_addresses() {
    limit(LIMIT, || {
        let mut ring = ring();
        let file = std::fs::File::open("Cargo.toml").expect("a file");
        let mut page = Box::new(Page([0; 4096]));
        page.0[..8].copy_from_slice(&(u64::MAX - 5).to_ne_bytes());
        page.0[8..12].copy_from_slice(&100_u32.to_ne_bytes());
        page.0[14..16].copy_from_slice(&1_u16.to_ne_bytes());
        let mut group = BufReg {
            ring_addr: address(&raw mut page.0),
            ring_entries: 4,
            bgid: BufGroup(1),
            flags: PbufRingFlags::INC,
            ..BufReg::default()
        };
        let arg = (&raw mut group).cast();
        // SAFETY: the page stays until the ring is gone.
        unsafe { ring.register().raw(RegisterOp::PBUF_RING, arg, 1) }.expect("a group");
        let read = op::Read::new(&file, core::ptr::null_mut(), 0).build();
        let read = Sqe { buf_index: 1, ..read }.with_flags(SqeFlags::BUFFER_SELECT);
        push(&mut ring, read);
        let told = results(&mut ring, 1);
        assert_eq!((told[0].0, told[0].1), (0, -Errno::EFAULT.raw()));
        drop(ring);
        drop(page);
    });
}
