//! The kernel itself reads and writes through what the buffers give: lists of pieces, registered
//! buffers, regions of a memory.

mod common;

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;

use annulus_emulate::{LocalRing, op};
use annulus_runtime::buffer::{
    AlignedBuf, FixedPool, IoBuf, IoBufMut, IoVecBufMut, Iovecs, MemRegion, SharedMemory, io_len,
    regions_to_iovecs,
};

use common::{LIMIT, limit, may_not_lock};

/// An open file that has no name any more.
fn file(name: &str, content: &[u8]) -> File {
    let name = format!("annulus-buffers-{name}-{}", std::process::id());
    let path = std::env::temp_dir().join(name);
    let open = File::options().read(true).write(true).create_new(true).open(&path);
    let file = open.expect("a new file in the temporary directory");
    std::fs::remove_file(path).expect("it can be removed");
    file.write_all_at(content, 0).expect("it can be written");
    file
}

/// Does one operation to its end.
///
/// # Safety
/// - What it points to stays until this returns.
unsafe fn finish(ring: &mut LocalRing, entry: impl Into<annulus_emulate::abi::Sqe>) -> usize {
    // SAFETY: the caller's promise: this waits for the completion.
    unsafe { ring.push(entry) }.expect("room for an entry");
    ring.submit_and_wait(1).expect("a completion");
    let result = ring.completions().expect("a queue").next().expect("the completion").result();
    result.expect("the operation succeeds") as usize
}

fn content(file: &mut File) -> Vec<u8> {
    let mut all = Vec::new();
    std::io::Seek::rewind(file).and_then(|()| file.read_to_end(&mut all)).expect("it can be read");
    all
}

#[test]
fn pieces_of_a_vectored_operation() {
    limit(LIMIT, || {
        let mut ring = LocalRing::new(8).expect("a ring");
        let mut file = file("pieces", b"");
        let text: Vec<u8> = (0..120).collect();
        let bufs: Vec<_> = text.chunks(10).map(<[u8]>::to_vec).collect();
        // As if a first write had been short, in the middle of a piece.
        for (from, bytes) in [(0, 120), (15, 105)] {
            let iovecs = Iovecs::for_write(&bufs, from);
            let write = op::Writev::new(&file, iovecs.as_ptr(), iovecs.count()).offset(from as u64);
            // SAFETY: the list and the buffers live longer than the call.
            assert_eq!(unsafe { finish(&mut ring, write) }, bytes);
        }
        assert_eq!(content(&mut file), text);

        let mut bufs = (Vec::with_capacity(7), AlignedBuf::new(64), vec![0; 100].slice(10..20));
        let room = bufs.0.capacity();
        let iovecs = Iovecs::for_read(&mut bufs, 0);
        let read = op::Readv::new(&file, iovecs.as_ptr(), iovecs.count()).offset(0);
        // SAFETY: the list and the buffers live longer than the call.
        let count = unsafe { finish(&mut ring, read) };
        assert_eq!(count, room + 64 + 10);
        // SAFETY: the kernel wrote so many, from the first one on.
        unsafe { bufs.vec_set_init(count) };
        assert_eq!([&bufs.0[..], &bufs.1[..], &bufs.2[..]].concat(), text[..count]);
    });
}

#[test]
fn buffers_of_a_registered_pool() {
    if may_not_lock() {
        return;
    }
    limit(LIMIT, || {
        let mut ring = LocalRing::new(8).expect("a ring");
        let mut file = file("fixed", b"0123456789");
        let pool = FixedPool::new(4, 4096).expect("a pool");
        let pieces: Vec<_> = pool.iovecs().collect();
        // SAFETY: the pool's memory outlives the registration, which is taken back below, after
        // every operation is done.
        unsafe { ring.register().buffers(&pieces) }.expect("the pool is registered");

        // Not the first one: its index counts.
        let _first = pool.try_take();
        let mut buf = pool.try_take().expect("a buffer").slice(..4);
        let (len, index) = (io_len(buf.bytes_total()), buf.registered().expect("its place").index);
        let read = op::ReadFixed::new(&file, buf.stable_mut_ptr(), len, index).offset(3);
        // SAFETY: the buffer lives longer than the call.
        let count = unsafe { finish(&mut ring, read) };
        // SAFETY: the kernel wrote so many.
        unsafe { buf.set_init(count) };
        assert_eq!(buf[..], *b"3456");

        buf.copy_from_slice(b"abcd");
        let (len, part) = (io_len(buf.bytes_init() - 1), buf.into_inner().slice(1..));
        let write = op::WriteFixed::new(&file, part.stable_ptr(), len, index).offset(0);
        // SAFETY: the buffer lives longer than the call.
        assert_eq!(unsafe { finish(&mut ring, write) }, 3);
        assert_eq!(content(&mut file), b"bcd3456789");
        ring.register().unregister_buffers().expect("the registration is taken back");
    });
}

#[test]
fn regions_of_a_memory() {
    limit(LIMIT, || {
        let mut ring = LocalRing::new(8).expect("a ring");
        let mut file = file("regions", b"data");
        let memory = SharedMemory::from(&b"      "[..]);
        let list = [MemRegion { offset: 0, len: 2 }, MemRegion { offset: 4, len: 2 }];
        let iovecs = regions_to_iovecs(&memory, &list).expect("they are within");
        let read = op::Readv::new(&file, iovecs.as_ptr(), iovecs.count()).offset(0);
        // SAFETY: the list and the memory live longer than the call.
        assert_eq!(unsafe { finish(&mut ring, read) }, 4);
        let list = [MemRegion { offset: 5, len: 1 }, MemRegion { offset: 0, len: 3 }];
        let iovecs = regions_to_iovecs(&memory, &list).expect("they are within");
        let write = op::Writev::new(&file, iovecs.as_ptr(), iovecs.count()).offset(0);
        // SAFETY: the list and the memory live longer than the call.
        assert_eq!(unsafe { finish(&mut ring, write) }, 4);
        assert_eq!(Vec::from(memory), b"da  ta");
        assert_eq!(content(&mut file), b"ada ");
    });
}
