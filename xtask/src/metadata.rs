//! What cargo knows of the workspace.

use std::path::Path;
use std::process::Command;

use crate::json::Json;

/// `cargo metadata` as this machine resolves it, or why there is none.
pub fn read(root: &Path) -> Result<Json, String> {
    let out = cargo(root)
        .args(["metadata", "--format-version=1", "--filter-platform", &host()])
        .output()
        .map_err(|e| format!("cargo does not run: {e}"))?;
    if !out.status.success() {
        return Err(String::from_utf8_lossy(&out.stderr).replace('\n', " "));
    }
    Json::parse(&String::from_utf8_lossy(&out.stdout))
}

/// The packages of the workspace itself.
pub fn members(json: &Json) -> impl Iterator<Item = &Json> {
    let ids = json.get("workspace_members").items();
    json.get("packages").items().iter().filter(|p| ids.contains(p.get("id")))
}

/// The cargo that runs this program, in the project's root.
pub fn cargo(root: &Path) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root);
    cargo
}

/// This machine's target triple.
pub fn host() -> String {
    let text = Command::new("rustc").arg("-vV").output().map(|o| o.stdout).unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    text.lines().find_map(|l| l.strip_prefix("host: ")).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::{host, members, read};

    #[test]
    fn cargo_answers_for_this_workspace() {
        let json = read(&crate::tree::root()).unwrap();
        let names: Vec<_> = members(&json).filter_map(|p| p.get("name").str()).collect();
        assert!(names.contains(&"xtask") && names.contains(&"annulus-ring"));
        assert!(host().contains("linux"), "{}", host());
    }
}
