//! What the tests of `annulus serve` share: a site, a server, a client that says what it likes.
#![allow(dead_code, reason = "each file of tests uses what it needs")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// How long a test may take.
pub const LIMIT: Duration = Duration::from_secs(120);

/// Runs a test, for at most so long.
pub fn limit(limit: Duration, test: impl FnOnce() + Send + 'static) {
    let (tell, told) = mpsc::channel();
    let thread = thread::spawn(move || {
        test();
        // Nobody listens any more where it is too late.
        let _ = tell.send(());
    });
    match told.recv_timeout(limit) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("not done in {limit:?}"),
        _ => {
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
    }
}

/// Counts a test as skipped: see `xtask/skips.txt`.
pub fn skip(name: &str, reason: &str) {
    let line = format!("skipped: {name}: {reason}\n");
    eprint!("{line}");
    if let Some(path) = std::env::var_os("ANNULUS_SKIPPED") {
        let file = std::fs::File::options().create(true).append(true).open(path);
        file.and_then(|mut f| f.write_all(line.as_bytes())).expect("the file of skips is writable");
    }
}

/// A folder with a folder `site` in it, removed with this.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        // Relaxed: a number that nobody else gets; pairs with itself.
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("annulus-serve-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(path.join("site")).expect("a folder");
        Self(path)
    }

    pub fn site(&self) -> PathBuf {
        self.0.join("site")
    }

    /// Makes a file of the site, and the folders that it is in.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.site().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        std::fs::write(&path, content).expect("a file");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A test that fails has more to say than that its folder stayed.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Bytes without a zero, the same for the same length.
pub fn content(len: usize) -> Vec<u8> {
    let mut state = len as u32 | 1;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8 | 1
    };
    (0..len).map(|_| next()).collect()
}

/// The command `annulus serve` of a folder's site, at a free port.
pub fn command(site: &Path, options: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_annulus"));
    command.arg("serve").arg(site).args(["--listen", "127.0.0.1:0"]);
    if !options.contains("--threads") {
        command.args(["--threads", "2"]);
    }
    command.args(options.split_whitespace()).env("NO_COLOR", "1").env("LC_ALL", "C.UTF-8");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A server that runs.
pub struct Served {
    pub child: Child,
    pub at: SocketAddr,
    stderr: mpsc::Receiver<String>,
}

impl Served {
    pub fn new(folder: &Folder, options: &str) -> Self {
        Self::of(command(&folder.site(), options))
    }

    pub fn of(mut command: Command) -> Self {
        let mut child = command.spawn().expect("annulus serve");
        let lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let (tell, stderr) = mpsc::channel();
        thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| tell.send(line)));
        let first = stderr.recv_timeout(LIMIT).expect("a line");
        let at = first.split("http://").nth(1).and_then(|rest| rest.split('/').next());
        let at = at.unwrap_or_else(|| panic!("{first}")).parse().expect("an address");
        Self { child, at, stderr }
    }

    pub fn client(&self) -> Client {
        Client::new(self.at)
    }

    /// One request on a connection of its own.
    pub fn get(&self, path: &str, headers: &str) -> Reply {
        self.client().get(path, headers)
    }

    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args([name, &pid]).status().expect("kill");
        assert!(status.success(), "{name}");
    }

    /// Waits for its end: the exit code.
    pub fn wait(&mut self) -> Option<i32> {
        self.child.wait().expect("it can be waited for").code()
    }

    /// Ends it by a signal, and says what it said last.
    pub fn end(mut self) -> String {
        self.signal("-TERM");
        assert_eq!(self.wait(), Some(0));
        self.stderr.iter().collect::<Vec<_>>().join("\n")
    }

    /// How many descriptors it has.
    pub fn descriptors(&self) -> usize {
        let path = format!("/proc/{}/fd", self.child.id());
        std::fs::read_dir(path).expect("it runs").count()
    }

    /// The same without connections, once each thread has what it needs.
    pub fn own_descriptors(&self) -> usize {
        for _ in 0..16 {
            self.get("/", "");
        }
        let mut count = self.descriptors();
        loop {
            thread::sleep(Duration::from_millis(100));
            let now = self.descriptors();
            if now == count {
                return now;
            }
            count = now;
        }
    }

    /// How much of its memory is in use, in KiB.
    pub fn memory_kib(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).expect("it runs");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a line");
        line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number")
    }

    /// Its processor time so far.
    pub fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        let ticks = |at: usize| fields[at].parse::<u64>().unwrap();
        Duration::from_millis((ticks(11) + ticks(12)) * 10)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // Where it has ended already there is nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until something is so.
#[track_caller]
pub fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(30), "{what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Reply {
    /// The value of a field.
    pub fn field(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A connection.
pub struct Client {
    pub stream: TcpStream,
    rest: Vec<u8>,
}

impl Client {
    pub fn new(at: SocketAddr) -> Self {
        let stream = TcpStream::connect(at).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a limit");
        Self { stream, rest: Vec::new() }
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).expect("it takes a request");
    }

    /// `headers`: lines that end in `\r\n`.
    pub fn ask(&mut self, method: &str, path: &str, headers: &str) {
        self.send(format!("{method} {path} HTTP/1.1\r\nhost: x\r\n{headers}\r\n"));
    }

    pub fn get(&mut self, path: &str, headers: &str) -> Reply {
        self.ask("GET", path, headers);
        self.reply()
    }

    pub fn head(&mut self, path: &str, headers: &str) -> Reply {
        self.ask("HEAD", path, headers);
        self.reply_to("HEAD").expect("an answer")
    }

    pub fn reply(&mut self) -> Reply {
        self.reply_to("GET").expect("an answer")
    }

    /// Brings more, or says that the connection is over.
    fn more(&mut self) -> bool {
        let mut buf = [0; 16 << 10];
        let n = self.stream.read(&mut buf).unwrap_or(0);
        self.rest.extend_from_slice(&buf[..n]);
        n > 0
    }

    /// The next answer, unless the connection ends before.
    pub fn reply_to(&mut self, method: &str) -> Option<Reply> {
        let end = loop {
            match self.rest.windows(4).position(|four| four == b"\r\n\r\n") {
                Some(end) => break end,
                None if !self.more() => return None,
                None => {}
            }
        };
        let head = String::from_utf8(self.rest.drain(..end + 4).collect()).expect("a head");
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
        let mut reply = Reply { status, head, body: Vec::new() };
        let len = reply.field("content-length").map_or(0, |len| len.parse().expect("a length"));
        if method == "HEAD" || status == 304 {
            return Some(reply);
        }
        while self.rest.len() < len {
            if !self.more() {
                return None;
            }
        }
        reply.body = self.rest.drain(..len).collect();
        Some(reply)
    }

    /// All that comes until the connection is over.
    pub fn into_rest(mut self) -> Vec<u8> {
        while self.more() {}
        self.rest
    }

    /// Whether the server has ended it, as it should soon.
    pub fn is_over(&mut self) -> bool {
        !self.more()
    }
}
