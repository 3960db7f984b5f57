//! Making rings: every option, what contradicts itself, memory of the caller's own, resizing.

mod common;

use std::os::fd::AsFd;
use std::time::Duration;

use annulus_ring::abi::{Cqe, Features, SetupFlags, Sqe};
use annulus_ring::kernel::Kernel;
use annulus_ring::{Builder, Errno, LocalRing, Place, Ring, RingOf, RingRegion, latched_off, op};

use common::{LIMIT, limit};

fn nop(user_data: u64) -> Sqe {
    op::Nop::new().build().user_data(user_data)
}

fn works<P: Place, K: Kernel>(ring: &mut RingOf<P, Sqe, Cqe, K>) {
    for n in 0..100 {
        // SAFETY: NOPs point to nothing.
        unsafe { ring.push(nop(n)) }.unwrap();
        assert_eq!(ring.submit_and_wait(1).unwrap(), 1);
        let cqe = ring.completions().unwrap().next().unwrap();
        assert_eq!((cqe.user_data, cqe.result()), (n, Ok(0)));
    }
}

#[test]
fn lengths_are_rounded_up_and_bounded() {
    if common::may_not_lock("lengths_are_rounded_up_and_bounded", 4096 << 10) {
        return;
    }
    for (asked, sq, cq) in [(1, 1, 2), (3, 4, 8), (256, 256, 512), (4096, 4096, 8192)] {
        let ring = LocalRing::new(asked).unwrap();
        assert_eq!((ring.sq_entries(), ring.cq_entries()), (sq, cq), "{asked} entries");
    }
    for asked in [0, 32_769, 1 << 31, u32::MAX] {
        let error = Ring::new(asked).unwrap_err();
        assert_eq!(error.errno(), Some(Errno::EINVAL), "{asked}: {error}");
        assert!(error.to_string().contains("entries"), "{asked}: {error}");
        assert!(!error.is_unsupported(), "{asked}: a smaller ring would do: {error}");
    }
    let ring = Builder::new().entries(u32::MAX).clamp().build().unwrap();
    assert_eq!((ring.sq_entries(), ring.cq_entries()), (32_768, 65_536));
    let shorter = Builder::new().entries(64).cq_entries(8).build().unwrap_err();
    assert_eq!(shorter.errno(), Some(Errno::EINVAL), "{shorter}");
}

#[test]
fn what_contradicts_itself_is_refused_with_a_word_on_what_to_do() {
    let cases = [
        (Builder::new().sqpoll_cpu(0).build().unwrap_err(), "sqpoll()"),
        (Builder::new().sqpoll(Duration::ZERO).build_local().unwrap_err(), "build()"),
        (Builder::new().raw_flags(SetupFlags::NO_MMAP).build().unwrap_err(), "memory()"),
        (Builder::new().raw_flags(SetupFlags(1 << 30)).build().unwrap_err(), "unknown_flags()"),
        (Builder::new().raw_flags(SetupFlags::SQE128).build().unwrap_err(), "sqe128()"),
        (Builder::new().raw_flags(SetupFlags::ATTACH_WQ).build().unwrap_err(), "attach_wq()"),
        (Builder::new().raw_flags(SetupFlags::CQE_MIXED).build().unwrap_err(), "cqe_mixed()"),
        (Builder::new().raw_flags(SetupFlags::SQ_REWIND).build().unwrap_err(), "SQ_REWIND"),
        (Builder::new().raw_flags(SetupFlags::DEFER_TASKRUN).build().unwrap_err(), "build_local()"),
        (Builder::new().registered_fd_only().build().unwrap_err(), "build_local()"),
        (Builder::new().registered_fd_only().build_local().unwrap_err(), "memory()"),
        (Builder::new().registered_fd_only().build_parked().unwrap_err(), "thread"),
    ];
    for (error, cure) in cases {
        assert!(error.to_string().contains(cure), "no word on {cure}: {error}");
        assert_eq!(error.errno(), Some(Errno::EINVAL));
    }
}

#[test]
fn the_wishes_are_granted_here() {
    let flags = LocalRing::new(8).unwrap().setup_flags();
    let wishes = SetupFlags::NO_SQARRAY | SetupFlags::SUBMIT_ALL;
    let local = SetupFlags::SINGLE_ISSUER | SetupFlags::DEFER_TASKRUN | SetupFlags::TASKRUN_FLAG;
    assert!(flags.contains(local), "{flags:?}");
    assert!(flags.contains(wishes.difference(latched_off())), "{flags:?}");
    assert!(LocalRing::new(8).unwrap().features().contains(Features::EXT_ARG));
}

#[test]
fn memory_of_the_callers_own_serves_every_kind_of_ring() {
    limit(LIMIT, || {
        for builder in [
            Builder::new().entries(8),
            Builder::new().entries(1),
            Builder::new().entries(256),
            Builder::new().entries(100).cq_entries(1000),
            Builder::new().entries(64).without(SetupFlags::NO_SQARRAY),
        ] {
            let region = RingRegion::new(builder.memory_bytes()).unwrap();
            let mut ring = match builder.memory(region).build_local() {
                Ok(ring) => ring,
                Err(error) if error.is_unsupported() => {
                    return common::skip("memory_of_the_callers_own", "needs Linux 6.5");
                }
                Err(error) => panic!("{error}"),
            };
            works(&mut ring);
        }
    });
}

#[test]
fn wide_and_long_entries_fit_into_memory_of_the_callers_own() {
    limit(LIMIT, || {
        let builder = Builder::new().entries(64).sqe128().cqe32();
        let region = RingRegion::new(builder.memory_bytes()).unwrap();
        let mut ring = match builder.memory(region).build_local() {
            Ok(ring) => ring,
            Err(error) if error.is_unsupported() => {
                let name = "wide_and_long_entries_fit_into_memory_of_the_callers_own";
                return common::skip(name, "needs Linux 6.5");
            }
            Err(error) => panic!("{error}"),
        };
        for n in 0..200 {
            // SAFETY: NOPs point to nothing.
            unsafe { ring.push(nop(n)) }.unwrap();
            ring.submit_and_wait(1).unwrap();
            assert_eq!(ring.completions().unwrap().next().unwrap().cqe.user_data, n);
        }
    });
}

#[test]
fn memory_that_is_too_short_is_refused() {
    if common::may_not_lock("memory_that_is_too_short_is_refused", 256 << 10) {
        return;
    }
    if common::only_on_linux("memory_that_is_too_short_is_refused", "it has memory of its own") {
        return;
    }
    let builder = Builder::new().entries(1024);
    let region = RingRegion::new(4096).unwrap();
    match builder.memory(region).build() {
        Err(error) => assert_eq!(error.errno(), Some(Errno::ENOMEM), "{error}"),
        // Where nobody chose a kernel, there is one that needs no such memory.
        Ok(ring) => assert_eq!(ring.kernel().name(), "host"),
    }
}

#[test]
fn huge_pages_serve_where_there_are_any() {
    limit(LIMIT, || {
        let builder = Builder::new().entries(1024);
        let region = match RingRegion::huge(builder.memory_bytes()) {
            Ok(region) => region,
            Err(error) => {
                assert!(error.to_string().contains("vm.nr_hugepages"), "{error}");
                return common::skip("huge_pages", "vm.nr_hugepages is 0 here");
            }
        };
        assert_eq!(region.bytes(), 2 << 20);
        works(&mut builder.memory(region).build_local().unwrap());
    });
}

#[test]
fn a_ring_without_a_descriptor_works_on_its_thread() {
    if common::only_on_linux(
        "a_ring_without_a_descriptor_works_on_its_thread",
        "a thread's table of rings is the kernel's",
    ) {
        return;
    }
    limit(LIMIT, || {
        let builder = Builder::new().entries(8);
        let region = RingRegion::new(builder.memory_bytes()).unwrap();
        let mut ring = match builder.memory(region).registered_fd_only().build_local() {
            Ok(ring) => ring,
            Err(error) if error.is_unsupported() => {
                let name = "a_ring_without_a_descriptor_works_on_its_thread";
                return common::skip(name, "needs Linux 6.5");
            }
            Err(error) => panic!("{error}"),
        };
        assert_eq!(ring.raw_fd(), -1);
        assert!(ring.is_descriptor_registered());
        works(&mut ring);
    });
}

#[test]
fn seventeen_rings_of_a_thread_all_work_and_sixteen_are_registered() {
    if common::may_not_lock(
        "seventeen_rings_of_a_thread_all_work_and_sixteen_are_registered",
        256 << 10,
    ) {
        return;
    }
    if common::only_on_linux(
        "seventeen_rings_of_a_thread_all_work_and_sixteen_are_registered",
        "a thread's table of rings is the kernel's",
    ) {
        return;
    }
    limit(LIMIT, || {
        // On a thread of its own: the table of registered descriptors is the thread's.
        std::thread::spawn(|| {
            let mut rings: Vec<LocalRing> = (0..17).map(|_| LocalRing::new(4).unwrap()).collect();
            let registered = rings.iter().filter(|r| r.is_descriptor_registered()).count();
            assert_eq!(registered, 16);
            rings.iter_mut().for_each(works);
            rings.pop();
            rings.remove(3);
            let mut again = LocalRing::new(4).unwrap();
            assert!(again.is_descriptor_registered(), "a dropped ring gave its index back");
            works(&mut again);
            rings.iter_mut().for_each(works);
        })
        .join()
        .unwrap();
    });
}

#[test]
fn a_ring_lives_on_by_its_index_when_its_descriptor_is_closed() {
    if common::may_not_lock("a_ring_lives_on_by_its_index_when_its_descriptor_is_closed", 256 << 10)
    {
        return;
    }
    limit(LIMIT, || {
        std::thread::spawn(|| {
            let mut ring = LocalRing::new(8).unwrap();
            match ring.close_descriptor() {
                Ok(()) => {}
                Err(error) if error.is_unsupported() => {
                    works(&mut ring);
                    let name = "a_ring_lives_on_by_its_index_when_its_descriptor_is_closed";
                    return common::skip(name, "needs Linux 6.3");
                }
                Err(error) => panic!("{error}"),
            }
            assert_eq!(ring.raw_fd(), -1);
            works(&mut ring);
            // Registrations go through the index too.
            assert_eq!(ring.register().enable().unwrap_err().errno(), Some(Errno::EBADFD));
            assert_eq!(ring.resize(16, 32).unwrap_err().errno(), Some(Errno::EINVAL));
            works(&mut ring);
            drop(ring);
            let mut rings: Vec<LocalRing> = (0..17).map(|_| LocalRing::new(4).unwrap()).collect();
            let registered = rings.iter().filter(|r| r.is_descriptor_registered()).count();
            assert_eq!(registered, 16, "the dropped ring gave its index back");
            let mut last = rings.pop().unwrap();
            assert!(last.close_descriptor().is_err(), "it has no index to live by");
            works(&mut last);
        })
        .join()
        .unwrap();
    });
}

/// What the kernel has not is asked for once, and then done without: the index array serves.
#[test]
fn what_the_kernel_refuses_is_latched_off() {
    limit(LIMIT, || {
        let flag = SetupFlags::NO_SQARRAY;
        let wanted = Builder::new().entries(8).raw_flags(flag).build();
        let mut ring = LocalRing::new(8).unwrap();
        match wanted {
            Ok(_) => assert!(ring.setup_flags().contains(flag) && latched_off().is_empty()),
            Err(error) => {
                assert!(error.is_unsupported(), "{error}");
                assert!(latched_off().contains(flag) && !ring.setup_flags().contains(flag));
            }
        }
        works(&mut ring);
        works(&mut LocalRing::new(8).unwrap());
    });
}

#[test]
fn a_disabled_ring_refuses_until_it_is_enabled() {
    limit(LIMIT, || {
        let mut ring = Builder::new().entries(8).disabled().build().unwrap();
        // SAFETY: NOPs point to nothing.
        unsafe { ring.push(nop(1)) }.unwrap();
        let error = ring.submit().unwrap_err();
        assert_eq!((error.errno(), error.queued()), (Some(Errno::EBADFD), Some(1)));
        assert!(error.to_string().contains("enable()"), "{error}");
        ring.register().enable().unwrap();
        assert_eq!(ring.submit_and_wait(1).unwrap(), 1, "what was queued went now");
        assert_eq!(ring.completions().unwrap().count(), 1);
    });
}

#[test]
fn a_parked_ring_becomes_the_thread_s_that_enables_it() {
    if common::only_on_linux(
        "a_parked_ring_becomes_the_thread_s_that_enables_it",
        "a thread's table of rings is the kernel's",
    ) {
        return;
    }
    limit(LIMIT, || {
        let parked = Builder::new().entries(8).build_parked().unwrap();
        std::thread::spawn(move || {
            let mut ring = parked.enable().unwrap();
            assert!(ring.is_descriptor_registered());
            works(&mut ring);
        })
        .join()
        .unwrap();
    });
}

#[test]
fn a_second_thread_on_a_single_issuer_ring_gets_a_clear_error() {
    limit(LIMIT, || {
        let mut ring = Builder::new().entries(8).single_issuer().build().unwrap();
        works(&mut ring);
        std::thread::spawn(move || {
            // SAFETY: NOPs point to nothing.
            unsafe { ring.push(nop(1)) }.unwrap();
            let error = ring.submit().unwrap_err();
            assert!(error.is_wrong_thread(), "{error}");
            assert!(error.to_string().contains("only the thread"), "{error}");
            assert_eq!(error.queued(), Some(1));
        })
        .join()
        .unwrap();
    });
}

#[test]
fn more_memory_than_there_are_addresses_is_an_error() {
    for bytes in [usize::MAX, usize::MAX / 2] {
        assert_eq!(RingRegion::new(bytes).unwrap_err().errno(), Some(Errno::ENOMEM));
        assert_eq!(RingRegion::huge(bytes).unwrap_err().errno(), Some(Errno::ENOMEM));
    }
}

#[test]
fn rings_share_their_workers() {
    limit(LIMIT, || {
        let first = Ring::new(8).unwrap();
        let mut second = Builder::new().entries(8).attach_wq(first.as_fd()).build().unwrap();
        works(&mut second);
        let null = std::fs::File::open("/dev/null").unwrap();
        let error = Builder::new().entries(8).attach_wq(null.as_fd()).build().unwrap_err();
        assert_eq!(error.errno(), Some(Errno::EINVAL), "{error}");
    });
}

#[test]
fn the_ring_whose_workers_are_shared_may_go_before_the_other_is_made() {
    limit(LIMIT, || {
        let first = Ring::new(8).unwrap();
        let builder = Builder::new().entries(8).attach_wq(first.as_fd());
        drop(first);
        // Its number may be anything now: what is meant is still the ring.
        works(&mut builder.build().unwrap());
    });
}

#[test]
fn polled_rings_are_made_and_refuse_what_cannot_be_polled() {
    if common::only_on_linux(
        "polled_rings_are_made_and_refuse_what_cannot_be_polled",
        "devices are not polled",
    ) {
        return;
    }
    limit(LIMIT, || {
        let mut ring = Builder::new().entries(8).iopoll().build().unwrap();
        let null = std::fs::File::open("/dev/null").unwrap();
        let mut byte = 0_u8;
        // SAFETY: the buffer and the file outlive the completion.
        unsafe { ring.push(op::Read::new(&null, &raw mut byte, 1)) }.unwrap();
        ring.submit_and_wait(1).unwrap();
        let cqe = ring.completions().unwrap().next().unwrap();
        assert_eq!(cqe.result(), Err(Errno::EOPNOTSUPP));
    });
}

#[test]
fn a_resize_keeps_entries_and_completions_in_order() {
    limit(LIMIT, || {
        let mut ring = LocalRing::new(4).unwrap();
        for n in 0..3 {
            // SAFETY: NOPs point to nothing.
            unsafe { ring.push(nop(n)) }.unwrap();
        }
        ring.submit_and_wait(3).unwrap();
        // SAFETY: as above.
        unsafe { ring.push_all(&[nop(3), nop(4)]) }.unwrap();
        match ring.resize(64, 256) {
            Err(error) if error.is_unsupported() => {
                return common::skip("a_resize", "needs Linux 6.13");
            }
            resized => resized.unwrap(),
        }
        assert_eq!((ring.sq_entries(), ring.cq_entries()), (64, 256));
        assert_eq!((ring.sq_len(), ring.cq_len()), (2, 3));
        assert_eq!(ring.submit_and_wait(5).unwrap(), 2);
        let seen: Vec<u64> = ring.completions().unwrap().map(|cqe| cqe.user_data).collect();
        assert_eq!(seen, [0, 1, 2, 3, 4]);
        ring.resize(4, 8).unwrap();
        works(&mut ring);
    });
}

#[test]
fn a_resize_that_does_not_fit_leaves_the_ring_as_it_was() {
    limit(LIMIT, || {
        let mut ring = LocalRing::new(64).unwrap();
        let nops: Vec<Sqe> = (0..40).map(nop).collect();
        // SAFETY: NOPs point to nothing.
        unsafe { ring.push_all(&nops) }.unwrap();
        ring.submit_and_wait(40).unwrap();
        let Err(error) = ring.resize(8, 16) else {
            panic!("40 completions went into 16 slots");
        };
        if error.is_unsupported() {
            return common::skip("a_resize_that_does_not_fit", "needs Linux 6.13");
        }
        assert_eq!(error.errno(), Some(Errno::EOVERFLOW), "{error}");
        assert_eq!(ring.resize(0, 0).unwrap_err().errno(), Some(Errno::EINVAL));
        assert_eq!((ring.sq_entries(), ring.cq_len()), (64, 40));
        assert_eq!(ring.completions().unwrap().count(), 40);
        works(&mut ring);
    });
}

#[test]
fn rings_that_are_dropped_leave_no_descriptor() {
    limit(LIMIT, || {
        // In a process of its own the count would be exact; here other tests open files too, so it
        // is the kind of descriptor that is counted.
        let rings = || {
            std::fs::read_dir("/proc/thread-self/fd")
                .unwrap()
                .filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok())
                .filter(|link| link.to_string_lossy().contains("io_uring"))
                .count()
        };
        for _ in 0..200 {
            drop(Ring::new(4).unwrap());
            drop(LocalRing::new(4).unwrap());
        }
        assert!(rings() < 100, "{} rings are open", rings());
    });
}
