//! What crosvm's tests of its sources assert, by their names.

mod common;
mod files;

use std::io::Write;
use std::os::fd::AsFd;
use std::sync::Arc;

use annulus_ring::Errno;
use annulus_ring::abi::{PollEvents, RwFlags};
use annulus_runtime::Engine;
use annulus_runtime::buffer::{MemRegion, SharedMemory};
use futures::executor::block_on;
use futures::future::{Either, join, select};

use common::{LIMIT, limit};
use files::{TempDir, begin, engine, pipe};

#[test]
fn readvec() {
    let (dir, engine) = (TempDir::new(), engine());
    let file = engine.file(dir.file("data", b"data"));
    let buf = vec![0; 4];
    let address = buf.as_ptr();
    let (n, buf) = block_on(file.read_at(buf, 0)).unwrap();
    assert_eq!((n, &buf[..], buf.as_ptr()), (4, &b"data"[..], address), "the same allocation");
}

#[test]
fn writevec() {
    let (dir, engine) = (TempDir::new(), engine());
    let file = engine.file(dir.file("data", b""));
    let buf = b"data".to_vec();
    let address = buf.as_ptr();
    let (n, buf) = block_on(file.write_at(buf, 0)).unwrap();
    assert_eq!((n, buf.as_ptr()), (4, address));
    assert_eq!(std::fs::read(dir.path("data")).unwrap(), b"data");
}

#[test]
fn readmem() {
    let (dir, engine) = (TempDir::new(), engine());
    let file = engine.file(dir.file("data", b"data"));
    let memory = Arc::new(SharedMemory::from(&b"      "[..]));
    let list = [MemRegion { offset: 0, len: 2 }, MemRegion { offset: 4, len: 1 }];
    let read = file.read_mem_at(Arc::clone(&memory), &list, 0).unwrap();
    assert_eq!(block_on(read).unwrap().0, 3);
    let mut copy = [0; 6];
    memory.read(0, &mut copy).unwrap();
    assert_eq!(&copy, b"da  t ");
}

#[test]
fn writemem() {
    let (dir, engine) = (TempDir::new(), engine());
    let file = engine.file(dir.file("data", b""));
    let memory = Arc::new(SharedMemory::from(&b"data"[..]));
    let list = [MemRegion { offset: 0, len: 1 }, MemRegion { offset: 2, len: 2 }];
    let write = file.write_mem_at(memory, &list, 0).unwrap();
    assert_eq!(block_on(write).unwrap().0, 3);
    assert_eq!(std::fs::read(dir.path("data")).unwrap(), b"dta");
}

#[test]
fn fsync() {
    limit(LIMIT, || {
        let (dir, engine) = (TempDir::new(), engine());
        let file = engine.file(dir.file("data", b"data"));
        block_on(file.sync_all()).unwrap();
        block_on(file.sync_data()).unwrap();
    });
}

#[test]
fn readmulti() {
    let (dir, engine) = (TempDir::new(), engine());
    let file = engine.file(dir.file("data", b"data"));
    let (one, two) = (file.read_at(vec![0; 2], 0), file.read_at(vec![0; 2], 2));
    let (one, two) = block_on(join(one, two));
    assert_eq!((one.unwrap().1, two.unwrap().1), (b"da".to_vec(), b"ta".to_vec()));
}

#[test]
fn writemulti() {
    let (dir, engine) = (TempDir::new(), engine());
    let file = engine.file(dir.file("data", b""));
    let (one, two) = block_on(join(file.write_at("da", 0), file.write_at("ta", 2)));
    assert_eq!((one.unwrap().0, two.unwrap().0), (2, 2));
    assert_eq!(std::fs::read(dir.path("data")).unwrap(), b"data");
}

#[test]
fn read_current_file_position() {
    let (dir, engine) = (TempDir::new(), engine());
    let file = engine.file(dir.file("data", b"data"));
    assert_eq!(block_on(file.read(vec![0; 2])).unwrap().1, b"da");
    assert_eq!(block_on(file.read(vec![0; 2])).unwrap().1, b"ta");
    assert_eq!(block_on(file.read(vec![0; 2])).unwrap().0, 0);
}

#[test]
fn write_current_file_position() {
    let (dir, engine) = (TempDir::new(), engine());
    let file = engine.file(dir.file("data", b""));
    assert_eq!(block_on(file.write("da")).unwrap().0, 2);
    assert_eq!(block_on(file.write("ta")).unwrap().0, 2);
    assert_eq!(std::fs::read(dir.path("data")).unwrap(), b"data");
}

#[test]
fn read_dontcache() {
    let (dir, engine) = (TempDir::new(), engine());
    let file = engine.file(dir.file("data", b"data"));
    match block_on(file.read_at(vec![0; 4], 0).flags(RwFlags::DONTCACHE)) {
        Ok((n, buf)) => assert_eq!((n, &buf[..]), (4, &b"data"[..])),
        Err(error) => assert_eq!(error.errno(), Some(Errno::EOPNOTSUPP)),
    }
}

/// An eventfd on the engine: reads give what was added since.
#[test]
fn event() {
    limit(LIMIT, || {
        let engine = engine();
        // A doorbell is one.
        let bell = annulus_ring::Doorbell::new().unwrap();
        let event = engine.file(bell.as_fd().try_clone_to_owned().unwrap());
        for value in [55_u64, 66, 77] {
            let (n, _) = block_on(event.write(value.to_ne_bytes().to_vec())).unwrap();
            assert_eq!(n, 8);
            let (_, read) = block_on(event.read(vec![0; 8])).unwrap();
            assert_eq!(read, value.to_ne_bytes());
        }
        let mut read = event.read(vec![0; 8]);
        begin(&mut read);
        block_on(event.write(5_u64.to_ne_bytes().to_vec())).unwrap();
        assert_eq!(block_on(read).unwrap().1, 5_u64.to_ne_bytes());
    });
}

#[test]
fn pend_on_pipe() {
    limit(LIMIT, || {
        let engine = engine();
        let (reader, _writer) = pipe(&engine);
        // Dropped by `select`, while nothing was written.
        let read = reader.read(vec![0; 4]);
        match block_on(select(read, std::future::ready(5))) {
            Either::Right((5, _read)) => {}
            _ => panic!("there was nothing to read"),
        }
    });
}

#[test]
fn range_error() {
    let (dir, engine) = (TempDir::new(), engine());
    let file = engine.file(dir.file("data", b"data"));
    let memory = Arc::new(SharedMemory::new(8192));
    let list = [MemRegion { offset: 16 << 10, len: 4 }];
    assert!(file.read_mem_at(memory, &list, 0).is_err());
}

#[test]
fn wait_read() {
    limit(LIMIT, || {
        let zero = engine().file(std::fs::File::open("/dev/zero").unwrap());
        assert!(block_on(zero.readable()).unwrap().contains(PollEvents::IN));
    });
}

/// What is of one engine is awaited wherever its future is polled.
#[test]
fn await_from_another_executor() {
    limit(LIMIT, || {
        let engine: Engine = engine();
        let (reader, mut writer) = std::io::pipe().unwrap();
        let reader = engine.file(reader);
        let mut read = reader.read(vec![0; 4]);
        begin(&mut read);
        let thread = std::thread::spawn(move || block_on(read).unwrap().1);
        writer.write_all(b"data").unwrap();
        assert_eq!(thread.join().unwrap(), b"data");
    });
}
