//! What is refused of all of them.

use annulus_ring::abi::{Op, Sqe, SqeFlags, private};
use annulus_ring::{Errno, op};

use crate::common::{LIMIT, limit, on_host};
use crate::files::{TempDir, ring, run, run_all};

#[test]
fn a_ring_of_linux_has_none_of_them() {
    limit(LIMIT, || {
        let mut ring = ring();
        let ops = ring.register().probe().unwrap();
        for known in Op::PRIVATE {
            assert_eq!(ops.is_supported(known.value), on_host(), "{}", known.name);
            if !on_host() {
                let entry = Sqe { opcode: known.value, fd: -1, ..Sqe::default() };
                assert_eq!(run(&mut ring, entry), Err(Errno::EINVAL), "{}", known.name);
            }
        }
        assert!(!ops.last_op().is_private(), "the last of Linux's is told, as ever");
        for number in [private::FIRST - 1, 0xdf, 0xff] {
            let unknown = Sqe { opcode: Op(number), ..Sqe::default() };
            assert_eq!(run(&mut ring, unknown), Err(Errno::EINVAL), "{number}");
        }
    });
}

#[test]
fn what_orders_or_feeds_an_entry_is_refused() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let file = dir.file("a", b"");
        let mut ring = ring();
        let mut out = private::Statfs::default();
        let fd = std::os::fd::AsRawFd::as_raw_fd(&file);
        let ask = private::fstatfs(fd, &mut out);
        let flags = [SqeFlags::FIXED_FILE, SqeFlags::BUFFER_SELECT, SqeFlags::IO_DRAIN];
        for flags in flags {
            assert_eq!(run(&mut ring, Sqe { flags, ..ask }), Err(Errno::EINVAL), "{flags:?}");
        }
        let results = run_all(&mut ring, [ask.link(), op::Nop::new().build()]);
        assert_eq!(results, [Err(Errno::EINVAL), Err(Errno::ECANCELED)]);
        let results = run_all(&mut ring, [op::Nop::new().build().link(), ask]);
        assert_eq!(results[1], Err(Errno::EINVAL), "the end of a chain");
        assert_eq!(run(&mut ring, Sqe { buf_index: 1, ..ask }), Err(Errno::EINVAL));
        assert_eq!(run(&mut ring, Sqe { addr3: 1, ..ask }), Err(Errno::EINVAL));
        assert_eq!(out, private::Statfs::default());
    });
}
