//! [`Run`]: what all files of one run share: the options, what was done, what went wrong.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::ffi::CString;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::args::{Args, When};
use super::bar::Bar;
use super::trouble::{Outcome, Trouble, shown};
use crate::failure::{Exit, Failure};
use crate::out::Ui;
use crate::signals::Signals;

/// How much is read at a time, where the program does it: what stays in a processor's cache.
pub const BUFFER_BYTES: usize = 128 * 1024;

/// What a signal leaves.
const LEFT: &str = "what was complete has its name, the rest is removed";

/// Which way the bytes of a file took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Route {
    /// The blocks are shared (`FICLONE`).
    Reflink,
    /// Within the kernel (`copy_file_range`).
    CopyFileRange,
    /// Read from the page cache at once, and written.
    ReadWrite,
    /// Read through the ring, and written.
    Ring,
}

impl Route {
    pub fn name(self) -> &'static str {
        match self {
            Self::Reflink => "reflink",
            Self::CopyFileRange => "copy_file_range",
            Self::ReadWrite => "read and write",
            Self::Ring => "ring",
        }
    }
}

/// What was done so far.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Totals {
    /// Files with their content.
    pub files: u64,
    pub directories: u64,
    pub symlinks: u64,
    /// FIFOs, sockets and devices that were made anew.
    pub special: u64,
    /// What `-n` left alone.
    pub skipped: u64,
    /// What was copied, holes left out.
    pub bytes: u64,
    pub routes: Routes,
}

/// How many files took which way.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Routes {
    reflink: u64,
    copy_file_range: u64,
    read_write: u64,
    ring: u64,
}

impl Routes {
    pub fn count(&mut self, route: Route) {
        *match route {
            Route::Reflink => &mut self.reflink,
            Route::CopyFileRange => &mut self.copy_file_range,
            Route::ReadWrite => &mut self.read_write,
            Route::Ring => &mut self.ring,
        } += 1;
    }
}

/// One line of `--explain`.
#[derive(Debug, Serialize)]
pub struct Explained {
    from: String,
    to: String,
    way: &'static str,
    why: String,
}

/// What was asked for, as what copies looks at it.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub struct How {
    pub recursive: bool,
    pub preserve: bool,
    pub no_clobber: bool,
    pub force: bool,
    pub reflink: When,
    pub sparse: When,
    pub verify: bool,
    pub fsync: bool,
    pub explain: bool,
}

/// See above.
#[derive(Debug)]
pub struct Run {
    pub how: How,
    pub ui: Ui,
    pub bar: Bar,
    pub totals: RefCell<Totals>,
    pub troubles: RefCell<Vec<Trouble>>,
    pub explained: RefCell<Vec<Explained>>,
    /// The output is gone: why.
    failed: RefCell<Option<Failure>>,
    signals: Signals,
    stopping: Cell<bool>,
    /// Pairs of devices between which no blocks can be shared.
    apart: RefCell<HashSet<(u64, u64)>>,
    last_apart: Cell<Option<(u64, u64)>>,
    /// `openat2`'s answer from the name cache, and files without a name, where they can be had.
    pub has_cached_open: Cell<bool>,
    pub has_nameless: Cell<bool>,
    /// Whether one file is all there is to copy.
    pub is_alone: bool,
    next_name: Cell<u64>,
    buffers: RefCell<Vec<Vec<u8>>>,
    /// What this run made of what stands on the command line.
    made: RefCell<HashSet<PathBuf>>,
}

impl Run {
    pub fn new(args: &Args, ui: &Ui, signals: Signals) -> Self {
        let how = How {
            recursive: args.recursive,
            preserve: args.preserve,
            no_clobber: args.no_clobber,
            force: args.force,
            reflink: args.reflink,
            sparse: args.sparse,
            verify: args.verify,
            fsync: args.fsync,
            explain: args.explain,
        };
        Self {
            how,
            ui: *ui,
            bar: Bar::new(ui),
            totals: RefCell::default(),
            troubles: RefCell::default(),
            explained: RefCell::default(),
            failed: RefCell::default(),
            signals,
            stopping: Cell::new(false),
            apart: RefCell::default(),
            last_apart: Cell::new(None),
            has_cached_open: Cell::new(true),
            has_nameless: Cell::new(true),
            is_alone: args.paths.len() == 2 && !args.recursive,
            next_name: Cell::new(0),
            buffers: RefCell::default(),
            made: RefCell::default(),
        }
    }

    /// Takes note of what was not copied, and says so. The run goes on.
    pub fn trouble(&self, trouble: Trouble) {
        if trouble.is_silent() {
            return;
        }
        self.bar.clear();
        // Also with --quiet: what is missing is a result.
        let _ =
            std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("annulus: {trouble}\n"));
        self.troubles.borrow_mut().push(trouble);
    }

    /// Takes note of which way something took.
    pub fn explain(&self, from: &Path, to: &Path, way: &'static str, why: impl Into<String>) {
        if !self.how.explain {
            return;
        }
        let (from, to, why) = (shown(from.as_os_str()), shown(to.as_os_str()), why.into());
        if self.ui.json {
            self.explained.borrow_mut().push(Explained { from, to, way, why });
        } else if let Err(failure) = self.say(&format!("{from} -> {to}: {way} ({why})")) {
            self.fail(failure);
        }
    }

    fn say(&self, text: &str) -> Result<(), Failure> {
        self.bar.clear();
        self.ui.line(text)
    }

    /// Ends the run, which nobody listens to any more.
    fn fail(&self, failure: Failure) {
        self.stopping.set(true);
        self.failed.borrow_mut().get_or_insert(failure);
    }

    /// Whether the run is being ended.
    pub fn is_stopping(&self) -> bool {
        if !self.stopping.get()
            && let Err(failure) = self.signals.check()
        {
            self.fail(match failure.exit() {
                Exit::Signal(number) => Failure::interrupted_with(number, LEFT),
                _ => failure,
            });
        }
        self.stopping.get()
    }

    /// Why it was ended, if it was.
    pub fn take_failure(&self) -> Option<Failure> {
        self.failed.take()
    }

    /// The same, for who is in the middle of a file.
    pub fn go_on(&self) -> Outcome {
        if self.is_stopping() { Err(Trouble::stopped()) } else { Ok(()) }
    }

    /// Whether blocks may perhaps be shared between two devices.
    pub fn may_share(&self, pair: (u64, u64)) -> bool {
        self.last_apart.get() != Some(pair) && !self.apart.borrow().contains(&pair)
    }

    /// They cannot: nobody asks again.
    pub fn cannot_share(&self, pair: (u64, u64)) {
        self.last_apart.set(Some(pair));
        self.apart.borrow_mut().insert(pair);
    }

    /// A name for what is not complete.
    pub fn hidden_name(&self) -> CString {
        let number = self.next_name.replace(self.next_name.get() + 1);
        let name = format!(".annulus-cp-{}-{number}", std::process::id());
        CString::new(name).expect("there is no zero in it")
    }

    /// A buffer of [`BUFFER_BYTES`].
    pub fn take_buffer(&self) -> Vec<u8> {
        self.buffers.borrow_mut().pop().unwrap_or_else(|| vec![0; BUFFER_BYTES])
    }

    pub fn give_buffer(&self, buffer: Vec<u8>) {
        self.buffers.borrow_mut().push(buffer);
    }

    /// Takes note that `path` was made of an argument. Whether it is the first time.
    pub fn makes(&self, path: PathBuf) -> bool {
        self.made.borrow_mut().insert(path)
    }

    /// Whether `path` was made of an earlier argument.
    pub fn has_made(&self, path: &Path) -> bool {
        self.made.borrow().contains(path)
    }
}
