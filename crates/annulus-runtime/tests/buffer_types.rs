//! Every type that is a buffer, its slices, and the error that gives it back. Without a system
//! call: for Miri too.

mod buffers;

use std::panic::catch_unwind;
use std::sync::Arc;

use annulus_ring::Errno;
use annulus_runtime::buffer::{
    AlignedBuf, BackingMemory, BufError, FixedBuf, FixedPool, IoBuf, IoBufMut, IoVecBuf, Iovecs,
    MemRegions, SharedMemory, Slice, Take,
};

use buffers::{read, write};

/// Lends it to a read after it was moved to where it stays, as an engine does.
fn filled<B: IoBufMut>(buf: B, data: &[u8]) -> B {
    let mut slot = Box::new(buf);
    read(&mut *slot, data);
    *slot
}

#[test]
fn a_vector_is_filled_up_to_its_capacity() {
    let mut buf = Vec::with_capacity(8);
    buf.extend(*b"ab");
    assert_eq!(filled(buf, b"0123"), b"0123");
    let room = Vec::with_capacity(8);
    assert_eq!(filled(room, b"0123456789").len(), 8);
}

#[test]
fn what_was_initialised_stays_so_after_a_short_read() {
    assert_eq!(filled(b"abcd".to_vec(), b"01"), b"01cd");
    assert_eq!(filled(AlignedBuf::from(&b"abcd"[..]), b"01")[..], *b"01cd");
    let mut fixed = FixedPool::new(1, 64).unwrap().try_take().unwrap();
    fixed.extend_from_slice(b"abcd");
    assert_eq!(filled(fixed, b"01")[..], *b"01cd");
    assert_eq!(*filled(b"abcd".to_vec().into_boxed_slice(), b"01"), *b"01cd");
    assert_eq!(*filled(Box::new(*b"abcd"), b"01"), *b"01cd");
}

#[test]
fn all_that_can_be_written_from() {
    assert_eq!(write(&b"ring".to_vec()), b"ring");
    assert_eq!(write(&b"ring"), b"ring");
    assert_eq!(write(&&b"ring"[..]), b"ring");
    assert_eq!(write(&"ring"), b"ring");
    assert_eq!(write(&String::from("ring")), b"ring");
    assert_eq!(write(&Arc::<[u8]>::from(&b"ring"[..])), b"ring");
    assert_eq!(write(&Arc::<str>::from("ring")), b"ring");
    assert_eq!(write(&b"ring".to_vec().into_boxed_slice()), b"ring");
    assert_eq!(write(&Box::new(*b"ring")), b"ring");
    assert_eq!(write(&AlignedBuf::from(&b"ring"[..])), b"ring");
    assert_eq!(write(&"the ring".slice(4..)), b"ring");
}

#[test]
fn an_address_survives_a_move() {
    fn address_stays<B: IoBuf>(buf: B) {
        let before = buf.stable_ptr();
        let moved = Box::new(buf);
        assert_eq!(moved.stable_ptr(), before);
    }
    address_stays(vec![1, 2]);
    address_stays(String::from("ring"));
    address_stays(vec![1, 2].into_boxed_slice());
    address_stays(Arc::<[u8]>::from([1, 2]));
    address_stays(AlignedBuf::zeroed(2));
    address_stays(FixedPool::new(1, 64).unwrap().try_take().unwrap());
    address_stays(vec![1, 2].slice(1..));
}

#[test]
fn a_slice_is_filled_and_sent_alone() {
    let page = filled(b"head....tail".to_vec().slice(4..8), b"MIDDLE");
    assert_eq!((&page[..], page.begin(), page.end()), (&b"MIDD"[..], 4, 8));
    assert_eq!(page.into_inner(), b"headMIDDtail");
}

#[test]
fn a_slice_behind_the_initialised_bytes() {
    let mut buf = Vec::with_capacity(16);
    buf.extend(*b"head");
    let tail = buf.slice(4..);
    assert_eq!((tail.bytes_init(), tail.bytes_total(), tail.end()), (0, 12, 16));
    let tail = filled(tail, b"body");
    assert_eq!(tail[..], *b"body");
    assert_eq!(tail.into_inner(), b"headbody");
}

#[test]
fn a_slice_of_a_slice() {
    let buf = b"0123456789".to_vec().slice(2..9).slice(1..=4).slice(..3);
    assert_eq!(write(&buf), b"345");
    let mut buf = filled(buf, b"ab");
    buf[2] = b'c';
    assert_eq!(buf.into_inner().into_inner().into_inner(), b"012abc6789");
}

#[test]
fn a_slice_of_a_fixed_buffer_is_registered_too() {
    let pool = FixedPool::new(2, 64).unwrap();
    let buf = pool.try_take().unwrap();
    let whole = buf.registered().unwrap();
    assert_eq!((whole.pool, whole.index), (pool.id(), buf.index()));
    assert_eq!(buf.slice(..8).slice(..4).registered(), Some(whole));
    assert_eq!(vec![0].registered(), None);
}

#[test]
#[expect(clippy::reversed_empty_ranges, reason = "that is what is refused")]
fn ranges_outside_panic_as_slices_do() {
    fn panics(f: impl FnOnce() -> Slice<Vec<u8>> + std::panic::UnwindSafe) -> bool {
        catch_unwind(f).is_err()
    }
    let room = || {
        let mut buf = Vec::with_capacity(8);
        buf.extend(*b"ab");
        buf
    };
    assert!(panics(move || room().slice(2..1)));
    assert!(panics(move || room().slice(..9)));
    assert!(panics(move || room().slice(..=8)));
    assert!(panics(move || room().slice(..=usize::MAX)));
    // Between the beginning and it would be bytes that nobody wrote.
    assert!(panics(move || room().slice(3..)));
    assert!(!panics(move || room().slice(2..8)));
    assert!(!panics(move || room().slice(2..2)));
}

#[test]
fn aligned_memory_is_aligned() {
    for alignment in [1, 8, 512, 4096, 65536] {
        for bytes in [0, 1, 511, 4096] {
            let mut buf = AlignedBuf::with_alignment(bytes, alignment);
            assert_eq!(buf.as_ptr().addr() % alignment, 0);
            assert_eq!((buf.len(), buf.capacity(), buf.alignment()), (0, bytes, alignment));
            buf.resize(bytes, 7);
            assert!(buf.iter().all(|b| *b == 7) && buf.len() == bytes);
        }
    }
    let mut buf = AlignedBuf::zeroed(4);
    buf[1] = 1;
    buf.truncate(3);
    buf.resize(4, 9);
    assert_eq!(Vec::from(buf), [0, 1, 0, 9]);
}

#[test]
fn aligned_memory_that_cannot_be_had_is_an_error() {
    for (bytes, alignment) in [(usize::MAX, 4096), (isize::MAX as usize, 4096), (1, 0), (1, 24)] {
        let error = AlignedBuf::try_zeroed(bytes, alignment).unwrap_err();
        assert!(!error.to_string().is_empty());
    }
    assert!(catch_unwind(|| AlignedBuf::with_alignment(1, 3)).is_err());
    let full = || {
        let mut buf = AlignedBuf::from(&b"ring"[..]);
        buf.extend_from_slice(b"!");
    };
    assert!(catch_unwind(full).is_err());
    assert!(catch_unwind(|| AlignedBuf::new(4).resize(5, 0)).is_err());
}

#[test]
fn an_error_gives_the_buffer_back() {
    let buf = b"ring".to_vec();
    let address = buf.as_ptr();
    let error = BufError::new(Errno::ENOSPC, buf.slice(1..)).after(7);
    assert_eq!((error.errno(), error.done()), (Some(Errno::ENOSPC), 7));
    assert!(error.to_string().contains("7 bytes"), "{error}");
    let (error, buf) = error.map(Slice::into_inner).into_inner();
    assert_eq!((error.raw_os_error(), buf.as_ptr()), (Some(28), address));
}

#[test]
fn an_error_without_a_number_says_what_was_done() {
    let error = BufError::unexpected_eof(5, ());
    let text = error.to_string();
    assert!(text.contains("5 bytes"), "{text}");
    let plain = std::io::Error::from(error);
    assert_eq!((plain.kind(), plain.to_string()), (std::io::ErrorKind::UnexpectedEof, text));
    let plain = BufError::write_zero(6, ()).error();
    assert!(plain.kind() == std::io::ErrorKind::WriteZero && plain.to_string().contains("6 bytes"));
}

/// A buffer without `Debug`, whose error is shown all the same, and passes through `?`.
struct Silent(Vec<u8>);

#[test]
fn an_error_needs_nothing_of_its_buffer() {
    fn fails() -> Result<(usize, Silent), BufError<Silent>> {
        Err(BufError::new(Errno::EIO, Silent(vec![0; 16])))
    }
    fn plain() -> std::io::Result<usize> {
        let (n, buf) = fails()?;
        Ok(n + buf.0.len())
    }
    fn boxed() -> Result<usize, Box<dyn std::error::Error + Send + Sync>> {
        let (n, buf) = fails()?;
        Ok(n + buf.0.len())
    }
    assert_eq!(plain().unwrap_err().raw_os_error(), Some(5));
    assert!(boxed().unwrap_err().downcast::<BufError<Silent>>().is_ok());
    let shown = format!("{:?}", fails().err().unwrap());
    assert!(shown.contains("EIO") && !shown.contains("Silent"), "{shown}");
}

#[test]
fn sizes() {
    assert!(size_of::<BufError<Vec<u8>>>() <= size_of::<Vec<u8>>() + 16);
    assert!(size_of::<Iovecs>() <= 8 * 16 + 24);
    assert!(size_of::<FixedBuf>() <= 24);
    assert!(size_of::<AlignedBuf>() <= 32);
}

#[test]
fn auto_traits() {
    fn everywhere<T: Send + Sync + Unpin + 'static>() {}
    everywhere::<AlignedBuf>();
    everywhere::<FixedPool>();
    everywhere::<FixedBuf>();
    everywhere::<Take>();
    everywhere::<Iovecs>();
    everywhere::<SharedMemory>();
    everywhere::<MemRegions<'static>>();
    everywhere::<Slice<Vec<u8>>>();
    everywhere::<BufError<Vec<u8>>>();
    everywhere::<Box<dyn BackingMemory>>();
}

#[test]
fn trait_objects() {
    let bufs: Vec<Box<dyn IoBuf>> = vec![Box::new("ring"), Box::new(vec![1, 2])];
    assert_eq!(bufs.iter().map(|b| b.bytes_init()).sum::<usize>(), 6);
    let mut room: Box<dyn IoBufMut> = Box::new(AlignedBuf::new(8));
    assert!(room.bytes_total() == 8 && room.stable_mut_ptr().is_aligned());
    let pieces: Box<dyn IoVecBuf> = Box::new(("a", vec![0; 7]));
    assert_eq!(pieces.vec_bytes_init(), 8);
}
