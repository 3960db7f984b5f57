//! Connecting to one of several addresses: whichever answers first (RFC 8305, "happy eyeballs").
//!
//! ```text
//! order: the resolver's, but families take turns
//! loop:  begin an attempt when 250 ms have passed since the last began, or one has failed;
//!        the first that is connected wins, and the others are given up;
//!        when all have failed the last error is told
//! ```

use core::future::{Future, poll_fn};
use core::pin::Pin;
use core::task::Poll;
use core::time::Duration;
use std::io;
use std::net::SocketAddr;

use crate::runtime::time::{Sleep, sleep};

/// The "connection attempt delay" (RFC 8305, section 5).
const DELAY: Duration = Duration::from_millis(250);

/// The addresses in the order in which they are tried: families take turns, beginning with that of
/// the first (RFC 8305, section 4).
fn interleaved(addrs: &[SocketAddr]) -> Vec<SocketAddr> {
    let is_first = |addr: &&SocketAddr| addr.is_ipv4() == addrs[0].is_ipv4();
    let mut first = addrs.iter().filter(is_first);
    let mut second = addrs.iter().filter(|addr| !is_first(addr));
    let mut order = Vec::with_capacity(addrs.len());
    while order.len() < addrs.len() {
        order.extend(first.next());
        order.extend(second.next());
    }
    order
}

/// Connects by `connect` to whichever of `addrs` answers first.
pub(super) async fn race<T, C, F>(addrs: Vec<SocketAddr>, connect: C) -> io::Result<T>
where
    C: Fn(SocketAddr) -> F,
    F: Future<Output = io::Result<T>>,
{
    if let [only] = addrs[..] {
        return connect(only).await;
    }
    if addrs.is_empty() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut left = interleaved(&addrs).into_iter();
    let mut attempts: Vec<Pin<Box<F>>> = Vec::new();
    let mut pause: Option<Sleep> = None;
    let mut last = None;
    poll_fn(|cx| {
        loop {
            let mut n = 0;
            while let Some(attempt) = attempts.get_mut(n) {
                match attempt.as_mut().poll(cx) {
                    Poll::Ready(Ok(connected)) => return Poll::Ready(Ok(connected)),
                    Poll::Ready(Err(error)) => {
                        drop(attempts.remove(n));
                        last = Some(error);
                        // The next need not wait any more.
                        pause = None;
                    }
                    Poll::Pending => n += 1,
                }
            }
            let waits = match &mut pause {
                Some(pause) => Pin::new(pause).poll(cx).is_pending(),
                None => false,
            };
            if waits {
                return Poll::Pending;
            }
            match left.next() {
                Some(addr) => {
                    attempts.push(Box::pin(connect(addr)));
                    pause = (left.len() > 0).then(|| sleep(DELAY));
                }
                None if !attempts.is_empty() => return Poll::Pending,
                None => {
                    let none = || io::ErrorKind::InvalidInput.into();
                    return Poll::Ready(Err(last.take().unwrap_or_else(none)));
                }
            }
        }
    })
    .await
}

#[cfg(test)]
#[cfg(not(any(loom, miri)))]
mod tests {
    use std::cell::RefCell;
    use std::time::Instant;

    use super::*;

    fn addr(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn families_take_turns() {
        let given = ["[::1]:1", "[::1]:2", "[::1]:3", "1.1.1.1:4", "1.1.1.1:5"].map(addr);
        let order: Vec<u16> = interleaved(&given).iter().map(SocketAddr::port).collect();
        assert_eq!(order, [1, 4, 2, 5, 3]);
        let given = ["1.1.1.1:4", "[::1]:1"].map(addr);
        assert_eq!(interleaved(&given), given);
    }

    /// What a race did: when each attempt began, and the outcome.
    fn raced(
        behaviour: fn(u16) -> Option<(u64, io::Result<u16>)>,
    ) -> (Vec<(u16, Duration)>, io::Result<u16>) {
        let begun = RefCell::new(Vec::new());
        let outcome = crate::run(async {
            let start = Instant::now();
            let addrs = (1..=4).map(|port| addr(&format!("127.0.0.1:{port}"))).collect();
            let connect = |addr: SocketAddr| {
                begun.borrow_mut().push((addr.port(), start.elapsed()));
                async move {
                    match behaviour(addr.port()) {
                        Some((after_ms, outcome)) => {
                            sleep(Duration::from_millis(after_ms)).await;
                            outcome
                        }
                        None => core::future::pending().await,
                    }
                }
            };
            race(addrs, connect).await
        });
        (begun.into_inner(), outcome.expect("a runtime"))
    }

    #[test]
    fn one_that_does_not_answer_holds_the_others_up_for_a_moment_only() {
        let (begun, outcome) = raced(|port| (port == 2).then_some((20, Ok(port))));
        assert_eq!(outcome.expect("the second answers"), 2);
        assert_eq!(begun.len(), 2, "{begun:?}");
        assert!(begun[1].1 >= DELAY, "{begun:?}");
    }

    #[test]
    fn one_that_fails_holds_nobody_up() {
        let (begun, outcome) = raced(|port| match port {
            4 => Some((0, Ok(port))),
            _ => Some((0, Err(io::Error::from_raw_os_error(111)))),
        });
        assert_eq!(outcome.expect("the last answers"), 4);
        // Three waits would be no shorter than that, on a machine that is busy too.
        assert!(begun[3].1 < 3 * DELAY, "{begun:?}");
        let (begun, outcome) =
            raced(|port| Some((0, Err(io::Error::from_raw_os_error(i32::from(port))))));
        assert_eq!(outcome.expect_err("none answers").raw_os_error(), Some(4));
        assert_eq!(begun.len(), 4);
    }

    #[test]
    fn an_early_one_may_answer_late() {
        let (begun, outcome) = raced(|port| (port == 1).then_some((600, Ok(port))));
        assert_eq!(outcome.expect("the first answers"), 1);
        // Fewer where the machine is busy.
        assert!((2..=3).contains(&begun.len()), "{begun:?}");
    }
}
