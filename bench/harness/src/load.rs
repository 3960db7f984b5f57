//! The clients of the servers: a process of its own, so that a server's cost is its own.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use crate::program::{Args, fail};

/// What the HTTP servers take: `core=`, of `conns=`, `depth=` and `ops=` see `hyper-load`,
/// `load_core=` is its processor; `timer=1` has a limit for the head of each request, `bytes=` are
/// in each answer.
pub const ARGUMENTS: &[&str] =
    &["core", "load_core", "conns", "depth", "ops", "timer", "bytes", "writev"];

/// The client, which loads until it has all answers.
pub struct Load {
    program: &'static str,
    child: Child,
}

impl Load {
    /// Starts `program`, which lies beside this one, or where `load=` says, with those of `keys`
    /// that this one was given.
    pub fn start(program: &'static str, keys: &[&str], args: &Args, addr: SocketAddr) -> Self {
        let own = std::env::current_exe().unwrap_or_else(|why| fail(&why.to_string()));
        let path = match args.text("load", "") {
            none if none.is_empty() => own.with_file_name(program),
            path => path.into(),
        };
        let mut command = Command::new(path);
        command.arg(format!("addr={addr}")).stdout(Stdio::null());
        for key in keys {
            command.arg(format!("{key}={}", args.text(key, "1")));
        }
        let core = args.text("load_core", "");
        if !core.is_empty() {
            command.arg(format!("core={core}"));
        }
        let child = command.spawn().unwrap_or_else(|why| fail(&format!("{program}: {why}")));
        Self { program, child }
    }

    /// Waits for its end, which must be a good one.
    pub fn end(mut self) {
        match self.child.wait() {
            Ok(status) if status.success() => {}
            Ok(status) => fail(&format!("{}: {status}", self.program)),
            Err(why) => fail(&format!("{}: {why}", self.program)),
        }
    }
}
