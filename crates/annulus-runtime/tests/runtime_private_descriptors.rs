//! Without a descriptor left: what io_uring has no operation for fails, and nobody waits for ever.
//! Alone in its process, whose descriptors it takes.

mod common;
mod files;

use annulus_ring::Errno;
use annulus_runtime::runtime::File;
use annulus_runtime::{Runtime, spawn_local};
use common::{LIMIT, limit, on_host};
use files::TempDir;

#[test]
fn without_descriptors_it_fails_and_works_again_with_some() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let (from, to) = (dir.file("from", b"0123"), dir.file("to", b""));
        let runtime = Runtime::new().unwrap();
        let on_host = on_host();
        runtime.block_on(async {
            let (from, to) = (File::new(from), File::new(to));
            let limit = rustix::process::Rlimit { current: Some(64), maximum: Some(64) };
            rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).unwrap();
            let mut all = Vec::new();
            while let Ok(one) = std::fs::File::open("/dev/null") {
                all.push(one);
            }
            // A task that waits for nothing else, on a runtime with nothing else to do.
            let copy = {
                let (from, to) = (from.clone(), to.clone());
                async move { from.copy_to(0, &to, 0, 4).await }
            };
            let copied = spawn_local(copy).await.unwrap();
            assert_eq!(copied.unwrap_err().errno(), Some(Errno::EMFILE), "{on_host}");
            drop(all);
            assert_eq!(from.copy_to(0, &to, 0, 4).await.unwrap(), 4);
        });
    });
}
