//! A child's pipes: full ones, broken ones, and futures that are dropped.

mod common;

use std::io::ErrorKind;
use std::time::Duration;

use annulus::io::{AsyncReadOwned, AsyncWriteOwned, BufReader};
use annulus::process::{Command, Stdio};
use annulus::time::timeout;
use common::{begin, on_runtime, times};
use futures::future::poll_immediate;

fn piped(program: &str, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

#[test]
fn more_goes_through_a_child_than_its_pipes_hold() {
    on_runtime(|| async {
        let mut child = piped("cat", &[]).spawn().await.unwrap();
        let (mut to, mut from) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let data: Vec<u8> = (0..1_000_000_u32).map(|at| (at % 251) as u8).collect();
        let sent = data.clone();
        let writer = annulus::spawn_local(async move {
            to.write_all(sent).await.map_err(std::io::Error::from)?;
            to.shutdown().await
        });
        let (n, all) = from.read_to_end(Vec::new()).await.unwrap();
        assert!(n == data.len() && all == data);
        writer.await.unwrap().unwrap();
        assert!(child.wait().await.unwrap().success());
    });
}

#[test]
fn an_output_that_nobody_reads_fills_and_is_taken_later() {
    on_runtime(|| async {
        let mut child = piped("head", &["-c", "300000", "/dev/zero"]).spawn().await.unwrap();
        assert!(
            timeout(Duration::from_millis(30), child.wait()).await.is_err(),
            "the pipe is full"
        );
        let output = child.wait_with_output().await.unwrap();
        assert!(output.status.success());
        assert_eq!(output.stdout.len(), 300_000);
        assert!(output.stderr.is_empty());
    });
}

#[test]
fn an_input_that_nobody_reads_is_a_broken_pipe() {
    on_runtime(|| async {
        let mut child = piped("true", &[]).spawn().await.unwrap();
        let mut to = child.stdin.take().unwrap();
        child.wait().await.unwrap();
        // A child that another test starts has all descriptors for the moment before its program.
        let error = loop {
            match to.write_all("too late").await {
                Ok(_) => annulus::yield_now().await,
                Err(error) => break error,
            }
        };
        assert_eq!((error.kind(), error.done()), (ErrorKind::BrokenPipe, 0));
        assert_eq!(error.into_buf(), "too late");
        // The child ends in the middle of it.
        let mut child = piped("head", &["-c", "10"]).spawn().await.unwrap();
        let mut to = child.stdin.take().unwrap();
        let error = to.write_all(vec![7; 1 << 20]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        assert!(error.done() >= 10 && error.buf().len() == 1 << 20);
        to.shutdown().await.unwrap();
        assert_eq!(to.write("x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        to.shutdown().await.unwrap();
        assert_eq!(child.wait_with_output().await.unwrap().stdout, [7; 10]);
    });
}

#[test]
fn reads_that_were_given_up_lose_no_byte() {
    on_runtime(|| async {
        let mut child = piped("cat", &[]).spawn().await.unwrap();
        let (mut to, mut from) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut all = Vec::new();
        for at in 0..times(200) {
            // Of many types and sizes, begun before the bytes are there.
            begin(&mut Box::pin(from.read(vec![0; 1 + at as usize % 7]))).await;
            to.write_all(format!("{at:04}")).await.unwrap();
            if at % 2 == 0 {
                let (n, buf) = from.read(Box::new([0; 3])).await.unwrap();
                all.extend_from_slice(&buf[..n]);
                let more = poll_immediate(Box::pin(from.read(Vec::with_capacity(2)))).await;
                if let Some(more) = more {
                    let (n, buf) = more.unwrap();
                    all.extend_from_slice(&buf[..n]);
                }
            } else {
                while !all.ends_with(format!("{at:04}").as_bytes()) {
                    let (n, buf) = from.read(vec![0; 5]).await.unwrap();
                    all.extend_from_slice(&buf[..n]);
                }
            }
        }
        begin(&mut Box::pin(from.read(vec![0; 1]))).await;
        to.shutdown().await.unwrap();
        let (_, all) = from.read_to_end(all).await.unwrap();
        let expected: String = (0..times(200)).map(|at| format!("{at:04}")).collect();
        assert_eq!(String::from_utf8(all).unwrap(), expected);
    });
}

#[test]
fn lines_that_were_given_up_are_whole() {
    on_runtime(|| async {
        let mut child = piped("cat", &[]).spawn().await.unwrap();
        let mut to = child.stdin.take().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (text, mut found) = ("one line\n\nanother\nand the last", Vec::new());
        for byte in text.bytes() {
            found.extend(poll_immediate(Box::pin(lines.next())).await);
            to.write_all(vec![byte]).await.unwrap();
            found.extend(timeout(Duration::from_micros(200), lines.next()).await.ok());
        }
        to.shutdown().await.unwrap();
        let mut found: Vec<String> = found.into_iter().flat_map(|line| line.unwrap()).collect();
        while let Some(line) = lines.next().await.unwrap() {
            found.push(line);
        }
        assert_eq!(found, ["one line", "", "another", "and the last"]);
    });
}

#[test]
fn a_write_that_was_given_up_is_not_mixed_with_the_next() {
    on_runtime(|| async {
        let mut child = piped("cat", &[]).spawn().await.unwrap();
        let (mut to, mut from) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        // More than both pipes hold, and nobody reads.
        begin(&mut Box::pin(to.write_all(vec![1; 1 << 20]))).await;
        let mut to = to.try_into_fd().unwrap_err(); // a write is under way
        let reader = annulus::spawn_local(async move { from.read_to_end(Vec::new()).await });
        to.write_all(vec![2; 1000]).await.unwrap();
        to.shutdown().await.unwrap();
        let (_, all) = reader.await.unwrap().unwrap();
        let ones = all.iter().take_while(|byte| **byte == 1).count();
        assert!(ones < 1 << 20, "it was cancelled");
        assert!(all[ones..] == [2; 1000], "nothing of it is behind");
        assert!(child.wait().await.unwrap().success());
    });
}

#[test]
fn a_pipe_goes_from_child_to_child() {
    on_runtime(|| async {
        let mut seq = piped("seq", &["100000"]).stdin(Stdio::null()).spawn().await.unwrap();
        let from = seq.stdout.take().unwrap().try_into_fd().unwrap();
        let last = Command::new("tail").args(["-n", "1"]).stdin(from).output().await.unwrap();
        assert_eq!(last.stdout, b"100000\n");
        assert!(seq.wait().await.unwrap().success());
        // What was read early would be missing there.
        let mut child = piped("echo", &["ring"]).spawn().await.unwrap();
        let mut from = child.stdout.take().unwrap();
        begin(&mut Box::pin(from.read(vec![0; 2]))).await;
        let mut from = from.try_into_fd().unwrap_err();
        assert_eq!(from.read_to_string().await.unwrap(), "ring\n");
    });
}
