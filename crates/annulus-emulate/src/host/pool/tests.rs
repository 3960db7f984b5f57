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
