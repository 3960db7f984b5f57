//! Annulus's `fs::File`, as one that wants the most of direct I/O has it: a registered file, and
//! the runtime's registered buffers.

use std::fs::File as StdFile;
use std::time::Duration;

use annulus::buffer::{BufResult, FixedBuf};
use annulus::fs::File;
use annulus::{JoinError, Runtime as Own, fixed_pool};
use annulus_bench_harness::reads::Reads;
use annulus_bench_harness::{BLOCK_BYTES, Needs, Runtime, fail};

use crate::Annulus;

/// The runtime, with a table of files and a pool of buffers.
pub struct AnnulusFile;

impl Runtime for AnnulusFile {
    type Joined<T> = Result<T, JoinError>;

    fn run<T>(needs: Needs, work: impl Future<Output = T>) -> T {
        let builder = Own::builder().entries(needs.depth.max(8)).fixed_files(1);
        let runtime = builder.fixed_buffers(needs.depth as usize, BLOCK_BYTES as usize).build();
        runtime.unwrap_or_else(|why| fail(&why.to_string())).block_on(work)
    }

    #[inline]
    fn spawn<T: 'static>(
        work: impl Future<Output = T> + 'static,
    ) -> impl Future<Output = Self::Joined<T>> {
        Annulus::spawn(work)
    }

    #[inline]
    fn joined<T>(joined: Self::Joined<T>) -> T {
        Annulus::joined(joined)
    }

    #[inline]
    fn sleep(span: Duration) -> impl Future<Output = ()> {
        Annulus::sleep(span)
    }
}

impl Reads for AnnulusFile {
    type File = File;
    type Buf = FixedBuf;
    type Done = BufResult<usize, FixedBuf>;

    async fn file(file: StdFile, _path: &str) -> File {
        let file = File::from(file);
        file.register().unwrap_or_else(|why| fail(&why.to_string()));
        file
    }

    fn buf() -> FixedBuf {
        let pool = fixed_pool().unwrap_or_else(|| fail("no pool"));
        pool.try_take().unwrap_or_else(|| fail("fewer buffers than tasks"))
    }

    #[inline]
    fn read(file: &File, buf: FixedBuf, offset: u64) -> impl Future<Output = Self::Done> {
        file.read_at(buf, offset)
    }

    #[inline]
    fn done(done: Self::Done) -> (usize, FixedBuf) {
        done.unwrap_or_else(|why| fail(&format!("a read failed: {}", std::io::Error::from(why))))
    }
}
