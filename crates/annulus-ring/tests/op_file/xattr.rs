//! FSETXATTR, SETXATTR, FGETXATTR, GETXATTR.

use annulus_ring::Errno;
use annulus_ring::abi::{FixedFd, XattrFlags};
use annulus_ring::op;

use crate::common::{LIMIT, limit, skip};
use crate::files::{TempDir, register, ring, run};

const ERANGE: Errno = Errno::from_raw(34);

#[test]
fn attributes_of_an_open_file_and_by_path() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let (mut ring, file, path) = (ring(), dir.file("a", b""), dir.c_path("a"));
        let (name, mut value) = (c"user.origin".as_ptr(), [0u8; 16]);
        let set = op::FSetXattr::new(&file, name, b"here".as_ptr(), 4);
        match run(&mut ring, set.flags(XattrFlags::CREATE)) {
            Err(Errno::EOPNOTSUPP) => {
                let reason = "no user attributes on this file system";
                return skip("attributes_of_an_open_file_and_by_path", reason);
            }
            result => assert_eq!(result, Ok(0)),
        }
        assert_eq!(run(&mut ring, set.flags(XattrFlags::CREATE)), Err(Errno::EEXIST));
        let get = op::GetXattr::new(path.as_ptr(), name, value.as_mut_ptr(), 16);
        assert_eq!(run(&mut ring, get), Ok(4));
        assert_eq!(&value[..4], b"here");
        let set = op::SetXattr::new(path.as_ptr(), name, b"elsewhere".as_ptr(), 9);
        assert_eq!(run(&mut ring, set.flags(XattrFlags::REPLACE)), Ok(0));
        let get = op::FGetXattr::new(&file, name, value.as_mut_ptr(), 16);
        assert_eq!(run(&mut ring, get), Ok(9));
        assert_eq!(&value[..9], b"elsewhere");
        // A length of 0 asks how long it is; too short is an error.
        let null = core::ptr::null_mut();
        assert_eq!(run(&mut ring, op::FGetXattr::new(&file, name, null, 0)), Ok(9));
        let short = op::FGetXattr::new(&file, name, value.as_mut_ptr(), 4);
        assert_eq!(run(&mut ring, short), Err(ERANGE));
        let fault = op::FGetXattr::new(&file, name, null, 16);
        assert_eq!(run(&mut ring, fault), Err(Errno::EFAULT));
    });
}

#[test]
fn errors_of_attributes() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let (mut ring, file, path) = (ring(), dir.file("a", b""), dir.c_path("a"));
        let (name, mut value) = (c"user.a".as_ptr(), [0u8; 16]);
        let (into, from) = (value.as_mut_ptr(), b"v".as_ptr());
        if run(&mut ring, op::FSetXattr::new(&file, c"user.b".as_ptr(), from, 1)).is_err() {
            return skip("errors_of_attributes", "no user attributes on this file system");
        }
        let null = core::ptr::null();
        let long = std::ffi::CString::new([b"user.".as_slice(), &[b'x'; 300]].concat()).unwrap();
        let none = c"/no such file".as_ptr();
        let set = op::FSetXattr::new(&file, name, from, 1);
        let cases = [
            ("get none", op::FGetXattr::new(&file, name, into, 16).build(), Errno::ENODATA),
            ("replace none", set.flags(XattrFlags::REPLACE).build(), Errno::ENODATA),
            ("unknown flag", set.flags(XattrFlags(4)).build(), Errno::EINVAL),
            ("get null name", op::FGetXattr::new(&file, null, into, 16).build(), Errno::EFAULT),
            ("set null name", op::FSetXattr::new(&file, null, from, 1).build(), Errno::EFAULT),
            ("null value", op::FSetXattr::new(&file, name, null.cast(), 1).build(), Errno::EFAULT),
            ("empty name", op::FSetXattr::new(&file, c"".as_ptr(), from, 1).build(), ERANGE),
            ("long name", op::FSetXattr::new(&file, long.as_ptr(), from, 1).build(), ERANGE),
            ("long value", op::FSetXattr::new(&file, name, from, 65537).build(), Errno::E2BIG),
            (
                "no kind",
                op::FSetXattr::new(&file, c"x".as_ptr(), from, 1).build(),
                Errno::EOPNOTSUPP,
            ),
            ("set closed", op::FSetXattr::new(-1, name, from, 1).build(), Errno::EBADF),
            ("get closed", op::FGetXattr::new(-1, name, into, 16).build(), Errno::EBADF),
            ("set no file", op::SetXattr::new(none, name, from, 1).build(), Errno::ENOENT),
            ("get no file", op::GetXattr::new(none, name, into, 16).build(), Errno::ENOENT),
            ("set null path", op::SetXattr::new(null, name, from, 1).build(), Errno::EFAULT),
            ("get null path", op::GetXattr::new(null, name, into, 16).build(), Errno::EFAULT),
            (
                "get by path, none",
                op::GetXattr::new(path.as_ptr(), name, into, 16).build(),
                Errno::ENODATA,
            ),
        ];
        for (what, sqe, errno) in cases {
            assert_eq!(run(&mut ring, sqe), Err(errno), "{what}");
        }
    });
}

#[test]
fn attributes_of_a_slot() {
    use std::os::fd::AsRawFd;
    limit(LIMIT, || {
        let dir = TempDir::new();
        let (mut ring, file) = (ring(), dir.file("a", b""));
        register(&ring, 2, &mut [file.as_raw_fd()]).unwrap();
        let (name, mut value) = (c"user.a".as_ptr(), [0u8; 4]);
        let set = run(&mut ring, op::FSetXattr::new(FixedFd(0), name, b"slot".as_ptr(), 4));
        let get = run(&mut ring, op::FGetXattr::new(FixedFd(0), name, value.as_mut_ptr(), 4));
        if set == Err(Errno::EOPNOTSUPP) {
            return skip("attributes_of_a_slot", "no user attributes on this file system");
        }
        if set == Err(Errno::EBADF) {
            return skip("attributes_of_a_slot", "of descriptors alone, in this kernel");
        }
        assert_eq!((set, get), (Ok(0), Ok(4)));
    });
}
