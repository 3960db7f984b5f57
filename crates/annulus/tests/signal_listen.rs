//! Signals: each listener gets each; what the process does by default, and what children do.
//!
//! Each test has a signal of its own, or a process: signals are sent to the whole of one.

#[path = "common/again.rs"]
mod again;
mod common;

use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::time::Duration;

use annulus::io::{AsyncReadOwned, BufReader};
use annulus::process::{Child, Command};
use annulus::signal::{SignalKind, ctrl_c, restore_default, signal};
use annulus::time::timeout;
use common::{LIMIT, limit, on_runtime, times};
use futures::future::poll_immediate;

/// Sends a signal to a process.
fn send(signal: SignalKind, id: u32) {
    let number = format!("-{}", signal.as_raw());
    let sent = std::process::Command::new("kill").args([number, id.to_string()]).status();
    assert!(sent.expect("there is a kill").success());
}

fn send_here(signal: SignalKind) {
    send(signal, std::process::id());
}

/// A moment in which nothing is to come.
const MOMENT: Duration = Duration::from_millis(5);

#[test]
fn each_listener_gets_each_signal_and_only_those_after_it() {
    on_runtime(|| async {
        let kind = SignalKind::USER_DEFINED1;
        // The handler goes from the first place to the last: who is told has all before him told.
        let mut first = signal(kind).unwrap();
        let place_of_the_third = signal(kind).unwrap();
        let mut second = signal(kind).unwrap();
        drop(place_of_the_third);
        for _ in 0..times(10) {
            send_here(kind);
            first.next().await.unwrap();
            second.next().await.unwrap();
        }
        send_here(kind);
        second.next().await.unwrap();
        let mut third = signal(kind).unwrap();
        assert!(timeout(MOMENT, third.next()).await.is_err(), "it was before");
        first.next().await.unwrap();
        send_here(kind);
        for listener in [&mut first, &mut second, &mut third] {
            listener.next().await.unwrap();
            assert!(timeout(MOMENT, listener.next()).await.is_err(), "there was one");
        }
        // Those that nobody asks about in between are one.
        for _ in 0..5 {
            send_here(kind);
            second.next().await.unwrap();
        }
        first.next().await.unwrap();
        assert!(timeout(MOMENT, first.next()).await.is_err());
    });
}

#[test]
fn a_wait_that_was_given_up_loses_no_signal() {
    on_runtime(|| async {
        let kind = SignalKind::USER_DEFINED2;
        let mut listener = signal(kind).unwrap();
        for _ in 0..times(20) {
            assert!(poll_immediate(Box::pin(listener.next())).await.is_none());
            send_here(kind);
            annulus::yield_now().await;
            listener.next().await.unwrap();
        }
        // A place that was another's brings nothing of the other's.
        let mut witness = signal(kind).unwrap();
        send_here(kind);
        witness.next().await.unwrap();
        drop(listener);
        let mut next = signal(kind).unwrap();
        assert!(timeout(MOMENT, next.next()).await.is_err());
        send_here(kind);
        next.next().await.unwrap();
    });
}

#[test]
fn listeners_on_many_threads_get_it_while_others_come_and_go() {
    limit(LIMIT, || {
        let kind = SignalKind::HANGUP;
        let barrier = std::sync::Arc::new(std::sync::Barrier::new(5));
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let barrier = std::sync::Arc::clone(&barrier);
                std::thread::spawn(move || {
                    annulus::run(async {
                        let mut listener = signal(kind).unwrap();
                        barrier.wait();
                        listener.next().await.unwrap();
                        barrier.wait();
                        for _ in 0..times(200) {
                            drop(signal(kind).unwrap());
                        }
                    })
                    .unwrap();
                })
            })
            .collect();
        barrier.wait();
        send_here(kind);
        barrier.wait();
        for _ in 0..times(20) {
            send_here(kind);
        }
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

/// What the test of this name does in a process of its own, which is told by its lines how far that
/// is.
async fn child(name: &str) -> (Child, BufReader<impl AsyncReadOwned>) {
    let this = again::this_test(name);
    // Ctrl-C ends it, though this process may have been started in the background, and ignore it.
    let mut command = Command::new("env");
    command.arg("--default-signal=INT").arg(this.get_program()).args(this.get_args());
    command.envs(this.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().await.unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    wait_for(&mut lines, "ready").await;
    (child, lines)
}

/// Reads until there is a line with `word` in it.
async fn wait_for(lines: &mut BufReader<impl AsyncReadOwned>, word: &str) {
    loop {
        let mut line = String::new();
        assert!(lines.read_line(&mut line).await.unwrap() > 0, "it ended before it said {word}");
        if line.contains(word) {
            return;
        }
    }
}

#[test]
fn ctrl_c_does_not_end_the_process_until_that_is_restored() {
    const NAME: &str = "ctrl_c_does_not_end_the_process_until_that_is_restored";
    on_runtime(|| async {
        if again::is_again() {
            let mut pressed = Box::pin(ctrl_c());
            assert!(poll_immediate(&mut pressed).await.is_none());
            println!("ready");
            pressed.await.unwrap();
            println!("first");
            // The listener is gone, and nobody listens: it does not end the process.
            send_here(SignalKind::INTERRUPT);
            restore_default(SignalKind::INTERRUPT).unwrap();
            println!("restored");
            std::future::pending().await
        }
        let (mut child, mut lines) = child(NAME).await;
        send(SignalKind::INTERRUPT, child.id());
        wait_for(&mut lines, "first").await;
        wait_for(&mut lines, "restored").await;
        send(SignalKind::INTERRUPT, child.id());
        assert_eq!(child.wait().await.unwrap().signal(), Some(2));
    });
}

#[test]
fn a_child_has_the_default_again() {
    on_runtime(|| async {
        let mut listener = signal(SignalKind::TERMINATE).unwrap();
        let mut child = Command::new("sleep").arg("1000").spawn().await.unwrap();
        send(SignalKind::TERMINATE, child.id());
        assert_eq!(child.wait().await.unwrap().signal(), Some(15));
        assert!(timeout(MOMENT, listener.next()).await.is_err(), "it was not for this process");
    });
}

#[test]
fn the_end_of_a_child_is_a_signal_too() {
    on_runtime(|| async {
        let mut children = signal(SignalKind::CHILD).unwrap();
        Command::new("true").status().await.unwrap();
        children.next().await.unwrap();
    });
}

#[test]
fn what_cannot_be_listened_to_is_refused() {
    on_runtime(|| async {
        for number in [-1, 0, 9, 19, 11, 7, 8, 4, 65, 1000] {
            let why = signal(SignalKind::from_raw(number)).unwrap_err();
            assert_eq!(why.kind(), std::io::ErrorKind::InvalidInput, "{number}");
            assert!(restore_default(SignalKind::from_raw(number)).is_err());
        }
    });
}
