//! `Range`: which bytes of a file are asked for (RFC 9110, 14).

/// What is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// All of it: nothing else was asked for, or nothing that can be understood.
    All,
    /// These, of which there is one at least.
    Part { first: u64, count: u64 },
    /// What was asked for lies behind the end.
    Nothing,
}

/// How many ranges are looked at: a request for more is one for all.
const RANGES_MAX: usize = 16;

/// What a `Range` asks of a file of `len` bytes.
///
/// Of several ranges that touch or overlap the union is answered. For others the answer is the
/// whole file, as the standard allows, rather than one in many parts: who asks so for small parts
/// of a large file asks for much of the server's work.
pub fn wanted(value: &str, len: u64) -> Wanted {
    let Some((unit, ranges)) = value.split_once('=') else { return Wanted::All };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Wanted::All;
    }
    let mut union: Option<(u64, u64)> = None;
    let mut seen = 0;
    for range in ranges.split(',').map(str::trim).filter(|range| !range.is_empty()) {
        seen += 1;
        let Some(range) = parse(range, len) else { return Wanted::All };
        if seen > RANGES_MAX {
            return Wanted::All;
        }
        let Some((first, end)) = range else { continue };
        union = match union {
            None => Some((first, end)),
            Some((low, high)) if first <= high && end >= low => {
                Some((low.min(first), high.max(end)))
            }
            Some(_) => return Wanted::All,
        };
    }
    match union {
        Some((first, end)) => Wanted::Part { first, count: end - first },
        None if seen > 0 => Wanted::Nothing,
        None => Wanted::All,
    }
}

/// One range as its first byte and its end, or nothing if it lies behind the end of the file.
/// `None`: it is not a range.
fn parse(range: &str, len: u64) -> Option<Option<(u64, u64)>> {
    let (first, last) = range.split_once('-')?;
    let (first, last) = (first.trim(), last.trim());
    if first.is_empty() {
        let count = number(last)?.min(len);
        return Some((count > 0).then_some((len - count, len)));
    }
    let first = number(first)?;
    let end = if last.is_empty() { len } else { number(last)?.saturating_add(1) };
    if !last.is_empty() && end <= first {
        return None;
    }
    Some((first < len).then_some((first, end.min(len))))
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
    fn ranges() {
        let part = |first, count| Wanted::Part { first, count };
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
            ("bytes=0-1,2-3", part(0, 4)),
            ("bytes=4-6, 0-4", part(0, 7)),
            ("bytes=0-1,10-", part(0, 2)),
            ("bytes=0-0,-1", Wanted::All),
            ("bytes=4-2", Wanted::All),
            ("bytes=a-2", Wanted::All),
            ("bytes=1", Wanted::All),
            ("bytes=-", Wanted::All),
            ("bytes=", Wanted::All),
            ("bytes=+1-2", Wanted::All),
            ("lines=0-1", Wanted::All),
            ("", Wanted::All),
        ] {
            assert_eq!(wanted(value, 10), want, "{value}");
        }
        assert_eq!(wanted("bytes=0-", 0), Wanted::Nothing);
        assert_eq!(wanted("bytes=-1", 0), Wanted::Nothing);
        let many = format!("bytes={}", vec!["0-0"; RANGES_MAX + 1].join(","));
        assert_eq!(wanted(&many, 10), Wanted::All);
    }
}
