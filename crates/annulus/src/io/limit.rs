//! [`Take`]: a stream with an end after so many bytes.

use annulus_runtime::buffer::{BufResult, IoBufMut, Slice};

use super::traits::AsyncReadOwned;

/// A stream that ends after so many bytes at most: what [`AsyncReadOwned::take`] gives.
///
/// Its reads are as resumable as those of the stream in it: a byte is counted when it is given.
///
/// ```
/// use annulus::io::AsyncReadOwned;
/// annulus::run(async {
///     let mut head = (&b"shared ring"[..]).take(6);
///     assert_eq!(head.read_to_string().await?, "shared");
///     assert_eq!(head.limit(), 0);
///     head.set_limit(5);
///     assert_eq!(head.into_inner().read_to_string().await?, " ring");
///     std::io::Result::Ok(())
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Take<R> {
    inner: R,
    limit: u64,
}

impl<R> Take<R> {
    pub(super) fn new(inner: R, limit: u64) -> Self {
        Self { inner, limit }
    }

    /// How many bytes it gives still, at most.
    ///
    /// ```
    /// use annulus::io::AsyncReadOwned;
    /// assert_eq!(annulus::io::empty().take(7).limit(), 7);
    /// ```
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Has it give so many from now on.
    ///
    /// ```
    /// use annulus::io::AsyncReadOwned;
    /// let mut some = annulus::io::empty().take(7);
    /// some.set_limit(8);
    /// assert_eq!(some.limit(), 8);
    /// ```
    pub fn set_limit(&mut self, limit: u64) {
        self.limit = limit;
    }

    /// The stream in it, where it stands.
    ///
    /// ```
    /// use annulus::io::AsyncReadOwned;
    /// assert_eq!((&b"ring"[..]).take(2).into_inner(), b"ring");
    /// ```
    pub fn into_inner(self) -> R {
        self.inner
    }
}

impl<R: AsyncReadOwned> AsyncReadOwned for Take<R> {
    async fn read<B: IoBufMut>(&mut self, buf: B) -> BufResult<usize, B> {
        let total = buf.bytes_total();
        let room = usize::try_from(self.limit).unwrap_or(usize::MAX).min(total);
        if room == 0 {
            return Ok((0, buf));
        }
        if room == total {
            let (n, buf) = self.inner.read(buf).await?;
            self.limit -= n as u64;
            return Ok((n, buf));
        }
        match self.inner.read(buf.slice(..room)).await {
            Ok((n, part)) => {
                self.limit -= n as u64;
                Ok((n, part.into_inner()))
            }
            Err(error) => Err(error.map(Slice::into_inner)),
        }
    }
}
