//! PROVIDE_BUFFERS, REMOVE_BUFFERS, and reads that pick from a group: READ and READ_MULTISHOT.

use std::io::Write;

use annulus_ring::abi::{BufGroup, Cqe, CqeFlags, Iovec, Op};
use annulus_ring::{Builder, Errno, op};

use crate::common::{LIMIT, lacks, limit};
use crate::files::{TempDir, ring, run, run_cqe};

const GROUP: BufGroup = BufGroup(3);

#[test]
fn a_group_gives_its_buffers_one_by_one() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let (mut ring, file) = (ring(), dir.file("a", b"0123456789"));
        let mut memory = [[0u8; 4]; 3];
        let provide = op::ProvideBuffers::new(GROUP, memory.as_mut_ptr().cast(), 4, 3);
        assert!(run(&mut ring, provide.first_id(10)).is_ok());
        let read = op::Read::new(&file, core::ptr::null_mut(), 0).build().buffer_select(GROUP);
        let mut seen = [false; 3];
        for begin in [0, 4, 8] {
            let cqe = run_cqe(&mut ring, annulus_ring::abi::Sqe { off: begin, ..read });
            let id = usize::from(cqe.buffer_id().unwrap()) - 10;
            let n = cqe.result().unwrap() as usize;
            assert_eq!(memory[id][..n], b"0123456789"[begin as usize..][..n]);
            assert!(!std::mem::replace(&mut seen[id], true), "given twice");
        }
        assert_eq!(run(&mut ring, read), Err(Errno::ENOBUFS));
    });
}

#[test]
fn buffers_are_taken_back() {
    limit(LIMIT, || {
        let mut ring = ring();
        let mut memory = [[0u8; 4]; 8];
        let provide = op::ProvideBuffers::new(GROUP, memory.as_mut_ptr().cast(), 4, 8);
        run(&mut ring, provide).unwrap();
        assert_eq!(run(&mut ring, op::RemoveBuffers::new(GROUP, 3)), Ok(3));
        assert_eq!(run(&mut ring, op::RemoveBuffers::new(GROUP, 100)), Ok(5));
        let empty = run(&mut ring, op::RemoveBuffers::new(GROUP, 1));
        assert!(matches!(empty, Ok(0) | Err(Errno::ENOENT)), "{empty:?}");
        let other = op::RemoveBuffers::new(BufGroup(99), 1);
        assert_eq!(run(&mut ring, other), Err(Errno::ENOENT));
        assert_eq!(run(&mut ring, op::RemoveBuffers::new(GROUP, 0)), Err(Errno::EINVAL));
        let many = op::RemoveBuffers::new(GROUP, 65537);
        assert_eq!(run(&mut ring, many), Err(Errno::EINVAL));
    });
}

#[test]
fn errors_of_providing() {
    limit(LIMIT, || {
        let mut ring = ring();
        let mut memory = [0u8; 64];
        let at = memory.as_mut_ptr();
        let provide = |len, count| op::ProvideBuffers::new(GROUP, at, len, count);
        let kernel = (1u64 << 63) as *mut u8;
        let cases = [
            ("none", provide(4, 0), Errno::E2BIG),
            ("too many", provide(0, 65537), Errno::E2BIG),
            ("no length", provide(0, 4), Errno::EINVAL),
            ("past the last number", provide(4, 4).first_id(u16::MAX), Errno::EINVAL),
            ("no such memory", op::ProvideBuffers::new(GROUP, kernel, 4, 4), Errno::EFAULT),
        ];
        for (name, op, errno) in cases {
            assert_eq!(run(&mut ring, op), Err(errno), "{name}");
        }
    });
}

#[test]
fn one_entry_reads_again_and_again() {
    if lacks("one_entry_reads_again_and_again", Op::READ_MULTISHOT) {
        return;
    }
    limit(LIMIT, || {
        let mut ring = ring();
        let (reader, mut writer) = std::io::pipe().unwrap();
        let mut memory = [[0u8; 16]; 4];
        let provide = op::ProvideBuffers::new(GROUP, memory.as_mut_ptr().cast(), 16, 4);
        run(&mut ring, provide).unwrap();
        // SAFETY: `memory` outlives the operation, whose end this test waits for.
        unsafe { ring.push(op::ReadMultishot::new(&reader, GROUP).build()) }.unwrap();
        ring.submit().unwrap();
        for word in ["one", "two", "three"] {
            writer.write_all(word.as_bytes()).unwrap();
            ring.submit_and_wait(1).unwrap();
            let cqe: Cqe = ring.completions().unwrap().next().unwrap();
            assert!(cqe.has_more(), "{cqe:?}");
            let id = usize::from(cqe.buffer_id().unwrap());
            assert_eq!(&memory[id][..cqe.result().unwrap() as usize], word.as_bytes());
        }
        drop(writer);
        ring.submit_and_wait(1).unwrap();
        let last = ring.completions().unwrap().next().unwrap();
        assert_eq!((last.result(), last.flags.contains(CqeFlags::MORE)), (Ok(0), false));
    });
}

#[test]
fn a_multishot_read_ends_without_buffers() {
    if lacks("a_multishot_read_ends_without_buffers", Op::READ_MULTISHOT) {
        return;
    }
    limit(LIMIT, || {
        let mut ring = ring();
        let (reader, mut writer) = std::io::pipe().unwrap();
        writer.write_all(b"0123456789").unwrap();
        let mut memory = [[0u8; 4]; 2];
        let provide = op::ProvideBuffers::new(GROUP, memory.as_mut_ptr().cast(), 4, 2);
        run(&mut ring, provide).unwrap();
        // SAFETY: `memory` outlives the operation, whose end this test waits for.
        unsafe { ring.push(op::ReadMultishot::new(&reader, GROUP).build()) }.unwrap();
        ring.submit_and_wait(3).unwrap();
        let results: Vec<_> =
            ring.completions().unwrap().map(|c| (c.result(), c.has_more())).collect();
        let expected = [(Ok(4), true), (Ok(4), true), (Err(Errno::ENOBUFS), false)];
        assert_eq!(results, expected);
    });
}

#[test]
fn a_multishot_read_ends_when_the_completions_overflow() {
    if lacks("a_multishot_read_ends_when_the_completions_overflow", Op::READ_MULTISHOT) {
        return;
    }
    limit(LIMIT, || {
        let mut ring = Builder::new().entries(2).cq_entries(2).build_local().unwrap();
        let (reader, mut writer) = std::io::pipe().unwrap();
        writer.write_all(b"0123456789").unwrap();
        let mut memory = [0u8; 16];
        run(&mut ring, op::ProvideBuffers::new(GROUP, memory.as_mut_ptr(), 1, 16)).unwrap();
        // SAFETY: `memory` outlives the operation, whose end this test waits for.
        unsafe { ring.push(op::ReadMultishot::new(&reader, GROUP).build()) }.unwrap();
        ring.submit().unwrap();
        let mut text = Vec::new();
        loop {
            let batch: Vec<Cqe> = ring.completions().unwrap().collect();
            for cqe in &batch {
                assert_eq!(cqe.result(), Ok(1));
                text.push(memory[usize::from(cqe.buffer_id().unwrap())]);
            }
            if batch.iter().any(|cqe| !cqe.has_more()) {
                break;
            }
            ring.submit_and_wait(1).unwrap();
        }
        // It ended with a good result and data left over: submitting it again goes on.
        assert!(text.len() < 10 && b"0123456789".starts_with(&text), "{text:?}");
    });
}

/// A vector of one piece says how long the read may be, and its address is not used.
#[test]
fn a_vector_of_one_piece_picks_a_buffer() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let (mut ring, file) = (ring(), dir.file("a", b"0123456789"));
        let mut memory = [[0u8; 8]; 2];
        run(&mut ring, op::ProvideBuffers::new(GROUP, memory.as_mut_ptr().cast(), 8, 2)).unwrap();
        let pieces = [Iovec { iov_base: core::ptr::null_mut(), iov_len: 3 }; 2];
        let read = |n| op::Readv::new(&file, pieces.as_ptr(), n).offset(0).build();
        let cqe = run_cqe(&mut ring, read(1).buffer_select(GROUP));
        let id = usize::from(cqe.buffer_id().unwrap());
        assert_eq!((cqe.result(), &memory[id][..4]), (Ok(3), &b"012\0"[..]));
        let two = run(&mut ring, read(2).buffer_select(GROUP));
        assert_eq!(two, Err(Errno::EINVAL));
        // A plain read is bounded by its length, too.
        let short = op::Read::new(&file, core::ptr::null_mut(), 2).offset(0).build();
        assert_eq!(run(&mut ring, short.buffer_select(GROUP)), Ok(2));
    });
}

#[test]
fn a_multishot_read_wants_what_can_be_polled() {
    if lacks("a_multishot_read_wants_what_can_be_polled", Op::READ_MULTISHOT) {
        return;
    }
    limit(LIMIT, || {
        let dir = TempDir::new();
        let (mut ring, file) = (ring(), dir.file("a", b"0123456789"));
        let mut memory = [0u8; 4];
        run(&mut ring, op::ProvideBuffers::new(GROUP, memory.as_mut_ptr(), 4, 1)).unwrap();
        let read = op::ReadMultishot::new(&file, GROUP);
        assert_eq!(run(&mut ring, read), Err(Errno::EBADFD));
        assert_eq!(run(&mut ring, op::ReadMultishot::new(-1, GROUP)), Err(Errno::EBADF));
        let (reader, mut writer) = std::io::pipe().unwrap();
        writer.write_all(b"x").unwrap();
        let other = op::ReadMultishot::new(&reader, BufGroup(99));
        assert_eq!(run(&mut ring, other), Err(Errno::ENOBUFS));
    });
}
