//! glommio, for the work that is the same on every runtime.

use std::rc::Rc;
use std::time::Duration;

use annulus_bench_harness::reads::Reads;
use annulus_bench_harness::{BLOCK_BYTES, Needs, Runtime, fail};
use glommio::io::{BufferedFile, ReadResult};
use glommio::{LocalExecutorBuilder, Placement};

/// The runtime: of one thread, which may run anywhere.
pub struct Glommio;

impl Runtime for Glommio {
    type Joined<T> = T;

    fn run<T>(needs: Needs, work: impl Future<Output = T>) -> T {
        let mut builder = LocalExecutorBuilder::new(Placement::Unbound);
        if let Some(entries) = needs.entries() {
            builder = builder.ring_depth(entries as usize);
        }
        builder.make().unwrap_or_else(|why| fail(&why.to_string())).run(work)
    }

    #[inline]
    fn spawn<T: 'static>(work: impl Future<Output = T> + 'static) -> impl Future<Output = T> {
        glommio::spawn_local(work)
    }

    #[inline]
    fn joined<T>(joined: T) -> T {
        joined
    }

    #[inline]
    fn sleep(time: Duration) -> impl Future<Output = ()> {
        glommio::timer::sleep(time)
    }

    #[inline]
    fn yield_now() -> impl Future<Output = ()> {
        let executor = glommio::executor();
        async move { executor.yield_task_queue_now().await }
    }
}

impl Reads for Glommio {
    type File = Rc<BufferedFile>;
    /// It reads into memory of its own.
    type Buf = ();
    type Done = Result<ReadResult, glommio::GlommioError<()>>;

    async fn file(_file: std::fs::File, path: &str) -> Rc<BufferedFile> {
        Rc::new(BufferedFile::open(path).await.unwrap_or_else(|why| fail(&why.to_string())))
    }

    fn buf() {}

    #[inline]
    fn read(file: &Rc<BufferedFile>, _buf: (), offset: u64) -> impl Future<Output = Self::Done> {
        file.read_at(offset, BLOCK_BYTES as usize)
    }

    #[inline]
    fn done(done: Self::Done) -> (usize, ()) {
        let read = done.unwrap_or_else(|why| fail(&format!("a read failed: {why}")));
        (read.len(), ())
    }
}
