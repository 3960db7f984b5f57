//! The programs of tests that cargo builds, which xtask runs itself: several at a time, on either
//! kernel, or where io_uring is blocked.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::json::Json;
use crate::metadata::cargo;
use crate::tree::root;

/// A program of tests that cargo has built.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Program {
    /// Its crate.
    pub package: String,
    /// Its name: that of the file of tests, or the crate's own for those beside the code.
    pub name: String,
    /// Where it lies.
    pub file: PathBuf,
    /// Where its crate lies: it is run from there.
    pub folder: PathBuf,
}

/// The programs of tests in what cargo printed with `--message-format=json`.
pub fn built(text: &str) -> Result<Vec<Program>, String> {
    let mut found = Vec::new();
    for line in text.lines() {
        let message = Json::parse(line)?;
        let is_test = *message.get("profile").get("test") == Json::Bool(true);
        let manifest = message.get("manifest_path").str().map(Path::new);
        let folder = manifest.and_then(Path::parent);
        let name = message.get("target").get("name").str();
        let file = message.get("executable").str();
        if let (true, Some(folder), Some(name), Some(file)) = (is_test, folder, name, file) {
            let package = folder.file_name().unwrap_or_default();
            found.push(Program {
                package: package.to_string_lossy().into_owned(),
                name: name.to_owned(),
                file: PathBuf::from(file),
                folder: folder.to_owned(),
            });
        }
    }
    found.sort();
    Ok(found)
}

impl Program {
    /// The command that runs it as cargo does.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.file);
        command.current_dir(&self.folder).env("CARGO_MANIFEST_DIR", &self.folder);
        command
    }
}

/// Builds the workspace with all features, as it is tested: its programs of tests, in order. The
/// examples and the product are built with them.
///
/// Always of the whole workspace: another choice of packages would be another one of features, of
/// what they depend on too, and all would be built once more.
pub fn all() -> Result<Vec<Program>, String> {
    let mut build = cargo(&root());
    build.args(["test", "--workspace", "--all-features", "--no-run"]);
    build.arg("--message-format=json-render-diagnostics").stderr(Stdio::inherit());
    let out = build.output().map_err(|error| format!("cargo does not run: {error}"))?;
    if !out.status.success() {
        return Err("the workspace does not build".to_owned());
    }
    built(&String::from_utf8_lossy(&out.stdout))
}

#[cfg(test)]
mod tests {
    use super::built;

    #[test]
    fn programs_are_read_from_what_cargo_says() {
        let line = |test: bool, executable: &str| {
            format!(
                r#"{{"reason": "compiler-artifact", "manifest_path": "/p/crates/x/Cargo.toml",
                "target": {{"name": "t"}}, "profile": {{"test": {test}}}, "executable": {executable}}}"#
            )
            .replace('\n', "")
        };
        let text = [line(true, "\"/t/t-1\""), line(false, "\"/t/t-2\""), line(true, "null")];
        let found = built(&text.join("\n")).unwrap();
        assert_eq!(found.len(), 1);
        let program = &found[0];
        assert_eq!((program.package.as_str(), program.name.as_str()), ("x", "t"));
        assert_eq!(program.file.to_str(), Some("/t/t-1"));
        assert_eq!(program.folder.to_str(), Some("/p/crates/x"));
    }
}
