//! Reading and writing several buffers in one operation.

mod common;
mod files;

use std::io::{ErrorKind, Read};

use annulus_ring::Errno;
use annulus_runtime::buffer::{AlignedBuf, IOVECS_MAX, IoBuf};
use futures::executor::block_on;

use common::{LIMIT, limit, skip};
use files::{TempDir, begin, engine, pattern, pipe};

#[test]
fn pieces_are_filled_in_order() {
    let (dir, engine) = (TempDir::new(), engine());
    let file = engine.file(dir.file("data", b"0123456789"));
    let bufs = (vec![0; 3], Vec::with_capacity(0), vec![0; 20]);
    let (n, (one, none, two)) = block_on(file.read_vectored_at(bufs, 1)).unwrap();
    assert_eq!((n, &one[..], none.len(), &two[..6]), (9, &b"123"[..], 0, &b"456789"[..]));
    let (n, _) = block_on(file.write_vectored_at(["ab", "", "cd"], 8)).unwrap();
    assert_eq!(n, 4);
    assert_eq!(std::fs::read(dir.path("data")).unwrap(), b"01234567abcd");
    let metrics = engine.metrics();
    assert!(metrics.inline >= 1, "the cached read was done at once: {metrics:?}");
}

#[test]
fn a_part_fills_the_first_pieces_only() {
    let (dir, engine) = (TempDir::new(), engine());
    let file = engine.file(dir.file("data", b"01234"));
    let bufs = [Vec::with_capacity(4), Vec::with_capacity(4), Vec::with_capacity(4)];
    let (n, bufs) = block_on(file.read_vectored_at(bufs, 0)).unwrap();
    assert_eq!((n, &bufs[..]), (5, &[b"0123".to_vec(), b"4".to_vec(), vec![]][..]));
    let (n, _) = block_on(file.read_vectored_at([vec![0; 4]], 5)).unwrap();
    assert_eq!(n, 0, "the end");
    let error = block_on(file.read_vectored_exact_at([vec![0; 4], vec![7; 4]], 0)).unwrap_err();
    assert_eq!((error.kind(), error.done()), (ErrorKind::UnexpectedEof, 5));
    assert_eq!(error.into_buf(), [b"0123".to_vec(), vec![b'4', 7, 7, 7]]);
}

#[test]
fn the_files_own_position_moves() {
    let (dir, engine) = (TempDir::new(), engine());
    let file = engine.file(dir.file("data", b"0123456789"));
    let (_, bufs) = block_on(file.read_vectored([vec![0; 2], vec![0; 3]])).unwrap();
    assert_eq!(bufs, [b"01".to_vec(), b"234".to_vec()]);
    assert_eq!(block_on(file.write_vectored(["x", "y"])).unwrap().0, 2);
    assert_eq!(block_on(file.read(vec![0; 8])).unwrap().1[..3], *b"789");
    assert_eq!(std::fs::read(dir.path("data")).unwrap(), b"01234xy789");
}

#[test]
fn more_pieces_than_a_slot_holds_and_than_the_kernel_takes() {
    limit(LIMIT, || {
        let (dir, engine) = (TempDir::new(), engine());
        let file = engine.file(dir.file("data", b""));
        for pieces in [1, 8, 9, 100, IOVECS_MAX, IOVECS_MAX + 1, 3 * IOVECS_MAX + 5] {
            let content = pattern(pieces * 7);
            let bufs: Vec<Vec<u8>> = content.chunks(7).map(<[u8]>::to_vec).collect();
            let (n, _) = block_on(file.write_vectored_all_at(bufs, 3)).unwrap();
            assert_eq!(n, pieces * 7);
            let bufs = vec![vec![0; 7]; pieces];
            let (n, bufs) = block_on(file.read_vectored_exact_at(bufs, 3)).unwrap();
            assert!(n == content.len() && bufs.concat() == content);
        }
    });
}

#[test]
fn one_operation_takes_so_many_pieces_and_no_more() {
    limit(LIMIT, || {
        let engine = engine();
        let (reader, writer) = pipe(&engine);
        let bufs = vec![[7_u8; 2]; IOVECS_MAX + 1];
        let bufs: Vec<Vec<u8>> = bufs.into_iter().map(|piece| piece.to_vec()).collect();
        let (n, bufs) = block_on(writer.write_vectored(bufs)).unwrap();
        assert_eq!((n, bufs.len()), (2 * IOVECS_MAX, IOVECS_MAX + 1));
        let (n, _) = block_on(reader.read(vec![0; 4096])).unwrap();
        assert_eq!(n, 2 * IOVECS_MAX);
    });
}

#[test]
fn past_the_page_cache_pieces_are_aligned() {
    limit(LIMIT, || {
        let (dir, engine) = (TempDir::new(), engine());
        let content = pattern(64 << 10);
        let Some(file) = dir.direct("data", &content) else {
            return skip("past_the_page_cache_pieces_are_aligned", "no O_DIRECT here");
        };
        let file = engine.file(file);
        let bufs: Vec<AlignedBuf> = (0..16).map(|_| AlignedBuf::new(4096)).collect();
        let (n, bufs) = block_on(file.read_vectored_exact_at(bufs, 0)).unwrap();
        assert_eq!(n, content.len());
        assert!(bufs.iter().zip(content.chunks(4096)).all(|(buf, part)| buf[..] == *part));
        assert_eq!(engine.metrics().inline, 0, "a disk is waited for by the ring");
        let (n, _) = block_on(file.write_vectored_all_at(bufs, 64 << 10)).unwrap();
        assert_eq!(n, content.len());
        // Odd pieces of an even sum are the device's business since 6.18: the sum is odd too.
        let odd = [AlignedBuf::new(4096).slice(0..100), AlignedBuf::new(4096).slice(0..411)];
        let error = block_on(file.read_vectored_at(odd, 0)).unwrap_err();
        assert_eq!(error.errno(), Some(Errno::EINVAL));
        assert!(std::fs::read(dir.path("data")).unwrap() == [content.clone(), content].concat());
    });
}

#[test]
fn a_pipe_is_waited_for_and_a_slice_filled() {
    limit(LIMIT, || {
        let engine = engine();
        let (reader, writer) = pipe(&engine);
        let bufs = [vec![1; 4].slice(2..), vec![2; 8].slice(..)];
        let mut read = reader.read_vectored(bufs);
        begin(&mut read);
        block_on(writer.write_vectored(("one", "two"))).unwrap();
        let (n, [one, two]) = block_on(read).unwrap();
        assert_eq!(n, 6);
        assert_eq!(one.into_inner(), [1, 1, b'o', b'n']);
        assert_eq!(two.into_inner()[..], *b"etwo\x02\x02\x02\x02");
    });
}

#[test]
fn exact_writes_to_a_pipe_go_on_as_it_is_emptied() {
    limit(LIMIT, || {
        let engine = engine();
        let (mut reader, writer) = std::io::pipe().unwrap();
        let writer = engine.file(writer);
        let content = pattern(1 << 20);
        let expected = content.clone();
        let bufs: Vec<Vec<u8>> = content.chunks(1000).map(<[u8]>::to_vec).collect();
        let thread = std::thread::spawn(move || {
            let mut got = vec![0; 1 << 20];
            reader.read_exact(&mut got).unwrap();
            got
        });
        // A pipe has no positions: an offset is not looked at.
        let (n, _) = block_on(writer.write_vectored_all_at(bufs, 0)).unwrap();
        assert_eq!(n, 1 << 20);
        assert!(thread.join().unwrap() == expected);
    });
}

#[test]
fn errors_give_all_buffers_back() {
    let (dir, engine) = (TempDir::new(), engine());
    drop(dir.file("data", b"0123"));
    let readable = engine.file(std::fs::File::open(dir.path("data")).unwrap());
    let error = block_on(readable.write_vectored_at(["a", "b"], 0)).unwrap_err();
    assert_eq!((error.errno(), error.into_buf()), (Some(Errno::EBADF), ["a", "b"]));
    let writable = std::fs::File::options().write(true).open(dir.path("data")).unwrap();
    let error = block_on(engine.file(writable).read_vectored_at([vec![5]], 0)).unwrap_err();
    assert_eq!((error.errno(), error.into_buf()), (Some(Errno::EBADF), [vec![5]]));
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let error = block_on(engine.file(full).write_vectored_all_at(["a", "b"], 0)).unwrap_err();
    assert_eq!((error.errno(), error.done()), (Some(Errno::ENOSPC), 0));
    let directory = engine.file(std::fs::File::open("/").unwrap());
    let error = block_on(directory.read_vectored_at([vec![5]], 0)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::IsADirectory);
}

#[test]
fn no_piece_is_no_byte() {
    let (dir, engine) = (TempDir::new(), engine());
    let file = engine.file(dir.file("data", b"0123"));
    let none: [Vec<u8>; 0] = [];
    assert_eq!(block_on(file.read_vectored_at(none, 0)).unwrap().0, 0);
    assert_eq!(block_on(file.write_vectored_all_at(["", ""], 0)).unwrap().0, 0);
    assert_eq!(block_on(file.read_vectored_exact_at([Vec::new()], 0)).unwrap().0, 0);
}
