//! Lines, however the bytes come, and whoever loses interest in between.

mod common;

use core::future::poll_fn;
use core::task::Poll;
use std::collections::VecDeque;
use std::io::ErrorKind;

use annulus::buffer::{BufResult, IoBufMut, copy_to};
use annulus::io::{AsyncReadOwned, BufReader, repeat};
use common::{LIMIT, limit, on_runtime, times};
use futures::future::poll_immediate;

/// A stream that gives one piece each time it is asked; it is not ready each second time.
struct Pieces {
    pieces: VecDeque<Vec<u8>>,
    waits: bool,
    is_due: bool,
}

impl Pieces {
    fn new(pieces: impl IntoIterator<Item = Vec<u8>>, waits: bool) -> Self {
        Self { pieces: pieces.into_iter().collect(), waits, is_due: false }
    }
}

impl AsyncReadOwned for Pieces {
    async fn read<B: IoBufMut>(&mut self, buf: B) -> BufResult<usize, B> {
        let mut buf = buf;
        poll_fn(|cx| {
            self.is_due = !self.is_due;
            if self.waits && self.is_due {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(())
        })
        .await;
        let Some(mut piece) = self.pieces.pop_front() else { return Ok((0, buf)) };
        let n = copy_to(&mut buf, &piece);
        if n < piece.len() {
            self.pieces.push_front(piece.split_off(n));
        }
        Ok((n, buf))
    }
}

/// Numbers that look random, the same each time.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// Lines of many lengths, empty ones among them, with both kinds of ends; the last has none.
fn text(lines: u64, random: &mut Random) -> (Vec<u8>, Vec<String>) {
    let (mut bytes, mut expected) = (Vec::new(), Vec::new());
    for at in 0..lines {
        let long = if at % 97 == 0 { 300 } else { 9 };
        let line =
            format!("{}{}", "é".repeat((at % 3) as usize), "x".repeat(random.below(long) as usize));
        bytes.extend_from_slice(line.as_bytes());
        expected.push(line);
        bytes.extend_from_slice(if random.below(2) == 0 { b"\n" } else { b"\r\n" });
    }
    bytes.extend_from_slice(b"the last");
    expected.push("the last".to_owned());
    (bytes, expected)
}

/// All lines; where it is `impatient` each future is dropped when it is not ready at once.
async fn lines(from: Pieces, capacity: usize, impatient: bool) -> Vec<String> {
    let mut lines = BufReader::with_capacity(capacity, from).lines();
    let mut all = Vec::new();
    loop {
        let next = if impatient {
            match poll_immediate(Box::pin(lines.next())).await {
                Some(next) => next,
                None => continue,
            }
        } else {
            lines.next().await
        };
        match next.expect("nothing fails") {
            Some(line) => all.push(line),
            None => return all,
        }
    }
}

#[test]
fn ten_thousand_lines_cut_at_every_offset_are_whole() {
    let (bytes, expected) = text(10_000, &mut Random(1));
    on_runtime(|| async move {
        for capacity in [1, 7, 16 << 10] {
            for impatient in [false, true] {
                let every = bytes.iter().map(|byte| vec![*byte]);
                let found = lines(Pieces::new(every, true), capacity, impatient).await;
                assert!(found == expected, "capacity {capacity}, impatient {impatient}");
            }
        }
    });
}

#[test]
fn a_cut_anywhere_changes_nothing() {
    let (bytes, expected) = text(20, &mut Random(2));
    on_runtime(|| async move {
        for first in 0..=bytes.len() {
            for second in (first..=bytes.len()).step_by(3) {
                let pieces = [&bytes[..first], &bytes[first..second], &bytes[second..]];
                let pieces = pieces.into_iter().filter(|piece| !piece.is_empty());
                let from = Pieces::new(pieces.map(<[u8]>::to_vec), true);
                assert_eq!(lines(from, 64, true).await, expected, "cut at {first} and {second}");
            }
        }
    });
}

#[test]
fn random_cuts_capacities_and_ways_to_ask_agree() {
    on_runtime(|| async {
        for seed in 0..times(300) {
            let random = &mut Random(seed);
            let (bytes, _) = text(1 + random.below(200), random);
            let (mut pieces, mut rest) = (Vec::new(), &bytes[..]);
            while !rest.is_empty() {
                let n = (1 + random.below(80) as usize).min(rest.len());
                pieces.push(rest[..n].to_vec());
                rest = &rest[n..];
            }
            let mut from = BufReader::with_capacity(
                1 + random.below(100) as usize,
                Pieces::new(pieces, random.below(2) == 0),
            );
            let mut all = Vec::new();
            loop {
                let before = all.len();
                match random.below(4) {
                    0 => {
                        let _ = poll_immediate(Box::pin(from.read_until(b'\n', &mut all))).await;
                        continue;
                    }
                    1 => _ = from.read_until(b'\n', &mut all).await.unwrap(),
                    2 => {
                        let room = 1 + random.below(150) as usize;
                        let (n, buf) = from.read(vec![0; room]).await.unwrap();
                        all.extend_from_slice(&buf[..n]);
                    }
                    _ => {
                        let some = from.fill_buf().await.unwrap();
                        let n = some.len().min(3);
                        all.extend_from_slice(&some[..n]);
                        from.consume(n);
                    }
                }
                if all.len() == before {
                    break;
                }
            }
            assert!(all == bytes, "seed {seed}");
        }
    });
}

#[test]
fn an_endless_line_ends_at_the_limit_and_nothing_is_lost() {
    on_runtime(|| async {
        let mut lines = BufReader::new(repeat(b'x')).line_max(100_000).lines();
        for _ in 0..2 {
            let why = lines.next().await.unwrap_err();
            assert_eq!(why.kind(), ErrorKind::InvalidData);
            assert!(why.to_string().contains("100000"), "{why}");
        }
        let held = lines.into_inner().into_inner().1;
        assert!(held.len() >= 100_000 && held.len() < 200_000, "{}", held.len());
        assert!(held.iter().all(|byte| *byte == b'x'));
        // At the limit it is a line, one byte above it is none.
        for (bytes, is_good) in [(9, true), (10, false)] {
            let line = [&vec![b'x'; bytes][..], b"\n"].concat();
            for capacity in [1, 5, 10, 11, 64] {
                let mut from = BufReader::with_capacity(capacity, &line[..]).line_max(10);
                let mut out = String::new();
                assert_eq!(from.read_line(&mut out).await.is_ok(), is_good, "{bytes}, {capacity}");
                assert_eq!(out.is_empty(), !is_good);
            }
        }
    });
}

#[test]
fn what_is_no_text_is_passed_over_and_bytes_are_not() {
    on_runtime(|| async {
        let mut lines = BufReader::new(&b"a\n\xc3\x28\nb"[..]).lines();
        assert_eq!(lines.next().await.unwrap().as_deref(), Some("a"));
        assert_eq!(lines.next().await.unwrap_err().kind(), ErrorKind::InvalidData);
        assert_eq!(lines.next().await.unwrap().as_deref(), Some("b"));
        let mut pieces = BufReader::new(&b"a\xffb\xff\xff"[..]).split(0xff);
        for expected in [&b"a"[..], b"b", b""] {
            assert_eq!(pieces.next().await.unwrap().as_deref(), Some(expected));
        }
        assert_eq!(pieces.next().await.unwrap(), None);
        assert_eq!(pieces.next().await.unwrap(), None);
    });
}

#[test]
fn a_long_line_leaves_no_large_buffer_behind() {
    limit(LIMIT, || {
        let long = [&vec![b'x'; 500_000][..], b"\nshort\n"].concat();
        annulus::run(async {
            let mut from = BufReader::with_capacity(1000, &long[..]);
            let mut out = Vec::new();
            assert_eq!(from.read_until(b'\n', &mut out).await.unwrap(), 500_001);
            assert_eq!(from.read_until(b'\n', &mut out).await.unwrap(), 6);
            assert_eq!(from.fill_buf().await.unwrap(), b"");
            assert!(out.ends_with(b"x\nshort\n"));
        })
        .unwrap();
    });
}
