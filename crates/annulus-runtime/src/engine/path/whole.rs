//! Conveniences that take several operations: whole files, and directories with their parents.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::path::{Path, PathBuf};

use annulus_ring::Errno;

use super::PathError;
use crate::buffer::{BufError, BufResult, IoBuf};
use crate::engine::{Engine, File};
use crate::error::Error;

/// How much room is made, at least, where a file has more than its length said.
const FIRST_BYTES: usize = 16 * 1024;

/// The future of several operations, one after the other: `Send`, `'static`, for any runtime and
/// any thread. It allocates once. When it is dropped, the one that is under way is cancelled, and
/// none comes after it; what the earlier ones did is done.
#[must_use = "nothing is begun until it is awaited"]
pub struct Steps<T>(Pin<Box<dyn Future<Output = T> + Send>>);

impl<T> Steps<T> {
    fn new(steps: impl Future<Output = T> + Send + 'static) -> Self {
        Self(Box::pin(steps))
    }
}

impl<T> Future for Steps<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        self.0.as_mut().poll(cx)
    }
}

impl<T> fmt::Debug for Steps<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Steps").finish_non_exhaustive()
    }
}

impl Engine {
    /// The whole content of a file: it is opened, read until its end, and closed.
    ///
    /// # Errors
    /// Those of [`open`](Self::open); and of reading: `EISDIR`: a directory. `EIO`: the device, or
    /// the server, failed. `ENOMEM`: memory cannot hold it.
    ///
    /// ```
    /// let engine = annulus_runtime::Engine::new()?;
    /// let text = futures::executor::block_on(engine.read_all("Cargo.toml"))?;
    /// assert_eq!(text, std::fs::read("Cargo.toml")?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "read_to_end")]
    pub fn read_all(&self, path: impl AsRef<Path>) -> Steps<Result<Vec<u8>, PathError>> {
        let path = path.as_ref().to_owned();
        let opening = self.open(&path);
        Steps::new(async move {
            let file = opening.await?;
            let read = read_to_end(&file).await;
            read.map_err(|error| PathError::new(error, "read", path))
        })
    }

    /// Makes a file of the buffer, or replaces the content of one: it is opened, truncated, written
    /// and closed. Nothing of it is durable yet, and a failure in between leaves a part: to replace
    /// a file as one, write another, sync it, and [`rename`](Self::rename) it.
    ///
    /// Gives the number of bytes, and the buffer.
    ///
    /// # Errors
    /// With the buffer: those of [`open`](Self::open); and of writing: `ENOSPC`, `EDQUOT` (122):
    /// no room. `EFBIG`: beyond the limit of the process or the file system. `EIO`: the device, or
    /// the server, failed. [`done`](BufError::done) says how much was written.
    ///
    /// ```
    /// use futures::executor::block_on;
    /// let engine = annulus_runtime::Engine::new()?;
    /// let path = std::env::temp_dir().join(format!("annulus-whole-{}", std::process::id()));
    /// let (written, _) = block_on(engine.write_all(&path, "ring"))?;
    /// assert_eq!((written, std::fs::read(&path)?), (4, b"ring".to_vec()));
    /// block_on(engine.remove_file(&path))?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn write_all<B: IoBuf>(
        &self,
        path: impl AsRef<Path>,
        buf: B,
    ) -> Steps<BufResult<usize, B>> {
        let opening = self.create(path);
        Steps::new(async move {
            match opening.await {
                Ok(file) => {
                    let (n, buf) = file.write_all_at(buf, 0).await?;
                    match file.close().await {
                        Ok(()) => Ok((n, buf)),
                        // Some servers say only now that they have no room.
                        Err(error) => Err(BufError::with(error, buf).after(n)),
                    }
                }
                Err(error) => Err(BufError::with(error.error(), buf)),
            }
        })
    }

    /// Makes a directory, and those of its path that are missing. One that is there is no error.
    ///
    /// # Errors
    /// Those of [`create_dir`](Self::create_dir) but `EEXIST` for directories. The path is that of
    /// the one that could not be made.
    ///
    /// ```
    /// use futures::executor::block_on;
    /// let engine = annulus_runtime::Engine::new()?;
    /// let top = std::env::temp_dir().join(format!("annulus-all-{}", std::process::id()));
    /// block_on(engine.create_dir_all(top.join("a/b")))?;
    /// assert!(block_on(engine.metadata(top.join("a/b")))?.is_dir());
    /// # std::fs::remove_dir_all(&top)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "mkdir -p")]
    pub fn create_dir_all(&self, path: impl AsRef<Path>) -> Steps<Result<(), PathError>> {
        let (engine, path) = (self.clone(), path.as_ref().to_owned());
        Steps::new(async move { create_with_parents(&engine, path).await })
    }
}

/// Reads on from where the file is: it need not have a length, or positions.
async fn read_to_end(file: &File) -> Result<Vec<u8>, Error> {
    // What is there now, and one byte for the read that finds the end.
    let len = file.metadata().await.map_or(0, |found| found.len());
    let mut more = usize::try_from(len).unwrap_or(usize::MAX).saturating_add(1);
    let mut content = Vec::new();
    loop {
        if content.len() == content.capacity() && content.try_reserve(more).is_err() {
            return Err(Error::os(Errno::ENOMEM));
        }
        // Twice as much in the end: each byte is copied once or twice, however many there are.
        more = FIRST_BYTES;
        let read = content.len();
        let (n, part) = file.read(content.slice(read..)).await.map_err(|e| e.ended())?;
        content = part.into_inner();
        if n == 0 {
            content.shrink_to_fit();
            return Ok(content);
        }
    }
}

/// From the inside out, until a parent is there; then back.
async fn create_with_parents(engine: &Engine, path: PathBuf) -> Result<(), PathError> {
    let mut missing = Vec::new();
    let mut next = path;
    // The empty path is the working directory, which is there.
    while !next.as_os_str().is_empty() {
        match create_or_find(engine, &next).await {
            Err(error) if error.errno() == Some(Errno::ENOENT) => {
                let Some(parent) = next.parent().map(Path::to_owned) else { return Err(error) };
                missing.push(next);
                next = parent;
            }
            found => {
                found?;
                break;
            }
        }
    }
    while let Some(path) = missing.pop() {
        create_or_find(engine, &path).await?;
    }
    Ok(())
}

/// Makes one directory, unless it is there.
async fn create_or_find(engine: &Engine, path: &Path) -> Result<(), PathError> {
    let Err(error) = engine.create_dir(path).await else { return Ok(()) };
    if matches!(error.errno(), None | Some(Errno::ENOENT)) {
        return Err(error);
    }
    // Not only for EEXIST: what is there on a read-only file system fails with EROFS.
    match engine.metadata(path).await {
        Ok(found) if found.is_dir() => Ok(()),
        _ => Err(error),
    }
}
