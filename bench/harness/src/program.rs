//! Arguments, the result line, random offsets, memory, pinning.

use std::collections::HashMap;
use std::str::FromStr;
use std::time::Duration;

/// The program's arguments, `key=value` each.
pub struct Args(HashMap<String, String>);

impl Args {
    /// Reads the command line; anything that is not `key=value` ends the program.
    pub fn parse() -> Self {
        let pairs = std::env::args().skip(1).map(|arg| match arg.split_once('=') {
            Some((key, value)) => (key.to_owned(), value.to_owned()),
            None => fail(&format!("'{arg}' is not key=value")),
        });
        Self(pairs.collect())
    }

    /// Ends the program if there is an argument that is none of `keys`.
    pub fn only(&self, keys: &[&str]) {
        if let Some(key) = self.0.keys().find(|key| !keys.contains(&key.as_str())) {
            fail(&format!("{key}=: no such argument; there are {}", keys.join("= ") + "="));
        }
    }

    /// The value of `key`, or `default`; it is between 1 and `max`.
    pub fn count(&self, key: &str, default: u64, max: u64) -> u64 {
        let value = self.get(key, default);
        if !(1..=max).contains(&value) {
            fail(&format!("{key}={value}: from 1 to {max}"));
        }
        value
    }

    /// Whether `key` is 1; it is 0 or 1, and 0 if it is not there.
    pub fn switch(&self, key: &str) -> bool {
        match self.text(key, "0").as_str() {
            "0" => false,
            "1" => true,
            other => fail(&format!("{key}={other}: 0 or 1")),
        }
    }

    /// The value of `key`, or `default`.
    pub fn get<T: FromStr>(&self, key: &str, default: T) -> T {
        match self.0.get(key) {
            None => default,
            Some(text) => {
                text.parse().unwrap_or_else(|_| fail(&format!("{key}={text}: not a value for it")))
            }
        }
    }

    /// The text of `key`, or `default`.
    pub fn text(&self, key: &str, default: &str) -> String {
        self.0.get(key).cloned().unwrap_or_else(|| default.to_owned())
    }
}

/// Ends the program with one line.
pub fn fail(why: &str) -> ! {
    eprintln!("{why}");
    std::process::exit(2)
}

/// Prints the one line that the scripts read.
pub fn report(ops: u64, took: Duration) {
    let secs = took.as_secs_f64();
    println!("ops={ops} secs={secs:.6} ops_per_s={:.1}", ops as f64 / secs);
}

/// Binds the thread to the processor in `core=`, if there is one.
pub fn pin(args: &Args) {
    let core: usize = args.get("core", usize::MAX);
    if core != usize::MAX {
        let mut set = rustix::thread::CpuSet::new();
        set.set(core);
        if let Err(errno) = rustix::thread::sched_setaffinity(None, &set) {
            fail(&format!("core={core}: {errno}"));
        }
    }
}

/// A sequence of random block offsets: xorshift, cheap enough not to be what is measured.
pub struct Random(u64);

impl Random {
    /// The same sequence each time.
    pub fn new() -> Self {
        Self(88_172_645_463_325_252)
    }

    /// A sequence of its own for each `index`.
    pub fn of(index: u64) -> Self {
        // The golden ratio's bits spread neighbouring indices; a state of 0 would stay 0.
        Self(index.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// The next offset of one of `blocks` blocks of 4 KiB.
    #[inline(always)]
    pub fn offset(&mut self, blocks: u64) -> u64 {
        let mut x = self.0;
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.0 = x;
        (x.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16) % blocks * 4096
    }
}

impl Default for Random {
    fn default() -> Self {
        Self::new()
    }
}

/// Memory for `bytes` bytes, aligned as direct I/O wants it, never freed.
pub fn aligned(bytes: usize) -> *mut u8 {
    let layout = std::alloc::Layout::from_size_align(bytes, 4096)
        .unwrap_or_else(|why| fail(&format!("{bytes} bytes: {why}")));
    // SAFETY: the layout is not of size 0: every caller asks for at least one block.
    let start = unsafe { std::alloc::alloc_zeroed(layout) };
    if start.is_null() {
        fail("out of memory");
    }
    start
}
