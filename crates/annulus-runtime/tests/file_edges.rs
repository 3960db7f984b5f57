//! Reading and writing one buffer at the edges: offsets, lengths, modes, devices, flags.

mod common;
mod files;

use std::io::ErrorKind;
use std::process::Command;

use annulus_ring::Errno;
use annulus_ring::abi::RwFlags;
use annulus_runtime::buffer::{AlignedBuf, IO_BYTES_MAX, IoBuf};
use futures::executor::block_on;

use common::{LIMIT, limit, skip};
use files::{TempDir, begin, engine, pattern, pipe};

const OFFSET_MAX: u64 = i64::MAX as u64;

#[test]
fn offsets_go_as_far_as_the_kernels() {
    let (dir, engine) = (TempDir::new(), engine());
    let file = engine.file(dir.file("data", b"0123"));
    for offset in [4, 1 << 32, 1 << 43, OFFSET_MAX - 8] {
        assert_eq!(block_on(file.read_at(vec![0; 8], offset)).unwrap().0, 0, "{offset:#x}");
    }
    // The last is the number for the file's own position, but nobody said so.
    for offset in [OFFSET_MAX + 1, u64::MAX - 1, u64::MAX] {
        let error = block_on(file.read_at(vec![0; 8], offset)).unwrap_err();
        assert_eq!(error.errno(), Some(Errno::EINVAL), "{offset:#x}");
        let error = block_on(file.write_at("x", offset)).unwrap_err();
        assert_eq!(error.errno(), Some(Errno::EINVAL), "{offset:#x}");
    }
    let error = block_on(file.write_at("x", OFFSET_MAX - 8)).unwrap_err();
    assert_eq!(error.errno(), Some(Errno::EFBIG));
    assert_eq!(std::fs::read(dir.path("data")).unwrap(), b"0123");
}

#[test]
fn no_byte_is_read_and_written() {
    let (dir, engine) = (TempDir::new(), engine());
    let file = engine.file(dir.file("data", b"0123"));
    assert_eq!(block_on(file.read_at(Vec::new(), 0)).unwrap(), (0, Vec::new()));
    assert_eq!(block_on(file.read_exact_at(Vec::new(), 100)).unwrap().0, 0);
    assert_eq!(block_on(file.write_at("", 100)).unwrap().0, 0);
    assert_eq!(block_on(file.write_all_at("", 100)).unwrap().0, 0);
    assert_eq!(std::fs::read(dir.path("data")).unwrap(), b"0123");
}

#[test]
fn more_than_one_operation_takes() {
    limit(LIMIT, || {
        let (dir, engine) = (TempDir::new(), engine());
        // Never touched, so it costs no memory: /dev/null does not look at it.
        let huge = vec![0_u8; IO_BYTES_MAX + 4096];
        let null = engine.file(std::fs::File::options().write(true).open("/dev/null").unwrap());
        let (n, huge) = block_on(null.write(huge)).unwrap();
        assert_eq!(n, IO_BYTES_MAX, "one call");
        let (n, huge) = block_on(null.write_all_at(huge, 0)).unwrap();
        assert_eq!(n, huge.len(), "as many as it takes");
        let file = engine.file(dir.file("data", b"0123"));
        let (n, huge) = block_on(file.read_at(huge, 0)).unwrap();
        assert_eq!((n, &huge[..4]), (4, &b"0123"[..]));
        let bufs = vec![huge];
        assert_eq!(block_on(null.write_vectored(bufs)).unwrap().0, IO_BYTES_MAX);
    });
}

#[test]
fn holes_read_as_zeros() {
    let (dir, engine) = (TempDir::new(), engine());
    let file = engine.file(dir.file("data", b""));
    block_on(file.write_all_at("end", 1 << 40)).unwrap();
    let (n, buf) = block_on(file.read_at(vec![9; 4096], 1 << 39)).unwrap();
    assert_eq!((n, buf), (4096, vec![0; 4096]));
    let (_, buf) = block_on(file.read_exact_at(vec![9; 4], (1 << 40) - 1)).unwrap();
    assert_eq!(buf, b"\0end");
    assert!(block_on(file.metadata()).unwrap().blocks() < 64, "it is sparse");
}

#[test]
fn a_file_is_read_to_its_end() {
    limit(LIMIT, || {
        let (dir, engine) = (TempDir::new(), engine());
        let content = pattern(300_000);
        let file = engine.file(dir.file("data", &content));
        let (n, buf) = block_on(file.read_to_end_at(b"head".to_vec(), 100_000)).unwrap();
        assert!(n == 200_000 && buf[..4] == *b"head" && buf[4..] == content[100_000..]);
        assert_eq!(block_on(file.read_to_end_at(Vec::new(), 1 << 40)).unwrap(), (0, Vec::new()));
        // One whose length is not what it has.
        let status = engine.file(std::fs::File::open("/proc/self/maps").unwrap());
        let (n, buf) = block_on(status.read_to_end_at(Vec::new(), 0)).unwrap();
        assert!(n == buf.len() && n > 1000 && buf.ends_with(b"\n"));
        let error = block_on(file.read_to_end_at(b"head".to_vec(), u64::MAX)).unwrap_err();
        assert_eq!((error.errno(), error.into_buf()), (Some(Errno::EINVAL), b"head".to_vec()));
        fn is_send(_: &impl Send) {}
        is_send(&file.read_to_end_at(Vec::new(), 0));
    });
}

#[test]
fn the_mode_decides() {
    let (dir, engine) = (TempDir::new(), engine());
    drop(dir.file("data", b"0123"));
    let readable = engine.file(std::fs::File::open(dir.path("data")).unwrap());
    let error = block_on(readable.write_at("x", 0)).unwrap_err();
    assert_eq!(error.errno(), Some(Errno::EBADF));
    let appends = std::fs::File::options().append(true).open(dir.path("data")).unwrap();
    let appends = engine.file(appends);
    let error = block_on(appends.read_at(vec![0; 4], 0)).unwrap_err();
    assert_eq!((error.errno(), error.into_buf()), (Some(Errno::EBADF), vec![0; 4]));
    block_on(appends.write_all_at("45", 0)).unwrap();
    assert_eq!(std::fs::read(dir.path("data")).unwrap(), b"012345");
    let directory = engine.file(std::fs::File::open("/").unwrap());
    let error = block_on(directory.read_at(vec![0; 4], 0)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::IsADirectory);
}

#[test]
fn devices_and_pipes_say_their_errors() {
    limit(LIMIT, || {
        let engine = engine();
        let full = engine.file(std::fs::File::options().write(true).open("/dev/full").unwrap());
        let error = block_on(full.write_all_at("x", 0)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        let (reader, writer) = pipe(&engine);
        drop(reader);
        let error = block_on(writer.write("x")).unwrap_err();
        assert_eq!((error.kind(), error.into_buf()), (ErrorKind::BrokenPipe, "x"));
        let (reader, writer) = pipe(&engine);
        drop(writer);
        assert_eq!(block_on(reader.read(vec![0; 4])).unwrap().0, 0, "the end");
        let (one, _two) = std::os::unix::net::UnixStream::pair().unwrap();
        let error = block_on(engine.file(one).read_at(vec![0; 4], 5)).unwrap_err();
        assert_eq!(error.errno(), Some(Errno::ESPIPE));
    });
}

#[test]
fn what_others_do_not_wait_for_is_waited_for_here() {
    limit(LIMIT, || {
        let engine = engine();
        let (one, mut two) = std::os::unix::net::UnixStream::pair().unwrap();
        one.set_nonblocking(true).unwrap();
        let one = engine.file(one);
        let mut read = one.read(vec![0; 4]);
        begin(&mut read);
        std::io::Write::write_all(&mut two, b"abc").unwrap();
        assert_eq!(block_on(read).unwrap().0, 3);
    });
}

#[test]
fn past_the_page_cache_everything_is_aligned() {
    limit(LIMIT, || {
        let (dir, engine) = (TempDir::new(), engine());
        let content = pattern(8192);
        let Some(file) = dir.direct("data", &content) else {
            return skip("past_the_page_cache_everything_is_aligned", "no O_DIRECT here");
        };
        let file = engine.file(file);
        let alignment = block_on(file.metadata()).unwrap().dio_alignment();
        let (n, buf) = block_on(file.read_at(AlignedBuf::new(8192), 0)).unwrap();
        assert!(n == 8192 && buf[..] == content[..]);
        let (n, buf) = block_on(file.read_at(buf, 4096)).unwrap();
        assert!(n == 4096 && buf[..4096] == content[4096..], "the rest of the file");
        assert_eq!(block_on(file.read_at(buf, 8192)).unwrap().0, 0, "the end");
        let fine = alignment.map_or(512, |alignment| alignment.offset) as usize;
        // An odd address is not tried: whether it is refused is the device's business since 6.18.
        for (range, offset) in [(0..fine, 1), (0..fine - 1, 0), (0..fine + 1, 0)] {
            let buf = AlignedBuf::zeroed(8192).slice(range.clone());
            let error = block_on(file.write_at(buf, offset)).unwrap_err();
            assert_eq!(error.errno(), Some(Errno::EINVAL), "{range:?} at {offset}");
        }
        assert!(std::fs::read(dir.path("data")).unwrap() == content);
    });
}

#[test]
fn flags_are_for_one_operation() {
    limit(LIMIT, || {
        let (dir, engine) = (TempDir::new(), engine());
        let file = engine.file(dir.file("data", b"0123"));
        block_on(file.write_at("45", 0).flags(RwFlags::APPEND)).unwrap();
        block_on(file.write_vectored_at(["6", "7"], 0).flags(RwFlags::APPEND)).unwrap();
        block_on(file.write_at("x", 0)).unwrap();
        block_on(file.write_all_at("89", 8).flags(RwFlags::DSYNC)).unwrap();
        assert_eq!(std::fs::read(dir.path("data")).unwrap(), b"x123456789");
        let (reader, _writer) = pipe(&engine);
        let error = block_on(reader.read(vec![0; 4]).flags(RwFlags::NOWAIT)).unwrap_err();
        // Before Linux 6.4 no pipe can be told so.
        let kinds = [ErrorKind::WouldBlock, ErrorKind::Unsupported];
        assert!(kinds.contains(&error.kind()), "{error}");
        let unknown = file.read_at(vec![0; 4], 0).flags(RwFlags(1 << 30));
        let error = block_on(unknown).unwrap_err();
        assert_eq!(error.errno(), Some(Errno::EOPNOTSUPP));
        // Once begun it is as it is.
        let mut read = reader.read(vec![0; 4]);
        begin(&mut read);
        let mut read = read.flags(RwFlags::NOWAIT);
        begin(&mut read);
    });
}

/// Runs the test `name` of this file in a child whose files may have 8 × 512 (or 1024) bytes, and
/// that ignores the signal with which the kernel tells.
fn in_a_child_with_small_files(name: &str) {
    let script = "ulimit -f 8; trap '' XFSZ; exec \"$0\" --exact \"$1\" --nocapture";
    let exe = std::env::current_exe().unwrap();
    let mut child = Command::new("sh");
    child.args(["-c", script]).arg(exe).arg(name).env("ANNULUS_SMALL_FILES", "1");
    let output = child.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_limit_on_files_is_told() {
    limit(LIMIT, || {
        if std::env::var_os("ANNULUS_SMALL_FILES").is_none() {
            return in_a_child_with_small_files("the_limit_on_files_is_told");
        }
        let (dir, engine) = (TempDir::new(), engine());
        let file = engine.file(dir.file("data", b""));
        let (n, buf) = block_on(file.write_at(vec![7; 1 << 20], 0)).unwrap();
        assert!(n == 4096 || n == 8192, "as much as is allowed: {n}");
        let error = block_on(file.write_all_at(buf, 0)).unwrap_err();
        assert_eq!((error.errno(), error.done()), (Some(Errno::EFBIG), n));
        let error = block_on(file.truncate(1 << 20)).unwrap_err();
        assert_eq!(error.errno(), Some(Errno::EFBIG));
        let error = block_on(file.allocate(0, 1 << 20)).unwrap_err();
        assert_eq!(error.errno(), Some(Errno::EFBIG));
    });
}
