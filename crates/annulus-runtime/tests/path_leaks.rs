//! Opens that nobody waits for leak no descriptor. In a process of its own: descriptors are
//! counted, so one test runs at a time.

mod common;
#[path = "common/tree.rs"]
mod tree;

use std::future::Future;
use std::pin::Pin;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use std::time::Duration;

use annulus_ring::Errno;
use annulus_runtime::Engine;
use annulus_runtime::engine::{OpenOptions, Opening};
use futures::executor::block_on;

use common::{LIMIT, limit};
use tree::Tree;

/// One test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is open in this process.
fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Numbers that look random, the same ones in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// Polls once; whether it is over.
fn poll(opening: &mut Opening) -> bool {
    let mut cx = Context::from_waker(Waker::noop());
    Pin::new(opening).poll(&mut cx).is_ready()
}

/// Polls an open up to a random moment, and drops it there.
fn drop_at_random(mut opening: Opening, dice: &mut Dice) {
    let moments = dice.below(5);
    for _ in 0..moments {
        if poll(&mut opening) {
            return;
        }
        match dice.below(3) {
            0 => {}
            1 => std::thread::yield_now(),
            _ => (0..dice.below(3000)).for_each(|_| std::hint::spin_loop()),
        }
    }
}

#[test]
fn ten_thousand_dropped_opens_leak_nothing() {
    let _alone = alone();
    limit(4 * LIMIT, || {
        let tree = Tree::new();
        let file = tree.file("file", "content");
        let before = descriptors();
        let engine = Engine::new().expect("an engine");
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
        for round in 0..10_000 {
            let opening = match dice.below(4) {
                0 => engine.create(tree.at("made")),
                1 => engine.open(&file).deadline(Duration::from_micros(dice.below(200))),
                _ => engine.open(&file),
            };
            drop_at_random(opening, &mut dice);
            if round % 100 == 0 {
                block_on(engine.open(&file)).expect("the engine works");
            }
        }
        let metrics = engine.metrics();
        assert!(metrics.shipped > 5000, "most were begun: {metrics:?}");
        // It waits for the kernel: all results are in.
        assert!(engine.shutdown(LIMIT));
        drop(engine);
        assert_eq!(descriptors(), before);
    });
}

#[test]
fn a_result_that_nobody_takes_is_closed() {
    let _alone = alone();
    limit(LIMIT, || {
        let before = descriptors();
        let engine = Engine::new().expect("an engine");
        let mut opening = engine.open("Cargo.toml");
        assert!(!poll(&mut opening));
        // The result is there, and lies in its slot.
        while engine.metrics().completed == 0 {
            std::thread::yield_now();
        }
        drop(opening);
        assert!(engine.shutdown(LIMIT));
        drop(engine);
        assert_eq!(descriptors(), before);
    });
}

#[test]
fn dropped_waits_for_a_fifo_leak_nothing() {
    let _alone = alone();
    limit(2 * LIMIT, || {
        let tree = Tree::new();
        let path = tree.fifo("fifo");
        let before = descriptors();
        let engine = Engine::new().expect("an engine");
        let mut dice = Dice(0x2545_f491_4f6c_dd1d);
        for round in 0..1000 {
            let opening = match round % 3 {
                0 => engine.open(&path),
                1 => OpenOptions::new().write(true).open(&engine, &path),
                _ => engine.open(&path).deadline(Duration::from_micros(dice.below(500))),
            };
            drop_at_random(opening, &mut dice);
        }
        // Threads of the kernel that wait are interrupted, so they are all free again.
        while engine.metrics().completed < engine.metrics().shipped {
            std::thread::yield_now();
        }
        assert!(engine.shutdown(LIMIT));
        drop(engine);
        assert_eq!(descriptors(), before);
    });
}

#[test]
fn an_engine_that_goes_first_leaks_nothing() {
    let _alone = alone();
    limit(2 * LIMIT, || {
        let tree = Tree::new();
        let (file, fifo) = (tree.file("file", ""), tree.fifo("fifo"));
        let before = descriptors();
        for _ in 0..50 {
            let engine = Engine::new().expect("an engine");
            let mut waiting: Vec<Opening> =
                (0..20).flat_map(|_| [engine.open(&file), engine.open(&fifo)]).collect();
            for opening in &mut waiting {
                poll(opening);
            }
            engine.shutdown(LIMIT);
            drop(engine);
            drop(waiting);
        }
        assert_eq!(descriptors(), before);
    });
}

/// The part of the test below that has few descriptors.
const FEW: &str = "ANNULUS_TEST_FEW_DESCRIPTORS";

#[test]
fn without_descriptors_an_open_fails_and_leaks_nothing() {
    let _alone = alone();
    limit(LIMIT, || {
        if std::env::var_os(FEW).is_some() {
            return use_up_all_descriptors();
        }
        let program = std::env::current_exe().unwrap();
        let child = Command::new("sh")
            .args(["-c", "ulimit -n 40 && exec \"$0\" \"$@\""])
            .arg(program)
            .args(["--exact", "without_descriptors_an_open_fails_and_leaks_nothing"])
            .arg("--nocapture")
            .env(FEW, "1")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&child.stdout);
        assert!(child.status.success(), "{text}{}", String::from_utf8_lossy(&child.stderr));
        assert!(text.contains("1 passed"), "it did not run: {text}");
    });
}

fn use_up_all_descriptors() {
    let tree = Tree::new();
    let file = tree.file("file", "content");
    let engine = Engine::new().expect("an engine");
    // From its first operation on it listens, for which a kernel in user space has descriptors.
    assert_eq!(block_on(engine.metadata(&file)).unwrap().len(), 7);
    let before = descriptors();
    for _ in 0..3 {
        let mut open = Vec::new();
        let error = loop {
            match block_on(engine.open(&file)) {
                Ok(file) => open.push(file),
                Err(error) => break error,
            }
        };
        assert_eq!(error.errno(), Some(Errno::EMFILE));
        // By a thread of the kernel as well; the file is made all the same, as by open(2).
        let error = block_on(engine.create(tree.at("made"))).unwrap_err();
        assert_eq!(error.errno(), Some(Errno::EMFILE));
        assert!(open.len() > 10, "{}", open.len());
        // What needs no descriptor works.
        assert_eq!(block_on(engine.metadata(&file)).unwrap().len(), 7);
        drop(open);
        assert_eq!(descriptors(), before);
    }
    block_on(engine.open(&file)).expect("there is room again");
}
