//! Timeouts, intervals, and operations with deadlines on a runtime.

mod common;

use std::future::pending;
use std::time::{Duration, Instant};

use annulus_runtime::runtime::File;
use annulus_runtime::time::{MissedTicks, interval, sleep, sleep_until, timeout, timeout_at};
use annulus_runtime::{run, spawn_local, yield_now};
use common::files::TempFile;
use common::{LIMIT, limit, slower};

const A_WHILE: Duration = Duration::from_millis(5);
/// Later than anything here may be, on a machine that does much else.
const LATE: Duration = Duration::from_secs(10);

#[test]
fn what_is_ready_is_not_lost_to_a_timeout() {
    limit(LIMIT, || {
        run(async {
            assert_eq!(timeout(Duration::ZERO, async { 7 }).await, Ok(7));
            let late = timeout(Duration::from_millis(1), async {
                std::thread::sleep(A_WHILE);
                8
            });
            assert_eq!(late.await, Ok(8));
        })
        .unwrap();
    });
}

#[test]
fn a_timeout_ends_what_never_is_ready_and_not_before_its_time() {
    limit(LIMIT, || {
        run(async {
            let begun = Instant::now();
            assert!(timeout(A_WHILE, pending::<()>()).await.is_err());
            assert!(begun.elapsed() >= A_WHILE && begun.elapsed() < LATE);
            let end = Instant::now() + A_WHILE;
            assert!(timeout_at(end, pending::<()>()).await.is_err());
            assert!(Instant::now() >= end);
            sleep_until(end).await;
            sleep_until(Instant::now() + A_WHILE).await;
            assert!(begun.elapsed() >= 3 * A_WHILE && begun.elapsed() < LATE);
        })
        .unwrap();
    });
}

#[test]
fn a_read_that_is_given_up_is_cancelled_and_the_next_gets_the_bytes() {
    limit(LIMIT, || {
        let (reader, mut writer) = std::io::pipe().unwrap();
        run(async move {
            let file = File::new(reader);
            assert!(timeout(A_WHILE, file.read_at(vec![0; 8], 0)).await.is_err());
            while !annulus_runtime::runtime::ops().is_empty() {
                sleep(Duration::from_millis(1)).await;
            }
            std::io::Write::write_all(&mut writer, b"all of it").unwrap();
            let (n, buf) = file.read_at(vec![0; 16], 0).await.unwrap();
            assert_eq!(&buf[..n], b"all of it");
        })
        .unwrap();
    });
}

#[test]
fn a_deadline_ends_one_operation_and_gives_the_buffer_back() {
    limit(LIMIT, || {
        let (reader, _writer) = std::io::pipe().unwrap();
        run(async move {
            let file = File::new(reader);
            let begun = Instant::now();
            let error = file.read_at(vec![7; 8], 0).deadline(A_WHILE).await.unwrap_err();
            assert!(error.is_timeout(), "{error}");
            assert_eq!(error.into_buf(), [7; 8]);
            assert!(begun.elapsed() >= A_WHILE && begun.elapsed() < LATE);
        })
        .unwrap();
    });
}

#[test]
fn ticks_are_a_period_apart_and_made_up_for_as_was_said() {
    limit(LIMIT, || {
        run(async {
            let period = Duration::from_millis(4 * slower());
            let begun = Instant::now();
            let mut burst = interval(period);
            for _ in 0..3 {
                assert_eq!(burst.tick().await, 1);
            }
            assert!(begun.elapsed() >= 2 * period);
            std::thread::sleep(3 * period);
            let again = Instant::now();
            for _ in 0..3 {
                assert_eq!(burst.tick().await, 1, "each is made up for, at once");
            }
            assert!(again.elapsed() < LATE);
            let mut skip = interval(period).missed(MissedTicks::Skip);
            skip.tick().await;
            std::thread::sleep(3 * period);
            assert!(skip.tick().await >= 3);
            let mut delay = interval(period).missed(MissedTicks::Delay);
            delay.tick().await;
            std::thread::sleep(3 * period);
            delay.tick().await;
            let late = Instant::now();
            delay.tick().await;
            // From the late one on, which was a moment before `late`.
            assert!(late.elapsed() >= period / 2, "{:?}", late.elapsed());
        })
        .unwrap();
    });
}

#[test]
fn a_tick_that_is_dropped_is_the_next_ones() {
    limit(LIMIT, || {
        run(async {
            let period = A_WHILE * slower() as u32;
            let begun = Instant::now();
            let mut ticks = interval(period);
            ticks.tick().await;
            for _ in 0..100 {
                let is_none = timeout(Duration::ZERO, ticks.tick()).await.is_err();
                assert!(is_none || begun.elapsed() >= period, "it came too early");
                if begun.elapsed() >= period / 2 {
                    break;
                }
            }
            ticks.tick().await;
            assert!(begun.elapsed() < LATE);
        })
        .unwrap();
    });
}

#[test]
fn a_busy_task_keeps_no_timer_and_no_read_waiting() {
    limit(LIMIT, || {
        let content = TempFile::patterned(4096);
        run(async {
            let busy = spawn_local(async {
                loop {
                    yield_now().await;
                }
            });
            let begun = Instant::now();
            sleep(A_WHILE).await;
            let file = File::new(content.open());
            for _ in 0..100 {
                assert_eq!(file.read_at(vec![0; 512], 0).await.unwrap().0, 512);
            }
            assert!(begun.elapsed() < LATE, "{:?}", begun.elapsed());
            busy.abort();
        })
        .unwrap();
    });
}
