//! `annulus serve`: peers that are slow, many, or talk nonsense, and the end.

mod serving;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::process::CommandExt;
use std::thread;
use std::time::{Duration, Instant};

use serving::{Client, Folder, LIMIT, Served, content, eventually, limit};

fn site() -> Folder {
    let folder = Folder::new();
    folder.file("a.txt", "0123456789");
    folder.file("big.bin", content(50_000_000));
    folder
}

/// How long it takes until the server ends the connection.
fn until_over(mut client: Client) -> Duration {
    let began = Instant::now();
    assert!(client.is_over());
    began.elapsed()
}

#[test]
fn a_head_that_dribbles_is_given_up() {
    limit(LIMIT, || {
        let folder = site();
        let options = "--header-timeout 300ms --idle-timeout 20s --metrics /metrics";
        let served = Served::new(&folder, options);
        let began = Instant::now();
        // One that says nothing, and one that says a byte at a time.
        let silent = served.client();
        let mut slow = served.client();
        for byte in b"GET /a.txt HTTP/1.1\r\nhost: x\r\nx: ".iter().chain([b'y'; 10_000].iter()) {
            if slow.stream.write_all(&[*byte]).is_err() || began.elapsed() > Duration::from_secs(20)
            {
                break;
            }
            thread::sleep(Duration::from_millis(10));
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
        assert!(began.elapsed() > Duration::from_millis(250), "{:?}", began.elapsed());
        assert!(until_over(silent) < Duration::from_secs(20));
        // The limit is one for heads: a connection may be idle for longer.
        let mut idle = served.client();
        assert_eq!(idle.get("/a.txt", "").status, 200);
        thread::sleep(Duration::from_millis(900));
        assert_eq!(idle.get("/a.txt", "").status, 200);
        let counts = idle.get("/metrics", "").text();
        assert!(counts.contains("annulus_serve_timeouts_total 2\n"), "{counts}");
    });
}

#[test]
fn an_idle_connection_is_closed() {
    limit(LIMIT, || {
        let folder = site();
        let served = Served::new(&folder, "--idle-timeout 200ms");
        let mut client = served.client();
        for _ in 0..3 {
            thread::sleep(Duration::from_millis(50));
            assert_eq!(client.get("/a.txt", "").status, 200);
        }
        let took = until_over(client);
        assert!(took < Duration::from_secs(20), "{took:?}");
    });
}

/// An answer is not lost to who is still sending when it comes: a closed socket would have the
/// connection reset by what it gets.
#[test]
fn who_sends_what_nobody_reads_has_its_answer() {
    limit(LIMIT, || {
        let folder = site();
        let served = Served::new(&folder, "--metrics /metrics");
        let much = vec![b'x'; 20_000_000];
        for _ in 0..5 {
            let mut upload = served.client();
            upload.ask("POST", "/a.txt", &format!("content-length: {}\r\n", much.len()));
            upload.send(&much);
            assert_eq!(upload.reply().status, 405);
            assert!(upload.is_over());
            let mut nonsense = served.client();
            nonsense.send("GET / HTTP/1.1\r\nx: ");
            nonsense.send(&much);
            assert_eq!(nonsense.reply().status, 431);
            assert!(nonsense.is_over());
        }
        let counts = served.get("/metrics", "").text();
        assert!(counts.contains("annulus_serve_timeouts_total 0\n"), "{counts}");
    });
}

#[test]
fn who_goes_on_sending_is_given_up() {
    limit(LIMIT, || {
        let folder = site();
        let served = Served::new(&folder, "--body-timeout 300ms");
        let mut endless = served.client();
        endless.ask("POST", "/a.txt", "content-length: 1000000000000\r\n");
        let began = Instant::now();
        while endless.stream.write_all(&[b'x'; 10_000]).is_ok() {
            assert!(began.elapsed() < Duration::from_secs(20), "it is read for ever");
        }
        assert!(began.elapsed() > Duration::from_millis(250), "{:?}", began.elapsed());
    });
}

#[test]
fn a_peer_that_takes_nothing_is_given_up() {
    limit(LIMIT, || {
        let folder = site();
        let served = Served::new(&folder, "--body-timeout 300ms --metrics /metrics");
        let before = served.own_descriptors();
        let clients: Vec<Client> = (0..10)
            .map(|_| {
                let mut client = served.client();
                client.ask("GET", "/big.bin", "");
                client
            })
            .collect();
        eventually("they are counted", || {
            served.get("/metrics", "").text().contains("annulus_serve_timeouts_total 10\n")
        });
        eventually("their sockets are closed", || served.descriptors() <= before + 2);
        for client in clients {
            assert!(client.into_rest().len() < 50_000_000);
        }
    });
}

#[test]
fn heads_have_a_size() {
    limit(LIMIT, || {
        let folder = site();
        let served = Served::new(&folder, "--header-size 8k");
        let mut client = served.client();
        let filler = "x".repeat(6000);
        assert_eq!(client.get("/a.txt", &format!("x: {filler}\r\n")).status, 200);
        let filler = "x".repeat(60_000);
        let mut client = served.client();
        let text = format!("GET /a.txt HTTP/1.1\r\nhost: x\r\nx: {filler}\r\n\r\n");
        // It may be over before all is said.
        let _ = client.stream.write_all(text.as_bytes());
        if let Some(reply) = client.reply_to("GET") {
            assert_eq!(reply.status, 431);
        }
        assert_eq!(served.get("/a.txt", "").status, 200);
    });
}

#[test]
fn connections_beyond_the_limit_wait() {
    limit(LIMIT, || {
        let folder = site();
        let served = Served::new(&folder, "--max-connections 2 --threads 1");
        let (mut one, two) = (served.client(), served.client());
        assert_eq!(one.get("/a.txt", "").status, 200);
        let mut three = served.client();
        three.ask("GET", "/a.txt", "");
        three.stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        assert!(three.stream.peek(&mut [0]).is_err(), "it waits");
        drop(two);
        three.stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        assert_eq!(three.reply().status, 200);
    });
}

#[test]
fn without_descriptors_it_waits_and_does_not_spin() {
    limit(LIMIT, || {
        let folder = site();
        let served = Served::new(&folder, "--threads 1");
        let open = served.own_descriptors();
        let pid = served.child.id().to_string();
        let few = format!("--nofile={0}:{0}", open + 4);
        let status = std::process::Command::new("prlimit").args(["--pid", &pid, &few]).status();
        assert!(status.is_ok_and(|status| status.success()), "prlimit");
        let mut clients: Vec<Client> = (0..12).map(|_| served.client()).collect();
        thread::sleep(Duration::from_millis(200));
        let before = served.cpu();
        thread::sleep(Duration::from_secs(1));
        let used = served.cpu() - before;
        assert!(used < Duration::from_millis(300), "{used:?} of a second");
        // As some go, others come; those that were accepted say that files cannot be opened.
        let mut served_count = 0;
        while let Some(mut client) = clients.pop() {
            client.ask("GET", "/a.txt", "connection: close\r\n");
            client.stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
            let reply = client.reply_to("GET").map(|reply| reply.status);
            assert!(matches!(reply, None | Some(200 | 503)), "{reply:?}");
            served_count += u32::from(reply == Some(200));
        }
        assert!(served_count < 12, "all of them had descriptors");
        eventually("it goes on", || served.get("/a.txt", "").status == 200);
    });
}

#[test]
fn a_signal_lets_answers_come_to_their_end() {
    limit(LIMIT, || {
        for signal in ["-TERM", "-INT"] {
            let folder = site();
            let mut served = Served::new(&folder, "--drain 20s");
            let mut idle = served.client();
            assert_eq!(idle.get("/a.txt", "").status, 200);
            let mut busy = served.client();
            busy.ask("GET", "/big.bin", "");
            let mut some = [0; 1000];
            busy.stream.read_exact(&mut some).unwrap();
            served.signal(signal);
            assert!(idle.is_over(), "an idle connection is closed");
            let began = Instant::now();
            eventually("nobody is accepted", || TcpStream::connect(served.at).is_err());
            let took = began.elapsed();
            assert!(took < Duration::from_secs(5), "who keeps asking is refused: {took:?}");
            let rest = busy.into_rest();
            let head = some.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
            assert_eq!(some.len() - head + rest.len(), 50_000_000);
            assert_eq!(served.wait(), Some(0), "{signal}");
        }
    });
}

#[test]
fn the_drain_has_an_end_and_a_second_signal_is_one() {
    limit(LIMIT, || {
        let folder = site();
        let mut busy = Vec::new();
        let mut begin = |served: &Served| {
            let mut client = served.client();
            client.ask("GET", "/big.bin", "");
            let mut some = [0; 1000];
            client.stream.read_exact(&mut some).unwrap();
            busy.push(client);
        };
        let mut served = Served::new(&folder, "--drain 300ms");
        begin(&served);
        let began = Instant::now();
        served.signal("-TERM");
        assert_eq!(served.wait(), Some(0));
        let took = began.elapsed();
        assert!((200..20_000).contains(&took.as_millis()), "{took:?}");
        for (second, code) in [("-TERM", 143), ("-INT", 130)] {
            let mut served = Served::new(&folder, "--drain 50s");
            begin(&served);
            served.signal("-TERM");
            eventually("it drains", || TcpStream::connect(served.at).is_err());
            served.signal(second);
            assert_eq!(served.wait(), Some(code));
        }
    });
}

// What requests are made of.
const METHODS: &[&str] = &["GET", "HEAD", "POST", "get", "G\0T", "", "OPTIONS", "PRI", "\u{e9}"];
const TARGETS: &[&str] = &[
    "/",
    "/a.txt",
    "/big.bin",
    "*",
    "",
    "/%",
    "/%00",
    "/../..",
    "//",
    "/a b",
    "/\u{7f}",
    "?",
    "http://x/a.txt",
    "http://",
    "/%ff%fe",
    "/a.txt#x",
    "x",
];
const VERSIONS: &[&str] =
    &["HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTTP/9", "http/1.1", "", "HTTP/1.1 x"];
const HEADERS: &[&str] = &[
    "host: x",
    "host:",
    ": x",
    "content-length: -1",
    "content-length: 5",
    "content-length: 99999999999999999999",
    "transfer-encoding: chunked",
    "transfer-encoding: x",
    "content-length: 1, 2",
    "range: bytes=0-,",
    "range: bytes=9-1",
    "range: \u{1}",
    "if-none-match: \"",
    "if-modified-since: x",
    "accept-encoding: ;q=,*;q=9",
    " folded",
    "connection: close",
    "connection: upgrade",
    "expect: 100-continue",
    "x",
    "x\0y: z",
    "upgrade: websocket",
];
const ENDS: &[&str] = &["\r\n", "\n", "\r", "\r\n\r\n", "\0"];

/// A request of which something is wrong, by its number.
fn malformed(number: u64) -> Vec<u8> {
    let mut state = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut random = |end: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % end as u64) as usize
    };
    let mut text = Vec::new();
    for part in [METHODS[random(9)], " ", TARGETS[random(17)], " ", VERSIONS[random(7)]] {
        text.extend_from_slice(part.as_bytes());
    }
    text.extend_from_slice(ENDS[random(8).min(4) % 5 * usize::from(random(4) == 0)].as_bytes());
    for _ in 0..random(6) {
        text.extend_from_slice(HEADERS[random(22)].as_bytes());
        text.extend_from_slice(if random(10) == 0 { ENDS[random(5)] } else { "\r\n" }.as_bytes());
    }
    text.extend_from_slice(b"\r\n");
    for _ in 0..random(3) {
        let bodies = ["5\r\nhello\r\n0\r\n\r\n", "ffffffffffffffffff\r\n", "hello", "-1\r\n"];
        text.extend_from_slice(bodies[random(4)].as_bytes());
    }
    // Some bytes are others, and some requests are cut off.
    for _ in 0..random(4) {
        let at = random(text.len());
        text[at] = random(256) as u8;
    }
    if random(3) == 0 {
        text.truncate(random(text.len() + 1));
    }
    text
}

/// Sends them on connections of their own, a few at a time, and reads whatever comes.
fn talk_nonsense(served: &Served, numbers: std::ops::Range<u64>) {
    let at = served.at;
    let lanes = 8;
    thread::scope(|scope| {
        for lane in 0..lanes {
            let numbers = numbers.clone().filter(move |number| number % lanes == lane);
            scope.spawn(move || {
                for number in numbers {
                    let mut stream = TcpStream::connect(at).expect("it accepts");
                    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
                    // Who says nonsense may be cut off while saying it.
                    let _ = stream.write_all(&malformed(number));
                    let _ = stream.shutdown(Shutdown::Write);
                    let mut some = vec![0; 512];
                    let read = stream.read(&mut some);
                    if let Ok(n) = read
                        && n > 0
                    {
                        assert!(some.starts_with(b"HTTP/1."), "{number}");
                    }
                }
            });
        }
    });
}

#[test]
fn nonsense_is_refused_and_forgotten() {
    // The whole takes minutes: ANNULUS_SERVE_MALFORMED=100000.
    let count = std::env::var("ANNULUS_SERVE_MALFORMED").ok().and_then(|text| text.parse().ok());
    let count: u64 = count.unwrap_or(3000);
    limit(LIMIT + Duration::from_millis(5 * count), move || {
        let folder = site();
        let served = Served::new(&folder, "--header-timeout 2s");
        let warm = (count / 10).max(500);
        talk_nonsense(&served, 0..warm);
        let (descriptors, memory) = (served.own_descriptors(), served.memory_kib());
        talk_nonsense(&served, warm..count + warm);
        eventually("they are closed", || served.descriptors() <= descriptors + 1);
        let grown = served.memory_kib().saturating_sub(memory);
        assert!(grown < 8192, "{memory} KiB, and {grown} more");
        assert_eq!(served.get("/a.txt", "").text(), "0123456789");
        let last = served.end();
        assert!(!last.contains("panic"), "{last}");
    });
}

/// What happens to the process itself: it has no controlling terminal, and no standard input.
#[test]
fn it_serves_without_a_terminal() {
    limit(LIMIT, || {
        let folder = site();
        let mut command = serving::command(&folder.site(), "");
        command.process_group(0);
        let served = Served::of(command);
        assert_eq!(served.get("/a.txt", "").status, 200);
        served.end();
    });
}
