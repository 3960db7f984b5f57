//! Regions of a memory that others use meanwhile.

mod common;
mod files;

use std::io::ErrorKind;
use std::ptr::NonNull;
use std::sync::Arc;

use annulus_ring::Errno;
use annulus_runtime::buffer::{BackingMemory, IOVECS_MAX, InvalidRegion, MemRegion, SharedMemory};
use futures::executor::block_on;

use common::{LIMIT, limit, skip};
use files::{TempDir, begin, engine, pattern, pipe};

fn region(offset: u64, len: usize) -> MemRegion {
    MemRegion { offset, len }
}

fn content(memory: &SharedMemory) -> Vec<u8> {
    let mut copy = vec![0; memory.len()];
    memory.read(0, &mut copy).unwrap();
    copy
}

#[test]
fn regions_are_gone_through_in_order() {
    limit(LIMIT, || {
        let (dir, engine) = (TempDir::new(), engine());
        let file = engine.file(dir.file("data", b"0123456789"));
        let memory = Arc::new(SharedMemory::from(&b"................"[..]));
        let list = [region(8, 2), region(0, 3), region(5, 0), region(12, 4)];
        let read = file.read_mem_at(Arc::clone(&memory), &list, 2).unwrap();
        let (n, back) = block_on(read).unwrap();
        assert_eq!(n, 8, "the file ended");
        assert!(Arc::ptr_eq(&memory, &back));
        assert_eq!(content(&memory), b"456.....23..789.");
        let write = file.write_mem_at(memory, &[region(12, 3), region(0, 3)], 9).unwrap();
        assert_eq!(block_on(write).unwrap().0, 6);
        assert_eq!(std::fs::read(dir.path("data")).unwrap(), b"012345678789456");
    });
}

#[test]
fn what_is_outside_is_refused_before_anything_is_submitted() {
    limit(LIMIT, || {
        let (dir, engine) = (TempDir::new(), engine());
        let file = engine.file(dir.file("data", b"0123456789"));
        let memory = Arc::new(SharedMemory::new(64));
        let far = vec![region(0, 1); 2 * IOVECS_MAX];
        let last = [&far[..], &[region(64, 1)]].concat();
        let bad: [&[MemRegion]; 5] = [
            &[region(0, 65)],
            &[region(0, 8), region(60, 5)],
            &[region(u64::MAX, 1)],
            &[region(u64::MAX, usize::MAX)],
            &last,
        ];
        for list in bad {
            let error = file.read_mem_at(Arc::clone(&memory), list, 0).unwrap_err();
            assert_eq!(error.region(), *list.last().unwrap());
            assert!(file.read_mem(Arc::clone(&memory), list).is_err());
            assert!(file.read_mem_exact_at(Arc::clone(&memory), list, 0).is_err());
            assert!(file.write_mem_at(Arc::clone(&memory), list, 0).is_err());
            assert!(file.write_mem(Arc::clone(&memory), list).is_err());
            assert!(file.write_mem_all_at(Arc::clone(&memory), list, 0).is_err());
        }
        let metrics = engine.metrics();
        assert_eq!((metrics.inline, metrics.shipped), (0, 0));
        assert_eq!(Arc::strong_count(&memory), 1, "nobody keeps it");
    });
}

#[test]
fn more_regions_than_a_slot_holds_and_than_the_kernel_takes() {
    limit(LIMIT, || {
        let (dir, engine) = (TempDir::new(), engine());
        let file = engine.file(dir.file("data", b""));
        for count in [1, 8, 9, IOVECS_MAX, IOVECS_MAX + 1, 3 * IOVECS_MAX + 5] {
            // Backwards, so that no two lie next to each other.
            let list: Vec<MemRegion> = (0..count).rev().map(|i| region(i as u64 * 7, 7)).collect();
            let bytes = pattern(count * 7);
            let memory = Arc::new(SharedMemory::from(&bytes[..]));
            let write = file.write_mem_all_at(Arc::clone(&memory), &list, 5).unwrap();
            assert_eq!(block_on(write).unwrap().0, bytes.len());
            let turned: Vec<u8> = bytes.chunks(7).rev().flatten().copied().collect();
            let written = std::fs::read(dir.path("data")).unwrap();
            assert!(written[5..5 + turned.len()] == turned);
            let other = Arc::new(SharedMemory::new(bytes.len()));
            let read = file.read_mem_exact_at(Arc::clone(&other), &list, 5).unwrap();
            assert_eq!(block_on(read).unwrap().0, bytes.len());
            assert!(content(&other) == bytes);
        }
    });
}

#[test]
fn one_operation_takes_so_many_regions_and_exact_ones_go_on() {
    limit(LIMIT, || {
        let engine = engine();
        let (reader, writer) = pipe(&engine);
        let memory = Arc::new(SharedMemory::from(&b"ab"[..]));
        let list = vec![region(0, 2); IOVECS_MAX + 1];
        let write = writer.write_mem(Arc::clone(&memory), &list).unwrap();
        assert_eq!(block_on(write).unwrap().0, 2 * IOVECS_MAX);
        let read = reader.read_mem(Arc::clone(&memory), &list).unwrap();
        assert_eq!(block_on(read).unwrap().0, 2 * IOVECS_MAX);
        // By the ring, in parts: a pipe holds 64 KiB.
        let list = vec![region(0, 2); 100 * IOVECS_MAX];
        let write = writer.write_mem_all_at(Arc::clone(&memory), &list, 0).unwrap();
        let thread = std::thread::spawn(move || block_on(write).unwrap().0);
        let mut got = 0;
        while got < 200 * IOVECS_MAX {
            let (n, buf) = block_on(reader.read(vec![0; 10_000])).unwrap();
            let expected = [b'a', b'b'][got % 2];
            assert_eq!(buf[0], expected, "at {got}");
            got += n;
        }
        assert_eq!(thread.join().unwrap(), 200 * IOVECS_MAX);
    });
}

/// A guest of 64 MiB, of which one page is there, again and again.
struct Echo(SharedMemory);

// SAFETY: each piece is of the page, which is this value's and stays; nobody makes a reference.
unsafe impl BackingMemory for Echo {
    fn pieces(
        &self,
        region: MemRegion,
        piece: &mut dyn FnMut(NonNull<u8>, usize),
    ) -> Result<(), InvalidRegion> {
        let end = region.end().filter(|end| *end <= 64 << 20).ok_or(InvalidRegion::new(region))?;
        let mut at = region.offset;
        while at < end {
            let within = at % 4096;
            let len = (4096 - within).min(end - at);
            let within = MemRegion { offset: within, len: len as usize };
            self.0.pieces(within, piece)?;
            at += len;
        }
        Ok(())
    }
}

#[test]
fn one_region_may_be_many_pieces() {
    limit(LIMIT, || {
        let engine = engine();
        let null = engine.file(std::fs::File::options().write(true).open("/dev/null").unwrap());
        let guest = Arc::new(Echo(SharedMemory::from(&pattern(4096)[..])));
        let all = [region(0, 64 << 20)];
        let write = null.write_mem(Arc::clone(&guest), &all).unwrap();
        assert_eq!(block_on(write).unwrap().0, 4096 * IOVECS_MAX);
        let write = null.write_mem_all_at(Arc::clone(&guest), &all, 0).unwrap();
        assert_eq!(block_on(write).unwrap().0, 64 << 20);
    });
}

#[test]
fn the_memory_stays_until_the_kernel_has_done_with_it() {
    limit(LIMIT, || {
        let engine = engine();
        let (reader, writer) = pipe(&engine);
        let memory = Arc::new(SharedMemory::new(64));
        let mut read = reader.read_mem(Arc::clone(&memory), &[region(0, 64)]).unwrap();
        begin(&mut read);
        assert_eq!(Arc::strong_count(&memory), 2);
        drop(read);
        while Arc::strong_count(&memory) > 1 {
            std::thread::yield_now();
        }
        block_on(writer.write("late")).unwrap();
        assert_eq!(content(&memory), [0; 64], "nothing was read into it afterwards");
    });
}

#[test]
fn past_the_page_cache_a_guests_pages_are_used_in_place() {
    limit(LIMIT, || {
        let (dir, engine) = (TempDir::new(), engine());
        let bytes = pattern(64 << 10);
        let Some(file) = dir.direct("data", &bytes) else {
            return skip("past_the_page_cache_a_guests_pages_are_used_in_place", "no O_DIRECT");
        };
        let file = engine.file(file);
        let memory = Arc::new(SharedMemory::new(128 << 10));
        let list: Vec<MemRegion> = (0..16).map(|i| region(i * 8192, 4096)).collect();
        let read = file.read_mem_exact_at(Arc::clone(&memory), &list, 0).unwrap();
        assert_eq!(block_on(read).unwrap().0, bytes.len());
        let found = content(&memory);
        assert!(found.chunks(8192).zip(bytes.chunks(4096)).all(|(at, page)| at[..4096] == *page));
        let odd = file.write_mem_at(memory, &[region(0, 100)], 0).unwrap();
        assert_eq!(block_on(odd).unwrap_err().errno(), Some(Errno::EINVAL));
    });
}

#[test]
fn ends_and_errors_give_the_owner_back() {
    limit(LIMIT, || {
        let (dir, engine) = (TempDir::new(), engine());
        let file = engine.file(dir.file("data", b"0123"));
        let memory = Arc::new(SharedMemory::new(64));
        let read = file.read_mem_exact_at(Arc::clone(&memory), &[region(0, 8)], 0).unwrap();
        let error = block_on(read).unwrap_err();
        assert_eq!((error.kind(), error.done()), (ErrorKind::UnexpectedEof, 4));
        assert!(Arc::ptr_eq(&error.into_buf(), &memory));
        let full = engine.file(std::fs::File::options().write(true).open("/dev/full").unwrap());
        let write = full.write_mem_all_at(Arc::clone(&memory), &[region(0, 8)], 0).unwrap();
        assert_eq!(block_on(write).unwrap_err().kind(), ErrorKind::StorageFull);
        let none: [MemRegion; 0] = [];
        assert_eq!(block_on(file.read_mem_at(memory, &none, 0).unwrap()).unwrap().0, 0);
    });
}
