//! NOP with its flags, NOP128.

use annulus_ring::abi::{BufIndex, FixedFd, Sqe, Sqe128};
use annulus_ring::{Builder, Errno, LocalRing, Mixed, op};

use crate::common::{LIMIT, limit, skip};
use crate::files::{ring, run, run_all};

#[test]
fn results_are_injected_and_break_links() {
    limit(LIMIT, || {
        let mut ring = ring();
        assert_eq!(run(&mut ring, op::Nop::new()), Ok(0));
        match run(&mut ring, op::Nop::new().inject_result(77)) {
            Err(Errno::EINVAL) => {
                return skip("results_are_injected_and_break_links", "not before Linux 6.10");
            }
            result => assert_eq!(result, Ok(77)),
        }
        let failing = op::Nop::new().inject_result(-5).build();
        let nop = op::Nop::new().build();
        let linked = run_all(&mut ring, [failing.link(), nop]);
        assert_eq!(linked, [Err(Errno::EIO), Err(Errno::ECANCELED)]);
        assert_eq!(run_all(&mut ring, [failing.hard_link(), nop]), [Err(Errno::EIO), Ok(0)]);
    });
}

#[test]
fn flags_of_a_nop() {
    limit(LIMIT, || {
        let mut ring = ring();
        let open = std::io::stdin();
        match run(&mut ring, op::Nop::new().file(&open)) {
            Err(Errno::EINVAL) => return skip("flags_of_a_nop", "not before Linux 6.13"),
            result => assert_eq!(result, Ok(0)),
        }
        // A bad file is found in any case: the link behind it is broken. Whether the completion
        // says so depends on the kernel.
        let next = op::Nop::new().build();
        for bad in [op::Nop::new().file(i32::MAX), op::Nop::new().file(FixedFd(0))] {
            let [result, after] = run_all(&mut ring, [bad.build().link(), next]);
            assert!(matches!(result, Ok(0) | Err(Errno::EBADF)), "{result:?}");
            assert_eq!(after, Err(Errno::ECANCELED));
        }
        let buffer = op::Nop::new().fixed_buffer(BufIndex(0)).build();
        let [result, after] = run_all(&mut ring, [buffer.link(), next]);
        assert!(matches!(result, Ok(0) | Err(Errno::EFAULT)), "{result:?}");
        assert_eq!(after, Err(Errno::ECANCELED));
        let later = run(&mut ring, op::Nop::new().task_work());
        assert!(matches!(later, Ok(0) | Err(Errno::EINVAL)), "{later:?}");
        let big = op::Nop::new().big_completion([7, 8]);
        assert_eq!(run(&mut ring, big), Err(Errno::EINVAL), "a ring of 16-byte completions");
    });
}

#[test]
fn a_big_completion() {
    limit(LIMIT, || {
        let built = Builder::new().entries(8).cqe_mixed().build_local();
        let Ok(mut ring): annulus_ring::Result<LocalRing<Sqe, Mixed>> = built else {
            return skip("a_big_completion", "no mixed completions before Linux 6.18");
        };
        let nop = op::Nop::new().inject_result(9).big_completion([7, 8]).build();
        // SAFETY: a NOP points to nothing.
        unsafe { ring.push(nop.user_data(1)) }.unwrap();
        ring.submit_and_wait(1).unwrap();
        let item = ring.completions().unwrap().next().unwrap();
        assert_eq!((item.cqe.user_data, item.cqe.result()), (1, Ok(9)));
        assert_eq!(item.big, Some([7, 8]));
    });
}

#[test]
fn a_wide_nop() {
    limit(LIMIT, || {
        let built = Builder::new().entries(8).sqe128().build_local();
        let mut ring: LocalRing<Sqe128> = built.unwrap();
        // SAFETY: a NOP points to nothing.
        unsafe { ring.push(op::Nop128::new()) }.unwrap();
        // SAFETY: a NOP points to nothing.
        unsafe { ring.push(op::Nop::new()) }.unwrap();
        ring.submit_and_wait(2).unwrap();
        let results: Vec<_> = ring.completions().unwrap().map(|c| c.result()).collect();
        if results == [Err(Errno::EINVAL), Ok(0)] {
            return skip("a_wide_nop: success", "no NOP128 before Linux 6.19");
        }
        assert_eq!(results, [Ok(0); 2]);
    });
}
