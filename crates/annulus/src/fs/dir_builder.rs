//! [`DirBuilder`]: how a directory is made.

use std::path::Path;

use annulus_ring::abi::OpenFlags;
use annulus_runtime::LocalOp;
use annulus_runtime::runtime::engine;

use super::names::{Place, create_with_parents};
use super::{Dir, PathError, metadata};

/// The permissions of a directory, if nobody says: the umask's business.
pub(super) const DIR_MODE: u32 = 0o777;

/// How a directory is made: with its parents or alone, and with which permissions.
///
/// ```
/// use annulus::fs::{self, DirBuilder};
/// let path = std::env::temp_dir().join(format!("annulus-builder-{}", std::process::id()));
/// annulus::run(async {
///     DirBuilder::new().mode(0o700).create(&path).await?;
///     assert_eq!(fs::metadata(&path).await?.mode() & 0o777, 0o700);
///     fs::remove_dir(&path).await?;
///     Ok::<(), std::io::Error>(())
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct DirBuilder {
    mode: u32,
    recursive: bool,
}

impl Default for DirBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl DirBuilder {
    /// Alone, and for all whom the process's umask lets (0o777).
    ///
    /// ```
    /// use annulus::{Errno, fs::DirBuilder};
    /// let made = annulus::run(async { DirBuilder::new().create("src").await })?;
    /// assert_eq!(made.unwrap_err().errno(), Some(Errno::EEXIST));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn new() -> Self {
        Self { mode: DIR_MODE, recursive: false }
    }

    /// With those of its path that are missing. One that is there is no error then.
    ///
    /// ```
    /// use annulus::fs::DirBuilder;
    /// let made = annulus::run(async { DirBuilder::new().recursive(true).create("src").await })?;
    /// assert!(made.is_ok());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn recursive(&mut self, recursive: bool) -> &mut Self {
        self.recursive = recursive;
        self
    }

    /// The permissions of each that is made, less the process's umask.
    ///
    /// ```
    /// use annulus::fs::DirBuilder;
    /// let mut private = DirBuilder::new();
    /// private.mode(0o700);
    /// ```
    pub fn mode(&mut self, mode: u32) -> &mut Self {
        self.mode = mode;
        self
    }

    /// Makes it.
    ///
    /// *Cancel and discard*: done or not, or some of its parents are there.
    ///
    /// # Errors
    /// Those of [`create_dir`](super::create_dir); with its parents those of
    /// [`create_dir_all`](super::create_dir_all).
    ///
    /// By the ring (`IORING_OP_MKDIRAT`, Linux 5.15).
    ///
    /// ```
    /// use annulus::fs::DirBuilder;
    /// let top = std::env::temp_dir().join(format!("annulus-build-all-{}", std::process::id()));
    /// annulus::run(async {
    ///     DirBuilder::new().recursive(true).create(top.join("a/b")).await?;
    ///     assert!(top.join("a/b").is_dir());
    ///     annulus::fs::remove_dir_all(&top).await
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn create(&self, path: impl AsRef<Path>) -> Result<(), PathError> {
        let place = WorkingDir { mode: self.mode };
        self.make(&place, path.as_ref()).await
    }

    /// Makes it in an open directory.
    ///
    /// *Cancel and discard*, as [`create`](Self::create).
    ///
    /// # Errors
    /// Those of [`create`](Self::create).
    ///
    /// ```
    /// use annulus::fs::{Dir, DirBuilder};
    /// annulus::run(async {
    ///     let dir = Dir::open(std::env::temp_dir()).await?;
    ///     let name = format!("annulus-build-in-{}", std::process::id());
    ///     DirBuilder::new().mode(0o700).create_in(&dir, &name).await?;
    ///     assert_eq!(dir.metadata(&name).await?.mode() & 0o777, 0o700);
    ///     dir.remove_dir(&name).await?;
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "mkdirat")]
    pub async fn create_in(&self, dir: &Dir, path: impl AsRef<Path>) -> Result<(), PathError> {
        self.make(&InDir { dir, mode: self.mode }, path.as_ref()).await
    }

    async fn make(&self, place: &impl Place, path: &Path) -> Result<(), PathError> {
        if self.recursive {
            create_with_parents(place, path).await
        } else {
            place.create(path).await
        }
    }
}

/// Beginning at the working directory.
pub(super) struct WorkingDir {
    pub(super) mode: u32,
}

impl Place for WorkingDir {
    async fn create(&self, path: &Path) -> Result<(), PathError> {
        LocalOp::of(engine().create_dir_with(path, self.mode)).await
    }

    async fn has_dir(&self, path: &Path) -> bool {
        metadata(path).await.is_ok_and(|found| found.is_dir())
    }
}

/// Beginning at an open one.
pub(super) struct InDir<'a> {
    pub(super) dir: &'a Dir,
    pub(super) mode: u32,
}

impl Place for InDir<'_> {
    async fn create(&self, path: &Path) -> Result<(), PathError> {
        let (dir, name) = self.dir.around(path, OpenFlags::PATH).await?;
        let made = LocalOp::of(dir.create_dir_with(name, self.mode)).await;
        made.map_err(|error| error.at(path))
    }

    async fn has_dir(&self, path: &Path) -> bool {
        self.dir.metadata(path).await.is_ok_and(|found| found.is_dir())
    }
}
