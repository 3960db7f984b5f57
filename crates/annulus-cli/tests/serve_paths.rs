//! `annulus serve`: nothing outside of the directory is served, whatever is asked for.

mod serving;

use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serving::{Client, Folder, LIMIT, Served, limit};

const SECRET: &str = "nobody may see this";

/// A site, and beside it what must not be seen.
fn site() -> Folder {
    let folder = Folder::new();
    std::fs::write(folder.0.join("secret.txt"), SECRET).unwrap();
    std::fs::create_dir(folder.0.join("secrets")).unwrap();
    std::fs::write(folder.0.join("secrets/index.html"), SECRET).unwrap();
    folder.file("a.txt", "a");
    folder.file("below/b.txt", "b");
    folder.file(".env", SECRET);
    folder.file(".git/config", SECRET);
    let at = |name: &str| folder.site().join(name);
    symlink("below/b.txt", at("inside.txt")).unwrap();
    symlink("../secret.txt", at("out.txt")).unwrap();
    symlink(folder.0.join("secret.txt"), at("absolute.txt")).unwrap();
    symlink("../secrets", at("outdir")).unwrap();
    symlink(folder.0.join("secrets"), at("absolutedir")).unwrap();
    symlink("../../secret.txt", at("below/deep.txt")).unwrap();
    symlink("/proc/self/root", at("whole")).unwrap();
    symlink("loop", at("loop")).unwrap();
    folder
}

#[test]
fn no_path_leads_out() {
    limit(LIMIT, || {
        let folder = site();
        for options in ["", "--hidden --list"] {
            let served = Served::new(&folder, options);
            let mut client = served.client();
            assert_eq!(client.get("/inside.txt", "").text(), "b");
            let absolute = folder.0.join("secret.txt").display().to_string();
            let slashes = absolute.replace('/', "%2f");
            let climbs = (0..12).map(|n| format!("/{}secret.txt", "../".repeat(n + 1)));
            let paths = [
                "/out.txt",
                "/absolute.txt",
                "/outdir/",
                "/outdir/index.html",
                "/absolutedir/",
                "/below/deep.txt",
                "/below/../../secret.txt",
                "/below/..%2f../secret.txt",
                "/%2e%2e/secret.txt",
                "/%2E%2E%2Fsecret.txt",
                "/..%2fsecret.txt",
                "/.%2e/secret.txt",
                "/%252e%252e/secret.txt",
                "/..;/secret.txt",
                "/..\\secret.txt",
                "/..%5csecret.txt",
                "/%c0%ae%c0%ae/secret.txt",
                "/a.txt%00/../../secret.txt",
                "/%00",
                "/a.txt%00",
                "//secret.txt",
                "//../secret.txt",
                "/./../secret.txt",
                "/whole/etc/passwd",
                "/loop",
                "/loop/x",
                "/outdir",
                "/below/%2e%2e/%2e%2e/secret.txt",
            ];
            let paths = paths.into_iter().map(str::to_owned).chain(climbs);
            for path in paths.chain([format!("/{absolute}"), format!("/{slashes}")]) {
                let got = client.get(&path, "");
                assert!(matches!(got.status, 400 | 404), "{path}: {}", got.status);
                assert!(!got.text().contains(SECRET), "{path}");
            }
            // Forms of a request that are not a path from the root.
            for target in ["http://x/../secret.txt", "http://../secret.txt", "../secret.txt", "*"] {
                let mut client = served.client();
                client.send(format!("GET {target} HTTP/1.1\r\nhost: x\r\n\r\n"));
                let got = client.reply_to("GET");
                assert!(got.is_none_or(|got| !got.text().contains(SECRET)), "{target}");
            }
        }
    });
}

#[test]
fn hidden_names_are_not_served() {
    limit(LIMIT, || {
        let folder = site();
        let served = Served::new(&folder, "");
        for path in ["/.env", "/.git/config", "/.git/", "/.git", "/%2eenv", "/below/.x"] {
            assert_eq!(served.get(path, "").status, 404, "{path}");
        }
        let served = Served::new(&folder, "--hidden");
        assert_eq!(served.get("/.env", "").text(), SECRET);
        assert_eq!(served.get("/.git/config", "").status, 200);
        assert_eq!(served.get("/.", "").status, 404);
        assert_eq!(served.get("/..", "").status, 404);
    });
}

/// A folder on the way that is a link outside one moment, and a folder the next.
#[test]
fn a_link_that_changes_leads_nowhere() {
    limit(LIMIT, || {
        let folder = site();
        let site = folder.site();
        for name in ["real", "moved"] {
            folder.file(&format!("{name}/index.html"), "inside");
        }
        symlink("../secrets", site.join("bad")).unwrap();
        std::fs::rename(site.join("real"), site.join("now")).unwrap();
        let is_over = Arc::new(AtomicBool::new(false));
        let changes = {
            let (site, is_over) = (site.clone(), Arc::clone(&is_over));
            std::thread::spawn(move || {
                // Relaxed: a flag and nothing else; pairs with the store below.
                while !is_over.load(Ordering::Relaxed) {
                    let _ = std::fs::rename(site.join("now"), site.join("real"));
                    let _ = std::fs::rename(site.join("bad"), site.join("now"));
                    let _ = std::fs::rename(site.join("now"), site.join("bad"));
                    let _ = std::fs::rename(site.join("real"), site.join("now"));
                }
            })
        };
        let served = Served::new(&folder, "");
        let mut client = served.client();
        let mut seen = 0;
        for _ in 0..3000 {
            let got = client.get("/now/index.html", "");
            assert_ne!(got.text(), SECRET);
            assert!(matches!(got.status, 200 | 404 | 503), "{}", got.status);
            seen += u32::from(got.status == 200);
        }
        // Relaxed: a flag and nothing else; pairs with the load above.
        is_over.store(true, Ordering::Relaxed);
        changes.join().unwrap();
        assert!(seen > 0, "it was a folder at no time");
    });
}

#[test]
fn a_redirect_stays_here() {
    limit(LIMIT, || {
        let folder = site();
        folder.file("evil.com/x", "x");
        let served = Served::new(&folder, "");
        let mut client: Client = served.client();
        for path in ["//evil.com", "/\\evil.com", "//evil.com/..", "/%2fevil.com", "/%5cevil.com"] {
            let got = client.get(path, "");
            assert!(matches!(got.status, 400 | 404), "{path}: {}", got.status);
        }
        assert_eq!(client.get("/evil.com", "").field("location"), Some("/evil.com/"));
    });
}
