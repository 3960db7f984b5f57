//! [`OpenOptions`]: how a file is opened.

use std::path::Path;

use annulus_ring::abi::{OpenFlags, OpenHow, ResolveFlags};

use super::Anchor;
use super::open::{OpenAt, Opening};
use crate::engine::Engine;
use crate::error::Invalid;

/// How a file is opened: as [`std::fs::OpenOptions`], with what Linux has besides.
///
/// `O_CLOEXEC` is always set: no program that is executed inherits the descriptor.
///
/// ```
/// use annulus_runtime::engine::OpenOptions;
/// use futures::executor::block_on;
/// let engine = annulus_runtime::Engine::new()?;
/// let path = std::env::temp_dir().join(format!("annulus-options-{}", std::process::id()));
/// let mut options = OpenOptions::new();
/// options.read(true).write(true).create_new(true);
/// let file = block_on(options.open(&engine, &path))?;
/// block_on(file.write_all_at(b"ring", 0))?;
/// let (n, buf) = block_on(file.read_at(vec![0; 8], 0))?;
/// assert_eq!(&buf[..n], b"ring");
/// block_on(engine.remove_file(&path))?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct OpenOptions {
    read: bool,
    write: bool,
    append: bool,
    truncate: bool,
    create: bool,
    create_new: bool,
    mode: u32,
    flags: OpenFlags,
    resolve: ResolveFlags,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl OpenOptions {
    /// Nothing set: not even to read. What is made can be read and written by everybody whom the
    /// umask lets.
    ///
    /// ```
    /// use annulus_runtime::engine::OpenOptions;
    /// # let engine = annulus_runtime::Engine::new()?;
    /// let opened = futures::executor::block_on(OpenOptions::new().open(&engine, "Cargo.toml"));
    /// assert_eq!(opened.unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn new() -> Self {
        Self {
            read: false,
            write: false,
            append: false,
            truncate: false,
            create: false,
            create_new: false,
            mode: 0o666,
            flags: OpenFlags::empty(),
            resolve: ResolveFlags::empty(),
        }
    }

    /// For reading.
    ///
    /// ```
    /// # use annulus_runtime::engine::OpenOptions;
    /// # use futures::executor::block_on;
    /// # let engine = annulus_runtime::Engine::new()?;
    /// let file = block_on(OpenOptions::new().read(true).open(&engine, "Cargo.toml"))?;
    /// assert!(block_on(file.read_at(vec![0; 8], 0))?.0 == 8);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn read(&mut self, read: bool) -> &mut Self {
        self.read = read;
        self
    }

    /// For writing. What is written takes the place of what is there.
    ///
    /// ```
    /// # use annulus_runtime::engine::OpenOptions;
    /// # use futures::executor::block_on;
    /// # let engine = annulus_runtime::Engine::new()?;
    /// # let path = std::env::temp_dir().join(format!("annulus-o-write-{}", std::process::id()));
    /// # std::fs::write(&path, "content")?;
    /// let file = block_on(OpenOptions::new().write(true).open(&engine, &path))?;
    /// block_on(file.write_all_at("C", 0))?;
    /// assert_eq!(std::fs::read(&path)?, b"Content");
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn write(&mut self, write: bool) -> &mut Self {
        self.write = write;
        self
    }

    /// For writing at the end, wherever that is at the time (`O_APPEND`).
    ///
    /// The file is then written at its end also by a [`write_at`](crate::File::write_at) that names
    /// another offset: see the bugs in `pwrite(2)`.
    ///
    /// ```
    /// # use annulus_runtime::engine::OpenOptions;
    /// # use futures::executor::block_on;
    /// # let engine = annulus_runtime::Engine::new()?;
    /// # let path = std::env::temp_dir().join(format!("annulus-o-append-{}", std::process::id()));
    /// # std::fs::write(&path, "begun")?;
    /// let file = block_on(OpenOptions::new().append(true).open(&engine, &path))?;
    /// block_on(file.write(", ended"))?;
    /// assert_eq!(std::fs::read(&path)?, b"begun, ended");
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "O_APPEND")]
    pub fn append(&mut self, append: bool) -> &mut Self {
        self.append = append;
        self
    }

    /// Cuts the file to nothing (`O_TRUNC`).
    ///
    /// ```
    /// # use annulus_runtime::engine::OpenOptions;
    /// # use futures::executor::block_on;
    /// # let engine = annulus_runtime::Engine::new()?;
    /// # let path = std::env::temp_dir().join(format!("annulus-o-trunc-{}", std::process::id()));
    /// # std::fs::write(&path, "content")?;
    /// block_on(OpenOptions::new().write(true).truncate(true).open(&engine, &path))?;
    /// assert_eq!(std::fs::metadata(&path)?.len(), 0);
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "O_TRUNC")]
    pub fn truncate(&mut self, truncate: bool) -> &mut Self {
        self.truncate = truncate;
        self
    }

    /// Makes the file if it is not there (`O_CREAT`).
    ///
    /// ```
    /// # use annulus_runtime::engine::OpenOptions;
    /// # use futures::executor::block_on;
    /// # let engine = annulus_runtime::Engine::new()?;
    /// # let path = std::env::temp_dir().join(format!("annulus-o-create-{}", std::process::id()));
    /// block_on(OpenOptions::new().append(true).create(true).open(&engine, &path))?;
    /// assert!(path.exists());
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "O_CREAT")]
    pub fn create(&mut self, create: bool) -> &mut Self {
        self.create = create;
        self
    }

    /// Makes the file, and fails with `EEXIST` if it is there, be it as a symbolic link (`O_EXCL`).
    /// [`create`](Self::create) and [`truncate`](Self::truncate) mean nothing then.
    ///
    /// ```
    /// # use annulus_runtime::engine::OpenOptions;
    /// # use futures::executor::block_on;
    /// # let engine = annulus_runtime::Engine::new()?;
    /// let mut new = OpenOptions::new();
    /// new.write(true).create_new(true);
    /// let error = block_on(new.open(&engine, "Cargo.toml")).unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::AlreadyExists);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "O_EXCL")]
    pub fn create_new(&mut self, create_new: bool) -> &mut Self {
        self.create_new = create_new;
        self
    }

    /// The permissions of a file that is made, from which the umask is taken. `0o666` if not said.
    ///
    /// ```
    /// # use annulus_runtime::engine::OpenOptions;
    /// # use futures::executor::block_on;
    /// # let engine = annulus_runtime::Engine::new()?;
    /// # let path = std::env::temp_dir().join(format!("annulus-o-mode-{}", std::process::id()));
    /// use std::os::unix::fs::PermissionsExt;
    /// let mut secret = OpenOptions::new();
    /// secret.write(true).create_new(true).mode(0o600);
    /// block_on(secret.open(&engine, &path))?;
    /// assert_eq!(std::fs::metadata(&path)?.permissions().mode() & 0o777, 0o600);
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn mode(&mut self, mode: u32) -> &mut Self {
        self.mode = mode;
        self
    }

    /// Past the page cache (`O_DIRECT`): buffers, offsets and lengths must then be aligned, as
    /// [`AlignedBuf`](crate::buffer::AlignedBuf) is. Not every file system has it (`EINVAL`).
    ///
    /// ```
    /// use annulus_runtime::buffer::AlignedBuf;
    /// use annulus_runtime::engine::OpenOptions;
    /// use futures::executor::block_on;
    /// # let engine = annulus_runtime::Engine::new()?;
    /// match block_on(OpenOptions::new().read(true).direct(true).open(&engine, "Cargo.toml")) {
    ///     Ok(file) => assert!(block_on(file.read_at(AlignedBuf::new(4096), 0))?.0 > 0),
    ///     Err(error) => assert_eq!(error.errno(), Some(annulus_ring::Errno::EINVAL)),
    /// }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "O_DIRECT")]
    pub fn direct(&mut self, direct: bool) -> &mut Self {
        self.set(OpenFlags::DIRECT, direct)
    }

    /// A write returns when data and metadata are on the device (`O_SYNC`).
    ///
    /// ```
    /// # use annulus_runtime::engine::OpenOptions;
    /// # use futures::executor::block_on;
    /// # let engine = annulus_runtime::Engine::new()?;
    /// # let path = std::env::temp_dir().join(format!("annulus-o-sync-{}", std::process::id()));
    /// # std::fs::write(&path, "content")?;
    /// let file = block_on(OpenOptions::new().write(true).sync(true).open(&engine, &path))?;
    /// assert_eq!(block_on(file.write_all_at("durable", 0))?.0, 7);
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "O_SYNC")]
    pub fn sync(&mut self, sync: bool) -> &mut Self {
        self.set(OpenFlags::SYNC, sync)
    }

    /// A write returns when the data is on the device, with what is needed to find it (`O_DSYNC`).
    ///
    /// ```
    /// # use annulus_runtime::engine::OpenOptions;
    /// # use futures::executor::block_on;
    /// # let engine = annulus_runtime::Engine::new()?;
    /// # let path = std::env::temp_dir().join(format!("annulus-o-dsync-{}", std::process::id()));
    /// # std::fs::write(&path, "content")?;
    /// let file = block_on(OpenOptions::new().write(true).data_sync(true).open(&engine, &path))?;
    /// assert_eq!(block_on(file.write_all_at("durable", 0))?.0, 7);
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "O_DSYNC")]
    pub fn data_sync(&mut self, sync: bool) -> &mut Self {
        self.set(OpenFlags::DSYNC, sync)
    }

    fn set(&mut self, flags: OpenFlags, on: bool) -> &mut Self {
        let rest = self.flags.difference(flags);
        self.flags = if on { rest.union(flags) } else { rest };
        self
    }

    /// Flags besides, such as `NOFOLLOW`, `NOATIME`, `PATH` or `DIRECTORY`; the access is not among
    /// them. They take the place of those of an earlier call, and of [`direct`](Self::direct) and
    /// [`sync`](Self::sync).
    ///
    /// ```
    /// use annulus_ring::abi::OpenFlags;
    /// use annulus_runtime::engine::OpenOptions;
    /// # let engine = annulus_runtime::Engine::new()?;
    /// let mut options = OpenOptions::new();
    /// options.read(true).custom_flags(OpenFlags::DIRECTORY);
    /// let error = futures::executor::block_on(options.open(&engine, "Cargo.toml")).unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::NotADirectory);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn custom_flags(&mut self, flags: OpenFlags) -> &mut Self {
        self.flags = flags.difference(OpenFlags::ACCMODE);
        self
    }

    /// How the path is walked (`openat2(2)`, Linux 5.6): where a part of it comes from a stranger,
    /// [`BENEATH`](ResolveFlags::BENEATH) keeps it in its directory.
    ///
    /// The kernel is strict then: flags that it does not know, or that mean nothing together, are
    /// `EINVAL`. `EXDEV` says that the path leads out of the directory, or to another mount with
    /// [`NO_XDEV`](ResolveFlags::NO_XDEV); `ELOOP` that it has a symbolic link, with
    /// [`NO_SYMLINKS`](ResolveFlags::NO_SYMLINKS); `EAGAIN` that something was renamed meanwhile
    /// (try again), or that [`CACHED`](ResolveFlags::CACHED) is set and the name is not cached.
    ///
    /// ```
    /// use annulus_ring::{Errno, abi::ResolveFlags};
    /// use annulus_runtime::engine::OpenOptions;
    /// # let engine = annulus_runtime::Engine::new()?;
    /// let mut options = OpenOptions::new();
    /// options.read(true).resolve(ResolveFlags::BENEATH);
    /// let escape = futures::executor::block_on(options.open(&engine, "../Cargo.toml"));
    /// assert_eq!(escape.unwrap_err().errno(), Some(Errno::EXDEV));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "openat2")]
    pub fn resolve(&mut self, resolve: ResolveFlags) -> &mut Self {
        self.resolve = resolve;
        self
    }

    /// Opens `path`; a relative one begins at the working directory.
    ///
    /// # Errors
    /// Those of [`Engine::open`]; and of kind `InvalidInput`, without a number, where the options
    /// contradict each other: no access, or what is made or truncated is not opened for writing.
    ///
    /// ```
    /// use annulus_runtime::engine::OpenOptions;
    /// # let engine = annulus_runtime::Engine::new()?;
    /// futures::executor::block_on(OpenOptions::new().read(true).open(&engine, "Cargo.toml"))?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn open(&self, engine: &Engine, path: impl AsRef<Path>) -> Opening {
        Opening::new(engine.clone(), self.operation(Anchor::CWD, path.as_ref()))
    }

    /// The operation that opens `path`.
    pub(super) fn operation(&self, anchor: Anchor, path: &Path) -> OpenAt {
        match self.how() {
            Ok(how) => OpenAt::new(anchor, path, how),
            Err(invalid) => OpenAt::refused(anchor, path, invalid),
        }
    }

    /// As the kernel is told.
    fn how(&self) -> Result<OpenHow, Invalid> {
        let writes = self.write || self.append;
        let changes = self.truncate || self.create || self.create_new;
        if changes && !writes {
            return Err(Invalid::NotForWriting);
        }
        if self.append && self.truncate && !self.create_new {
            return Err(Invalid::TruncatesAppended);
        }
        let access = match (self.read, writes) {
            (true, false) => OpenFlags::RDONLY,
            (false, true) => OpenFlags::WRONLY,
            (true, true) => OpenFlags::RDWR,
            // To open a name only needs no access.
            (false, false) if self.flags.contains(OpenFlags::PATH) => OpenFlags::RDONLY,
            (false, false) => return Err(Invalid::NoAccess),
        };
        let creation = match (self.create, self.truncate, self.create_new) {
            (_, _, true) => OpenFlags::CREAT | OpenFlags::EXCL,
            (true, true, false) => OpenFlags::CREAT | OpenFlags::TRUNC,
            (true, false, false) => OpenFlags::CREAT,
            (false, true, false) => OpenFlags::TRUNC,
            (false, false, false) => OpenFlags::empty(),
        };
        let append = if self.append { OpenFlags::APPEND } else { OpenFlags::empty() };
        let flags = access | creation | append | self.flags | OpenFlags::CLOEXEC;
        // openat2(2) refuses a mode where nothing is made.
        let makes = flags.intersects(OpenFlags::CREAT | OpenFlags::TMPFILE_BIT);
        let mode = if makes { u64::from(self.mode & 0o7777) } else { 0 };
        Ok(OpenHow { flags: flags.bits().into(), mode, resolve: self.resolve })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(set: impl FnOnce(&mut OpenOptions) -> &mut OpenOptions) -> Result<u64, Invalid> {
        let mut options = OpenOptions::new();
        set(&mut options);
        options.how().map(|how| how.flags & !u64::from(OpenFlags::CLOEXEC.bits()))
    }

    #[test]
    fn options_become_flags_as_the_standard_library_has_them() {
        assert_eq!(flags(|o| o.read(true)), Ok(0));
        assert_eq!(flags(|o| o.write(true).create(true).truncate(true)), Ok(0o1101));
        assert_eq!(flags(|o| o.read(true).append(true)), Ok(0o2002));
        assert_eq!(flags(|o| o.read(true).write(true).create_new(true).truncate(true)), Ok(0o302));
        assert_eq!(flags(|o| o.append(true).create(true)), Ok(0o2101));
        assert_eq!(flags(|o| o.read(true).sync(true).sync(false)), Ok(0));
        assert_eq!(flags(|o| o.custom_flags(OpenFlags::PATH)), Ok(0o10_000_000));
        assert_eq!(flags(|o| o.read(true).custom_flags(OpenFlags::RDWR)), Ok(0));
    }

    #[test]
    fn options_that_contradict_each_other_are_found() {
        assert_eq!(flags(|o| o), Err(Invalid::NoAccess));
        assert_eq!(flags(|o| o.read(true).create(true)), Err(Invalid::NotForWriting));
        assert_eq!(flags(|o| o.read(true).truncate(true)), Err(Invalid::NotForWriting));
        assert_eq!(flags(|o| o.append(true).truncate(true)), Err(Invalid::TruncatesAppended));
    }

    #[test]
    fn a_mode_goes_with_what_is_made_alone() {
        let mode = |o: &mut OpenOptions| o.mode(0o600).how().unwrap().mode;
        assert_eq!(mode(OpenOptions::new().read(true)), 0);
        assert_eq!(mode(OpenOptions::new().write(true).create(true)), 0o600);
    }
}
