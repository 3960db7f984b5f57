//! Files, or the standard input, to the standard output: one buffer goes to the kernel and back.
//!
//! `cat FILE…` prints them, `-` is the standard input; without arguments it prints this package's
//! manifest.

use annulus::fs::File;
use annulus::io::{AsyncReadOwned, AsyncWriteOwned, stdin, stdout};
use std::io;
use std::process::ExitCode;

const BUFFER_BYTES: usize = 128 << 10;

/// Copies all of `from`, by way of `buf`, which comes back.
async fn cat(
    mut from: impl AsyncReadOwned,
    to: &mut impl AsyncWriteOwned,
    mut buf: Vec<u8>,
) -> io::Result<Vec<u8>> {
    loop {
        // Lent to the kernel, which fills its capacity, and given back with the count.
        let (n, mut filled) = from.read(buf).await?;
        if n == 0 {
            return Ok(filled);
        }
        // A write sends what a vector's length says.
        filled.truncate(n);
        buf = to.write_all(filled).await?.1;
    }
}

/// What `name` stands for, to `to`.
async fn print(name: &str, to: &mut impl AsyncWriteOwned) -> io::Result<()> {
    let buf = Vec::with_capacity(BUFFER_BYTES);
    match name {
        "-" => cat(stdin()?, to, buf).await,
        path => cat(File::open(path).await?, to, buf).await,
    }
    .map(drop)
}

fn main() -> io::Result<ExitCode> {
    let mut names: Vec<String> = std::env::args().skip(1).collect();
    if names.is_empty() {
        names.push(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml").to_owned());
    }
    annulus::run(async {
        let mut out = stdout()?;
        let mut code = ExitCode::SUCCESS;
        for name in names {
            // A file that cannot be read keeps nobody from the others.
            if let Err(why) = print(&name, &mut out).await {
                eprintln!("cat: {name}: {why}");
                code = ExitCode::FAILURE;
            }
        }
        Ok(code)
    })?
}
