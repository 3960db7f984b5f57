//! Control messages: what goes with the bytes of a message, each behind a header that says what it
//! is (`struct cmsghdr`).
//!
//! ```text
//! length of both (usize) · level (i32) · type (i32) · data · up to the next multiple of a word
//! ```

/// The length that a header begins with.
const WORD: usize = size_of::<usize>();
/// A header: its length, level and type. A multiple of a word on every architecture.
const HEADER_BYTES: usize = WORD + 8;

/// `SOL_SOCKET`.
pub(super) const SOL_SOCKET: i32 = 1;
/// `SOL_UDP`.
pub(super) const SOL_UDP: i32 = 17;
/// Descriptors, each an `i32` (`SCM_RIGHTS`).
pub(super) const RIGHTS: i32 = 1;
/// Who sent it, a `struct ucred` (`SCM_CREDENTIALS`).
pub(super) const CREDENTIALS: i32 = 2;
/// A descriptor of the process that sent it (`SCM_PIDFD`, Linux 6.5).
pub(super) const PIDFD: i32 = 4;
/// How long each datagram is that one buffer is cut into, a `u16` (`UDP_SEGMENT`).
pub(super) const SEGMENT: i32 = 103;
/// How long each datagram is that one buffer was put together from, an `i32` (`UDP_GRO`).
pub(super) const GRO: i32 = 104;

/// The next multiple of a word.
const fn aligned(bytes: usize) -> usize {
    bytes.next_multiple_of(WORD)
}

/// How much room a control message takes whose data is so long (`CMSG_SPACE`).
pub(super) const fn space(data_bytes: usize) -> usize {
    HEADER_BYTES + aligned(data_bytes)
}

/// Appends a control message.
pub(super) fn push(control: &mut Vec<u8>, level: i32, kind: i32, data: &[u8]) {
    let end = control.len() + space(data.len());
    control.extend_from_slice(&(HEADER_BYTES + data.len()).to_ne_bytes());
    control.extend_from_slice(&level.to_ne_bytes());
    control.extend_from_slice(&kind.to_ne_bytes());
    control.extend_from_slice(data);
    control.resize(end, 0);
}

/// The control messages in `control`: level, type and data of each. What is not whole ends them.
pub(super) fn messages(mut control: &[u8]) -> impl Iterator<Item = (i32, i32, &[u8])> {
    core::iter::from_fn(move || {
        let (length, rest) = control.split_first_chunk::<WORD>()?;
        let (level, rest) = rest.split_first_chunk::<4>()?;
        let (kind, rest) = rest.split_first_chunk::<4>()?;
        let data_bytes = usize::from_ne_bytes(*length).checked_sub(HEADER_BYTES)?;
        let data = rest.get(..data_bytes)?;
        // The last one need not be filled up.
        control = rest.get(aligned(data_bytes)..).unwrap_or(&[]);
        Some((i32::from_ne_bytes(*level), i32::from_ne_bytes(*kind), data))
    })
}

/// The numbers that data consists of.
pub(super) fn numbers(data: &[u8]) -> impl Iterator<Item = i32> + '_ {
    data.chunks_exact(4).filter_map(|four| Some(i32::from_ne_bytes(four.try_into().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pushed_is_found_again() {
        let mut control = Vec::new();
        push(&mut control, SOL_SOCKET, RIGHTS, &[1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0]);
        push(&mut control, SOL_UDP, SEGMENT, &[5, 0]);
        assert_eq!(control.len(), space(12) + space(2));
        let found: Vec<_> = messages(&control).collect();
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].0, found[0].1), (SOL_SOCKET, RIGHTS));
        assert_eq!(numbers(found[0].2).count(), 3);
        assert_eq!(found[1], (SOL_UDP, SEGMENT, &[5, 0][..]));
    }

    #[test]
    fn what_is_cut_off_or_false_is_not_read_past_its_end() {
        let mut control = Vec::new();
        push(&mut control, SOL_SOCKET, RIGHTS, &[1; 8]);
        push(&mut control, SOL_SOCKET, RIGHTS, &[2; 8]);
        for end in 0..control.len() {
            let whole = usize::from(end >= space(8));
            assert!(messages(&control[..end]).count() <= whole, "{end}");
        }
        // A length shorter than its own header, and one that nothing is as long as.
        for length in [0, HEADER_BYTES - 1, usize::MAX] {
            let mut control = control.clone();
            control[..WORD].copy_from_slice(&length.to_ne_bytes());
            assert_eq!(messages(&control).count(), 0, "{length}");
        }
    }
}
