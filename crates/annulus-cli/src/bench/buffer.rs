//! Memory that direct reads and writes accept.

/// What every device accepts as the alignment of a buffer.
pub const ALIGN_BYTES: usize = 4096;

/// Bytes that begin at a multiple of [`ALIGN_BYTES`]: part of a larger vector, so that no code here
/// needs an allocator's promises.
#[derive(Debug)]
pub struct Buffer {
    bytes: Vec<u8>,
    start: usize,
    len: usize,
}

impl Buffer {
    /// `len` bytes, all of them written, so that no page of them is missing when time counts.
    pub fn new(len: usize) -> Self {
        let mut bytes = vec![0x5A; len + ALIGN_BYTES];
        let start = bytes.as_mut_ptr().align_offset(ALIGN_BYTES);
        Self { bytes, start, len }
    }

    /// The bytes.
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.start + self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_aligned_and_as_long_as_asked() {
        for len in [1, 512, 4096, 70_000] {
            let mut buffer = Buffer::new(len);
            assert_eq!(buffer.as_mut_slice().len(), len);
            assert!(buffer.as_mut_slice().as_ptr().addr().is_multiple_of(ALIGN_BYTES));
        }
    }
}
