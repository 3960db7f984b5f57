//! An engine without a descriptor left: its driver cannot listen to the bell then, nor wait for
//! files in user space. It does not spin, takes what it is given, ends it, and recovers.

mod common;

use std::io::Write;
use std::time::{Duration, Instant};

use annulus_ring::Errno;
use annulus_runtime::engine::KernelChoice;
use annulus_runtime::{Engine, File};
use common::child::run;
use common::engines::shipped_pipe;
use common::{LIMIT, limit, process};
use futures::executor::block_on;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// How long an engine is left alone, and how often it may enter the kernel meanwhile: with growing
/// pauses, the longest an eighth of a second.
const IDLE: Duration = Duration::from_millis(300);
const ENTERS_MAX: u64 = 40;

/// An engine listens with room for so many.
const DESCRIPTORS_MAX: usize = 8;

/// From here on the process has room for so many descriptors more.
fn leave_room(descriptors: usize) {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let current = Some((process::descriptors() + descriptors) as u64);
    setrlimit(Resource::Nofile, Rlimit { current, maximum }).expect("below the maximum");
}

/// Reads what is written a little later: where the kernel lacks a descriptor for the wait, that is
/// the error.
fn reads(file: &File, mut writer: &std::io::PipeWriter) -> bool {
    let read = std::thread::scope(|scope| {
        scope.spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            writer.write_all(b"ring").expect("room in a pipe");
        });
        limit(LIMIT, || block_on(file.read(vec![0; 4])))
    });
    match read {
        Ok((count, bytes)) => count == 4 && bytes == b"ring",
        Err(error) => {
            assert_eq!(error.errno(), Some(Errno::EMFILE), "{error}");
            false
        }
    }
}

/// How often the engine enters the kernel while there is nothing to do.
fn idle_enters(engine: &Engine) -> u64 {
    let before = engine.metrics().enters;
    std::thread::sleep(IDLE);
    engine.metrics().enters - before
}

#[test]
fn without_descriptors_it_waits_and_recovers() {
    run("without_descriptors_it_waits_and_recovers", || {
        let unlimited = getrlimit(Resource::Nofile);
        let mut deaf = 0;
        for room in 0..=DESCRIPTORS_MAX {
            let (reader, writer) = shipped_pipe();
            leave_room(room);
            let engine = Engine::builder().kernel(KernelChoice::Host).build();
            let Ok(engine) = engine else {
                setrlimit(Resource::Nofile, unlimited).expect("as it was");
                continue;
            };
            let enters = idle_enters(&engine);
            eprintln!("with room for {room}: {enters} enters in {IDLE:?}");
            assert!(enters < ENTERS_MAX, "{enters} enters with room for {room}");
            deaf += u64::from(enters > 2);
            let file = engine.file(reader);
            let done = reads(&file, &writer);
            setrlimit(Resource::Nofile, unlimited).expect("as it was");
            if !done {
                // What was written is there still.
                let (count, bytes) = block_on(file.read(vec![0; 4])).expect("a read");
                assert_eq!((count, &bytes[..]), (4, &b"ring"[..]));
            }
            assert!(reads(&file, &writer), "with room again");
            // The longest pause and some.
            std::thread::sleep(IDLE);
            assert_eq!(idle_enters(&engine), 0, "it listens again");
            drop(file);
            let begun = Instant::now();
            drop(engine);
            assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
        }
        assert!(deaf > 0, "it never lacked one");
    });
}
