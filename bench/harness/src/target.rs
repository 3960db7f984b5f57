//! The file that is read, and the block that is read from it.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;

use crate::program::{Args, fail};

/// The size of a read.
pub const BLOCK_BYTES: u32 = 4096;

/// A buffer of one block, aligned as direct I/O wants it.
#[repr(align(4096))]
pub struct Block([u8; BLOCK_BYTES as usize]);

impl Block {
    /// A block of zeros.
    pub fn new() -> Box<Self> {
        Box::new(Self([0; BLOCK_BYTES as usize]))
    }

    /// Its bytes.
    pub fn bytes(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

/// A file to read blocks from.
pub struct Target {
    path: String,
    /// Whether it is read past the page cache (`direct=1`).
    pub direct: bool,
    /// How many whole blocks it has.
    pub blocks: u64,
}

impl Target {
    /// Reads `file=` and `direct=`, and ends the program if that cannot be read so.
    pub fn of(args: &Args) -> Self {
        let path = args.text("file", "rr.dat");
        let mut target = Self { path, direct: args.switch("direct"), blocks: 0 };
        let about = target.open().metadata();
        let about = about.unwrap_or_else(|why| fail(&format!("{}: {why}", target.path)));
        target.blocks = about.len() / u64::from(BLOCK_BYTES);
        if !about.is_file() || target.blocks == 0 {
            fail(&format!("{}: not a regular file of {BLOCK_BYTES} bytes or more", target.path));
        }
        target
    }

    /// Where the file is.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Opens the file anew, with a position of its own.
    pub fn open(&self) -> File {
        let flags = if self.direct { libc::O_DIRECT } else { 0 };
        let opened = File::options().read(true).custom_flags(flags).open(&self.path);
        opened.unwrap_or_else(|why| {
            let direct = self.direct && why.raw_os_error() == Some(libc::EINVAL);
            let cure = if direct { " (its file system has no O_DIRECT: direct=0)" } else { "" };
            fail(&format!("{}: {why}{cure}", self.path))
        })
    }

    /// Ends the program if a read of one block gave anything but `got` bytes.
    #[inline(always)]
    pub fn check(&self, got: std::io::Result<usize>) {
        if !matches!(got, Ok(4096)) {
            self.bad(got);
        }
    }

    #[cold]
    fn bad(&self, got: std::io::Result<usize>) -> ! {
        match got {
            Ok(bytes) => fail(&format!("{}: a read gave {bytes} bytes", self.path)),
            Err(why) => fail(&format!("{}: a read failed: {why}", self.path)),
        }
    }
}
