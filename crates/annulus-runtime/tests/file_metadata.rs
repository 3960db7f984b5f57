//! What is known of a file.

mod common;
mod files;

use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

use annulus_ring::FdKind;
use futures::executor::block_on;

use common::{LIMIT, limit, skip};
use files::{TempDir, engine, file_of_unknown_kind, pattern, pipe};

#[test]
fn it_says_what_the_standard_library_says() {
    limit(LIMIT, || {
        let (dir, engine) = (TempDir::new(), engine());
        let file = dir.file("data", &pattern(10_000));
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::new(1_234_567_890, 123)).unwrap();
        file.sync_all().unwrap();
        std::fs::hard_link(dir.path("data"), dir.path("other")).unwrap();
        let known = file.metadata().unwrap();
        let found = block_on(engine.file(file).metadata()).unwrap();
        assert_eq!(found.len(), 10_000);
        assert_eq!(
            (found.mode(), found.uid(), found.gid()),
            (known.mode(), known.uid(), known.gid())
        );
        assert_eq!((found.ino(), u64::from(found.nlink())), (known.ino(), known.nlink()));
        assert_eq!(found.nlink(), 2);
        assert_eq!((u64::from(found.blksize()), found.blocks()), (known.blksize(), known.blocks()));
        assert_eq!(found.modified(), Some(known.modified().unwrap()));
        assert_eq!(
            found.modified(),
            Some(SystemTime::UNIX_EPOCH + Duration::new(1_234_567_890, 123))
        );
        assert_eq!(found.accessed(), Some(known.accessed().unwrap()));
        // The standard library does not ask with every C library.
        if let Ok(created) = known.created() {
            assert_eq!(found.created(), Some(created));
        }
        let changed =
            SystemTime::UNIX_EPOCH + Duration::new(known.ctime() as u64, known.ctime_nsec() as u32);
        assert_eq!(found.changed(), Some(changed));
        let (major, minor) = found.dev();
        assert_eq!(annulus_dev(major, minor), known.dev());
        assert_eq!(engine.metrics().inline, 1, "at once");
    });
}

/// As the C library packs a device's numbers.
fn annulus_dev(major: u32, minor: u32) -> u64 {
    let (major, minor) = (u64::from(major), u64::from(minor));
    (major & 0xfff) << 8 | (major & !0xfff) << 32 | minor & 0xff | (minor & !0xff) << 12
}

#[test]
fn times_before_1970_are_times() {
    limit(LIMIT, || {
        // ext4 keeps seconds from 1901 on, tmpfs all.
        let Some(dir) = TempDir::in_memory() else {
            return skip("times_before_1970_are_times", "no /dev/shm");
        };
        let file = dir.file("data", b"");
        let time = SystemTime::UNIX_EPOCH - Duration::new(1_000_000, 250_000_000);
        file.set_modified(time).unwrap();
        assert_eq!(file.metadata().unwrap().modified().unwrap(), time);
        let found = block_on(engine().file(file).metadata()).unwrap();
        assert_eq!(found.modified(), Some(time));
    });
}

#[test]
fn every_kind_of_file_is_told() {
    limit(LIMIT, || {
        let (dir, engine) = (TempDir::new(), engine());
        let kind = |file: annulus_runtime::File| block_on(file.metadata()).unwrap().file_type();
        assert_eq!(kind(engine.file(dir.file("data", b""))), FdKind::Regular);
        let directory = engine.file(std::fs::File::open(dir.path("")).unwrap());
        assert!(block_on(directory.metadata()).unwrap().is_dir());
        assert_eq!(kind(directory), FdKind::Directory);
        assert_eq!(kind(pipe(&engine).0), FdKind::Pipe);
        assert_eq!(kind(engine.file(std::fs::File::open("/dev/zero").unwrap())), FdKind::Character);
        let (socket, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        assert_eq!(kind(engine.file(socket)), FdKind::Socket);
    });
}

#[test]
fn it_changes_with_the_file() {
    limit(LIMIT, || {
        let (dir, engine) = (TempDir::new(), engine());
        let std_file = dir.file("data", b"");
        let file = engine.file(std_file.try_clone().unwrap());
        for len in [0, 5, 100, 3] {
            std_file.set_len(len).unwrap();
            assert_eq!(block_on(file.metadata()).unwrap().len(), len);
        }
        std::fs::remove_file(dir.path("data")).unwrap();
        assert_eq!(block_on(file.metadata()).unwrap().nlink(), 0);
    });
}

#[test]
fn direct_io_is_aligned_as_it_says() {
    limit(LIMIT, || {
        let (dir, engine) = (TempDir::new(), engine());
        let Some(file) = dir.direct("data", &pattern(8192)) else {
            return skip("direct_io_is_aligned_as_it_says", "no O_DIRECT here");
        };
        let file = engine.file(file);
        let Some(alignment) = block_on(file.metadata()).unwrap().dio_alignment() else {
            return skip("direct_io_is_aligned_as_it_says", "the file system does not say");
        };
        assert!(alignment.read_offset <= alignment.offset && alignment.memory <= 4096);
        use annulus_runtime::buffer::{AlignedBuf, IoBuf};
        let step = alignment.read_offset as usize;
        let buf = AlignedBuf::new(4096).slice(0..step);
        assert_eq!(block_on(file.read_at(buf, step as u64)).unwrap().0, step);
    });
}

#[test]
fn what_may_be_a_servers_is_asked_by_the_ring() {
    limit(LIMIT, || {
        let Some(file) = file_of_unknown_kind() else {
            let why = "no file of such a file system";
            return skip("what_may_be_a_servers_is_asked_by_the_ring", why);
        };
        let (engine, known) = (engine(), file.metadata().unwrap());
        let found = block_on(engine.file(file).metadata()).unwrap();
        assert_eq!((found.ino(), found.mode()), (known.ino(), known.mode()));
        assert_eq!((engine.metrics().inline, engine.metrics().shipped), (0, 1));
    });
}

#[test]
fn a_chain_asks_by_the_ring() {
    limit(LIMIT, || {
        let (dir, engine) = (TempDir::new(), engine());
        let file = engine.file(dir.file("data", b""));
        let chain = file.write_all_at("0123", 0).then(file.metadata());
        let (written, found) = block_on(chain);
        assert_eq!((written.unwrap().0, found.unwrap().len()), (4, 4));
        assert_eq!(engine.metrics().inline, 0);
    });
}
