//! Filters: on all three calls, on one of them, with each errno that filters are known to give.

use std::io;

use annulus_ring::diagnose::{Call, Cause, ContainerKind};
use annulus_ring::{Errno, LocalRing, Ring, op};

use super::child::{self, ENTER, FakeRoot, REGISTER, SETUP, diagnosis};

const ALL: Cause = Cause::Seccomp { setup: true, enter: true, register: true };

fn on_all_three(errno: Errno, kind: io::ErrorKind) {
    child::block(&[SETUP, ENTER, REGISTER], errno);
    let error = Ring::new(8).unwrap_err();
    let name = errno.name().expect("it has one");
    let setup = diagnosis(&error, &["io_uring is blocked here", name, "Seccomp: 2", "filter"]);
    assert_eq!((setup.cause(), setup.errno(), setup.call()), (ALL, errno, Call::Setup));
    assert!(setup.cause().is_blocked() && error.is_unsupported());
    let answers = setup.evidence().answers.expect("they were asked");
    assert_eq!((answers.setup_null, answers.enter), (Err(errno), Err(errno)));
    assert_eq!(io::Error::from(error).kind(), kind);
}

#[test]
fn eperm_as_docker_does() {
    child::run("seccomp::eperm_as_docker_does", || {
        on_all_three(Errno::EPERM, io::ErrorKind::PermissionDenied);
    });
}

#[test]
fn enosys_as_some_runtimes_do() {
    child::run("seccomp::enosys_as_some_runtimes_do", || {
        on_all_three(Errno::ENOSYS, io::ErrorKind::Unsupported);
    });
}

#[test]
fn eacces_as_some_runtimes_do() {
    child::run("seccomp::eacces_as_some_runtimes_do", || {
        on_all_three(Errno::EACCES, io::ErrorKind::PermissionDenied);
    });
}

#[test]
fn einval_is_not_taken_for_a_bad_request() {
    child::run("seccomp::einval_is_not_taken_for_a_bad_request", || {
        child::block(&[SETUP, ENTER, REGISTER], Errno::EINVAL);
        let error = Ring::new(8).unwrap_err();
        assert_eq!(diagnosis(&error, &["EINVAL", "filter"]).cause(), {
            // EINVAL is also what io_uring_register answers by itself.
            Cause::Seccomp { setup: true, enter: true, register: false }
        });
    });
}

#[test]
fn set_up_alone() {
    child::run("seccomp::set_up_alone", || {
        child::block(&[SETUP], Errno::EPERM);
        let error = LocalRing::new(8).unwrap_err();
        let setup = diagnosis(&error, &["io_uring_setup alone", "io_uring_enter(-1) -> EBADF"]);
        let cause = Cause::Seccomp { setup: true, enter: false, register: false };
        assert_eq!(setup.cause(), cause);
    });
}

#[test]
fn enter_alone_on_a_ring_that_was_made() {
    child::run("seccomp::enter_alone_on_a_ring_that_was_made", || {
        for errno in [Errno::EPERM, Errno::EACCES, Errno::ENOSYS] {
            std::thread::spawn(move || {
                child::block(&[ENTER], errno);
                let mut ring = LocalRing::new(8).expect("set-up is not blocked");
                // SAFETY: a NOP points to nothing.
                unsafe { ring.push(op::Nop::new()) }.expect("there is room");
                let error = ring.submit_and_wait(1).unwrap_err();
                let words = ["io_uring is blocked here: io_uring_enter", "Seccomp: 2"];
                let setup = diagnosis(&error, &words);
                let cause = Cause::Seccomp { setup: false, enter: true, register: false };
                assert_eq!((setup.cause(), setup.call()), (cause, Call::Enter));
                assert_eq!((error.errno(), error.queued()), (Some(errno), Some(1)));
                assert!(error.is_unsupported());
                assert!(error.to_string().ends_with("(1 entry stays queued)"), "{error}");
            })
            .join()
            .unwrap();
        }
    });
}

#[test]
fn register_alone_leaves_a_ring_without_an_index() {
    child::run("seccomp::register_alone_leaves_a_ring_without_an_index", || {
        child::block(&[REGISTER], Errno::EPERM);
        let mut ring = LocalRing::new(8).expect("the index is a help, no need");
        assert!(!ring.is_descriptor_registered());
        // SAFETY: a NOP points to nothing.
        unsafe { ring.push(op::Nop::new()) }.expect("there is room");
        assert_eq!(ring.submit_and_wait(1).expect("enter is not blocked"), 1);
        let error = ring.register().enable().unwrap_err();
        let setup = diagnosis(&error, &["io_uring_register alone", "io_uring_register(-1)"]);
        let cause = Cause::Seccomp { setup: false, enter: false, register: true };
        assert_eq!((setup.cause(), setup.call()), (cause, Call::Register));
        assert!(error.is_unsupported() && error.to_string().contains("ENABLE_RINGS"), "{error}");
    });
}

#[test]
fn enosys_without_a_filter_and_a_setting_is_a_kernel_without_it() {
    child::run("seccomp::enosys_without_a_filter_and_a_setting_is_a_kernel_without_it", || {
        child::block(&[SETUP, ENTER, REGISTER], Errno::ENOSYS);
        let error = Ring::new(8).unwrap_err();
        let old = FakeRoot::new(&[
            ("proc/self/status", "Name:\tx\nSeccomp:\t0\n"),
            ("proc/sys/kernel/osrelease", "4.19.0-27-amd64\n"),
        ]);
        let setup = error.setup_error().unwrap().read_below(old.path());
        child::check_text(&setup, &["no io_uring", "Linux 4.19.0", "CONFIG_IO_URING"]);
        assert_eq!(setup.cause(), Cause::NoIoUring);
        assert!(setup.cause().is_unsupported() && !setup.cause().is_blocked());
    });
}

#[test]
fn the_cure_is_that_of_the_container() {
    child::run("seccomp::the_cure_is_that_of_the_container", || {
        child::block(&[SETUP, ENTER, REGISTER], Errno::EPERM);
        let error = Ring::new(8).unwrap_err();
        let pod = "0::/kubepods.slice/kubepods-burstable.slice/cri-containerd-1.scope\n";
        for (file, text, kind, cure) in [
            ("run/.containerenv", "", Some(ContainerKind::Podman), "podman run"),
            (".dockerenv", "", Some(ContainerKind::Docker), "docker run --security-opt"),
            ("proc/1/cgroup", "4:memory:/docker/1f\n", Some(ContainerKind::Docker), "docker run"),
            ("proc/1/cgroup", pod, Some(ContainerKind::Kubernetes), "localhostProfile"),
            ("proc/1/cgroup", "0::/lxc/web\n", Some(ContainerKind::Lxc), "lxc.seccomp.profile"),
            ("run/systemd/container", "systemd-nspawn\n", Some(ContainerKind::Nspawn), "@aio"),
            ("proc/1/cgroup", "0::/init.scope\n", None, "SystemCallFilter"),
        ] {
            let root = FakeRoot::new(&[(file, text)]);
            let setup = error.setup_error().unwrap().read_below(root.path());
            assert_eq!(setup.evidence().container.map(|c| c.kind), kind, "{file} {text}");
            child::check_text(&setup, &[cure]);
        }
    });
}
