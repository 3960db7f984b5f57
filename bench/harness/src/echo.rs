//! A TCP echo on each runtime: what is the same. The server is this process, of one thread, and its
//! clients are another, so that what the server costs is counted alone.
//!
//! `core=` is its processor and `load_core=` that of the clients, `buf=` the bytes of its buffers;
//! there are `conns=` connections, each with one request of `size=` bytes under way, until `ops=`
//! were answered. `load=` is the clients' program, where that lies elsewhere.

use std::cell::Cell;
use std::io;
use std::net::TcpListener;
use std::rc::Rc;

use crate::load::Load;
use crate::meter::Meter;
use crate::program::{Args, fail, pin};
use crate::runtime::{Needs, Runtime};

/// What every server takes.
const ARGUMENTS: &[&str] = &["core", "load_core", "load", "buf", "conns", "size", "ops"];
/// More than that is no program.
const MAX: u64 = 1 << 20;

/// What is to be answered.
pub struct Requests {
    /// The bytes of a connection's buffer.
    pub buf_bytes: usize,
    count: u64,
    left: Cell<u64>,
    /// Until it has ended.
    run: Cell<Option<(Meter, Load)>>,
}

impl Requests {
    /// One more is answered: the last ends the process.
    #[inline(always)]
    pub fn answered(&self) {
        self.left.set(self.left.get() - 1);
        if self.left.get() == 0 {
            self.end();
        }
    }

    #[cold]
    fn end(&self) {
        if let Some((meter, load)) = self.run.take() {
            meter.report(self.count);
            load.end();
        }
        std::process::exit(0)
    }
}

/// The server: `serve` accepts from the listener, and answers each connection by a task of its own,
/// until [`Requests::answered`] ends the process. `more` are arguments beside those of all.
pub fn main(more: &[&str], serve: impl FnOnce(&Args, TcpListener, Rc<Requests>)) {
    let args = Args::parse();
    args.only(&[ARGUMENTS, more].concat());
    let buf_bytes = args.count("buf", 4096, MAX) as usize;
    let (conns, size) = (args.count("conns", 1, MAX), args.count("size", 1, MAX));
    let count = args.count("ops", 10_000, u64::MAX);
    if count < conns || buf_bytes < size as usize {
        fail("ops=: at least one request on each of conns=; buf=: room for one of size=");
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap_or_else(|why| fail(&why.to_string()));
    let addr = listener.local_addr().unwrap_or_else(|why| fail(&why.to_string()));
    let load = Load::start("echo-load", &["conns", "size", "ops"], &args, addr);
    pin(&args);
    let (left, run) = (Cell::new(count), Cell::new(Some((Meter::start(), load))));
    serve(&args, listener, Rc::new(Requests { buf_bytes, count, left, run }));
    fail("the server has ended before its time");
}

/// A runtime's sockets, as its users write an echo with them.
pub trait Echo: Runtime {
    /// Its listener.
    type Listener;
    /// Its connection.
    type Stream: 'static;

    /// Makes a listener of that of the standard library.
    fn listener(listener: TcpListener) -> io::Result<Self::Listener>;

    /// The next connection, without Nagle's delay.
    fn accept(listener: &mut Self::Listener) -> impl Future<Output = io::Result<Self::Stream>>;

    /// Sends back what comes, until the end, or an error, which is the client's affair.
    fn echo(stream: Self::Stream, requests: Rc<Requests>) -> impl Future<Output = ()>;
}

/// The whole program on a runtime.
pub fn on<E: Echo>() {
    main(&[], |args, listener, requests| {
        let depth = args.count("conns", 1, MAX).clamp(64, 4096) as u32;
        let ended = E::run(Needs { depth, tasks: true, timers: false }, async move {
            let mut listener = E::listener(listener)?;
            let mut tasks = Vec::new();
            loop {
                let stream = E::accept(&mut listener).await?;
                tasks.push(E::spawn(E::echo(stream, Rc::clone(&requests))));
            }
        });
        let ended: io::Result<()> = ended;
        if let Err(why) = ended {
            fail(&why.to_string());
        }
    });
}
