//! SPLICE, TEE.

use std::io::{Read, Seek, Write};
use std::os::fd::AsRawFd;

use annulus_ring::Errno;
use annulus_ring::abi::{FixedFd, SpliceFlags};
use annulus_ring::op;

use crate::common::{LIMIT, limit};
use crate::files::{TempDir, register, ring, run, run_all};

#[test]
fn from_file_to_pipe_to_file() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let mut from = dir.file("from", b"0123456789");
        let mut to = dir.file("to", b"");
        let (reader, writer) = std::io::pipe().unwrap();
        let mut ring = ring();
        let results = run_all(
            &mut ring,
            [
                op::Splice::new(&from, &writer, 4).offset_in(2).build().link(),
                op::Splice::new(&reader, &to, 4).offset_out(1).build(),
            ],
        );
        assert_eq!(results, [Ok(4), Ok(4)]);
        assert_eq!(std::fs::read(dir.path("to")).unwrap(), b"\x002345");
        assert_eq!((from.stream_position().unwrap(), to.stream_position().unwrap()), (0, 0));
        // Without offsets both positions move.
        assert_eq!(run(&mut ring, op::Splice::new(&from, &writer, 3)), Ok(3));
        assert_eq!(run(&mut ring, op::Splice::new(&reader, &to, 3)), Ok(3));
        assert_eq!((from.stream_position().unwrap(), to.stream_position().unwrap()), (3, 3));
        assert_eq!(std::fs::read(dir.path("to")).unwrap(), b"01245");
        // The end of the input.
        assert_eq!(run(&mut ring, op::Splice::new(&from, &writer, 9).offset_in(10)), Ok(0));
        assert_eq!(run(&mut ring, op::Splice::new(&from, &writer, 0)), Ok(0));
    });
}

#[test]
fn from_and_to_slots() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let from = dir.file("from", b"0123456789");
        let (mut reader, writer) = std::io::pipe().unwrap();
        let mut ring = ring();
        let slots = &mut [from.as_raw_fd(), writer.as_raw_fd()];
        register(&ring, 2, slots).unwrap();
        let splice = op::Splice::new(FixedFd(0), FixedFd(1), 5).offset_in(0);
        assert_eq!(run(&mut ring, splice), Ok(5));
        let mut text = [0; 5];
        reader.read_exact(&mut text).unwrap();
        assert_eq!(&text, b"01234");
        let empty = op::Splice::new(FixedFd(2), FixedFd(1), 5).offset_in(0);
        assert_eq!(run(&mut ring, empty), Err(Errno::EBADF));
    });
}

#[test]
fn errors_of_a_splice() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let (a, b) = (dir.file("a", b"0123"), dir.file("b", b""));
        let log = std::fs::File::options().append(true).open(dir.path("b")).unwrap();
        let (reader, writer) = std::io::pipe().unwrap();
        let (closed_reader, closed_writer) = std::io::pipe().unwrap();
        drop(closed_reader);
        let mut ring = ring();
        let now = SpliceFlags::NONBLOCK;
        let to_pipe = op::Splice::new(&a, &writer, 4);
        let cases = [
            ("no pipe", op::Splice::new(&a, &b, 4), Errno::EINVAL),
            ("offset on a pipe", to_pipe.offset_out(0), Errno::ESPIPE),
            ("unknown flag", to_pipe.flags(SpliceFlags(1 << 10)), Errno::EINVAL),
            ("not for writing", op::Splice::new(&a, &reader, 4), Errno::EBADF),
            ("closed input", op::Splice::new(i32::MAX, &writer, 4), Errno::EBADF),
            ("closed output", op::Splice::new(&a, i32::MAX, 4), Errno::EBADF),
            ("would wait", op::Splice::new(&reader, &b, 4).flags(now), Errno::EAGAIN),
            ("no reader", op::Splice::new(&a, &closed_writer, 4).offset_in(0), Errno::EPIPE),
        ];
        for (name, op, errno) in cases {
            assert_eq!(run(&mut ring, op), Err(errno), "{name}");
        }
        (&writer).write_all(b"x").unwrap();
        let append = op::Splice::new(&reader, &log, 1);
        assert_eq!(run(&mut ring, append), Err(Errno::EINVAL), "an output for appending");
    });
}

#[test]
fn a_tee_leaves_what_it_copies() {
    limit(LIMIT, || {
        let (mut first, mut writer) = std::io::pipe().unwrap();
        let (mut second, output) = std::io::pipe().unwrap();
        let mut ring = ring();
        writer.write_all(b"twice").unwrap();
        // Short: a link behind it would break.
        assert_eq!(run(&mut ring, op::Tee::new(&first, &output, 100)), Ok(5));
        let mut text = [[0; 5]; 2];
        first.read_exact(&mut text[0]).unwrap();
        second.read_exact(&mut text[1]).unwrap();
        assert_eq!(text, [*b"twice"; 2]);
        let now = op::Tee::new(&first, &output, 5).flags(SpliceFlags::NONBLOCK);
        assert_eq!(run(&mut ring, now), Err(Errno::EAGAIN));
        drop(writer);
        assert_eq!(run(&mut ring, op::Tee::new(&first, &output, 5)), Ok(0));
    });
}

#[test]
fn errors_of_a_tee() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let file = dir.file("a", b"0123");
        let (reader, writer) = std::io::pipe().unwrap();
        let mut ring = ring();
        let cases = [
            ("a file", op::Tee::new(&file, &writer, 4), Errno::EINVAL),
            ("the same pipe", op::Tee::new(&reader, &writer, 4), Errno::EINVAL),
            ("closed", op::Tee::new(-1, &writer, 4), Errno::EBADF),
            ("unknown", op::Tee::new(&reader, &writer, 4).flags(SpliceFlags(16)), Errno::EINVAL),
        ];
        for (name, op, errno) in cases {
            assert_eq!(run(&mut ring, op), Err(errno), "{name}");
        }
    });
}
