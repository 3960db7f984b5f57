//! Vectored buffers and the lists made of them. Without a system call: for Miri too.

mod buffers;

use annulus_runtime::buffer::{
    AlignedBuf, FixedPool, IO_BYTES_MAX, IOVECS_MAX, IoBuf, IoVecBuf, IoVecBufMut, Iovecs, io_len,
};

use buffers::{readv, writev};

/// Reads `data` in parts of at most `step` bytes, as an exact read on a slow file does.
fn read_in_steps<V: IoVecBufMut>(bufs: &mut V, data: &[u8], step: usize) -> usize {
    let mut done = 0;
    while done < data.len() {
        let iovecs = Iovecs::for_read(bufs, done);
        let count = readv(&iovecs, &data[done..data.len().min(done + step)]);
        if count == 0 {
            break;
        }
        done += count;
        // SAFETY: so many were written, from the first byte of all on.
        unsafe { bufs.vec_set_init(done) };
    }
    done
}

#[test]
fn every_collection() {
    let data = b"0123456789";
    let mut vector = vec![Vec::with_capacity(4), Vec::with_capacity(0), Vec::with_capacity(8)];
    assert_eq!(read_in_steps(&mut vector, data, 3), 10);
    assert_eq!(vector, [&b"0123"[..], b"", b"456789"]);

    let mut array = [vec![0; 4].into_boxed_slice(), vec![0; 8].into_boxed_slice()];
    assert_eq!(read_in_steps(&mut array, data, 3), 10);
    assert_eq!((&*array[0], &*array[1]), (&b"0123"[..], &b"456789\0\0"[..]));

    let mut boxed: Box<[_]> = (0..3).map(|_| AlignedBuf::with_alignment(4, 8)).collect();
    assert_eq!(read_in_steps(&mut boxed, data, 5), 10);
    assert_eq!(boxed.iter().map(|b| b.to_vec()).collect::<Vec<_>>().concat(), data);

    let fixed = FixedPool::new(1, 3).unwrap().try_take().unwrap();
    let mut tuple =
        (Vec::with_capacity(2), fixed, b"abcd".to_vec().slice(1..3), AlignedBuf::new(9));
    assert_eq!(read_in_steps(&mut tuple, data, 4), 10);
    let (a, b, c, d) = tuple;
    assert_eq!(
        (&a[..], &b[..], &c.into_inner()[..], &d[..]),
        (&b"01"[..], &b"234"[..], &b"a56d"[..], &b"789"[..])
    );
}

#[test]
fn a_read_of_more_than_there_is_room_for() {
    let mut bufs = [Vec::with_capacity(2), Vec::with_capacity(3)];
    let iovecs = Iovecs::for_read(&mut bufs, 0);
    assert_eq!(readv(&iovecs, b"0123456789"), 5);
    // SAFETY: five bytes were written.
    unsafe { bufs.vec_set_init(5) };
    assert_eq!(bufs.concat(), b"01234");
}

#[test]
fn mixed_pieces_are_written_in_order() {
    let message = ("head ", vec![b'x', b' '], String::from("body"), Vec::new());
    assert_eq!(writev(&Iovecs::for_write(&message, 0)), b"head x body");
    assert_eq!(writev(&Iovecs::for_write(&message, 6)), b" body");
    assert_eq!(writev(&Iovecs::for_write(&message, 11)), b"");
    assert_eq!(Iovecs::for_write(&message, 99).count(), 0);
}

#[test]
fn eight_pieces_are_inside_and_more_on_the_heap() {
    let inside = |iovecs: &Iovecs| {
        let value = std::ptr::from_ref(iovecs).addr();
        (value..value + size_of::<Iovecs>()).contains(&iovecs.as_ptr().addr())
    };
    for count in 0..20 {
        let bufs = vec!["ab"; count];
        let iovecs = Iovecs::for_write(&bufs, 0);
        assert_eq!((iovecs.count() as usize, iovecs.bytes()), (count, 2 * count));
        assert_eq!(inside(&iovecs), count <= 8, "{count} pieces");
        assert_eq!(writev(&iovecs.clone()), "ab".repeat(count).as_bytes());
    }
}

#[test]
fn the_kernels_limits_cut_the_list() {
    let bufs = vec!["a"; IOVECS_MAX + 5];
    let iovecs = Iovecs::for_write(&bufs, 0);
    assert_eq!((iovecs.count() as usize, iovecs.bytes()), (IOVECS_MAX, IOVECS_MAX));
    assert_eq!(Iovecs::for_write(&bufs, IOVECS_MAX).count(), 5);

    let mut iovecs = Iovecs::new();
    let somewhere = std::ptr::dangling_mut();
    assert_eq!(iovecs.push(somewhere, IO_BYTES_MAX - 1), IO_BYTES_MAX - 1);
    assert_eq!(iovecs.push(somewhere, 4096), 1);
    assert_eq!(iovecs.push(somewhere, 4096), 0);
    assert_eq!((iovecs.count(), iovecs.bytes()), (2, IO_BYTES_MAX));
    assert!(i32::try_from(iovecs.bytes()).is_ok() && iovecs.bytes().is_multiple_of(4096));
}

#[test]
fn lengths_are_capped() {
    let max = IO_BYTES_MAX as u32;
    for (bytes, len) in [(0, 0), (1, 1), (IO_BYTES_MAX, max), (IO_BYTES_MAX + 1, max)] {
        assert_eq!(io_len(bytes), len);
    }
    assert_eq!((io_len(1 << 32), io_len(usize::MAX)), (max, max));
}

#[test]
fn a_piece_that_is_not_there() {
    assert!(std::panic::catch_unwind(|| ("a", "b").piece(2)).is_err());
    assert!(std::panic::catch_unwind(|| ["a", "b"].piece(2)).is_err());
}
