//! Threads that wait on one ring, every interleaving that loom finds: whoever leads, follows,
//! leaves and rings, nobody sleeps whose goal is met, and somebody always hears of files. Run by
//! `cargo xtask loom`, which also makes sure that each seeded bug is found.
//!
//! The rules are those of the host kernel (`Turns`); around them is its loop of waiting, with words
//! for completions, and flags for an epoll and for eventfds.
#![cfg(loom)]

#[path = "../src/host/turns.rs"]
#[allow(dead_code, unreachable_pub, reason = "a module of the library, on its own")]
mod turns;

use loom::sync::{Condvar, Mutex, MutexGuard};
use std::sync::Arc;
use turns::{Bell, Turns};

/// An eventfd, or an epoll with one and a file in it.
#[derive(Debug, Default)]
struct Gate {
    /// Rung; a file changed.
    told: Mutex<(bool, bool)>,
    changed: Condvar,
}

impl Bell for Gate {
    fn ring(&self) {
        self.told.lock().unwrap().0 = true;
        self.changed.notify_all();
    }
}

impl Gate {
    fn silence(&self) {
        self.told.lock().unwrap().0 = false;
    }

    fn change(&self) {
        self.told.lock().unwrap().1 = true;
        self.changed.notify_all();
    }

    /// Sleeps until something is told. Whether a file changed: that is told once.
    fn sleep(&self) -> bool {
        let mut told = self.told.lock().unwrap();
        while *told == (false, false) {
            told = self.changed.wait(told).unwrap();
        }
        core::mem::take(&mut told.1)
    }
}

struct State {
    turns: Turns<u32, Gate>,
    completions: u32,
}

struct Ring {
    state: Mutex<State>,
    epoll: Gate,
}

impl Ring {
    fn new() -> Arc<Self> {
        let state = State { turns: Turns::new(), completions: 0 };
        Arc::new(Self { state: Mutex::new(state), epoll: Gate::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn settle(&self, state: &mut State) {
        let State { turns, completions } = state;
        turns.settle(None, |want| *completions >= want, || self.epoll.ring());
    }

    /// As a worker, or a message.
    fn deliver(&self) {
        let mut state = self.state();
        state.completions += 1;
        self.settle(&mut state);
    }

    fn wait(&self, want: u32) {
        let mut state = self.state();
        while state.completions < want {
            if !state.turns.is_led() {
                state.turns.lead(want, None);
                self.settle(&mut state);
                drop(state);
                let is_ready = self.epoll.sleep();
                state = self.state();
                if state.turns.has_led() {
                    self.epoll.silence();
                }
                state.completions += u32::from(is_ready);
            } else {
                let bell = Arc::new(Gate::default());
                state.turns.follow(want, &bell);
                self.settle(&mut state);
                drop(state);
                bell.sleep();
                state = self.state();
                if state.turns.has_followed(&bell) {
                    bell.silence();
                }
            }
        }
        self.settle(&mut state);
    }
}

fn model(body: impl Fn(&Arc<Ring>) + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(move || body(&Ring::new()));
}

/// Completions of others wake both, whoever of them leads.
#[test]
fn nobody_sleeps_whose_goal_is_met() {
    model(|ring| {
        let second = Arc::clone(ring);
        let second = loom::thread::spawn(move || second.wait(2));
        let worker = Arc::clone(ring);
        let worker = loom::thread::spawn(move || {
            worker.deliver();
            worker.deliver();
        });
        ring.wait(1);
        second.join().unwrap();
        worker.join().unwrap();
    });
}

/// The first completion ends the wait of one, who may lead: the other hears of the file then.
#[test]
fn whoever_is_left_hears_of_files() {
    model(|ring| {
        let second = Arc::clone(ring);
        let second = loom::thread::spawn(move || second.wait(2));
        let worker = Arc::clone(ring);
        let worker = loom::thread::spawn(move || {
            worker.deliver();
            worker.epoll.change();
        });
        ring.wait(1);
        second.join().unwrap();
        worker.join().unwrap();
    });
}
