//! The threads of what io_uring has no operation for: alone in its process, since they are counted.

mod common;
mod files;

use annulus_ring::register::MaxWorkers;
use annulus_runtime::runtime::File;
use annulus_runtime::{Runtime, spawn_local};
use common::process::threads_named;
use common::{LIMIT, limit, on_host};
use files::TempDir;

/// How many threads there are beside a ring of Linux.
fn workers() -> usize {
    threads_named("annulus-worker").len()
}

#[test]
fn its_threads_are_bounded_and_none_is_there_before() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let few = MaxWorkers { bounded: 2, unbounded: 2 };
        let runtime = Runtime::builder().io_workers(few).build().unwrap();
        let file = dir.file("file", &[7; 4096]);
        runtime.block_on(async {
            let file = File::new(file);
            assert!(workers() == 0);
            let parts: Vec<_> = (0..64)
                .map(|n| {
                    let file = file.clone();
                    spawn_local(async move { file.copy_to(0, &file, 4096 * (n + 1), 4096).await })
                })
                .collect();
            for part in parts {
                assert_eq!(part.await.unwrap(), Ok(4096));
                assert!(on_host() || (1..=2).contains(&workers()), "{}", workers());
            }
        });
    });
}
