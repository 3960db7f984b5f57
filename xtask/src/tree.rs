//! The project's files, read once.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::source::Source;

/// A text file that is not Rust.
pub struct Text {
    /// From the project's root, with `/`.
    pub path: String,
    /// The whole file.
    pub text: String,
}

/// Every text file of the project that is (or would be) under version control.
pub struct Tree {
    /// Where the project is.
    pub root: PathBuf,
    /// Rust files.
    pub sources: Vec<Source>,
    /// All others: manifests, documents, scripts.
    pub texts: Vec<Text>,
}

/// Directories that hold no file of the project, where git cannot be asked.
const SKIPPED: &[&str] = &["target", ".git", "__pycache__", "results"];

impl Tree {
    /// Reads the project at `root`. Files that are no UTF-8 are left out.
    pub fn read(root: &Path) -> Self {
        let mut tree = Self { root: root.to_owned(), sources: Vec::new(), texts: Vec::new() };
        for path in paths(root) {
            let Ok(text) = std::fs::read_to_string(root.join(&path)) else { continue };
            if path.ends_with(".rs") {
                tree.sources.push(Source::new(&path, &text));
            } else {
                tree.texts.push(Text { path, text });
            }
        }
        tree
    }

    /// The file `path` that is not Rust, if it exists.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.texts.iter().find(|t| t.path == path).map(|t| t.text.as_str())
    }
}

/// The project's root: xtask is one level below it.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("xtask is a folder of the project").to_owned()
}

/// What git prints, or nothing where there is no git or no repository.
pub fn git(root: &Path, args: &[&str]) -> Option<String> {
    let out = Command::new("git").arg("-C").arg(root).args(args).output().ok()?;
    out.status.success().then(|| String::from_utf8_lossy(&out.stdout).into_owned())
}

fn paths(root: &Path) -> Vec<String> {
    let listed = git(root, &["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let mut paths: Vec<String> = match listed {
        Some(list) => list.split('\0').filter(|p| !p.is_empty()).map(str::to_owned).collect(),
        None => walk(root, ""),
    };
    paths.sort();
    paths.dedup();
    paths
}

fn walk(root: &Path, under: &str) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(root.join(under)) else { return Vec::new() };
    let mut found = Vec::new();
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if under.is_empty() { name.clone() } else { format!("{under}/{name}") };
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && !SKIPPED.contains(&name.as_str()) => {
                found.extend(walk(root, &path));
            }
            Ok(kind) if kind.is_file() => found.push(path),
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{paths, root, walk};

    #[test]
    fn both_ways_of_listing_find_this_file() {
        let here = "xtask/src/tree.rs".to_owned();
        assert!(paths(&root()).contains(&here));
        let walked = walk(&root(), "");
        assert!(walked.contains(&here));
        assert!(!walked.iter().any(|p| p.starts_with("target/")));
    }
}
