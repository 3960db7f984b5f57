//! compio, for the work that is the same on every runtime.

use std::time::Duration;

use annulus_bench_harness::reads::Reads;
use annulus_bench_harness::{BLOCK_BYTES, Needs, Runtime, fail};
use compio::BufResult;
use compio::driver::ProactorBuilder;
use compio::fs::File;
use compio::io::AsyncReadAt;
use compio::runtime::{JoinHandle, Runtime as Own};

/// The runtime, as it is by itself.
pub struct Compio;

impl Runtime for Compio {
    type Joined<T> = <JoinHandle<T> as Future>::Output;

    fn run<T>(needs: Needs, work: impl Future<Output = T>) -> T {
        let mut builder = Own::builder();
        if let Some(entries) = needs.entries() {
            let mut proactor = ProactorBuilder::new();
            proactor.capacity(entries);
            builder.with_proactor(proactor);
        }
        builder.build().unwrap_or_else(|why| fail(&why.to_string())).block_on(work)
    }

    #[inline]
    fn spawn<T: 'static>(
        work: impl Future<Output = T> + 'static,
    ) -> impl Future<Output = Self::Joined<T>> {
        compio::runtime::spawn(work)
    }

    #[inline]
    fn joined<T>(joined: Self::Joined<T>) -> T {
        joined.unwrap_or_else(|_| fail("a task was cancelled or panicked"))
    }

    #[inline]
    fn sleep(time: Duration) -> impl Future<Output = ()> {
        compio::time::sleep(time)
    }
}

impl Reads for Compio {
    type File = File;
    type Buf = Vec<u8>;
    type Done = BufResult<usize, Vec<u8>>;

    async fn file(_file: std::fs::File, path: &str) -> File {
        File::open(path).await.unwrap_or_else(|why| fail(&why.to_string()))
    }

    fn buf() -> Vec<u8> {
        Vec::with_capacity(BLOCK_BYTES as usize)
    }

    #[inline]
    fn read(file: &File, buf: Vec<u8>, offset: u64) -> impl Future<Output = Self::Done> {
        file.read_at(buf, offset)
    }

    #[inline]
    fn done(done: Self::Done) -> (usize, Vec<u8>) {
        (done.0.unwrap_or_else(|why| fail(&format!("a read failed: {why}"))), done.1)
    }
}
