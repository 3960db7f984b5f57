//! monoio, for the work that is the same on every runtime.

use std::rc::Rc;
use std::time::Duration;

use annulus_bench_harness::reads::Reads;
use annulus_bench_harness::{BLOCK_BYTES, Needs, Runtime, fail};
use monoio::fs::File;
use monoio::task::JoinHandle;
use monoio::{BufResult, IoUringDriver, RuntimeBuilder};

/// The runtime on a ring.
pub struct Monoio;

/// What it has room for by itself.
const ENTRIES: u32 = 1024;

impl Runtime for Monoio {
    type Joined<T> = T;

    fn run<T>(needs: Needs, work: impl Future<Output = T>) -> T {
        let entries = needs.entries().unwrap_or(ENTRIES);
        let builder = RuntimeBuilder::<IoUringDriver>::new().with_entries(entries);
        if needs.timers {
            let runtime = builder.enable_timer().build();
            runtime.unwrap_or_else(|why| fail(&why.to_string())).block_on(work)
        } else {
            builder.build().unwrap_or_else(|why| fail(&why.to_string())).block_on(work)
        }
    }

    #[inline]
    fn spawn<T: 'static>(work: impl Future<Output = T> + 'static) -> impl Future<Output = T> {
        let task: JoinHandle<T> = monoio::spawn(work);
        task
    }

    #[inline]
    fn joined<T>(joined: T) -> T {
        joined
    }

    #[inline]
    fn sleep(time: Duration) -> impl Future<Output = ()> {
        monoio::time::sleep(time)
    }
}

impl Reads for Monoio {
    type File = Rc<File>;
    type Buf = Vec<u8>;
    type Done = BufResult<usize, Vec<u8>>;

    async fn file(file: std::fs::File, _path: &str) -> Rc<File> {
        Rc::new(File::from_std(file).unwrap_or_else(|why| fail(&why.to_string())))
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
