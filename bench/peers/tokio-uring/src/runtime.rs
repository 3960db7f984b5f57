//! tokio-uring, for the work that is the same on every runtime.

use std::rc::Rc;
use std::time::Duration;

use annulus_bench_harness::reads::Reads;
use annulus_bench_harness::{BLOCK_BYTES, Needs, Runtime, fail};
use tokio::task::JoinError;
use tokio_uring::BufResult;
use tokio_uring::fs::File;

/// The runtime: a ring beside tokio's, of one thread.
pub struct TokioUring;

/// What it has room for by itself.
const ENTRIES: u32 = 256;

impl Runtime for TokioUring {
    type Joined<T> = Result<T, JoinError>;

    fn run<T>(needs: Needs, work: impl Future<Output = T>) -> T {
        let entries = needs.entries().unwrap_or(ENTRIES);
        tokio_uring::builder().entries(entries).start(work)
    }

    #[inline]
    fn spawn<T: 'static>(
        work: impl Future<Output = T> + 'static,
    ) -> impl Future<Output = Self::Joined<T>> {
        tokio_uring::spawn(work)
    }

    #[inline]
    fn joined<T>(joined: Self::Joined<T>) -> T {
        joined.unwrap_or_else(|why| fail(&why.to_string()))
    }

    #[inline]
    fn sleep(time: Duration) -> impl Future<Output = ()> {
        tokio::time::sleep(time)
    }

    #[inline]
    fn yield_now() -> impl Future<Output = ()> {
        tokio::task::yield_now()
    }
}

impl Reads for TokioUring {
    type File = Rc<File>;
    type Buf = Vec<u8>;
    type Done = BufResult<usize, Vec<u8>>;

    async fn file(file: std::fs::File, _path: &str) -> Rc<File> {
        Rc::new(File::from_std(file))
    }

    fn buf() -> Vec<u8> {
        Vec::with_capacity(BLOCK_BYTES as usize)
    }

    #[inline]
    fn read(file: &Rc<File>, buf: Vec<u8>, offset: u64) -> impl Future<Output = Self::Done> {
        file.read_at(buf, offset)
    }

    #[inline]
    fn done((got, buf): Self::Done) -> (usize, Vec<u8>) {
        (got.unwrap_or_else(|why| fail(&format!("a read failed: {why}"))), buf)
    }
}
