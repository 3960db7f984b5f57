//! The wheel against a list, and what it must never do.

use super::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Wake;

/// Notes that it was woken.
struct Note(AtomicU64);

impl Wake for Note {
    fn wake(self: Arc<Self>) {
        // Relaxed: pairs with nothing: one thread.
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Note {
    fn new() -> (Arc<Self>, Waker) {
        let note = Arc::new(Self(AtomicU64::new(0)));
        (Arc::clone(&note), note.into())
    }

    fn count(&self) -> u64 {
        // Relaxed: pairs with nothing: one thread.
        self.0.load(Ordering::Relaxed)
    }
}

fn advance(wheel: &mut Wheel, now_ns: u64) -> usize {
    let mut fired = 0;
    wheel.advance(now_ns, |waker| {
        fired += 1;
        waker.wake();
    });
    fired
}

/// Sets a timer: by its time, or, every other one, by how long it is until then.
fn set(wheel: &mut Wheel, now_ns: u64, after_ns: u64, waker: &Waker) -> Key {
    let key = if after_ns.is_multiple_of(2) {
        wheel.insert_at(now_ns + after_ns)
    } else {
        let key = wheel.insert_after(after_ns);
        assert_ne!(wheel.fresh, NONE);
        key
    };
    assert!(wheel.poll(key, waker).is_some_and(|old| old.is_none()));
    wheel.settle(now_ns);
    assert_eq!(wheel.fresh, NONE);
    key
}

#[test]
fn a_timer_fires_once_and_not_before_its_time() {
    for after in [0, 1, 1023, 1024, 1025, 70_000, 5_000_000, 1 << 30, 1 << 45, 1 << 62] {
        let start = 123_456_789;
        let mut wheel = Wheel::new(start);
        let (note, waker) = Note::new();
        let key = set(&mut wheel, start, after, &waker);
        if let Some(before) = (start + after).checked_sub(1) {
            assert_eq!(advance(&mut wheel, before), 0, "{after}: a nanosecond too early");
        }
        assert!(wheel.poll(key, &waker).is_some());
        let at = wheel.next_ns().expect("it is set");
        assert!((start + after..=start + after + 2048).contains(&at), "{after}: at {at}");
        assert_eq!(advance(&mut wheel, at), 1, "{after}");
        assert_eq!((note.count(), wheel.next_ns()), (1, None));
        assert!(wheel.poll(key, &waker).is_none(), "it has fired");
        assert!(wheel.remove(key).is_none());
        assert!(wheel.is_empty());
    }
}

#[test]
fn what_is_removed_does_not_fire_and_is_not_woken_for() {
    let mut wheel = Wheel::new(0);
    let (note, waker) = Note::new();
    let keys: Vec<Key> = (1..1000).map(|n| set(&mut wheel, 0, n * 1_000_000, &waker)).collect();
    for key in &keys {
        assert!(wheel.remove(*key).is_some());
    }
    assert_eq!((wheel.is_empty(), wheel.next_ns()), (true, None));
    assert_eq!(advance(&mut wheel, u64::MAX), 0);
    assert_eq!(note.count(), 0);
    let again = wheel.insert_at(u64::MAX);
    assert!(!keys.contains(&again), "a key was used twice");
}

/// Random settings, removals and steps of time, beside a plain list.
#[test]
fn it_agrees_with_a_list() {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % below
    };
    let mut wheel = Wheel::new(0);
    let mut now = 0;
    let mut list: Vec<(u64, Key, Arc<Note>)> = Vec::new();
    let steps = if cfg!(miri) { 300 } else { 200_000 };
    for _ in 0..steps {
        match random(4) {
            0 | 1 => {
                let bits = random(44) + 1;
                let after = random(1 << bits);
                let (note, waker) = Note::new();
                let key = set(&mut wheel, now, after, &waker);
                list.push((now + after, key, note));
            }
            2 if !list.is_empty() => {
                let at = random(list.len() as u64) as usize;
                let (time, key, note) = list.swap_remove(at);
                let was_due = note.count() == 1;
                assert_eq!(wheel.remove(key).is_some(), !was_due);
                assert!(!was_due || time <= now);
            }
            _ => {
                let bits = random(40) + 1;
                now += random(1 << bits);
                advance(&mut wheel, now);
                for (time, _, note) in &list {
                    let fired = note.count() == 1;
                    assert!(!fired || *time <= now, "{time} fired at {now}");
                    assert!(fired || time + 2048 > now, "{time} did not fire at {now}");
                }
                list.retain(|(_, key, note)| {
                    if note.count() == 1 {
                        wheel.remove(*key);
                    }
                    note.count() == 0
                });
                let next = list.iter().map(|(time, ..)| *time).min();
                match (next, wheel.next_ns()) {
                    (None, None) => {}
                    (Some(time), Some(at)) => assert!(at <= time.max(now) + 2048),
                    (list, wheel) => panic!("list {list:?}, wheel {wheel:?}"),
                }
            }
        }
    }
}

#[test]
fn what_is_taken_back_before_it_has_a_time_never_fires() {
    let mut wheel = Wheel::new(0);
    let (note, waker) = Note::new();
    let keys: Vec<Key> = (0..4).map(|n| wheel.insert_after(n)).collect();
    for key in &keys {
        assert!(wheel.poll(*key, &waker).is_some());
    }
    // The first, the last, and one of the middle.
    for n in [3, 0, 1] {
        assert!(wheel.remove(keys[n]).is_some());
    }
    wheel.settle(1000);
    assert_eq!(advance(&mut wheel, 10_000), 1);
    assert_eq!((note.count(), wheel.is_empty()), (1, true));
    assert!(wheel.poll(keys[2], &waker).is_none() && wheel.poll(keys[3], &waker).is_none());
}

/// Notes its number where all do.
struct Numbered(u64, Arc<std::sync::Mutex<Vec<u64>>>);

impl Wake for Numbered {
    fn wake(self: Arc<Self>) {
        self.1.lock().unwrap().push(self.0);
    }
}

/// Also where nobody looked for so long that whole slots of higher levels are over.
#[test]
fn late_timers_fire_in_the_order_of_their_times() {
    let mut wheel = Wheel::new(0);
    let order = Arc::default();
    let mut time_ns = 7;
    for _ in 0..1000 {
        // Times from everywhere within a second, in no order.
        time_ns = time_ns * 48_271 % 0x7fff_ffff;
        let after_ns = time_ns % 1_000_000_000;
        let waker = Arc::new(Numbered(after_ns, Arc::clone(&order))).into();
        set(&mut wheel, 0, after_ns, &waker);
    }
    assert_eq!(advance(&mut wheel, 1_000_000_000), 1000);
    let ticks: Vec<u64> = order.lock().unwrap().iter().copied().map(tick_of).collect();
    assert!(ticks.is_sorted(), "{ticks:?}");
}
