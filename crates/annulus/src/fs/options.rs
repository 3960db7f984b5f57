//! [`OpenOptions`]: how a file is opened.

use std::path::Path;

use annulus_ring::Errno;
use annulus_ring::abi::{OpenFlags, ResolveFlags};
use annulus_runtime::{engine, runtime};

use super::{File, PathError};

/// How often a path is walked again that must not lead out, while others rename.
const AGAIN_MAX: u32 = 1000;

/// How a file is opened: what `std::fs::OpenOptions` has, and what io_uring has beside it.
///
/// ```
/// use annulus::fs::{File, remove_file};
/// let path = std::env::temp_dir().join(format!("annulus-options-{}", std::process::id()));
/// annulus::run(async {
///     let file = File::options().append(true).create_new(true).mode(0o600).open(&path).await?;
///     file.write("one, ").await?;
///     file.write("two").await?;
///     assert_eq!(annulus::fs::read(&path).await?, b"one, two");
///     remove_file(&path).await?;
///     Ok::<(), std::io::Error>(())
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # How the path is walked
/// [`beneath`](Self::beneath), [`in_root`](Self::in_root), [`no_symlinks`](Self::no_symlinks),
/// [`no_magiclinks`](Self::no_magiclinks), [`no_xdev`](Self::no_xdev) and [`cached`](Self::cached)
/// are those of `openat2(2)`: a file server that opens what strangers name needs the first.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    options: engine::OpenOptions,
    custom: OpenFlags,
    own: OpenFlags,
    resolve: ResolveFlags,
    registered: bool,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// Setters that the engine's options have too.
macro_rules! forwarded {
    ($($(#[$doc:meta])* $name:ident: $Type:ty;)*) => {
        impl OpenOptions {
            $(
                $(#[$doc])*
                pub fn $name(&mut self, $name: $Type) -> &mut Self {
                    self.options.$name($name);
                    self
                }
            )*
        }
    };
}

forwarded! {
    /// To be read.
    ///
    /// ```
    /// use annulus::fs::OpenOptions;
    /// let file = annulus::run(async { OpenOptions::new().read(true).open("Cargo.toml").await })?;
    /// assert!(file.is_ok());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    read: bool;
    /// To be written.
    ///
    /// ```
    /// use annulus::fs::OpenOptions;
    /// let null = annulus::run(async { OpenOptions::new().write(true).open("/dev/null").await })?;
    /// assert!(null.is_ok());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    write: bool;
    /// To be written, each time at its end (`O_APPEND`).
    ///
    /// ```
    /// use annulus::fs::OpenOptions;
    /// let null = annulus::run(async { OpenOptions::new().append(true).open("/dev/null").await })?;
    /// assert!(null.is_ok());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    append: bool;
    /// Makes it empty first (`O_TRUNC`). Needs write access.
    ///
    /// ```
    /// use annulus::fs::OpenOptions;
    /// let mut options = OpenOptions::new();
    /// options.read(true).truncate(true);
    /// let odd = annulus::run(async { options.open("Cargo.toml").await })?;
    /// assert_eq!(odd.unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    truncate: bool;
    /// Makes it if it is not there (`O_CREAT`). Needs write access.
    ///
    /// ```
    /// use annulus::fs::OpenOptions;
    /// let mut options = OpenOptions::new();
    /// options.write(true).create(true);
    /// let null = annulus::run(async { options.open("/dev/null").await })?;
    /// assert!(null.is_ok());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    create: bool;
    /// Makes it, and fails with `EEXIST` if there is something (`O_EXCL`). Needs write access.
    ///
    /// ```
    /// use annulus::{Errno, fs::OpenOptions};
    /// let mut options = OpenOptions::new();
    /// let taken = annulus::run(async {
    ///     options.write(true).create_new(true).open("Cargo.toml").await
    /// })?;
    /// assert_eq!(taken.unwrap_err().errno(), Some(Errno::EEXIST));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    create_new: bool;
    /// The permissions of a file that is made, less the process's umask (0o666).
    ///
    /// ```
    /// use annulus::fs::{OpenOptions, remove_file};
    /// let path = std::env::temp_dir().join(format!("annulus-mode-{}", std::process::id()));
    /// annulus::run(async {
    ///     let mut options = OpenOptions::new();
    ///     let file = options.write(true).create_new(true).mode(0o400).open(&path).await?;
    ///     assert_eq!(file.metadata().await?.mode() & 0o777, 0o400);
    ///     remove_file(&path).await?;
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    mode: u32;
}

impl OpenOptions {
    /// Nothing asked for yet.
    ///
    /// ```
    /// use annulus::fs::OpenOptions;
    /// let odd = annulus::run(async { OpenOptions::new().open("Cargo.toml").await })?;
    /// assert_eq!(odd.unwrap_err().kind(), std::io::ErrorKind::InvalidInput); // neither
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn new() -> Self {
        Self {
            options: engine::OpenOptions::new(),
            custom: OpenFlags::empty(),
            own: OpenFlags::empty(),
            resolve: ResolveFlags::empty(),
            registered: false,
        }
    }

    /// More flags of `open(2)`, in place of those that were given before. The access mode in them
    /// is not looked at.
    ///
    /// ```
    /// use annulus::fs::OpenOptions;
    /// const O_DIRECTORY: i32 = 0o200_000;
    /// let mut options = OpenOptions::new();
    /// let file = annulus::run(async {
    ///     options.read(true).custom_flags(O_DIRECTORY).open("Cargo.toml").await
    /// })?;
    /// assert_eq!(file.unwrap_err().kind(), std::io::ErrorKind::NotADirectory);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn custom_flags(&mut self, flags: i32) -> &mut Self {
        self.custom = OpenFlags(flags.cast_unsigned());
        self
    }

    /// Past the page cache, between buffer and device (`O_DIRECT`). Addresses, offsets and lengths
    /// must be aligned then: [`File::dio_alignment`] says to what, and an
    /// [`AlignedBuf`](crate::buffer::AlignedBuf) is. Where they are not, the file system either
    /// copies all the same, or refuses with `EINVAL`, and the error says which of them it is.
    ///
    /// Where the file system has no direct I/O, opening fails with `EINVAL`, or it copies.
    ///
    /// ```
    /// use annulus::{buffer::AlignedBuf, fs::File};
    /// annulus::run(async {
    ///     let Ok(file) = File::options().read(true).direct(true).open("Cargo.toml").await else {
    ///         return Ok(()); // no direct I/O here
    ///     };
    ///     let (n, buf) = file.read_at(AlignedBuf::new(4096), 0).await?;
    ///     assert!(n > 9 && buf.starts_with(b"[package]"));
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "O_DIRECT")]
    pub fn direct(&mut self, direct: bool) -> &mut Self {
        self.set(OpenFlags::DIRECT, direct)
    }

    /// Each write is durable when it is over, with the metadata (`O_SYNC`).
    ///
    /// ```
    /// use annulus::fs::OpenOptions;
    /// let null = annulus::run(async {
    ///     OpenOptions::new().write(true).sync(true).open("/dev/null").await
    /// })?;
    /// assert!(null.is_ok());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "O_SYNC")]
    pub fn sync(&mut self, sync: bool) -> &mut Self {
        self.set(OpenFlags::SYNC, sync)
    }

    /// Each write is durable when it is over, with what reading it back needs (`O_DSYNC`).
    ///
    /// ```
    /// use annulus::fs::OpenOptions;
    /// let null = annulus::run(async {
    ///     OpenOptions::new().write(true).data_sync(true).open("/dev/null").await
    /// })?;
    /// assert!(null.is_ok());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "O_DSYNC")]
    pub fn data_sync(&mut self, sync: bool) -> &mut Self {
        self.set(OpenFlags::DSYNC, sync)
    }

    /// Makes a file without a name in the directory that the path names; it is gone when it is
    /// closed (`O_TMPFILE`). Needs write access. `EOPNOTSUPP` where the file system cannot.
    ///
    /// ```
    /// use annulus::fs::File;
    /// annulus::run(async {
    ///     let mut options = File::options();
    ///     let scratch = options.read(true).write(true).tmpfile(true).open(std::env::temp_dir());
    ///     let scratch = scratch.await?;
    ///     scratch.write_all_at("for a moment", 0).await?;
    ///     assert_eq!(scratch.metadata().await?.nlink(), 0);
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "O_TMPFILE")]
    pub fn tmpfile(&mut self, tmpfile: bool) -> &mut Self {
        self.set(OpenFlags::TMPFILE, tmpfile)
    }

    /// [Registers](File::register) the file in the table of the runtime's ring.
    ///
    /// ```
    /// use annulus::{Runtime, fs::File};
    /// Runtime::builder().fixed_files(8).build()?.block_on(async {
    ///     let file = File::options().read(true).registered(true).open("Cargo.toml").await?;
    ///     assert_eq!(file.read_at(vec![0; 9], 0).await?.1, b"[package]");
    ///     Ok::<(), std::io::Error>(())
    /// })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn registered(&mut self, registered: bool) -> &mut Self {
        self.registered = registered;
        self
    }

    fn set(&mut self, flags: OpenFlags, on: bool) -> &mut Self {
        let rest = self.own.difference(flags);
        self.own = if on { rest.union(flags) } else { rest };
        self
    }

    pub(super) fn is_direct(&self) -> bool {
        self.own.union(self.custom).contains(OpenFlags::DIRECT)
    }

    /// As the engine knows them, with `more` about the walk.
    fn options(&self, more: ResolveFlags) -> engine::OpenOptions {
        let mut options = self.options.clone();
        options.custom_flags(self.own.union(self.custom)).resolve(self.resolve.union(more));
        options
    }

    /// Opens the file at `path`.
    ///
    /// *Cancel and discard*: dropped, what was opened is closed; a file that was made or truncated
    /// stays so.
    ///
    /// # Errors
    /// Those of [`File::open`]; and:
    /// - Of kind `InvalidInput`, without a number: options that contradict each other, or a zero
    ///   byte in the path.
    /// - `EINVAL`: [direct I/O](Self::direct), and the file system has none; or unknown flags.
    /// - `ENXIO`, `ENFILE`: to be [registered](Self::registered), and there is no place for it.
    /// - `EXDEV`, `ELOOP`: the path was not to be walked so, as the options say. `EAGAIN`: it is
    ///   not [cached](Self::cached); or others rename all the time, which hides where `..` leads.
    ///
    /// By the ring (`IORING_OP_OPENAT`, `IORING_OP_OPENAT2`, Linux 5.6). See
    /// [openat2(2)](https://man7.org/linux/man-pages/man2/openat2.2.html).
    ///
    /// ```
    /// use annulus::fs::OpenOptions;
    /// let file = annulus::run(async { OpenOptions::new().read(true).open("Cargo.toml").await })??;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn open(&self, path: impl AsRef<Path>) -> Result<File, PathError> {
        let options = self.options(ResolveFlags::empty());
        let path = path.as_ref();
        self.walked(self.resolve, || self.opened(options.open(&runtime::engine(), path), path))
            .await
    }

    /// The same, beginning at a directory.
    pub(super) async fn open_at(
        &self,
        dir: &engine::Dir,
        path: &Path,
        more: ResolveFlags,
    ) -> Result<File, PathError> {
        let options = self.options(more);
        let how = self.resolve.union(more);
        self.walked(how, || self.opened(options.open_at(dir, path), path)).await
    }

    /// Opens again where the kernel has given up: beneath a directory it does not go through `..`
    /// while anybody renames or mounts anything, wherever that is.
    async fn walked<F: Future<Output = Result<File, PathError>>>(
        &self,
        how: ResolveFlags,
        open: impl Fn() -> F,
    ) -> Result<File, PathError> {
        let is_confined = how.intersects(ResolveFlags::BENEATH.union(ResolveFlags::IN_ROOT))
            // Asked for what is cached alone, that is what the number means.
            && !how.contains(ResolveFlags::CACHED);
        let mut left = if is_confined { AGAIN_MAX } else { 0 };
        loop {
            match open().await {
                Err(error) if error.errno() == Some(Errno::EAGAIN) && left > 0 => left -= 1,
                opened => return opened,
            }
        }
    }

    async fn opened(&self, opening: engine::Opening, path: &Path) -> Result<File, PathError> {
        let file = File::of(runtime::File::opened(opening).await?);
        if self.is_direct() {
            // So that the file knows its alignment. What does not say is found out by using it.
            let _ = file.metadata().await;
        }
        if self.registered {
            let registered = file.register();
            registered.map_err(|error| PathError::new(error, "register", path.to_owned()))?;
        }
        Ok(file)
    }
}

/// How the path is walked.
macro_rules! walks {
    ($($(#[$doc:meta])* $name:ident = $FLAG:ident;)*) => {
        /// # How the path is walked
        impl OpenOptions {
            $(
                $(#[$doc])*
                pub fn $name(&mut self, on: bool) -> &mut Self {
                    let rest = self.resolve.difference(ResolveFlags::$FLAG);
                    self.resolve = if on { rest.union(ResolveFlags::$FLAG) } else { rest };
                    self
                }
            )*
        }
    };
}

walks! {
    /// Never leads out of the directory where it begins: `EXDEV` for `..` past it, for an absolute
    /// path, and for a symbolic link that leads out (`RESOLVE_BENEATH`, Linux 5.6).
    ///
    /// ```
    /// use annulus::{Errno, fs::File};
    /// annulus::run(async {
    ///     let mut options = File::options();
    ///     options.read(true).beneath(true);
    ///     assert!(options.open("Cargo.toml").await.is_ok());
    ///     let error = options.open("../annulus/Cargo.toml").await.unwrap_err();
    ///     assert_eq!(error.errno(), Some(Errno::EXDEV));
    /// })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "RESOLVE_BENEATH")]
    beneath = BENEATH;
    /// Takes the directory where it begins for the root: `/` and `..` past it are the directory
    /// itself (`RESOLVE_IN_ROOT`, Linux 5.6).
    ///
    /// ```
    /// use annulus::fs::File;
    /// let file = annulus::run(async {
    ///     File::options().read(true).in_root(true).open("/../Cargo.toml").await
    /// })?;
    /// assert!(file.is_ok(), "the working directory is the root");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "RESOLVE_IN_ROOT")]
    in_root = IN_ROOT;
    /// Follows no symbolic link: `ELOOP` (`RESOLVE_NO_SYMLINKS`, Linux 5.6).
    ///
    /// ```
    /// use annulus::{Errno, fs::File};
    /// let file = annulus::run(async {
    ///     File::options().read(true).no_symlinks(true).open("/proc/self/status").await
    /// })?;
    /// assert_eq!(file.unwrap_err().errno(), Some(Errno::ELOOP));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "RESOLVE_NO_SYMLINKS")]
    no_symlinks = NO_SYMLINKS;
    /// Follows none of procfs's links that lead past the path's walk, such as `/proc/self/fd/3`:
    /// `ELOOP` (`RESOLVE_NO_MAGICLINKS`, Linux 5.6).
    ///
    /// ```
    /// use annulus::{Errno, fs::File};
    /// let file = annulus::run(async {
    ///     File::options().read(true).no_magiclinks(true).open("/proc/self/exe").await
    /// })?;
    /// assert_eq!(file.unwrap_err().errno(), Some(Errno::ELOOP));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "RESOLVE_NO_MAGICLINKS")]
    no_magiclinks = NO_MAGICLINKS;
    /// Crosses no mount point: `EXDEV` (`RESOLVE_NO_XDEV`, Linux 5.6).
    ///
    /// ```
    /// use annulus::{Errno, fs::File};
    /// let file = annulus::run(async {
    ///     File::options().read(true).no_xdev(true).open("/proc/cpuinfo").await
    /// })?;
    /// assert_eq!(file.unwrap_err().errno(), Some(Errno::EXDEV));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "RESOLVE_NO_XDEV")]
    no_xdev = NO_XDEV;
    /// Only if nothing has to be waited for, the whole path being in the kernel's cache: else
    /// `EAGAIN` (`RESOLVE_CACHED`, Linux 5.12). Not with options that make or truncate.
    ///
    /// ```
    /// use annulus::{Errno, fs::File};
    /// annulus::run(async {
    ///     drop(File::open("Cargo.toml").await); // cached now, most likely
    ///     match File::options().read(true).cached(true).open("Cargo.toml").await {
    ///         Ok(_file) => {}
    ///         Err(error) => assert_eq!(error.errno(), Some(Errno::EAGAIN)),
    ///     }
    /// })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "RESOLVE_CACHED")]
    cached = CACHED;
}
