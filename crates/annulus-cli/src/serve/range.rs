//! `Range`: which bytes of a file are asked for (RFC 9110, 14).
//!
//! Ranges that overlap or touch are sent as one, so that no byte is sent twice, however often it is
//! asked for: the parts together are never longer than the file. They keep the order in which they
//! were asked for, as the standard advises; what is joined stands where the first of it stood.
//! Their number has a bound beside that, since each part costs a head, and calls of its own.

/// Bytes of a file that follow one another, one at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub first: u64,
    pub count: u64,
}

impl Span {
    /// Where the next byte would be.
    pub fn end(&self) -> u64 {
        self.first + self.count
    }

    /// As `Content-Range` says it of a file of `len` bytes.
    pub fn text(&self, len: u64) -> String {
        format!("bytes {}-{}/{len}", self.first, self.end() - 1)
    }

    /// Whether no byte lies between the two.
    fn touches(&self, other: &Self) -> bool {
        self.first <= other.end() && other.first <= self.end()
    }

    /// Both, and what lies between.
    fn with(&self, other: &Self) -> Self {
        let first = self.first.min(other.first);
        Self { first, count: self.end().max(other.end()) - first }
    }
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// All of it: nothing else was asked for, or nothing that can be understood.
    All,
    /// One range, also where several were asked for and one is left.
    Part(Span),
    /// Several, which neither overlap nor touch.
    Parts(Vec<Span>),
    /// What was asked for lies behind the end.
    Nothing,
}

/// How many ranges are looked at: a request for more is one for all, which costs fewer calls. The
/// standard lets a server ignore ranges, and names many small ones as a reason to.
pub const RANGES_MAX: usize = 16;

/// What a `Range` asks of a file of `len` bytes.
pub fn wanted(value: &str, len: u64) -> Wanted {
    let Some((unit, ranges)) = value.split_once('=') else { return Wanted::All };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Wanted::All;
    }
    let mut spans = Vec::new();
    let mut seen = 0;
    for range in ranges.split(',').map(str::trim).filter(|range| !range.is_empty()) {
        seen += 1;
        // One that cannot be understood makes nothing of all of them.
        let Some(span) = parse(range, len).filter(|_| seen <= RANGES_MAX) else {
            return Wanted::All;
        };
        if let Some(span) = span {
            add(&mut spans, span);
        }
    }
    match *spans {
        [] if seen == 0 => Wanted::All,
        [] => Wanted::Nothing,
        [span] => Wanted::Part(span),
        _ => Wanted::Parts(spans),
    }
}

/// Joins a span with those that it touches, or puts it behind all.
fn add(spans: &mut Vec<Span>, span: Span) {
    let place = spans.iter().position(|one| one.touches(&span)).unwrap_or(spans.len());
    let mut union = span;
    // Those that the union reaches are those that the span does: they do not touch each other.
    spans.retain(|one| {
        let is_apart = !one.touches(&span);
        if !is_apart {
            union = union.with(one);
        }
        is_apart
    });
    spans.insert(place, union);
}

/// One range, or nothing if it lies behind the end of the file. `None`: it is not a range.
fn parse(range: &str, len: u64) -> Option<Option<Span>> {
    let (first, last) = range.split_once('-')?;
    let (first, last) = (first.trim(), last.trim());
    if first.is_empty() {
        let count = number(last)?.min(len);
        return Some((count > 0).then_some(Span { first: len - count, count }));
    }
    let first = number(first)?;
    let end = if last.is_empty() { len } else { number(last)?.saturating_add(1) };
    if !last.is_empty() && end <= first {
        return None;
    }
    Some((first < len).then(|| Span { first, count: end.min(len) - first }))
}

/// A number of digits alone; one that is too large is as large as can be.
fn number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_a_part() {
        let part = |first, count| Wanted::Part(Span { first, count });
        for (value, want) in [
            ("bytes=0-0", part(0, 1)),
            ("bytes=2-4", part(2, 3)),
            ("Bytes = 2-4", part(2, 3)),
            ("bytes=5-", part(5, 5)),
            ("bytes=9-", part(9, 1)),
            ("bytes=-3", part(7, 3)),
            ("bytes=-30", part(0, 10)),
            ("bytes=0-99999999999999999999999", part(0, 10)),
            ("bytes=10-", Wanted::Nothing),
            ("bytes=99999999999999999999999-", Wanted::Nothing),
            ("bytes=-0", Wanted::Nothing),
            ("bytes=10-,11-12", Wanted::Nothing),
            ("bytes=4-2", Wanted::All),
            ("bytes=a-2", Wanted::All),
            ("bytes=1", Wanted::All),
            ("bytes=-", Wanted::All),
            ("bytes=", Wanted::All),
            ("bytes=,", Wanted::All),
            ("bytes=+1-2", Wanted::All),
            ("lines=0-1", Wanted::All),
            ("", Wanted::All),
        ] {
            assert_eq!(wanted(value, 10), want, "{value}");
        }
        assert_eq!(wanted("bytes=0-", 0), Wanted::Nothing);
        assert_eq!(wanted("bytes=-1", 0), Wanted::Nothing);
        assert_eq!(wanted("bytes=0-,-1", 0), Wanted::Nothing);
    }

    /// What is asked of 100 bytes, as pairs of the first byte and the last.
    fn pairs(value: &str) -> Vec<(u64, u64)> {
        let spans = match wanted(value, 100) {
            Wanted::All => return Vec::new(),
            Wanted::Part(span) => vec![span],
            Wanted::Parts(spans) => spans,
            Wanted::Nothing => panic!("{value}: nothing"),
        };
        spans.iter().map(|span| (span.first, span.end() - 1)).collect()
    }

    #[test]
    fn several_ranges_are_parts_in_their_order() {
        for (value, want) in [
            ("bytes=0-1,5-6", &[(0, 1), (5, 6)][..]),
            ("bytes=5-6 , , 0-1", &[(5, 6), (0, 1)]),
            ("bytes=0-0,-1", &[(0, 0), (99, 99)]),
            ("bytes=90-,0-0,50-50", &[(90, 99), (0, 0), (50, 50)]),
            // What cannot be satisfied is left out.
            ("bytes=0-1,100-,5-6,-0", &[(0, 1), (5, 6)]),
            ("bytes=0-1,100-", &[(0, 1)]),
            // What cannot be understood is not.
            ("bytes=0-1,5-6,x", &[]),
            ("bytes=0-1,6-5", &[]),
            ("bytes=0-1;5-6", &[]),
        ] {
            assert_eq!(pairs(value), want, "{value}");
        }
    }

    #[test]
    fn ranges_that_overlap_or_touch_are_one() {
        for (value, want) in [
            ("bytes=0-1,2-3", &[(0, 3)][..]),
            ("bytes=2-3,0-1", &[(0, 3)]),
            ("bytes=0-1,3-4", &[(0, 1), (3, 4)]),
            ("bytes=4-6, 0-4", &[(0, 6)]),
            ("bytes=0-,5-6,7-7,-1", &[(0, 99)]),
            ("bytes=7-7,7-7,7-7", &[(7, 7)]),
            ("bytes=50-59,0-9,55-64", &[(50, 64), (0, 9)]),
            // One that closes a gap takes the place of the first that it joins.
            ("bytes=80-,0-1,90-95,4-5,60-61,2-3", &[(80, 99), (0, 5), (60, 61)]),
            ("bytes=4-5,20-21,0-1,2-3", &[(0, 5), (20, 21)]),
        ] {
            assert_eq!(pairs(value), want, "{value}");
        }
    }

    #[test]
    fn too_many_ranges_are_all() {
        let ranges = |count: u64| {
            let ranges: Vec<_> = (0..count).map(|n| format!("{0}-{0}", n * 2)).collect();
            pairs(&format!("bytes={}", ranges.join(",")))
        };
        assert_eq!(ranges(RANGES_MAX as u64).len(), RANGES_MAX);
        assert_eq!(ranges(RANGES_MAX as u64 + 1), []);
        for range in ["0-0", "100-"] {
            let many = format!("bytes={}", vec![range; RANGES_MAX + 1].join(","));
            assert_eq!(wanted(&many, 100), Wanted::All, "{range}");
        }
    }

    /// Beside a set of bytes, which needs no joining.
    #[test]
    fn parts_are_the_bytes_that_were_asked_for() {
        let mut state = 1_u64;
        let mut random = move |end: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % end
        };
        for _ in 0..2000 {
            let (mut want, mut ranges) = ([false; 100], Vec::new());
            for _ in 0..2 + random(RANGES_MAX as u64 - 1) {
                let first = random(100);
                let last = (first + random(12)).min(99);
                want[first as usize..=last as usize].fill(true);
                ranges.push(format!("{first}-{last}"));
            }
            let (mut got, value) = ([false; 100], format!("bytes={}", ranges.join(",")));
            for (first, last) in pairs(&value) {
                let part = &mut got[first as usize..=last as usize];
                assert!(!part.contains(&true), "twice: {value}");
                part.fill(true);
                let before = first.checked_sub(1).map(|at| want[at as usize]);
                let after = want.get(last as usize + 1).copied();
                assert!(before != Some(true) && after != Some(true), "not joined: {value}");
            }
            assert_eq!(got, want, "{value}");
        }
    }
}
