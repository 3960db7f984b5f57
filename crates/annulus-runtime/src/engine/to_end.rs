//! Reading all that is left of a file.

use annulus_ring::Errno;

use super::File;
use crate::buffer::{BufError, BufResult, IoBuf, Slice};

/// # To the end
impl File {
    /// Reads from `offset` to the end of the file, behind what is in `buf` already, which grows as
    /// it needs to: how many bytes were read, and the buffer.
    ///
    /// # Errors
    /// Those of [`read_at`](Self::read_at), also after a part, which is in the buffer:
    /// [`done`](BufError::done) says how much. `ENOMEM` where the buffer cannot grow so far.
    ///
    /// ```
    /// use annulus_runtime::Engine;
    /// let engine = Engine::new()?;
    /// let file = engine.file(std::fs::File::open("Cargo.toml")?);
    /// let (n, text) = futures::executor::block_on(file.read_to_end_at(Vec::new(), 0))?;
    /// assert_eq!((n, text), (std::fs::read("Cargo.toml")?.len(), std::fs::read("Cargo.toml")?));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "read_to_end")]
    pub async fn read_to_end_at(&self, mut buf: Vec<u8>, offset: u64) -> BufResult<usize, Vec<u8>> {
        // What is there now, and one byte for the read that finds the end.
        let len = self.metadata().await.map_or(0, |metadata| metadata.len());
        let more = usize::try_from(len.saturating_sub(offset)).unwrap_or(usize::MAX);
        let (begin, mut more) = (buf.len(), more.saturating_add(1).max(64));
        loop {
            let done = buf.len() - begin;
            if buf.try_reserve(more).is_err() {
                return Err(BufError::new(Errno::ENOMEM, buf).after(done));
            }
            let at = offset.saturating_add(done as u64);
            let end = buf.len();
            match self.read_at(buf.slice(end..), at).await {
                Ok((0, slice)) => return Ok((done, slice.into_inner())),
                Ok((_, slice)) => buf = slice.into_inner(),
                Err(error) => return Err(error.map(Slice::into_inner).after(done)),
            }
            more = if buf.len() < buf.capacity() { 1 } else { buf.len().max(64) };
        }
    }
}
