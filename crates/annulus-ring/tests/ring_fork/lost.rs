//! A resize that cannot map the new memory: in a child, which may limit itself.

use annulus_ring::{Builder, LocalRing, Wait};

use crate::child::fork;
use crate::common::{LIMIT, limit, may_not_lock, skip};
use crate::nop;

/// Leaves this process as much address space as it uses, and a little more.
fn limit_address_space() {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split(' ').next().unwrap().parse().unwrap();
    let bytes = pages * rustix::param::page_size() as u64 + (256 << 10);
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
    // SAFETY: the limit is read during the call only.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &raw const limit) }, 0);
}

#[test]
fn a_ring_whose_new_memory_is_not_mapped_is_lost_and_says_so() {
    if may_not_lock("a_ring_whose_new_memory_is_not_mapped_is_lost_and_says_so", 4096 << 10) {
        return;
    }
    limit(LIMIT, || {
        let mut ring = LocalRing::new(8).unwrap();
        if ring.resize(8, 32).is_err_and(|error| error.is_unsupported()) {
            return skip("a_ring_whose_new_memory_is_not_mapped_is_lost", "Linux 6.13");
        }
        // SAFETY: NOPs point to nothing.
        unsafe { ring.push(nop(1)) }.unwrap();
        fork(|child| {
            // A ring of this process's own, which nothing but the limit hinders.
            let Ok(mut own) = Builder::new().entries(8).build_local() else {
                return child.ensure(false);
            };
            limit_address_space();
            let lost = |result: annulus_ring::Result<u32>| {
                result.is_err_and(|error| error.is_lost() && !error.is_forked())
            };
            // The kernel makes the new queues, 3 MiB; this process cannot map them.
            child.ensure(lost(own.resize(32_768, 65_536).map(|()| 0)));
            // SAFETY: NOPs point to nothing.
            child.ensure(lost(unsafe { own.push(nop(2)) }.map(|()| 0)));
            child.ensure(lost(own.submit()));
            child.ensure(lost(own.submit_and_wait(1)));
            child.ensure(lost(own.submit_and_wait_with(1, &Wait::new())));
            child.ensure(lost(own.completions().map(|_| 0)));
            child.ensure(lost(own.register().enable().map(|()| 0)));
            child.ensure(lost(own.resize(8, 16).map(|()| 0)));
            child.ensure((own.sq_len(), own.sq_space_left(), own.cq_len()) == (0, 0, 0));
        });
        assert_eq!(ring.submit_and_wait(1).unwrap(), 1);
    });
}
