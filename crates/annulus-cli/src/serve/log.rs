//! The log: a line for each answer, in the common log format.
//!
//! Threads that serve write to memory. A full block, or one that is a while old, goes to a thread
//! that writes it out; where that is behind by many blocks, as on a full or slow disk, lines are
//! dropped and counted, and nobody waits.

use core::cell::{Cell, RefCell};
use core::time::Duration;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::path::Path;
use std::rc::Rc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use annulus::spawn_local;
use annulus::time::sleep;

/// How large a block becomes.
const BLOCK_BYTES: usize = 32 << 10;

/// How many blocks wait for the disk at most.
const BLOCKS_MAX: usize = 64;

/// How long a line waits for others.
const AGE_MAX: Duration = Duration::from_millis(500);

/// The thread that writes.
pub struct Writer {
    thread: JoinHandle<()>,
    blocks: SyncSender<Vec<u8>>,
}

impl Writer {
    /// Appends to the file, or writes to standard output for `-`.
    ///
    /// # Errors
    /// The file cannot be opened, or there is no thread.
    pub fn start(path: &Path) -> io::Result<Self> {
        let to: Box<dyn io::Write + Send> = if path == Path::new("-") {
            Box::new(io::stdout())
        } else {
            Box::new(OpenOptions::new().append(true).create(true).open(path)?)
        };
        let (blocks, come) = sync_channel(BLOCKS_MAX);
        let thread = std::thread::Builder::new().name("serve-log".to_owned());
        Ok(Self { thread: thread.spawn(move || write(come, to))?, blocks })
    }

    /// Where a thread sends its blocks.
    pub fn blocks(&self) -> SyncSender<Vec<u8>> {
        self.blocks.clone()
    }

    /// Waits until all is written that was sent.
    pub fn end(self) {
        drop(self.blocks);
        // It has nothing to say.
        let _ = self.thread.join();
    }
}

fn write(come: Receiver<Vec<u8>>, mut to: Box<dyn io::Write + Send>) {
    for block in come {
        // Nobody is left to tell where the log itself cannot be written.
        let _ = to.write_all(&block).and_then(|()| to.flush());
    }
}

/// A thread's side of it.
pub struct Log {
    blocks: SyncSender<Vec<u8>>,
    block: RefCell<Vec<u8>>,
    lines: Cell<u64>,
    lost: Cell<u64>,
    is_awaited: Cell<bool>,
    /// The second that is written, and its text.
    second: RefCell<(u64, String)>,
}

/// What a line says.
#[derive(Debug)]
pub struct Line<'a> {
    pub peer: IpAddr,
    pub method: &'a str,
    pub target: &'a str,
    pub version: &'a str,
    pub status: u16,
    pub bytes: u64,
}

impl Log {
    pub fn new(blocks: SyncSender<Vec<u8>>) -> Rc<Self> {
        Rc::new(Self {
            blocks,
            block: RefCell::new(Vec::with_capacity(BLOCK_BYTES)),
            lines: Cell::default(),
            lost: Cell::default(),
            is_awaited: Cell::default(),
            second: RefCell::default(),
        })
    }

    /// How many lines were lost.
    pub fn lost(&self) -> u64 {
        self.lost.get()
    }

    /// Writes a line, some time.
    pub fn line(self: &Rc<Self>, line: &Line<'_>) {
        self.append(line, seconds_now());
        if self.block.borrow().len() >= BLOCK_BYTES - 2048 {
            self.send();
        } else if !self.is_awaited.replace(true) {
            let log = Rc::clone(self);
            drop(spawn_local(async move {
                sleep(AGE_MAX).await;
                log.is_awaited.set(false);
                log.send();
            }));
        }
    }

    fn append(&self, line: &Line<'_>, now: u64) {
        let mut second = self.second.borrow_mut();
        if second.0 != now || second.1.is_empty() {
            *second = (now, stamp(now));
        }
        let mut block = self.block.borrow_mut();
        // A `Vec` takes all that is written to it.
        let _ = write!(block, "{} - - [{}] \"{} ", line.peer, second.1, line.method);
        for byte in line.target.bytes() {
            match byte {
                b'"' | b'\\' | ..0x20 | 0x7f.. => drop(write!(block, "\\x{byte:02x}")),
                plain => block.push(plain),
            }
        }
        let _ = writeln!(block, " {}\" {} {}", line.version, line.status, line.bytes);
        self.lines.set(self.lines.get() + 1);
    }

    /// Gives the block to who writes it.
    pub fn send(&self) {
        let lines = self.lines.take();
        if lines == 0 {
            return;
        }
        let block = self.block.replace(Vec::with_capacity(BLOCK_BYTES));
        if let Err(TrySendError::Full(mut block) | TrySendError::Disconnected(mut block)) =
            self.blocks.try_send(block)
        {
            self.lost.set(self.lost.get() + lines);
            block.clear();
            self.block.replace(block);
        }
    }
}

fn seconds_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |span| span.as_secs())
}

/// A second since 1970 as `10/Oct/2000:13:55:36 +0000`.
fn stamp(seconds: u64) -> String {
    // `Tue, 10 Oct 2000 13:55:36 GMT`, whose parts are always as long.
    let text = super::conditions::date(seconds);
    format!("{}/{}/{}:{} +0000", &text[5..7], &text[8..11], &text[12..16], &text[17..25])
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: Line<'_> = Line {
        peer: IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
        method: "GET",
        target: "/a\"\n%20",
        version: "HTTP/1.1",
        status: 200,
        bytes: 5,
    };

    #[test]
    fn a_line_is_of_the_common_format() {
        let (blocks, come) = sync_channel(1);
        let log = Log::new(blocks);
        log.append(&LINE, 971_186_136);
        log.send();
        let text = String::from_utf8(come.recv().unwrap()).unwrap();
        let want =
            "127.0.0.1 - - [10/Oct/2000:13:55:36 +0000] \"GET /a\\x22\\x0a%20 HTTP/1.1\" 200 5\n";
        assert_eq!(text, want);
    }

    #[test]
    fn what_nobody_takes_is_lost_and_counted() {
        let (blocks, come) = sync_channel(1);
        let log = Log::new(blocks);
        for _ in 0..3 {
            log.append(&LINE, 0);
            log.append(&LINE, 0);
            log.send();
        }
        assert_eq!(log.lost(), 4);
        assert_eq!(come.try_iter().count(), 1);
    }
}
