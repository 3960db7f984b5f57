//! Finding a byte, eight at a time.

const WORD_BYTES: usize = size_of::<u64>();
const LOWEST: u64 = u64::MAX / 0xff;
const HIGHEST: u64 = LOWEST << 7;

/// Where the first `byte` is.
pub(super) fn find(byte: u8, bytes: &[u8]) -> Option<usize> {
    let wanted = LOWEST * u64::from(byte);
    let (words, _) = bytes.as_chunks::<WORD_BYTES>();
    let mut at = 0;
    for word in words {
        // A byte that is the wanted one is zero here.
        let word = u64::from_ne_bytes(*word) ^ wanted;
        if word.wrapping_sub(LOWEST) & !word & HIGHEST != 0 {
            break;
        }
        at += WORD_BYTES;
    }
    bytes[at..].iter().position(|b| *b == byte).map(|found| at + found)
}

#[cfg(test)]
mod tests {
    use super::find;

    #[test]
    fn it_finds_what_a_plain_search_finds() {
        let mut bytes = Vec::new();
        // A fixed sequence of numbers that looks random.
        let mut state = 1_u32;
        for _ in 0..3000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            bytes.push((state >> 24) as u8);
        }
        for begin in 0..40 {
            for byte in [0, 1, 7, b'\n', 0x7f, 0x80, 0x81, 0xff] {
                for end in [begin, begin + 1, begin + 9, 500, 3000] {
                    let part = &bytes[begin..end.max(begin)];
                    assert_eq!(find(byte, part), part.iter().position(|b| *b == byte));
                }
            }
        }
        assert_eq!(find(b'x', &[0; 64]), None);
    }
}
