//! Random slices, vectored buffers and regions against plain lists of bytes. Without a system call:
//! for Miri too.

mod buffers;

use annulus_runtime::buffer::{IoBuf, IoBufMut, IoVecBufMut, Iovecs, MemRegion, MemRegions};
use proptest::prelude::*;

use buffers::{read, readv, write, writev};

fn config() -> ProptestConfig {
    // A failure is printed with its seed.
    let cases = if cfg!(miri) { 12 } else { 2_000 };
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// A vector with so many bytes, all `fill`, and room for so many more.
fn room(len: usize, more: usize, fill: u8) -> Vec<u8> {
    let mut buf = Vec::with_capacity(len + more);
    buf.resize(len, fill);
    buf
}

/// What a read brings: no two of its bytes near each other are alike, and none is a filling.
fn data(count: usize) -> Vec<u8> {
    (0..count).map(|i| (i % 100) as u8 + 100).collect()
}

/// The bytes before the read, with its `count` bytes over those from `begin` on.
fn overlaid(before: &[u8], begin: usize, data: &[u8]) -> Vec<u8> {
    let mut after = before.to_vec();
    after.resize(before.len().max(begin + data.len()), 0);
    after[begin..begin + data.len()].copy_from_slice(data);
    after
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn slices(
        len in 0..40_usize,
        more in 0..40_usize,
        cuts: [prop::sample::Index; 4],
        n in 0..99_usize,
    ) {
        let buf = room(len, more, 1);
        let total = buf.bytes_total();
        let begin = cuts[0].index(len + 1);
        let end = begin + cuts[1].index(total - begin + 1);
        let slice = buf.slice(begin..end);
        prop_assert_eq!(slice.bytes_total(), end - begin);
        prop_assert_eq!(write(&slice), vec![1; end.min(len).saturating_sub(begin)]);

        // A part of the part: as one slice would be.
        let inner_begin = cuts[2].index(slice.bytes_init() + 1);
        let inner_end = inner_begin + cuts[3].index(slice.slice_max() - inner_begin + 1);
        let mut slice = slice.slice(inner_begin..inner_end);
        let data = data(n);
        let count = read(&mut slice, &data);
        prop_assert_eq!(count, n.min(inner_end - inner_begin));
        prop_assert!(slice.bytes_init() >= count && slice[..count] == data[..count]);

        let buf = slice.into_inner().into_inner();
        let at = begin + inner_begin;
        prop_assert_eq!(buf, overlaid(&vec![1; len], at, &data[..count]));
    }

    #[test]
    fn vectored(
        shapes in prop::collection::vec((0..6_usize, 0..6_usize), 0..14),
        skip in 0..60_usize,
        steps in prop::collection::vec(1..20_usize, 1..8),
    ) {
        let mut bufs: Vec<_> = shapes.iter().map(|(len, more)| room(*len, *more, 1)).collect();
        for (i, buf) in bufs.iter_mut().enumerate() {
            buf.fill(i as u8);
        }
        let before = bufs.clone();
        let sent = writev(&Iovecs::for_write(&bufs, skip));
        let all = before.concat();
        prop_assert_eq!(&sent[..], &all[skip.min(all.len())..]);

        let rooms: Vec<_> = bufs.iter().map(Vec::capacity).collect();
        let total: usize = rooms.iter().sum();
        let data = data(total + 3);
        let mut done = 0;
        for step in steps {
            let iovecs = Iovecs::for_read(&mut bufs, done);
            prop_assert_eq!(iovecs.bytes(), total - done);
            done += readv(&iovecs, &data[done..data.len().min(done + step)]);
            // SAFETY: so many bytes were written, from the first one on.
            unsafe { bufs.vec_set_init(done) };
        }
        let mut at = 0;
        for ((buf, before), room) in bufs.iter().zip(&before).zip(rooms) {
            let here = done.saturating_sub(at).min(room);
            prop_assert_eq!(buf, &overlaid(before, 0, &data[at..at + here]));
            at += room;
        }
    }

    #[test]
    fn regions(
        list in prop::collection::vec((0..1000_u64, 0..6_usize), 0..8),
        cuts in prop::collection::vec((any::<bool>(), 0..20_usize), 0..5),
    ) {
        let region = |(offset, len)| MemRegion { offset, len };
        let list: Vec<_> = list.into_iter().map(region).collect();
        // Every byte, with the region that it is of.
        let bytes_of = |(i, region): (usize, &MemRegion)| {
            let offset = region.offset;
            (0..region.len as u64).map(move |at| (i, offset + at)).collect::<Vec<_>>()
        };
        let mut bytes = list.iter().enumerate().flat_map(bytes_of).collect::<Vec<_>>();
        let mut regions = MemRegions::new(&list);
        for (skips, count) in cuts {
            if skips {
                regions = regions.skip_bytes(count);
                bytes.drain(..count.min(bytes.len()));
            } else {
                regions = regions.take_bytes(count);
                bytes.truncate(count);
            }
        }
        let parts: Vec<_> = bytes.chunk_by(|a, b| a.0 == b.0).collect();
        let expected: Vec<_> =
            parts.iter().map(|part| MemRegion { offset: part[0].1, len: part.len() }).collect();
        prop_assert_eq!(regions.collect::<Vec<_>>(), expected);
    }
}
