//! Credentials.

use std::os::unix::fs::PermissionsExt;

use annulus_ring::abi::{OpenFlags, Personality};
use annulus_ring::{Errno, LocalRing, op};
use rustix::process::Uid;

use crate::rig::{result, ring};
use crate::{common, errno, files_rig};

#[test]
fn credentials_are_kept_by_number_and_forgotten() {
    if common::only_on_linux(
        "credentials_are_kept_by_number_and_forgotten",
        "credentials are the kernel's to lend",
    ) {
        return;
    }
    let mut ring = ring();
    let first = ring.register().personality().unwrap();
    let second = ring.register().personality().unwrap();
    assert_ne!(first, second);
    let nop = |who| op::Nop::new().build().personality(who);
    assert_eq!(result(&mut ring, nop(second)), Ok(0));
    ring.register().unregister_personality(second).unwrap();
    assert_eq!(result(&mut ring, nop(second)), Err(Errno::EINVAL));
    assert_eq!(result(&mut ring, nop(first)), Ok(0));
    assert_eq!(errno(ring.register().unregister_personality(second)), Errno::EINVAL);
    assert_eq!(errno(ring.register().unregister_personality(Personality(0))), Errno::EINVAL);
}

#[test]
fn an_entry_runs_with_the_credentials_that_its_thread_gave_up() {
    if common::only_on_linux(
        "an_entry_runs_with_the_credentials_that_its_thread_gave_up",
        "credentials are the kernel's to lend",
    ) {
        return;
    }
    if !rustix::process::geteuid().is_root() {
        return common::skip(
            "an_entry_runs_with_the_credentials_that_its_thread_gave_up",
            "only root has credentials to give up",
        );
    }
    let dir = files_rig::TempDir::new();
    drop(dir.file("secret", b"for root"));
    std::fs::set_permissions(dir.path("secret"), PermissionsExt::from_mode(0o600)).unwrap();
    let path = dir.c_path("secret");
    // Credentials are a thread's: this one's are lost for good.
    let thread = std::thread::spawn(move || {
        let mut ring = LocalRing::new(8).unwrap();
        let root = ring.register().personality().unwrap();
        let nobody = Uid::from_raw(65_534);
        rustix::thread::set_thread_res_uid(nobody, nobody, nobody).unwrap();
        let open = || op::OpenAt::new(op::At::CWD, path.as_ptr()).flags(OpenFlags::RDONLY);
        let without = result(&mut ring, open());
        let with = result(&mut ring, open().build().personality(root));
        if let Ok(fd) = with {
            assert_eq!(result(&mut ring, op::Close::new(fd as i32)), Ok(0));
        }
        (without, with.is_ok())
    });
    assert_eq!(thread.join().unwrap(), (Err(Errno::EACCES), true));
}
