//! [`PathError`]: what failed, on which path, and why.

use core::fmt;
use std::io;
use std::path::{Path, PathBuf};

use annulus_ring::Errno;

use super::name::Name;
use crate::error::{Error, Invalid};
use crate::operation::Completion;

/// An operation on a path failed: its text names the operation and the path, which the operation
/// gives back.
///
/// `?` turns it into an [`io::Error`] in functions that return `io::Result`: the kind and
/// `raw_os_error` are kept there, as with every error of this crate, and that leaves no room for
/// the path. Who reports it to people keeps the path: by `Box<dyn Error>` or the like in place of
/// `io::Error`, or by [`named`](Self::named).
///
/// ```
/// use annulus_runtime::Engine;
/// use futures::executor::block_on;
/// let engine = Engine::new()?;
/// let error = block_on(engine.open("no/such/file")).unwrap_err();
/// assert_eq!(error.errno(), Some(annulus_ring::Errno::ENOENT));
/// assert_eq!(
///     error.to_string(),
///     "open \"no/such/file\": No such file or directory (os error 2)"
/// );
/// assert_eq!(std::io::Error::from(error).raw_os_error(), Some(2));
/// # Ok::<(), std::io::Error>(())
/// ```
// Boxed: results stay small, and only failures pay.
pub struct PathError(Box<Failure>);

#[derive(Debug)]
struct Failure {
    error: Error,
    doing: &'static str,
    path: PathBuf,
    second: Option<PathBuf>,
}

impl PathError {
    /// What `completion` says, whose result is an error, of `doing` something to `path`, unless
    /// the request itself was at fault.
    #[cold]
    pub(super) fn of(
        completion: &Completion,
        errno: Errno,
        invalid: Option<Invalid>,
        doing: &'static str,
        path: Name,
    ) -> Self {
        let error = invalid.map_or_else(|| Error::of(completion, errno), Error::invalid);
        Self(Box::new(Failure { error, doing, path: path.into_path(), second: None }))
    }

    /// `error`, met `doing` something to `path`.
    /// One of an operation of your own: what was being done, in a word or a few, and to which path.
    ///
    /// ```
    /// use annulus_ring::Errno;
    /// use annulus_runtime::engine::PathError;
    /// let error = PathError::new(Errno::ENOSPC.into(), "copy", "a/b".into());
    /// assert!(error.to_string().starts_with("copy \"a/b\": No space left"));
    /// ```
    #[cold]
    pub fn new(error: Error, doing: &'static str, path: PathBuf) -> Self {
        Self(Box::new(Failure { error, doing, path, second: None }))
    }

    /// The same, of an operation on two paths.
    pub(super) fn and(mut self, second: Name) -> Self {
        self.0.second = Some(second.into_path());
        self
    }

    /// The same failure, of another path: that by which the user knows it.
    ///
    /// ```
    /// use annulus_runtime::Engine;
    /// let error = futures::executor::block_on(Engine::new()?.open("no")).unwrap_err();
    /// assert_eq!(error.at("no/such".as_ref()).path(), std::path::Path::new("no/such"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn at(mut self, path: &Path) -> Self {
        path.clone_into(&mut self.0.path);
        self
    }

    /// The same of two paths.
    ///
    /// ```
    /// use annulus_runtime::Engine;
    /// let error = futures::executor::block_on(Engine::new()?.rename("no", "new")).unwrap_err();
    /// let error = error.at_both("a/no".as_ref(), "b/new".as_ref());
    /// assert_eq!(error.second_path(), Some("b/new".as_ref()));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn at_both(mut self, path: &Path, second: &Path) -> Self {
        self.0.second = Some(second.to_owned());
        self.at(path)
    }

    /// Why, without the path: whether it was cancelled, or its deadline came first, is asked there.
    ///
    /// ```
    /// # use annulus_runtime::Engine;
    /// # use futures::executor::block_on;
    /// # let engine = Engine::new()?;
    /// let error = block_on(engine.open("no/such/file")).unwrap_err();
    /// assert!(!error.error().is_timeout());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn error(&self) -> Error {
        self.0.error
    }

    /// The kernel's error number, if the kernel refused.
    ///
    /// ```
    /// # use annulus_runtime::Engine;
    /// # use futures::executor::block_on;
    /// # let engine = Engine::new()?;
    /// let error = block_on(engine.open("a zero \0 byte")).unwrap_err();
    /// assert_eq!(error.errno(), None); // the kernel was not asked
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn errno(&self) -> Option<Errno> {
        self.0.error.errno()
    }

    /// The standard library's word for it.
    ///
    /// ```
    /// # use annulus_runtime::Engine;
    /// # use futures::executor::block_on;
    /// # let engine = Engine::new()?;
    /// let error = block_on(engine.open("a zero \0 byte")).unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn kind(&self) -> io::ErrorKind {
        self.0.error.kind()
    }

    /// The path, as it was given: of two, the one that was there before.
    ///
    /// ```
    /// # use annulus_runtime::Engine;
    /// # use futures::executor::block_on;
    /// # let engine = Engine::new()?;
    /// let error = block_on(engine.open("no/such/file")).unwrap_err();
    /// assert_eq!(error.path(), std::path::Path::new("no/such/file"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// The other path of an operation on two.
    ///
    /// ```
    /// # use annulus_runtime::Engine;
    /// # use futures::executor::block_on;
    /// # let engine = Engine::new()?;
    /// assert_eq!(block_on(engine.open("no/such/file")).unwrap_err().second_path(), None);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn second_path(&self) -> Option<&Path> {
        self.0.second.as_deref()
    }

    /// An [`io::Error`] with the whole text in place of the number: its kind is kept,
    /// `raw_os_error` is not.
    ///
    /// ```
    /// # use annulus_runtime::{Engine, engine::PathError};
    /// # use futures::executor::block_on;
    /// # let engine = Engine::new()?;
    /// let opened = block_on(engine.open("no/such/file"));
    /// let error = opened.map_err(PathError::named).unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    /// assert!(error.to_string().starts_with("open \"no/such/file\""));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn named(self) -> io::Error {
        io::Error::new(self.kind(), self)
    }
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failure { error, doing, path, second } = &*self.0;
        write!(f, "{doing} {path:?}")?;
        if let Some(second) = second {
            write!(f, " to {second:?}")?;
        }
        write!(f, ": {error}")
    }
}

impl fmt::Debug for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PathError").field(&format_args!("{self}")).finish()
    }
}

impl std::error::Error for PathError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        // Its text is part of this one's, so it is not given a second time.
        None
    }
}

impl From<PathError> for io::Error {
    fn from(error: PathError) -> Self {
        match error.errno() {
            Some(errno) if !error.error().is_explained() => errno.into(),
            _ => error.named(),
        }
    }
}
