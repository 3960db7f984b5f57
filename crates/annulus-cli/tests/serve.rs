//! `annulus serve`: what HTTP says of files.

mod serving;

use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

use serving::{Folder, LIMIT, Served, content, limit, skip};

/// A site with a bit of everything.
fn site() -> Folder {
    let folder = Folder::new();
    folder.file("index.html", "<h1>home</h1>");
    folder.file("a.txt", "0123456789");
    folder.file("empty.txt", "");
    folder.file("docs/index.html", "docs");
    folder.file("bare/one.txt", "1");
    folder.file("small.bin", content(4096));
    folder.file("edge.bin", content(8 << 10));
    folder.file("over.bin", content((8 << 10) + 1));
    folder.file("large.bin", content(3_000_000));
    folder
}

#[test]
fn files_are_answered_whole() {
    limit(LIMIT, || {
        let folder = site();
        let served = Served::new(&folder, "");
        let mut client = served.client();
        for (path, file, kind) in [
            ("/", "index.html", "text/html; charset=utf-8"),
            ("/a.txt", "a.txt", "text/plain; charset=utf-8"),
            ("/a.txt?v=1", "a.txt", "text/plain; charset=utf-8"),
            ("/%61.t%78t", "a.txt", "text/plain; charset=utf-8"),
            ("/empty.txt", "empty.txt", "text/plain; charset=utf-8"),
            ("/docs/", "docs/index.html", "text/html; charset=utf-8"),
            ("/small.bin", "small.bin", "application/octet-stream"),
            ("/edge.bin", "edge.bin", "application/octet-stream"),
            ("/over.bin", "over.bin", "application/octet-stream"),
            ("/large.bin", "large.bin", "application/octet-stream"),
        ] {
            let want = std::fs::read(folder.site().join(file)).unwrap();
            let got = client.get(path, "");
            assert_eq!((got.status, got.field("content-type")), (200, Some(kind)), "{path}");
            assert!(got.body == want, "{path}: {} bytes", got.body.len());
            assert_eq!(got.field("accept-ranges"), Some("bytes"));
            assert!(got.field("etag").is_some() && got.field("last-modified").is_some());
            let head = client.head(path, "");
            let len = want.len().to_string();
            assert_eq!((head.status, head.field("content-length")), (200, Some(&*len)), "{path}");
            assert_eq!(head.field("etag"), got.field("etag"));
        }
        assert!(served.end().contains("ended; 20 requests"));
    });
}

#[test]
fn what_is_not_there_is_said() {
    limit(LIMIT, || {
        let folder = site();
        std::os::unix::net::UnixListener::bind(folder.site().join("socket")).unwrap();
        let fifo = folder.site().join("fifo");
        assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        let served = Served::new(&folder, "");
        let mut client = served.client();
        for (path, status) in [
            ("/none", 404),
            ("/a.txt/", 404),
            ("/a.txt/b", 404),
            ("/bare/", 404),
            ("/docs", 301),
            ("/socket", 404),
            ("/fifo", 404),
            ("/%zz", 400),
        ] {
            assert_eq!(client.get(path, "").status, status, "{path}");
        }
        assert_eq!(client.get("/docs?q=1", "").field("location"), Some("/docs/?q=1"));
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
            client.ask(method, "/a.txt", "content-length: 0\r\n");
            let reply = client.reply();
            assert_eq!((reply.status, reply.field("allow")), (405, Some("GET, HEAD")), "{method}");
        }
        let long = "a".repeat(300);
        assert_eq!(client.get(&format!("/{long}"), "").status, 404);
        let file = folder.file("mine.txt", "x");
        std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o000))
            .unwrap();
        let want = if std::fs::read(&file).is_ok() { 200 } else { 403 };
        assert_eq!(client.get("/mine.txt", "").status, want);
    });
}

#[test]
fn ranges_are_parts() {
    limit(LIMIT, || {
        let folder = site();
        let served = Served::new(&folder, "");
        let mut client = served.client();
        let large = content(3_000_000);
        for (range, status, what, part) in [
            ("bytes=2-4", 206, Some("bytes 2-4/10"), "234"),
            ("bytes=-3", 206, Some("bytes 7-9/10"), "789"),
            ("bytes=8-100", 206, Some("bytes 8-9/10"), "89"),
            ("bytes=0-1,2-3", 206, Some("bytes 0-3/10"), "0123"),
            ("lines=1-2", 200, None, "0123456789"),
            ("bytes=10-", 416, Some("bytes */10"), ""),
        ] {
            let got = client.get("/a.txt", &format!("range: {range}\r\n"));
            assert_eq!((got.status, got.field("content-range")), (status, what), "{range}");
            assert_eq!(got.text(), part, "{range}");
        }
        for (first, count) in [(0, 40_000), (1, 1), (2_999_999, 1), (5, 2_999_990)] {
            let last = first + count - 1;
            let got = client.get("/large.bin", &format!("range: bytes={first}-{last}\r\n"));
            assert_eq!(got.status, 206);
            assert!(got.body == large[first..=last], "{first}-{last}");
        }
        let head = client.head("/a.txt", "range: bytes=0-1\r\n");
        assert_eq!((head.status, head.field("content-length")), (200, Some("10")));
        let etag = client.head("/a.txt", "").field("etag").unwrap().to_owned();
        let of = |tag: &str| format!("range: bytes=0-1\r\nif-range: {tag}\r\n");
        assert_eq!(client.get("/a.txt", &of(&etag)).text(), "01");
        assert_eq!(client.get("/a.txt", &of("\"old\"")).text(), "0123456789");
    });
}

#[test]
fn conditions_are_kept() {
    limit(LIMIT, || {
        let folder = site();
        let file = std::fs::File::options().write(true).open(folder.site().join("a.txt")).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_secs(1_700_000_000)).unwrap();
        let served = Served::new(&folder, "");
        let mut client = served.client();
        let first = client.get("/a.txt", "");
        let (date, etag) = (first.field("last-modified").unwrap(), first.field("etag").unwrap());
        assert_eq!(date, "Tue, 14 Nov 2023 22:13:20 GMT");
        let (earlier, later) = (date.replace(":20 GMT", ":19 GMT"), date.replace("2023", "2024"));
        for (headers, status) in [
            (format!("if-none-match: {etag}\r\n"), 304),
            (format!("if-none-match: \"x\", W/{etag}\r\n"), 304),
            ("if-none-match: *\r\n".to_owned(), 304),
            ("if-none-match: \"x\"\r\n".to_owned(), 200),
            (format!("if-match: {etag}\r\n"), 200),
            ("if-match: \"x\"\r\n".to_owned(), 412),
            (format!("if-modified-since: {date}\r\n"), 304),
            (format!("if-modified-since: {earlier}\r\n"), 200),
            (format!("if-unmodified-since: {earlier}\r\n"), 412),
            (format!("if-unmodified-since: {later}\r\n"), 200),
        ] {
            let got = client.get("/a.txt", &headers);
            assert_eq!(got.status, status, "{headers}");
            if status == 304 {
                assert_eq!(got.field("etag"), Some(etag));
                assert_eq!(client.head("/a.txt", &headers).status, 304);
            }
        }
        folder.file("a.txt", "other");
        let anew = client.get("/a.txt", &format!("if-none-match: {etag}\r\n"));
        assert_eq!((anew.status, &*anew.text()), (200, "other"));
    });
}

#[test]
fn compressed_siblings_are_chosen() {
    limit(LIMIT, || {
        let folder = site();
        for end in ["br", "zst", "gz"] {
            folder.file(&format!("page.html.{end}"), end);
            folder.file(&format!("pic.png.{end}"), end);
        }
        folder.file("old.css.gz", "old");
        std::thread::sleep(Duration::from_millis(20)); // the clock of files has ticks
        for name in ["old.css", "page.css"] {
            folder.file(name, "plain");
        }
        for name in ["page.html", "pic.png"] {
            folder.file(name, "plain");
        }
        let newer = std::time::SystemTime::now() + Duration::from_secs(1);
        for end in ["br", "zst", "gz"] {
            let path = folder.site().join(format!("page.html.{end}"));
            let file = std::fs::File::options().write(true).open(path).unwrap();
            file.set_modified(newer).unwrap();
        }
        let served = Served::new(&folder, "");
        let mut client = served.client();
        for (path, accepted, coding, text) in [
            ("/page.html", "gzip, br, zstd", Some("br"), "br"),
            ("/page.html", "gzip;q=1, br;q=0.5", Some("gzip"), "gz"),
            ("/page.html", "zstd", Some("zstd"), "zst"),
            ("/page.html", "br;q=0, *", Some("zstd"), "zst"),
            ("/page.html", "identity", None, "plain"),
            ("/page.css", "gzip, br", None, "plain"),
            ("/old.css", "gzip", None, "plain"),
            ("/pic.png", "gzip, br", None, "plain"),
        ] {
            let got = client.get(path, &format!("accept-encoding: {accepted}\r\n"));
            assert_eq!(
                (got.status, got.field("content-encoding")),
                (200, coding),
                "{path} {accepted}"
            );
            assert_eq!(got.text(), text, "{path} {accepted}");
            let vary = (path != "/pic.png").then_some("accept-encoding");
            assert_eq!(got.field("vary"), vary, "{path}");
            let plain = std::path::Path::new(path).extension() == Some("html".as_ref());
            assert_eq!(got.field("content-type") == Some("text/html; charset=utf-8"), plain);
        }
        let plain = client.get("/page.html", "");
        let small = client.get("/page.html", "accept-encoding: br\r\n");
        assert_eq!(plain.field("content-encoding"), None);
        assert_eq!(plain.field("vary"), Some("accept-encoding"));
        assert_ne!(plain.field("etag"), small.field("etag"));
    });
}

#[test]
fn directories_are_listed_if_asked_for() {
    limit(LIMIT, || {
        let folder = site();
        folder.file("bare/<b>&.txt", "x");
        folder.file("bare/.hidden", "x");
        folder.file("bare/below/x", "x");
        let served = Served::new(&folder, "--list");
        let page = served.get("/bare/", "");
        assert_eq!(page.status, 200);
        let text = page.text();
        for words in ["./one.txt\"", "./%3Cb%3E%26.txt\">&lt;b&gt;&amp;.txt<", "./below/\"", "../"]
        {
            assert!(text.contains(words), "{words}: {text}");
        }
        assert!(!text.contains("hidden"), "{text}");
        assert_eq!(served.get("/docs/", "").text(), "docs");
        assert_eq!(served.get("/bare/%3Cb%3E%26.txt", "").status, 200);
        let served = Served::new(&folder, "--list --hidden");
        assert!(served.get("/bare/", "").text().contains("./.hidden\""));
        assert_eq!(served.get("/bare/.hidden", "").status, 200);
    });
}

#[test]
fn it_counts_and_writes_a_log() {
    limit(LIMIT, || {
        let folder = site();
        let log = folder.0.join("log");
        let options = format!("--threads 1 --metrics /metrics --log={}", log.display());
        let served = Served::new(&folder, &options);
        let mut client = served.client();
        assert_eq!(client.get("/a.txt", "").status, 200);
        assert_eq!(client.get("/large.bin", "").status, 200);
        assert_eq!(client.get("/no%20\"ne", "").status, 404);
        client.head("/a.txt", "");
        let mut nonsense = served.client();
        nonsense.send("GET /a.txt\r\n\r\n");
        assert_eq!(nonsense.reply().status, 400);
        assert!(nonsense.is_over());
        let counts = client.get("/metrics", "").text();
        for line in [
            "annulus_serve_requests_total{code=\"2xx\"} 3",
            "annulus_serve_requests_total{code=\"4xx\"} 2",
            "annulus_serve_sendfile_bytes_total 3000000",
            "annulus_serve_connections 2",
            "annulus_serve_connections_total 2",
        ] {
            assert!(counts.lines().any(|one| one == line), "{line}: {counts}");
        }
        served.end();
        let text = std::fs::read_to_string(log).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 6, "{text}");
        assert!(lines[0].starts_with("127.0.0.1 - - ["), "{text}");
        assert!(lines[0].ends_with(" +0000] \"GET /a.txt HTTP/1.1\" 200 10"), "{text}");
        assert!(lines[2].contains("\"GET /no%20\\x22ne HTTP/1.1\" 404 "), "{text}");
        assert!(lines[3].ends_with("\"HEAD /a.txt HTTP/1.1\" 200 0"), "{text}");
    });
}

#[test]
fn bodies_of_requests_are_not_read() {
    limit(LIMIT, || {
        let folder = site();
        let served = Served::new(&folder, "");
        let mut client = served.client();
        client.ask("GET", "/a.txt", "content-length: 5\r\n");
        client.send("body!");
        assert_eq!(client.reply().text(), "0123456789");
        // One that never comes: the answer does, and the connection is not kept for it.
        let mut client = served.client();
        client.ask("POST", "/a.txt", "content-length: 1000000\r\nexpect: 100-continue\r\n");
        assert_eq!(client.reply().status, 405);
        assert!(client.is_over());
        let mut client = served.client();
        client.send("GET /a.txt HTTP/1.0\r\n\r\n");
        assert_eq!(client.reply().text(), "0123456789");
        assert!(client.is_over());
    });
}

#[test]
fn curl_gets_the_same() {
    limit(LIMIT, || {
        if Command::new("curl").arg("--version").output().is_err() {
            return skip("curl_gets_the_same", "curl is not installed");
        }
        let folder = site();
        let served = Served::new(&folder, "");
        let curl = |options: &str, path: &str| {
            let url = format!("http://{}{path}", served.at);
            let mut command = Command::new("curl");
            command.args(["-s", "--max-time", "20"]).args(options.split_whitespace());
            command.arg(url).output().unwrap().stdout
        };
        assert!(curl("", "/large.bin") == content(3_000_000));
        assert!(curl("-r 5-1999999", "/large.bin") == content(3_000_000)[5..2_000_000]);
        let several = String::from_utf8(curl("-r 0-1,5-6", "/a.txt")).unwrap();
        let parts: Vec<&str> = several.split("\r\n\r\n").collect();
        assert!(parts[1].starts_with("01\r\n--") && parts[2].starts_with("56\r\n--"), "{several}");
        assert_eq!(parts.len(), 3, "{several}");
        assert_eq!(curl("-L", "/docs"), b"docs");
        assert_eq!(curl("--path-as-is -o /dev/null -w %{http_code}", "/../Cargo.toml"), b"404");
        assert_eq!(curl("-I -o /dev/null -w %{http_code}", "/a.txt"), b"200");
        // A download that was broken off, and goes on.
        let part = folder.0.join("part");
        std::fs::write(&part, &content(3_000_000)[..1_000_000]).unwrap();
        curl(&format!("-C - -o {}", part.display()), "/large.bin");
        assert!(std::fs::read(&part).unwrap() == content(3_000_000));
    });
}
