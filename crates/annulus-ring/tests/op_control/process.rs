//! WAITID, on children of the test's own.

use std::io::Write;
use std::os::fd::AsRawFd;
use std::process::{Child, Command, Stdio};

use annulus_ring::abi::{IdType, Op, Siginfo, WaitidOptions};
use annulus_ring::{Errno, op};

use crate::common::lacks;
use crate::rig::{of, push, result, ring, silent, wait};

/// "No child processes".
const ECHILD: Errno = Errno::from_raw(10);
const EXITED: WaitidOptions = WaitidOptions::EXITED;

/// A child that ends with what `sh` makes of `end` once its standard input is closed.
fn child(end: &str) -> Child {
    let script = format!("read line; {end}");
    Command::new("sh").args(["-c", &script]).stdin(Stdio::piped()).spawn().unwrap()
}

#[test]
fn the_end_of_a_child() {
    if lacks("the_end_of_a_child", Op::WAITID) {
        return;
    }
    for (end, code, status) in
        [("exit 3", Siginfo::CLD_EXITED, 3), ("kill -9 $$", Siginfo::CLD_KILLED, 9)]
    {
        let (mut ring, mut child) = (ring(), child(end));
        let mut info = Siginfo::default();
        push(&mut ring, op::WaitId::new(IdType::PID, child.id(), EXITED).info(&mut info));
        silent(&mut ring);
        child.stdin.take().unwrap().write_all(b"\n").unwrap();
        assert_eq!(wait(&mut ring, 1)[0].result(), Ok(0));
        assert_eq!((info.si_code, info.si_status), (code, status));
        assert_eq!((info.si_pid, info.si_signo), (child.id() as i32, 17));
        // It was waited for: it is gone.
        let again = op::WaitId::new(IdType::PID, child.id(), EXITED);
        assert_eq!(result(&mut ring, again), Err(ECHILD));
    }
}

#[test]
fn by_descriptor_and_without_reaping() {
    if lacks("by_descriptor_and_without_reaping", Op::WAITID) {
        return;
    }
    let (mut ring, mut child) = (ring(), child("exit 4"));
    let pid = rustix::process::Pid::from_child(&child);
    let fd = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).unwrap();
    let id = fd.as_raw_fd() as u32;
    let mut info = Siginfo::default();
    let nohang = EXITED | WaitidOptions::NOHANG;
    let look = op::WaitId::new(IdType::PIDFD, id, nohang).info(&mut info);
    assert_eq!((result(&mut ring, look), info.si_pid), (Ok(0), 0));
    drop(child.stdin.take());
    let leave = EXITED | WaitidOptions::NOWAIT;
    let leave = op::WaitId::new(IdType::PIDFD, id, leave).info(&mut info);
    assert_eq!((result(&mut ring, leave), info.si_status), (Ok(0), 4));
    assert_eq!(child.wait().unwrap().code(), Some(4));
}

#[test]
fn a_wait_is_cancelled() {
    if lacks("process::a_wait_is_cancelled", Op::WAITID) {
        return;
    }
    let (mut ring, mut child) = (ring(), child("exit 0"));
    let wait_id = op::WaitId::new(IdType::PID, child.id(), EXITED);
    push(&mut ring, wait_id.build().user_data(1));
    silent(&mut ring);
    push(&mut ring, op::AsyncCancel::user_data(1).build().user_data(2).skip_success());
    assert_eq!(of(&wait(&mut ring, 1), 1).result(), Err(Errno::ECANCELED));
    drop(child.stdin.take());
    child.wait().unwrap();
}

#[test]
fn whom_one_cannot_wait_for() {
    if lacks("whom_one_cannot_wait_for", Op::WAITID) {
        return;
    }
    let mut ring = ring();
    assert_eq!(result(&mut ring, op::WaitId::new(IdType::PID, 1, EXITED)), Err(ECHILD));
    let nothing = op::WaitId::new(IdType::PID, 1, WaitidOptions::empty());
    assert_eq!(result(&mut ring, nothing), Err(Errno::EINVAL));
    assert_eq!(result(&mut ring, op::WaitId::new(IdType(9), 1, EXITED)), Err(Errno::EINVAL));
    let bad = op::WaitId::new(IdType::PIDFD, 1 << 20, EXITED);
    assert_eq!(result(&mut ring, bad), Err(Errno::EBADF));
}
