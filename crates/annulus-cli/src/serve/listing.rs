//! `--list`: what is in a directory, as a page.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, Dir, FileType, statat};

use super::path::encode;
use crate::units;

/// How many names a page has at most: a directory of millions would be a page of gigabytes.
const NAMES_MAX: usize = 10_000;

/// A name of a directory.
struct Entry {
    name: Vec<u8>,
    is_dir: bool,
    bytes: u64,
}

/// The page of a directory. Reads names and sizes: where a thread may wait.
///
/// # Errors
/// The directory cannot be read.
pub fn page(dir: OwnedFd, path: &str, hidden: bool) -> std::io::Result<Vec<u8>> {
    let mut entries = Vec::new();
    let mut is_cut = false;
    for entry in Dir::read_from(&dir)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name == b"." || name == b".." || (name[0] == b'.' && !hidden) {
            continue;
        }
        if entries.len() == NAMES_MAX {
            is_cut = true;
            break;
        }
        // Links are shown as what they are: where they lead may be outside.
        let Ok(stat) = statat(dir.as_fd(), entry.file_name(), AtFlags::SYMLINK_NOFOLLOW) else {
            continue;
        };
        let is_dir = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        let bytes = u64::try_from(stat.st_size).unwrap_or(0);
        entries.push(Entry { name: name.to_vec(), is_dir, bytes });
    }
    entries.sort_by(|a, b| (!a.is_dir, &a.name).cmp(&(!b.is_dir, &b.name)));
    Ok(text(path, &entries, is_cut).into_bytes())
}

fn text(path: &str, entries: &[Entry], is_cut: bool) -> String {
    let title = escape(path);
    let mut page = format!(
        "<!doctype html>\n<html><head><meta charset=\"utf-8\"><title>{title}</title></head>\n\
         <body><h1>{title}</h1>\n<table>\n"
    );
    if path != "/" {
        page.push_str("<tr><td><a href=\"../\">../</a></td><td></td></tr>\n");
    }
    for entry in entries {
        let slash = if entry.is_dir { "/" } else { "" };
        let name = escape(&String::from_utf8_lossy(&entry.name));
        let size = if entry.is_dir { String::new() } else { units::size(entry.bytes) };
        let at = encode(&entry.name);
        // `./`: a name with a colon is no scheme.
        page.push_str(&format!(
            "<tr><td><a href=\"./{at}{slash}\">{name}{slash}</a></td><td>{size}</td></tr>\n"
        ));
    }
    page.push_str("</table>\n");
    if is_cut {
        page.push_str(&format!("<p>Only {NAMES_MAX} of the names are shown.</p>\n"));
    }
    page.push_str("</body></html>\n");
    page
}

/// Text within a page.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_be_markup() {
        let name = b"<script>\"'&x".to_vec();
        let page = text("/a<b/", &[Entry { name, is_dir: false, bytes: 1024 }], false);
        assert!(page.contains("href=\"./%3Cscript%3E%22%27%26x\""), "{page}");
        assert!(page.contains(">&lt;script&gt;&quot;&#39;&amp;x</a></td><td>1 KiB</td>"), "{page}");
        assert!(page.contains("<title>/a&lt;b/</title>"), "{page}");
    }
}
