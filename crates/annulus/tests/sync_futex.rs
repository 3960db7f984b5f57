//! Words that are waited on, by rings, threads and processes.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use annulus::buffer::SharedMemory;
use annulus::sync::futex::{Futex, FutexWord, MappedWord};
use annulus::time::{sleep, timeout};
use common::{begin, on_runtime, skip, times};

/// Whether there are futexes in this ring: since Linux 6.7.
async fn has_futexes(name: &str) -> bool {
    let tried = Futex::new(Arc::new(AtomicU32::new(0))).wake(1).await;
    if tried.as_ref().is_err_and(|why| why.kind() == std::io::ErrorKind::InvalidInput) {
        skip(name, "Linux 6.7");
        return false;
    }
    tried.unwrap();
    true
}

/// Waits until somebody waits on the word, by waking him; whoever waits does so in a loop.
async fn wakes_one<W: FutexWord>(futex: &Futex<W>) {
    while futex.wake(1).await.unwrap() == 0 {
        sleep(Duration::from_micros(200)).await;
    }
}

#[test]
fn a_task_waits_for_another_threads_word() {
    on_runtime(|| async {
        if !has_futexes("a_task_waits_for_another_threads_word").await {
            return;
        }
        let word = Arc::new(AtomicU32::new(0));
        let other = Arc::clone(&word);
        let thread = std::thread::spawn(move || {
            annulus::run(async {
                let futex = Futex::new(other);
                for value in 1..=times(100) as u32 {
                    // The even ones are the other's.
                    while futex.wait_while(2 * value - 2).await.unwrap() != 2 * value - 1 {}
                    futex.word().store(2 * value, Ordering::Release);
                    futex.wake(1).await.unwrap();
                }
            })
            .unwrap();
        });
        let futex = Futex::new(word);
        for value in 1..=times(100) as u32 {
            futex.word().store(2 * value - 1, Ordering::Release);
            futex.wake(1).await.unwrap();
            assert_eq!(futex.wait_while(2 * value - 1).await.unwrap(), 2 * value);
        }
        thread.join().unwrap();
    });
}

#[test]
fn who_waits_is_woken_once_and_counted() {
    on_runtime(|| async {
        if !has_futexes("who_waits_is_woken_once_and_counted").await {
            return;
        }
        static WORD: AtomicU32 = AtomicU32::new(7);
        let futex = Futex::new(&WORD);
        assert!(!futex.wait(8).await.unwrap(), "another value");
        let waits: Vec<_> = (0..3)
            .map(|_| annulus::spawn_local(async { Futex::new(&WORD).wait(7).await }))
            .collect();
        let mut woken = 0;
        while woken < 3 {
            woken += futex.wake(if woken == 0 { 1 } else { u32::MAX }).await.unwrap();
            sleep(Duration::from_micros(200)).await;
        }
        assert_eq!(woken, 3);
        for wait in waits {
            assert!(wait.await.unwrap().unwrap());
        }
    });
}

#[test]
fn a_wait_that_was_given_up_is_over() {
    on_runtime(|| async {
        if !has_futexes("a_wait_that_was_given_up_is_over").await {
            return;
        }
        let futex = Futex::new(Arc::new(AtomicU32::new(0)));
        for _ in 0..times(10) {
            assert!(timeout(Duration::from_millis(1), futex.wait(0)).await.is_err());
            begin(&mut Box::pin(futex.wait(0))).await;
        }
        // Cancelled, whenever the kernel comes to it: in the end nobody is woken.
        while futex.wake(u32::MAX).await.unwrap() > 0 {
            sleep(Duration::from_millis(1)).await;
        }
    });
}

#[test]
fn a_word_of_mapped_memory_is_shared() {
    on_runtime(|| async {
        if !has_futexes("a_word_of_mapped_memory_is_shared").await {
            return;
        }
        let memory = Arc::new(SharedMemory::new(4096));
        let one = Futex::new(MappedWord::new(Arc::clone(&memory), 128).unwrap());
        let other = one.clone();
        let waiter = annulus::spawn_local(async move { other.wait_while(0).await });
        wakes_one(&one).await; // it looks again, and waits on
        one.word().store(5, Ordering::Release);
        one.wake(u32::MAX).await.unwrap();
        assert_eq!(waiter.await.unwrap().unwrap(), 5);
        let mut bytes = [0; 4];
        memory.read(128, &mut bytes).unwrap();
        assert_eq!(u32::from_ne_bytes(bytes), 5);
        for wrong in [1, 2, 4093, 4094, 4096, u64::MAX] {
            assert!(MappedWord::new(Arc::clone(&memory), wrong).is_err(), "{wrong}");
        }
    });
}
