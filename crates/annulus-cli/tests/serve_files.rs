//! `annulus serve`: what is sent is the file, whole and nothing else, whoever reads it how.
//!
//! The content has no zero byte: what stands for a file in the program is zeros.

mod serving;

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use serving::{Client, Folder, LIMIT, Served, content, eventually, limit};

/// A generator that is the same each time.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

const SIZES: [usize; 6] = [1, 5000, 8 << 10, (8 << 10) + 1, 200_000, 2_500_000];

fn site() -> Folder {
    let folder = Folder::new();
    for size in SIZES {
        folder.file(&format!("{size}.bin"), content(size));
    }
    folder
}

/// Requests that go out at once, and what must come back.
fn batch(random: &mut Random) -> (Vec<u8>, Vec<Vec<u8>>) {
    let (mut text, mut bodies) = (Vec::new(), Vec::new());
    for _ in 0..1 + random.below(6) {
        let size = SIZES[random.below(SIZES.len() as u64) as usize];
        let whole = content(size);
        write!(text, "GET /{size}.bin HTTP/1.1\r\nhost: x\r\n").unwrap();
        match random.below(3) {
            0 => {
                let first = random.below(size as u64) as usize;
                let last = first + random.below((size - first) as u64) as usize;
                write!(text, "range: bytes={first}-{last}\r\n").unwrap();
                bodies.push(whole[first..=last].to_vec());
            }
            _ => bodies.push(whole),
        }
        text.extend_from_slice(b"\r\n");
    }
    (text, bodies)
}

/// One connection that asks for many things at once, and reads as it likes.
fn converse(at: SocketAddr, random: &mut Random) {
    let mut client = Client::new(at);
    let is_slow = random.below(4) == 0;
    for _ in 0..4 {
        let (text, bodies) = batch(random);
        client.send(&text);
        for want in bodies {
            if is_slow {
                thread::sleep(Duration::from_millis(random.below(20)));
            }
            let got = client.reply();
            assert!(matches!(got.status, 200 | 206));
            assert!(got.body == want, "{} bytes of {}", got.body.len(), want.len());
        }
    }
}

#[test]
fn any_mix_of_requests_gets_the_files() {
    limit(2 * LIMIT, || {
        let folder = site();
        // Who compares megabytes on a busy machine asks late.
        let served = Served::new(&folder, "--header-timeout 60s");
        thread::scope(|scope| {
            for seed in 1..=6 {
                let at = served.at;
                scope.spawn(move || {
                    let mut random = Random(seed * 0x9E37_79B9);
                    for _ in 0..5 {
                        converse(at, &mut random);
                    }
                });
            }
        });
        served.end();
    });
}

/// Whoever goes away in the middle has seen the beginning and nothing else, and costs nothing.
#[test]
fn connections_that_break_off_leave_nothing() {
    limit(2 * LIMIT, || {
        let folder = site();
        let served = Served::new(&folder, "");
        let want = content(2_500_000);
        let before = served.own_descriptors();
        let mut random = Random(77);
        for round in 0..100 {
            let mut client = served.client();
            client.ask("GET", "/2500000.bin", "");
            client.ask("GET", "/200000.bin", "");
            let mut got = vec![0; random.below(600_000) as usize];
            client.stream.read_exact(&mut got).expect("a beginning");
            let head = got.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4);
            if let Some(head) = head {
                assert!(got[head..] == want[..got.len() - head], "round {round}");
            }
            if round % 3 == 0 {
                let _ = client.stream.shutdown(Shutdown::Both);
            }
        }
        eventually("the descriptors are closed", || served.descriptors() <= before + 1);
        served.end();
    });
}

/// A peer that takes nothing for a while, and then byte by byte.
#[test]
fn a_slow_reader_gets_it_all() {
    limit(2 * LIMIT, || {
        let folder = Folder::new();
        let want = content(20_000_000);
        folder.file("big.bin", &want);
        let served = Served::new(&folder, "");
        let mut slow = served.client();
        slow.ask("GET", "/big.bin", "");
        let mut other = served.client();
        for _ in 0..3 {
            thread::sleep(Duration::from_millis(100));
            assert!(other.get("/big.bin", "range: bytes=0-99\r\n").body == want[..100]);
        }
        let mut bytes = [0; 1];
        for _ in 0..100 {
            slow.stream.read_exact(&mut bytes).unwrap();
        }
        // The head is cut, the rest is the file's.
        let mut rest = vec![0; 19_000_000];
        slow.stream.read_exact(&mut rest).unwrap();
        let head = rest.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        assert!(rest[head..] == want[..rest.len() - head]);
        served.end();
    });
}

/// The length is promised before: a file that becomes shorter ends the connection.
#[test]
fn a_file_that_is_truncated_ends_the_connection() {
    limit(LIMIT, || {
        let folder = Folder::new();
        let want = content(30_000_000);
        let path = folder.file("big.bin", &want);
        let served = Served::new(&folder, "");
        let mut client = served.client();
        client.ask("GET", "/big.bin", "");
        let mut first = vec![0; 1000];
        client.stream.read_exact(&mut first).unwrap();
        std::fs::File::options().write(true).open(&path).unwrap().set_len(1_000_000).unwrap();
        let got = client.into_rest();
        assert!(got.len() < want.len() - 1000, "{}", got.len());
        let start = first.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        let begun = first.len() - start;
        assert!(first[start..] == want[..begun]);
        // What is behind it may have been on its way, and is zeros then: the pages themselves are
        // sent, and the kernel clears what it cuts off.
        let sure = got.len().min(1_000_000 - begun);
        assert!(got[..sure] == want[begun..begun + sure]);
        assert!(served.get("/big.bin", "").body == want[..1_000_000]);
    });
}

/// Replaced by another, the old one is sent to its end, and the new one to who asks anew.
#[test]
fn a_file_that_is_replaced_is_one_or_the_other() {
    limit(LIMIT, || {
        let folder = Folder::new();
        let (old, new) = (content(10_000_000), content(9_000_000));
        folder.file("big.bin", &old);
        let served = Served::new(&folder, "");
        let mut client = served.client();
        client.ask("GET", "/big.bin", "");
        let next = folder.file("next.bin", &new);
        eventually("it is sent", || served.client().stream.peer_addr().is_ok());
        let mut some = [0; 16];
        client.stream.read_exact(&mut some).unwrap();
        std::fs::rename(next, folder.site().join("big.bin")).unwrap();
        let got = client.to_end_of(10_000_000);
        assert!(got == old[old.len() - got.len()..]);
        assert!(served.get("/big.bin", "").body == new);
    });
}

/// The last bytes of an answer.
trait ToEndOf {
    fn to_end_of(self, len: usize) -> Vec<u8>;
}

impl ToEndOf for Client {
    fn to_end_of(mut self, len: usize) -> Vec<u8> {
        // Nothing else is asked for, and so it ends.
        let mut got = Vec::new();
        let mut buf = vec![0; 64 << 10];
        while !got.windows(4).take(2000).any(|four| four == b"\r\n\r\n") {
            let n = self.stream.read(&mut buf).unwrap();
            got.extend_from_slice(&buf[..n]);
        }
        let head = got.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        got.drain(..head);
        while got.len() < len {
            let n = self.stream.read(&mut buf).unwrap();
            assert!(n > 0, "{} of {len}", got.len());
            got.extend_from_slice(&buf[..n]);
        }
        got
    }
}

/// A file that is not in memory is read from the disk, without keeping others waiting for long.
#[test]
fn a_file_that_is_not_in_memory_is_sent() {
    limit(LIMIT, || {
        let folder = Folder::new();
        let want = content(8_000_000);
        let path = folder.file("cold.bin", &want);
        folder.file("small.bin", &want[..6_000]);
        let served = Served::new(&folder, "");
        for name in ["cold.bin", "small.bin"] {
            let file = std::fs::File::open(path.with_file_name(name)).unwrap();
            file.sync_all().unwrap();
            // Out of the page cache, as far as the file system has one.
            let advice = rustix::fs::Advice::DontNeed;
            rustix::fs::fadvise(&file, 0, None, advice).unwrap();
        }
        assert!(served.get("/cold.bin", "").body == want);
        assert!(served.get("/small.bin", "").body == want[..6_000]);
    });
}

/// Half of a connection is enough to get an answer.
#[test]
fn who_has_said_all_is_answered() {
    limit(LIMIT, || {
        let folder = site();
        let served = Served::new(&folder, "");
        let mut stream = TcpStream::connect(served.at).unwrap();
        stream.write_all(b"GET /2500000.bin HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let began = Instant::now();
        let mut got = Vec::new();
        stream.read_to_end(&mut got).unwrap();
        assert!(got.ends_with(&content(2_500_000)));
        assert!(began.elapsed() < Duration::from_secs(20));
    });
}
