//! `annulus serve`: a browser shows a page of it, with its style, script, module and picture.

mod serving;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serving::{Folder, LIMIT, Served, limit, skip};

const PAGE: &str = r#"<!doctype html><html><head><link rel="stylesheet" href="style.css">
<script src="js/plain.js" defer></script><script type="module" src="js/module.mjs"></script></head>
<body><p id="styled">x</p><img id="pic" src="pic.svg"><pre id="out"></pre></body></html>"#;

const MODULE: &str = r#"import {word} from './word.mjs';
const big = await (await fetch('/big.txt')).text();
const part = await (await fetch('/big.txt', {headers: {range: 'bytes=3-6'}})).text();
const gone = (await fetch('/none')).status;
const small = await (await fetch('/sub/small.txt')).text();
const pic = document.getElementById('pic');
await pic.decode();
const colour = getComputedStyle(document.getElementById('styled')).color;
document.getElementById('out').textContent = ['told', word, window.plain, big.length, part, gone,
    small, pic.naturalWidth, colour].join('|');"#;

#[test]
fn a_browser_shows_a_page() {
    const NAME: &str = "a_browser_shows_a_page";
    let found = ["chromium", "chromium-browser", "google-chrome"].into_iter().find(|name| {
        let mut version = Command::new(name);
        version.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
        version.status().is_ok_and(|status| status.success())
    });
    let Some(browser) = found else { return skip(NAME, "chromium is not installed") };
    limit(2 * LIMIT, move || {
        let folder = Folder::new();
        folder.file("index.html", PAGE);
        folder.file("style.css", "#styled { color: rgb(1, 2, 3) }");
        folder.file("js/plain.js", "window.plain = 'plain';");
        folder.file("js/module.mjs", MODULE);
        folder.file("js/word.mjs", "export const word = 'module';");
        folder.file("sub/small.txt", "small");
        folder.file("big.txt", "0123456789".repeat(100_000));
        let svg = r#"<svg xmlns="http://www.w3.org/2000/svg" width="17" height="9"></svg>"#;
        folder.file("pic.svg", svg);
        let served = Served::new(&folder, "");
        let url = format!("http://{}/", served.at);
        let profile = folder.0.join("profile");
        let began = Instant::now();
        let mut command = Command::new(browser);
        command.args(["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]);
        command.args(["--disable-dev-shm-usage", "--virtual-time-budget=20000"]);
        command.arg(format!("--user-data-dir={}", profile.display())).arg(url);
        let output = command.stderr(Stdio::null()).output().expect("the browser");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let want = "told|module|plain|1000000|3456|404|small|17|rgb(1, 2, 3)";
        assert!(text.contains(want), "{text}");
        assert!(began.elapsed() < Duration::from_secs(90));
        served.end();
    });
}
