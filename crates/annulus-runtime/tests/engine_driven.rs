//! An engine that a future on tokio drives: the same operations, and what ends with its threads.
#![cfg(feature = "tokio")]

use std::io::{Read, Write};
use std::time::Duration;

use annulus_runtime::Engine;

fn multi_thread() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().expect("a runtime")
}

#[test]
fn many_tasks_read_pipes_and_files() {
    let runtime = multi_thread();
    runtime.block_on(async {
        let (engine, drive) = Engine::builder().entries(8).build_driven().expect("an engine");
        let drive = tokio::spawn(drive);
        let mut tasks = Vec::new();
        for n in 0..100_u8 {
            let (reader, mut writer) = std::io::pipe().expect("a pipe");
            let pipe = engine.file(reader);
            tasks.push(tokio::spawn(async move {
                let (n, buf) = pipe.read(vec![0; 8]).await.expect("a read");
                buf[..n].to_vec()
            }));
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(u64::from(n % 7))).await;
                writer.write_all(&[n; 4]).expect("room in the pipe");
            });
        }
        for (n, task) in tasks.into_iter().enumerate() {
            assert_eq!(task.await.expect("no panic"), [n as u8; 4]);
        }
        drop(engine);
        drive.await.expect("the drive ends when the engine is dropped");
    });
}

#[test]
fn what_a_thread_submitted_that_is_gone_completes_all_the_same() {
    // Each runtime has a thread of its own, which ends; the drive goes on on the next.
    let runtime = multi_thread();
    let (engine, mut drive) = {
        let _inside = runtime.enter();
        Engine::builder().build_driven().expect("an engine")
    };
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    let pipe = engine.file(reader);
    let read = runtime.spawn(async move { pipe.read(vec![0; 8]).await });
    while engine.metrics().shipped == 0 || engine.metrics().in_flight == 0 {
        // Polled once on a thread that ends right after.
        drive = std::thread::spawn(move || {
            futures::executor::block_on(futures::future::poll_immediate(&mut drive));
            drive
        })
        .join()
        .expect("no panic");
    }
    let drive = runtime.spawn(drive);
    std::thread::sleep(Duration::from_millis(50));
    writer.write_all(b"late").expect("room in the pipe");
    let (n, buf) = runtime.block_on(read).expect("no panic").expect("not cancelled by the exit");
    assert_eq!(&buf[..n], b"late");
    drop(engine);
    runtime.block_on(drive).expect("the drive ends");
}

#[test]
fn what_is_given_up_before_the_drive_runs_never_begins() {
    multi_thread().block_on(async {
        let (engine, drive) = Engine::builder().entries(8).build_driven().expect("an engine");
        let (mut reader, mut writer) = std::io::pipe().expect("a pipe");
        let pipe = engine.file(reader.try_clone().expect("a descriptor"));
        let [mut cancelled, mut dropped] = [0, 1].map(|_| pipe.read(vec![0; 8]));
        assert!(futures::future::poll_immediate(&mut cancelled).await.is_none());
        assert!(futures::future::poll_immediate(&mut dropped).await.is_none());
        cancelled.cancel();
        drop(dropped);
        writer.write_all(b"of nobody").expect("room in the pipe");
        let drive = tokio::spawn(drive);
        let error = cancelled.await.expect_err("it was cancelled");
        assert_eq!(error.kind(), std::io::ErrorKind::Interrupted);
        drop((pipe, engine));
        drive.await.expect("the drive ends");
        let mut left = [0; 9];
        reader.read_exact(&mut left).expect("nobody has read");
        assert_eq!(&left, b"of nobody");
    });
}

#[test]
fn a_runtime_that_ends_takes_its_drive_with_it() {
    let runtime = multi_thread();
    let (engine, drive) = {
        let _inside = runtime.enter();
        Engine::builder().build_driven().expect("an engine")
    };
    runtime.spawn(drive);
    let (reader, _writer) = std::io::pipe().expect("a pipe");
    let pipe = engine.file(reader);
    let mut read = pipe.read(vec![0; 8]);
    assert!(futures::executor::block_on(futures::future::poll_immediate(&mut read)).is_none());
    drop(runtime);
    let error = futures::executor::block_on(read).expect_err("the engine is closed");
    assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
    let error = futures::executor::block_on(pipe.read(vec![0; 8])).expect_err("still closed");
    assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
}
