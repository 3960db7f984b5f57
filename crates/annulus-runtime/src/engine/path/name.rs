//! [`Name`]: a path as an entry points to it.

use core::ffi::c_char;
use std::ffi::{CString, NulError, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use annulus_ring::Errno;

use crate::error::Invalid;
use crate::operation::Completion;

/// A path that ends with a zero byte; or what cannot be one, because it has another in it.
#[derive(Debug)]
pub struct Name(Result<CString, NulError>);

impl Name {
    pub(super) fn new(path: impl AsRef<Path>) -> Self {
        Self(CString::new(path.as_ref().as_os_str().as_bytes()))
    }

    /// Where it is: in the same place until this is dropped or taken apart, also while it is moved.
    pub(super) fn as_ptr(&self) -> *const c_char {
        // What cannot be a path is never submitted; the empty one names nothing.
        self.0.as_ref().map_or(c"".as_ptr(), |path| path.as_ptr())
    }

    /// Whether it can be a path.
    pub(super) fn is_valid(&self) -> bool {
        self.0.is_ok()
    }

    /// What is wrong with it.
    pub(super) fn invalid(&self) -> Option<Invalid> {
        self.0.is_err().then_some(Invalid::ZeroByte)
    }

    /// What an operation on it comes to if it is none: the kernel is not asked.
    pub(super) fn refusal(&self) -> Option<Completion> {
        self.invalid().map(|_| Completion::new(Err(Errno::EINVAL)))
    }

    /// As it was given.
    pub(super) fn into_path(self) -> PathBuf {
        let bytes = match self.0 {
            Ok(path) => path.into_bytes(),
            Err(error) => error.into_vec(),
        };
        PathBuf::from(OsString::from_vec(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_comes_back_as_it_was() {
        for (path, valid) in [("a/b", true), ("", true), ("a\0b", false), ("\0", false)] {
            let name = Name::new(path);
            assert_eq!(name.invalid().is_none(), valid, "{path:?}");
            assert_eq!(name.into_path(), Path::new(path));
        }
        let bytes = Path::new(std::ffi::OsStr::from_bytes(b"\xff\xfe"));
        assert_eq!(Name::new(bytes).into_path(), bytes);
    }

    #[test]
    fn a_path_stays_in_place_when_it_is_moved() {
        let name = Name::new("a");
        let before = name.as_ptr();
        let moved = Box::new(name);
        assert_eq!(moved.as_ptr(), before);
    }
}
