//! Annulus's own runtime, for the work that is the same on all.

use std::fs::File as StdFile;
use std::time::Duration;

use annulus_bench_harness::reads::Reads;
use annulus_bench_harness::{BLOCK_BYTES, Needs, Runtime, fail};
use annulus_runtime::buffer::{AlignedBuf, BufResult};
use annulus_runtime::runtime::{File, Runtime as Own};
use annulus_runtime::{JoinError, spawn_local, time, yield_now};

/// Annulus's own runtime.
pub struct Annulus;

impl Runtime for Annulus {
    type Joined<T> = Result<T, JoinError>;

    fn run<T>(needs: Needs, work: impl Future<Output = T>) -> T {
        let runtime = match needs.entries() {
            None => Own::new(),
            Some(entries) => Own::builder().entries(entries).build(),
        };
        runtime.unwrap_or_else(|why| fail(&why.to_string())).block_on(work)
    }

    #[inline]
    fn spawn<T: 'static>(
        work: impl Future<Output = T> + 'static,
    ) -> impl Future<Output = Self::Joined<T>> {
        spawn_local(work)
    }

    #[inline]
    fn joined<T>(joined: Self::Joined<T>) -> T {
        joined.unwrap_or_else(|why| fail(&why.to_string()))
    }

    #[inline]
    fn sleep(span: Duration) -> impl Future<Output = ()> {
        time::sleep(span)
    }

    #[inline]
    fn yield_now() -> impl Future<Output = ()> {
        yield_now()
    }
}

impl Reads for Annulus {
    type File = File;
    type Buf = AlignedBuf;
    type Done = BufResult<usize, AlignedBuf>;

    async fn file(file: StdFile, _path: &str) -> File {
        File::new(file)
    }

    fn buf() -> AlignedBuf {
        AlignedBuf::zeroed(BLOCK_BYTES as usize)
    }

    #[inline]
    fn read(file: &File, buf: AlignedBuf, offset: u64) -> impl Future<Output = Self::Done> {
        file.read_at(buf, offset)
    }

    #[inline]
    fn done(done: Self::Done) -> (usize, AlignedBuf) {
        done.unwrap_or_else(|why| fail(&format!("a read failed: {}", std::io::Error::from(why))))
    }
}
