//! What becomes of an operation that takes too long: four ways to end the wait, and what is lost.
//!
//! `cancel_and_timeout SECONDS` waits so long for a line of the standard input; without arguments
//! it goes through the ways.

use annulus::fs::{File, pipe};
use annulus::io::{BufReader, stdin};
use annulus::net::{TcpListener, TcpStream};
use annulus::time::{sleep, timeout};
use futures::future::{Either, select};
use std::error::Error;
use std::pin::pin;
use std::time::Duration;

const SHORT: Duration = Duration::from_millis(20);

/// A limit around what is resumable: nothing is lost.
async fn resumed() -> Result<(), Box<dyn Error>> {
    let mut listener = TcpListener::bind("127.0.0.1:0").await?;
    let to = listener.local_addr()?;
    assert!(timeout(SHORT, listener.accept()).await.is_err());
    // It comes between two waits: the listener has it, since the accept is the listener's.
    let client = TcpStream::connect(to).await?;
    let (_, peer) = listener.accept().await?;
    assert_eq!(peer, client.local_addr()?);
    println!("an accept that ran out of time lost no connection");
    Ok(())
}

/// A limit in the kernel: the operation says that it was that, and gives the buffer back.
async fn limited(silent: &File) -> Result<Vec<u8>, Box<dyn Error>> {
    let error = silent.read(vec![0; 512]).deadline(SHORT).await.unwrap_err();
    assert!(error.is_timeout());
    println!("a deadline: {error}");
    Ok(error.into_buf())
}

/// Cancelled and awaited: the result if there was one, else the buffer. Never neither.
async fn cancelled(silent: &File, buf: Vec<u8>) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut read = silent.read(buf);
    match select(&mut read, pin!(sleep(SHORT))).await {
        Either::Left((result, _)) => return Ok(result?.1),
        Either::Right(_) => read.cancel(),
    }
    match read.await {
        Ok((n, buf)) => {
            println!("it had read {n} bytes before the cancel came");
            Ok(buf)
        }
        Err(error) if error.is_cancelled() => {
            println!("a cancel: {error}");
            Ok(error.into_buf())
        }
        Err(error) => Err(error.into()),
    }
}

/// Dropped: cancelled too, and nobody is told how it went. The kernel has the buffer until then.
async fn dropped(silent: &File, buf: Vec<u8>) {
    assert!(timeout(SHORT, silent.read(buf)).await.is_err());
    while !annulus::ops().is_empty() {
        println!("after the drop: {}", annulus::ops()[0]);
        sleep(Duration::from_millis(1)).await;
    }
    println!("and now the kernel has let go of it");
}

async fn all_ways() -> Result<(), Box<dyn Error>> {
    resumed().await?;
    let (silent, talker) = pipe().await?;
    let buf = limited(&silent).await?;
    let buf = cancelled(&silent, buf).await?;
    dropped(&silent, buf).await;
    // None of the reads that were given up takes what comes now.
    talker.write_all("late").await?;
    let (n, text) = silent.read(vec![0; 16]).await?;
    assert_eq!(&text[..n], b"late");
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let seconds = std::env::args().nth(1);
    annulus::run(async {
        let Some(seconds) = seconds else { return all_ways().await };
        let limit = Duration::try_from_secs_f64(seconds.parse()?)?;
        let mut lines = BufReader::new(stdin()?).lines();
        match timeout(limit, lines.next()).await {
            Ok(line) => println!("you said {:?}", line?.unwrap_or_default()),
            Err(_) => println!("you said nothing within {limit:?}"),
        }
        Ok(())
    })?
}
