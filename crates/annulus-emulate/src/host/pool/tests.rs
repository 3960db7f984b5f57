//! The pool, without a ring.

use std::sync::mpsc::{Receiver, channel};

use annulus_ring::abi::{Op, Sqe};

use super::*;
use crate::world::{Outcome, Stable};

/// How long nothing is lost in.
const LIMIT: Duration = Duration::from_secs(20);

/// What became of a piece of work.
type Told = (Token, Result<u32, Errno>);

fn pool(workers: Workers) -> (Arc<Pool>, Receiver<Told>) {
    let (tell, told) = channel();
    let pool = Arc::new(Pool::new(workers));
    pool.deliver_to(Box::new(move |token, _, result| {
        let _nobody_listens = tell.send((token, result));
    }));
    (pool, told)
}

fn token(place: u32) -> Token {
    Token { place, generation: 0 }
}

/// An entry that names nothing.
fn bare(opcode: Op) -> HostWork {
    let sqe = Sqe { opcode, ..Sqe::default() };
    let (stable, outcome) = (Stable::None, Outcome::default());
    Work { sqe, file: None, second: None, stable, done: 0, outcome }
}

#[test]
fn what_is_queued_is_taken_back_and_what_is_over_is_not() {
    let (pool, told) = pool(Workers::new().threads_max(0));
    let work = bare(Op::FSYNC);
    assert!(pool.hand_over(token(1), work).is_ok());
    assert_eq!(pool.recall(token(1)), Recall::Taken);
    let work = bare(Op::FSYNC);
    assert!(pool.hand_over(token(2), work).is_ok());
    pool.run_inline();
    assert_eq!(told.recv_timeout(LIMIT), Ok((token(2), Err(Errno::EBADF))));
    assert_eq!(pool.recall(token(2)), Recall::TooLate);
    pool.close();
}

#[test]
fn a_wait_that_fails_is_told_of() {
    let (pool, told) = pool(Workers::new());
    // Its word is at no address.
    assert!(pool.hand_over(token(1), bare(Op::FUTEX_WAIT)).is_ok());
    let (told_token, result) = told.recv_timeout(LIMIT).expect("told");
    assert_eq!(told_token, token(1));
    assert!(result.is_err(), "{result:?}");
    pool.close();
}

/// The first piece of work panics; the next is done, by the same thread: there is but one.
#[test]
fn a_panic_ends_the_entry_and_not_the_thread() {
    let (pool, told) = pool(Workers::new().threads_max(1));
    for (place, opcode, errno) in [(1, perform::PANICS, Errno::EIO), (2, Op::FSYNC, Errno::EBADF)] {
        assert!(pool.hand_over(token(place), bare(opcode)).is_ok());
        assert_eq!(told.recv_timeout(LIMIT), Ok((token(place), Err(errno))));
    }
    pool.close();
}

/// Who waits for what is not told would wait for ever.
#[test]
fn a_panic_while_it_is_told_ends_the_process() {
    const CHILD: &str = "ANNULUS_POOL_CHILD";
    if std::env::var_os(CHILD).is_some() {
        let pool = Arc::new(Pool::new(Workers::new()));
        pool.deliver_to(Box::new(|_, _, _| panic!("on purpose")));
        assert!(pool.hand_over(token(1), bare(Op::FSYNC)).is_ok());
        std::thread::sleep(LIMIT);
        return;
    }
    let name = "host::pool::tests::a_panic_while_it_is_told_ends_the_process";
    let program = std::env::current_exe().expect("this program");
    let mut child = std::process::Command::new(program);
    let ended = child.args(["--exact", name, "--nocapture"]).env(CHILD, "1").output();
    let ended = ended.expect("it starts");
    let said = String::from_utf8_lossy(&ended.stderr);
    let signal = std::os::unix::process::ExitStatusExt::signal(&ended.status);
    assert_eq!(signal, Some(libc::SIGABRT), "{said}");
    assert!(said.contains("on purpose") && said.contains("ending the process"), "{said}");
}
