//! `annulus serve`: the command line, and what is said when it cannot serve.

mod serving;

use std::net::TcpListener;
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::Value;
use serving::{Folder, LIMIT, Served, command, eventually, limit};

fn annulus(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_annulus"));
    command.arg("serve").args(arguments).env("NO_COLOR", "1").output().expect("it runs")
}

/// The one line that says what is wrong.
#[track_caller]
fn complaint(arguments: &[&str], code: i32) -> String {
    let output = annulus(arguments);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.starts_with("annulus: ") && text.ends_with(")\n"), "{text}");
    assert!(output.stdout.is_empty());
    text
}

#[test]
fn what_cannot_be_served_is_said_in_a_line() {
    limit(LIMIT, || {
        let folder = Folder::new();
        let site = folder.site().display().to_string();
        let text = complaint(&["/no/such/dir", "--listen", "127.0.0.1:0"], 3);
        assert!(text.contains("/no/such/dir: No such file or directory (give a dir"), "{text}");
        let file = folder.file("a.txt", "a").display().to_string();
        let text = complaint(&[&file, "--listen", "127.0.0.1:0"], 3);
        assert!(text.contains("Not a directory"), "{text}");
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = other.local_addr().unwrap().to_string();
        for threads in ["1", "2"] {
            let text = complaint(&[&site, "--listen", &at, "--threads", threads], 3);
            let words = format!("listen at {at}: Address already in use (`ss -ltnp sport = ");
            assert!(text.contains(&words), "{text}");
        }
        let text = complaint(&[&site, "--listen", "203.0.113.7:80"], 3);
        assert!(text.contains("203.0.113.7:80"), "{text}");
        let text = complaint(&[&site, "--listen", "127.0.0.1:0", "--log=/no/such/dir/log"], 3);
        assert!(text.contains("/no/such/dir/log: No such file"), "{text}");
    });
}

#[test]
fn two_servers_do_not_share_a_port() {
    limit(LIMIT, || {
        let folder = Folder::new();
        let served = Served::new(&folder, "--threads 2");
        let (site, at) = (folder.site().display().to_string(), served.at.to_string());
        for threads in ["1", "2"] {
            let text = complaint(&[&site, "--listen", &at, "--threads", threads], 3);
            assert!(text.contains("Address already in use"), "{text}");
        }
        served.end();
    });
}

#[test]
fn wrong_options_are_said() {
    for arguments in [
        &["--listen", "x"][..],
        &["--threads", "0"],
        &["--metrics", "metrics"],
        &["--header-size", "1k"],
        &["--idle-timeout", "0s"],
        &["--idle-timeout", "60"],
        &["--no-such"],
        &["a", "b"],
    ] {
        let text = complaint(arguments, 64);
        assert!(text.contains("command line"), "{text}");
    }
    let help = annulus(&["--help"]);
    let text = String::from_utf8(help.stdout).unwrap();
    for words in
        ["RESOLVE_BENEATH", "--listen", "[default: 127.0.0.1:8080]", "Limits:", "Exit codes"]
    {
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[test]
fn json_says_where_it_listens() {
    limit(LIMIT, || {
        let folder = Folder::new();
        folder.file("a.txt", "a");
        let mut command = command(&folder.site(), "--json --threads 3");
        let mut child = command.spawn().unwrap();
        let stdout = child.stdout.take().unwrap();
        let mut values = serde_json::Deserializer::from_reader(stdout).into_iter::<Value>();
        let said = values.next().unwrap().unwrap();
        assert_eq!((&said["schema"], &said["threads"]), (&1.into(), &3.into()));
        let at = said["listen"].as_str().unwrap().parse().unwrap();
        assert_eq!(serving::Client::new(at).get("/a.txt", "").text(), "a");
        let pid = child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        assert_eq!(child.wait().unwrap().code(), Some(0));
    });
}

#[test]
fn each_thread_has_a_listener() {
    limit(LIMIT, || {
        let folder = Folder::new();
        folder.file("a.txt", "a");
        let served = Served::new(&folder, "--threads 3 --metrics /metrics");
        let pid = served.child.id();
        eventually("there are threads", || {
            let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
            let name = |task: std::io::Result<std::fs::DirEntry>| {
                std::fs::read_to_string(task.ok()?.path().join("comm")).ok()
            };
            tasks.filter_map(name).filter(|name| name.starts_with("serve-")).count() == 3
        });
        for _ in 0..60 {
            assert_eq!(served.get("/a.txt", "").status, 200);
        }
        let counts = served.get("/metrics", "").text();
        assert!(counts.contains("annulus_serve_connections_total 61\n"), "{counts}");
        served.end();
    });
}

/// Without anything to do it does nothing.
#[test]
fn an_idle_server_takes_no_time() {
    limit(LIMIT, || {
        let folder = Folder::new();
        folder.file("a.txt", "a");
        let served = Served::new(&folder, "--threads 2");
        assert_eq!(served.get("/a.txt", "").status, 200);
        let mut idle = served.client();
        assert_eq!(idle.get("/a.txt", "").status, 200);
        std::thread::sleep(Duration::from_millis(200));
        let before = served.cpu();
        std::thread::sleep(Duration::from_secs(1));
        let used = served.cpu() - before;
        assert!(used <= Duration::from_millis(50), "{used:?}");
    });
}

#[test]
fn the_log_goes_to_standard_output() {
    limit(LIMIT, || {
        let folder = Folder::new();
        folder.file("a.txt", "a");
        let mut served = Served::new(&folder, "--log");
        assert_eq!(served.get("/a.txt", "").status, 200);
        let mut stdout = served.child.stdout.take().unwrap();
        served.signal("-TERM");
        let mut text = String::new();
        std::io::Read::read_to_string(&mut stdout, &mut text).unwrap();
        assert!(text.ends_with("\"GET /a.txt HTTP/1.1\" 200 1\n"), "{text}");
        assert_eq!(served.wait(), Some(0));
    });
}
