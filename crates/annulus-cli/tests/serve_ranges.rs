//! `annulus serve`: several ranges of a file in one answer.

mod serving;

use std::io::Read;
use std::ops::Range;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use serving::{Client, Folder, LIMIT, Reply, Served, content, limit};

const LARGE: usize = 3_000_000;

fn site() -> Folder {
    let folder = Folder::new();
    folder.file("a.txt", "0123456789");
    folder.file("empty.txt", "");
    folder.file("large.bin", content(LARGE));
    folder
}

/// A part of an answer: its fields, and its bytes.
struct Part {
    head: String,
    bytes: Vec<u8>,
}

/// Takes what comes next, which must be so.
#[track_caller]
fn take(body: &mut &[u8], want: &str) {
    let Some(rest) = body.strip_prefix(want.as_bytes()) else {
        let next = String::from_utf8_lossy(&body[..body.len().min(200)]);
        panic!("{next:?} where {want:?} belongs");
    };
    *body = rest;
}

/// The parts of an answer, of which each byte is accounted for.
#[track_caller]
fn parts(reply: &Reply) -> Vec<Part> {
    assert_eq!((reply.status, reply.field("content-range")), (206, None), "{}", reply.head);
    assert_eq!(reply.field("content-encoding"), None, "{}", reply.head);
    let kind = reply.field("content-type").expect("a type");
    let boundary = kind.strip_prefix("multipart/byteranges; boundary=").expect(kind);
    assert!((16..=70).contains(&boundary.len()), "{boundary}");
    assert!(boundary.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{boundary}");
    let (mut body, mut parts) = (&reply.body[..], Vec::new());
    while !body.starts_with(format!("\r\n--{boundary}--").as_bytes()) {
        if !parts.is_empty() {
            take(&mut body, "\r\n");
        }
        take(&mut body, &format!("--{boundary}\r\n"));
        let end = body.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
        let head = String::from_utf8(body[..end + 2].to_vec()).expect("text");
        body = &body[end + 4..];
        let (first, last, _) = range(&head);
        let (bytes, rest) = body.split_at(last + 1 - first);
        parts.push(Part { head, bytes: bytes.to_vec() });
        body = rest;
    }
    take(&mut body, &format!("\r\n--{boundary}--\r\n"));
    assert!(body.is_empty(), "{} bytes behind the end", body.len());
    parts
}

/// The first byte, the last, and the length of the file, by the fields of a part.
fn range(head: &str) -> (usize, usize, usize) {
    let line = head.lines().find_map(|line| line.strip_prefix("Content-Range: bytes "));
    let numbers = line.expect(head).split(['-', '/']).map(|digits| digits.parse().expect(head));
    let [first, last, len] = numbers.collect::<Vec<_>>()[..] else { panic!("{head}") };
    (first, last, len)
}

/// A field that asks for ranges.
fn field(ranges: &[Range<usize>]) -> String {
    let ranges: Vec<_> = ranges.iter().map(|r| format!("{}-{}", r.start, r.end - 1)).collect();
    format!("range: bytes={}\r\n", ranges.join(","))
}

/// Whether an answer is these parts of a file.
#[track_caller]
fn check(reply: &Reply, whole: &[u8], ranges: &[Range<usize>]) {
    let got = parts(reply);
    assert_eq!(got.len(), ranges.len());
    for (part, want) in got.iter().zip(ranges) {
        assert_eq!(range(&part.head), (want.start, want.end - 1, whole.len()));
        assert!(part.bytes == whole[want.clone()], "{want:?}");
    }
}

/// So many ranges from one end of the large file to the other, with gaps between them.
fn spread(count: usize, bytes: usize) -> Vec<Range<usize>> {
    (0..count).map(|n| n * (LARGE / count)).map(|first| first..first + bytes).collect()
}

/// A connection that takes little more than is read from it: the kernel's room for what comes may
/// grow to tens of megabytes.
fn narrow(served: &Served) -> Client {
    let client = served.client();
    rustix::net::sockopt::set_socket_recv_buffer_size(&client.stream, 64 << 10).expect("a size");
    client
}

#[test]
fn several_ranges_are_parts_of_one_answer() {
    limit(LIMIT, || {
        let folder = site();
        let served = Served::new(&folder, "");
        let mut client = served.client();
        let got = client.get("/a.txt", "range: bytes=0-1,5-6\r\n");
        check(&got, b"0123456789", &[0..2, 5..7]);
        let kind = "Content-Type: text/plain; charset=utf-8\r\n";
        assert!(parts(&got).iter().all(|part| part.head.starts_with(kind)));
        assert!(got.field("etag").is_some() && got.field("last-modified").is_some());
        // As they were asked for, joined where they touch, without what is behind the end.
        for (value, want) in [
            ("5-6,0-1", &[5..7, 0..2][..]),
            ("-1,0-0", &[9..10, 0..1]),
            ("8-,0-3,2-4,10-20", &[8..10, 0..5]),
        ] {
            let got = client.get("/a.txt", &format!("range: bytes={value}\r\n"));
            check(&got, b"0123456789", want);
        }
        // On both sides of what is read into the program, and of what is sent at once.
        let large = content(LARGE);
        for ranges in [
            vec![0..4096, 5000..9096],
            vec![0..4096, 5000..9097],
            vec![LARGE - 1..LARGE, 0..1, 7..1_400_000],
            vec![1_500_000..LARGE, 0..1_400_000],
            spread(16, 1),
            spread(16, 513),
            spread(16, LARGE / 16 - 1),
        ] {
            check(&client.get("/large.bin", &field(&ranges)), &large, &ranges);
        }
        served.end();
    });
}

#[test]
fn what_is_left_of_several_ranges_is_answered_as_one() {
    limit(LIMIT, || {
        let folder = site();
        let served = Served::new(&folder, "");
        let mut client = served.client();
        for (path, ranges, status, what, text) in [
            ("/a.txt", "0-1,10-", 206, Some("bytes 0-1/10"), "01"),
            ("/a.txt", "4-6,2-4,-4", 206, Some("bytes 2-9/10"), "23456789"),
            ("/a.txt", "10-,20-30", 416, Some("bytes */10"), ""),
            ("/empty.txt", "0-1,5-6", 416, Some("bytes */0"), ""),
            ("/a.txt", "0-1,6-5", 200, None, "0123456789"),
            ("/a.txt", "0-1,x", 200, None, "0123456789"),
        ] {
            let got = client.get(path, &format!("range: bytes={ranges}\r\n"));
            assert_eq!((got.status, got.field("content-range")), (status, what), "{ranges}");
            assert_eq!(got.text(), text, "{ranges}");
            let kind = (status != 416).then_some("text/plain; charset=utf-8");
            assert_eq!(got.field("content-type"), kind, "{ranges}");
        }
        // Ranges have a meaning for GET alone.
        let head = client.head("/a.txt", "range: bytes=0-1,5-6\r\n");
        assert_eq!((head.status, head.field("content-length")), (200, Some("10")));
        assert_eq!(head.field("content-type"), Some("text/plain; charset=utf-8"));
        assert_eq!(client.get("/a.txt", "").text(), "0123456789");
    });
}

#[test]
fn conditions_come_before_several_ranges() {
    limit(LIMIT, || {
        let folder = site();
        let served = Served::new(&folder, "");
        let mut client = served.client();
        let first = client.head("/a.txt", "");
        let (etag, date) = (first.field("etag").unwrap(), first.field("last-modified").unwrap());
        for (condition, status) in [
            (format!("if-range: {etag}"), 206),
            (format!("if-range: {date}"), 206),
            ("if-range: \"old\"".to_owned(), 200),
            ("if-range: Tue, 14 Nov 2023 22:13:20 GMT".to_owned(), 200),
            (format!("if-none-match: {etag}"), 304),
            ("if-match: \"old\"".to_owned(), 412),
        ] {
            let got = client.get("/a.txt", &format!("range: bytes=0-1,5-6\r\n{condition}\r\n"));
            assert_eq!(got.status, status, "{condition}");
            match status {
                206 => check(&got, b"0123456789", &[0..2, 5..7]),
                200 => assert_eq!(got.text(), "0123456789"),
                _ => {}
            }
        }
    });
}

/// The ranges are of what is sent, and so is what each part says of itself.
#[test]
fn several_ranges_of_a_compressed_sibling() {
    limit(LIMIT, || {
        let folder = Folder::new();
        let packed = content(50_000);
        folder.file("page.html", "plain text of a page");
        let sibling = folder.file("page.html.gz", &packed);
        let sibling = std::fs::File::options().write(true).open(sibling).unwrap();
        sibling.set_modified(SystemTime::now() + Duration::from_secs(1)).unwrap();
        let served = Served::new(&folder, "");
        let mut client = served.client();
        for ranges in [[40_000..40_010, 2..4], [40_000..49_000, 2..4000]] {
            let fields = format!("accept-encoding: gzip\r\n{}", field(&ranges));
            let got = client.get("/page.html", &fields);
            check(&got, &packed, &ranges);
            assert_eq!(got.field("vary"), Some("accept-encoding"));
            for part in parts(&got) {
                let want = "Content-Type: text/html; charset=utf-8\r\nContent-Encoding: gzip\r\n";
                assert!(part.head.starts_with(want), "{}", part.head);
            }
        }
        let got = client.get("/page.html", "range: bytes=0-4,11-12\r\n");
        check(&got, b"plain text of a page", &[0..5, 11..13]);
        assert!(parts(&got).iter().all(|part| !part.head.contains("Content-Encoding")));
    });
}

#[test]
fn a_boundary_is_new_each_time() {
    limit(LIMIT, || {
        let folder = site();
        let served = Served::new(&folder, "--threads 1");
        let mut client = served.client();
        let mut kinds: Vec<String> = (0..50)
            .map(|_| client.get("/a.txt", "range: bytes=0-1,5-6\r\n"))
            .map(|reply| reply.field("content-type").unwrap().to_owned())
            .collect();
        kinds.sort();
        kinds.dedup();
        assert_eq!(kinds.len(), 50);
    });
}

/// Who asks for more than a few gets the file, once; who asks for the same again and again, too.
#[test]
fn asking_for_much_does_not_bring_more_than_the_file() {
    limit(LIMIT, || {
        let folder = site();
        let served = Served::new(&folder, "");
        let mut client = served.client();
        let large = content(LARGE);
        for ranges in [spread(17, 1), spread(1000, 1), vec![0..LARGE; 17]] {
            let got = client.get("/large.bin", &field(&ranges));
            assert!((got.status, &got.body) == (200, &large), "{} ranges", ranges.len());
        }
        let got = client.get("/large.bin", &field(&vec![0..LARGE; 16]));
        let all = format!("bytes 0-{}/{LARGE}", LARGE - 1);
        assert_eq!((got.status, got.field("content-range")), (206, Some(&*all)));
        assert!(got.body == large);
        let longest = client.get("/large.bin", &field(&spread(16, LARGE / 16 - 1)));
        assert!(longest.body.len() < LARGE + 16 * 200, "{}", longest.body.len());
    });
}

/// Peers that ask for all of a file in parts, and take next to nothing: the parts stay in the file.
#[test]
fn parts_are_not_kept_in_memory() {
    limit(LIMIT, || {
        let folder = Folder::new();
        let whole = content(16_000_000);
        folder.file("big.bin", &whole);
        let served = Served::new(&folder, "");
        let ranges: Vec<_> = (0..16).map(|n| n * 1_000_000..(n + 1) * 1_000_000 - 1).collect();
        let open = served.own_descriptors();
        let begin = || {
            let mut client = served.client();
            client.ask("GET", "/big.bin", &field(&ranges));
            client.stream.read_exact(&mut [0; 1000]).unwrap();
            client
        };
        let first: Vec<_> = (0..10).map(|_| begin()).collect();
        let before = served.memory_kib();
        let more: Vec<_> = (0..30).map(|_| begin()).collect();
        let grown = served.memory_kib().saturating_sub(before);
        assert!(grown < 8192, "{before} KiB, and {grown} more");
        // A connection has its socket and its file, however many parts there are; the kernel in
        // user space has the socket twice.
        assert!(served.descriptors() <= open + 3 * 40, "{open}, then {}", served.descriptors());
        drop((first, more));
        check(&served.get("/big.bin", &field(&ranges)), &whole, &ranges);
    });
}

/// Requests that go out at once, of all kinds, whose answers are read in haste or at leisure.
#[test]
fn answers_in_parts_follow_others_on_a_connection() {
    limit(LIMIT, || {
        let folder = site();
        let served = Served::new(&folder, "--metrics /metrics");
        let large = content(LARGE);
        for pause in [0, 20] {
            let mut client = served.client();
            let (few, many) = (spread(3, 100), spread(16, 150_000));
            for _ in 0..3 {
                client.ask("GET", "/large.bin", &field(&many));
                client.ask("GET", "/a.txt", "");
                client.ask("GET", "/large.bin", &field(&few));
                client.ask("GET", "/large.bin", &field(&many[..2]));
                client.ask("GET", "/large.bin", "");
            }
            for _ in 0..3 {
                thread::sleep(Duration::from_millis(pause));
                check(&client.reply(), &large, &many);
                assert_eq!(client.reply().text(), "0123456789");
                check(&client.reply(), &large, &few);
                check(&client.reply(), &large, &many[..2]);
                assert!(client.reply().body == large);
            }
        }
        let counts = served.get("/metrics", "").text();
        assert!(counts.contains("requests_total{code=\"2xx\"} 30\n"), "{counts}");
        let sent = 6 * (16 * 150_000 + 2 * 150_000 + LARGE);
        assert!(counts.contains(&format!("sendfile_bytes_total {sent}\n")), "{counts}");
    });
}

/// Between two parts a connection is not an idle one, however long its peer takes.
#[test]
fn who_pauses_between_two_parts_gets_the_rest() {
    limit(LIMIT, || {
        let folder = Folder::new();
        let whole = content(20_000_000);
        folder.file("big.bin", &whole);
        let served = Served::new(&folder, "--idle-timeout 200ms");
        let ranges = [0..2_000_000, 3_000_000..4_000_000, 5_000_000..20_000_000];
        let mut client = narrow(&served);
        client.ask("GET", "/big.bin", &field(&ranges));
        let mut some = vec![0; 6_000_000];
        client.stream.read_exact(&mut some).unwrap();
        thread::sleep(Duration::from_millis(1200));
        let rest = client.into_rest();
        assert!(rest.len() > 12_000_000, "{} bytes came", rest.len());
        let last = rest.windows(2).rposition(|two| two == b"\r\n").unwrap();
        let end = rest[..last].windows(4).rposition(|four| four == b"\r\n--").unwrap();
        assert!(whole.ends_with(&rest[..end]), "{} bytes", rest.len());
    });
}

/// What was promised of a file that becomes shorter cannot be sent: the connection ends.
#[test]
fn a_file_that_is_truncated_between_parts_ends_the_connection() {
    limit(LIMIT, || {
        let folder = Folder::new();
        let path = folder.file("big.bin", content(30_000_000));
        let served = Served::new(&folder, "");
        let mut client = narrow(&served);
        client.ask("GET", "/big.bin", &field(&[0..14_000_000, 15_000_000..30_000_000]));
        client.stream.read_exact(&mut [0; 1000]).unwrap();
        std::fs::File::options().write(true).open(&path).unwrap().set_len(15_000_000).unwrap();
        let began = Instant::now();
        let got = client.into_rest().len();
        assert!((13_000_000..15_000_000).contains(&got), "{got}");
        assert!(began.elapsed() < Duration::from_secs(20));
        assert_eq!(served.get("/big.bin", "range: bytes=15000000-,20000000-\r\n").status, 416);
    });
}

#[test]
fn parts_that_are_not_in_memory_are_sent() {
    limit(LIMIT, || {
        let folder = site();
        let served = Served::new(&folder, "");
        let large = content(LARGE);
        let file = std::fs::File::open(folder.site().join("large.bin")).unwrap();
        for ranges in [spread(16, 100), spread(16, 100_000)] {
            file.sync_all().unwrap();
            // Out of the page cache, as far as the file system has one.
            rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
            check(&served.get("/large.bin", &field(&ranges)), &large, &ranges);
        }
    });
}

#[test]
fn the_log_has_the_length_of_all_parts() {
    limit(LIMIT, || {
        let folder = site();
        let log = folder.0.join("log");
        let served = Served::new(&folder, &format!("--threads 1 --log={}", log.display()));
        let mut client = served.client();
        let mut lengths = Vec::new();
        for ranges in [spread(2, 10), spread(2, 10_000)] {
            let got = client.get("/large.bin", &field(&ranges));
            let len = got.body.len().to_string();
            assert_eq!(got.field("content-length"), Some(&*len));
            lengths.push(len);
        }
        served.end();
        let text = std::fs::read_to_string(log).unwrap();
        for (line, len) in text.lines().zip(&lengths) {
            assert!(line.ends_with(&format!("\"GET /large.bin HTTP/1.1\" 206 {len}")), "{text}");
        }
        assert_eq!(text.lines().count(), 2, "{text}");
    });
}
