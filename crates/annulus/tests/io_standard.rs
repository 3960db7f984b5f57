//! Standard input and output, as pipes, files and a terminal: in a process of its own.

#[path = "common/again.rs"]
mod again;
mod common;

use std::os::fd::OwnedFd;
use std::time::Duration;

use annulus::io::{AsyncReadOwned, AsyncWriteOwned, BufReader, stderr, stdin, stdout};
use annulus::process::{Command, Stdio};
use annulus::time::timeout;
use common::{begin, on_runtime, skip};

/// What each child does: says each line again, impatiently.
async fn say_again() {
    let mut lines = BufReader::new(stdin().unwrap()).lines();
    let mut to = stdout().unwrap();
    to.write_all("begin\n").await.unwrap();
    loop {
        match timeout(Duration::from_micros(100), lines.next()).await {
            Err(_) => {}
            Ok(Ok(Some(line))) => _ = to.write_all(format!("<{line}>\n")).await.unwrap(),
            Ok(Ok(None)) => break,
            Ok(Err(why)) => panic!("{why}"),
        }
    }
    to.flush().await.unwrap();
    stderr().unwrap().write_all("the end\n").await.unwrap();
    std::process::exit(0);
}

/// The lines that a child has said, of those that the harness says too.
fn said(output: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(output).replace('\r', "");
    let lines = text.lines().filter_map(|line| line.strip_prefix('<')?.strip_suffix('>'));
    lines.map(str::to_owned).collect()
}

#[test]
fn through_pipes_no_byte_is_lost() {
    on_runtime(|| async {
        if again::is_again() {
            say_again().await;
        }
        let mut command = Command::from(again::this_test("through_pipes_no_byte_is_lost"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().await.unwrap();
        let mut to = child.stdin.take().unwrap();
        let expected: Vec<String> = (0..200).map(|at| format!("line {at}")).collect();
        let writer = async {
            for byte in expected.join("\n").bytes() {
                to.write_all(vec![byte]).await.unwrap();
            }
            to.shutdown().await.unwrap();
        };
        let (output, ()) = futures::future::join(child.wait_with_output(), writer).await;
        let output = output.unwrap();
        assert!(output.status.success());
        assert_eq!(said(&output.stdout), expected);
        assert!(output.stderr.ends_with(b"the end\n"));
    });
}

#[test]
fn files_are_read_and_written_at_their_positions() {
    on_runtime(|| async {
        if again::is_again() {
            say_again().await;
        }
        let name = |what| format!("annulus-standard-{}-{what}", std::process::id());
        let (from, to) =
            (std::env::temp_dir().join(name("in")), std::env::temp_dir().join(name("out")));
        std::fs::write(&from, "passed over\none\ntwo").unwrap();
        std::fs::write(&to, "before\n").unwrap();
        let mut input = std::fs::File::open(&from).unwrap();
        std::io::Seek::seek(&mut input, std::io::SeekFrom::Start(12)).unwrap();
        let output = std::fs::File::options().append(true).open(&to).unwrap();
        let mut command =
            Command::from(again::this_test("files_are_read_and_written_at_their_positions"));
        command.stdin(OwnedFd::from(input)).stdout(OwnedFd::from(output));
        assert!(command.status().await.unwrap().success());
        let written = std::fs::read(&to).unwrap();
        assert!(written.starts_with(b"before\n"));
        assert_eq!(said(&written), ["one", "two"]);
        std::fs::remove_file(from).unwrap();
        std::fs::remove_file(to).unwrap();
    });
}

/// Types to a child in a terminal of its own, which `before` starts, and reads what it answers.
async fn in_a_terminal(name: &str, before: &str) {
    if again::is_again() {
        say_again().await;
    }
    // It makes a terminal, and passes on what is typed.
    let test = again::this_test(name);
    let program = test.get_program().to_str().unwrap();
    let line = format!("stty -echo; exec {before} {program} {name} --exact --nocapture");
    let mut command = Command::new("script");
    command.args(["-qec", &line, "/dev/null"]).env("ANNULUS_TEST_AGAIN", "1");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = match command.spawn().await {
        Ok(child) => child,
        Err(why) => return skip(name, &format!("script(1): {why}")),
    };
    let (mut to, from) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut lines = BufReader::new(from).lines();
    let mut next = async |wanted: &str| {
        while !lines.next().await.unwrap().expect("a line").contains(wanted) {}
    };
    // Ctrl-D is the end, which a terminal says once.
    for (answer, typed) in [("begin", "one\n"), ("<one>", "two\n"), ("<two>", "\x04")] {
        next(answer).await;
        // By then a read that was given up waits for it.
        annulus::time::sleep(Duration::from_millis(20)).await;
        to.write_all(typed).await.unwrap();
    }
    next("the end").await;
}

#[test]
fn a_terminal_is_read_line_by_line() {
    on_runtime(|| in_a_terminal("a_terminal_is_read_line_by_line", ""));
}

#[test]
fn a_terminal_that_does_not_wait_is_waited_for() {
    const NAME: &str = "a_terminal_that_does_not_wait_is_waited_for";
    // The flag is the open file's: the program that this becomes has it too.
    const PYTHON: &str =
        "python3 -c 'import os,sys; os.set_blocking(0,False); os.execv(sys.argv[1],sys.argv[1:])'";
    on_runtime(|| async {
        if !again::is_again() && Command::new("python3").arg("--version").output().await.is_err() {
            return skip(NAME, "python3");
        }
        in_a_terminal(NAME, PYTHON).await;
    });
}

#[test]
fn what_does_not_wait_is_waited_for_all_the_same() {
    on_runtime(|| async {
        if again::is_again() {
            let mut from = stdin().unwrap();
            let mut to = stdout().unwrap();
            begin(&mut Box::pin(from.read(vec![0; 8]))).await;
            to.write_all("begin\n").await.unwrap();
            to.write_all(format!("<{}>\n", from.read_to_string().await.unwrap())).await.unwrap();
            std::process::exit(0);
        }
        // The other end of a socket that does not wait: what is read and written is that too.
        let (here, there) = std::os::unix::net::UnixStream::pair().unwrap();
        there.set_nonblocking(true).unwrap();
        let mut command =
            Command::from(again::this_test("what_does_not_wait_is_waited_for_all_the_same"));
        command.stdin(OwnedFd::from(there)).stdout(Stdio::piped());
        let child = command.spawn().await.unwrap();
        drop(command);
        annulus::time::sleep(Duration::from_millis(30)).await;
        std::io::Write::write_all(&mut &here, b"ring").unwrap();
        drop(here);
        let output = child.wait_with_output().await.unwrap();
        assert_eq!(said(&output.stdout), ["ring"]);
    });
}
