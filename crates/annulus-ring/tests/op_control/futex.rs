//! FUTEX_WAIT, FUTEX_WAKE, FUTEX_WAITV.

use std::sync::atomic::{AtomicU32, Ordering};

use annulus_ring::abi::{FUTEX_WAITV_MAX, Futex2Flags, FutexWaitv, Op};
use annulus_ring::{Errno, op};

use crate::common::lacks;
use crate::rig::{of, push, result, ring, silent, wait};

const SHARED: Futex2Flags = Futex2Flags::SIZE_U32;
const PRIVATE: Futex2Flags = Futex2Flags(Futex2Flags::SIZE_U32.0 | Futex2Flags::PRIVATE.0);

fn waitv(word: &AtomicU32, val: u64) -> FutexWaitv {
    let uaddr = std::ptr::from_ref(word).expose_provenance() as u64;
    FutexWaitv { val, uaddr, flags: PRIVATE, ..FutexWaitv::default() }
}

#[test]
fn a_wake_ends_waits() {
    if lacks("a_wake_ends_waits", Op::FUTEX_WAIT) {
        return;
    }
    let (word, mut ring) = (AtomicU32::new(5), ring());
    for user_data in 1..=3 {
        push(&mut ring, op::FutexWait::new(&word, 5).build().user_data(user_data));
    }
    silent(&mut ring);
    push(&mut ring, op::FutexWake::new(&word, 2).build().user_data(9));
    let cqes = wait(&mut ring, 3);
    assert_eq!(of(&cqes, 9).result(), Ok(2));
    assert!(cqes.iter().filter(|cqe| cqe.user_data != 9).all(|cqe| cqe.result() == Ok(0)));
    silent(&mut ring);
    push(&mut ring, op::FutexWake::new(&word, 9).build().user_data(9));
    assert_eq!(of(&wait(&mut ring, 2), 9).result(), Ok(1));
}

#[test]
fn nobody_is_woken() {
    if lacks("nobody_is_woken", Op::FUTEX_WAIT) {
        return;
    }
    let (word, mut ring) = (AtomicU32::new(5), ring());
    assert_eq!(result(&mut ring, op::FutexWake::new(&word, 1)), Ok(0));
    assert_eq!(result(&mut ring, op::FutexWait::new(&word, 6)), Err(Errno::EAGAIN));
}

#[test]
fn a_thread_wakes_a_ring_and_a_ring_a_thread() {
    if lacks("a_thread_wakes_a_ring_and_a_ring_a_thread", Op::FUTEX_WAIT) {
        return;
    }
    use rustix::thread::futex;
    let (word, mut ring) = (AtomicU32::new(0), ring());
    push(&mut ring, op::FutexWait::new(&word, 0));
    silent(&mut ring);
    assert_eq!(futex::wake(&word, futex::Flags::PRIVATE, 1), Ok(1));
    assert_eq!(wait(&mut ring, 1)[0].result(), Ok(0));

    std::thread::scope(|scope| {
        let sleeper = scope.spawn(|| {
            // Relaxed: the word carries no data, the test only counts who was woken.
            while word.load(Ordering::Relaxed) == 0 {
                let _ = futex::wait(&word, futex::Flags::PRIVATE, 0, None);
            }
        });
        // Relaxed: as above.
        word.store(1, Ordering::Relaxed);
        assert!(result(&mut ring, op::FutexWake::new(&word, 1)).unwrap() <= 1);
        sleeper.join().unwrap();
    });
}

#[test]
fn masks_choose_whom_to_wake() {
    if lacks("masks_choose_whom_to_wake", Op::FUTEX_WAIT) {
        return;
    }
    let (word, mut ring) = (AtomicU32::new(5), ring());
    push(&mut ring, op::FutexWait::new(&word, 5).mask(1).build().user_data(1));
    push(&mut ring, op::FutexWait::new(&word, 5).mask(2).build().user_data(2));
    silent(&mut ring);
    push(&mut ring, op::FutexWake::new(&word, 9).mask(2).build().user_data(9));
    let cqes = wait(&mut ring, 2);
    assert_eq!(of(&cqes, 9).result(), Ok(1));
    assert_eq!(of(&cqes, 2).result(), Ok(0));
    assert_eq!(result(&mut ring, op::FutexWait::new(&word, 5).mask(0)), Err(Errno::EINVAL));
}

#[test]
fn shared_and_private_do_not_meet() {
    if lacks("shared_and_private_do_not_meet", Op::FUTEX_WAIT) {
        return;
    }
    let (word, mut ring) = (AtomicU32::new(5), ring());
    push(&mut ring, op::FutexWait::new(&word, 5).flags(SHARED).build().user_data(1));
    silent(&mut ring);
    assert_eq!(result(&mut ring, op::FutexWake::new(&word, 1)), Ok(0));
    push(&mut ring, op::FutexWake::new(&word, 1).flags(SHARED).build().user_data(9));
    let cqes = wait(&mut ring, 2);
    assert_eq!((of(&cqes, 9).result(), of(&cqes, 1).result()), (Ok(1), Ok(0)));
}

#[test]
fn a_wait_is_cancelled() {
    if lacks("futex::a_wait_is_cancelled", Op::FUTEX_WAIT) {
        return;
    }
    let (word, mut ring) = (AtomicU32::new(5), ring());
    push(&mut ring, op::FutexWait::new(&word, 5).build().user_data(1));
    silent(&mut ring);
    push(&mut ring, op::AsyncCancel::user_data(1).build().user_data(2).skip_success());
    assert_eq!(of(&wait(&mut ring, 1), 1).result(), Err(Errno::ECANCELED));
}

#[test]
fn bad_futexes() {
    if lacks("bad_futexes", Op::FUTEX_WAIT) {
        return;
    }
    let (word, mut ring) = (AtomicU32::new(5), ring());
    let odd = std::ptr::from_ref(&word).wrapping_byte_add(1);
    assert_eq!(result(&mut ring, op::FutexWait::new(odd, 5)), Err(Errno::EINVAL));
    let null = std::ptr::null();
    assert_eq!(result(&mut ring, op::FutexWait::new(null, 5)), Err(Errno::EFAULT));
    for size in [Futex2Flags::SIZE_U8, Futex2Flags::SIZE_U16, Futex2Flags::SIZE_U64] {
        let wait = op::FutexWait::new(&word, 5).flags(size);
        assert_eq!(result(&mut ring, wait), Err(Errno::EINVAL), "{size:?}");
    }
    let wake = op::FutexWake::new(&word, 5).flags(Futex2Flags(1 << 20));
    assert_eq!(result(&mut ring, wake), Err(Errno::EINVAL));
}

#[test]
fn one_of_several_is_named() {
    if lacks("one_of_several_is_named", Op::FUTEX_WAIT) {
        return;
    }
    let words = [AtomicU32::new(1), AtomicU32::new(2), AtomicU32::new(3)];
    let waits = [waitv(&words[0], 1), waitv(&words[1], 2), waitv(&words[2], 3)];
    let mut ring = ring();
    push(&mut ring, op::FutexWaitV::new(waits.as_ptr(), 3).build().user_data(1));
    silent(&mut ring);
    push(&mut ring, op::FutexWake::new(&words[2], 1).build().user_data(9));
    let cqes = wait(&mut ring, 2);
    assert_eq!((of(&cqes, 9).result(), of(&cqes, 1).result()), (Ok(1), Ok(2)));
    push(&mut ring, op::FutexWaitV::new(waits.as_ptr(), 3).build().user_data(1));
    silent(&mut ring);
    push(&mut ring, op::AsyncCancel::user_data(1).build().user_data(2).skip_success());
    assert_eq!(of(&wait(&mut ring, 1), 1).result(), Err(Errno::ECANCELED));
}

#[test]
fn several_that_cannot_be_waited_for() {
    if lacks("several_that_cannot_be_waited_for", Op::FUTEX_WAIT) {
        return;
    }
    let words = [AtomicU32::new(1), AtomicU32::new(2)];
    let mut waits = vec![waitv(&words[0], 1), waitv(&words[1], 1)];
    let mut ring = ring();
    let entry = |waits: &[FutexWaitv], count| op::FutexWaitV::new(waits.as_ptr(), count);
    assert_eq!(result(&mut ring, entry(&waits, 2)), Err(Errno::EAGAIN));
    assert_eq!(result(&mut ring, entry(&waits, 0)), Err(Errno::EINVAL));
    waits[1].__reserved = 1;
    assert_eq!(result(&mut ring, entry(&waits, 2)), Err(Errno::EINVAL));
    let many = vec![waitv(&words[0], 1); FUTEX_WAITV_MAX as usize + 1];
    assert_eq!(result(&mut ring, entry(&many, FUTEX_WAITV_MAX + 1)), Err(Errno::EINVAL));
    let null = op::FutexWaitV::new(std::ptr::null(), 1);
    assert_eq!(result(&mut ring, null), Err(Errno::EFAULT));
}
