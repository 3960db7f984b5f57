//! A crate imports lower crates only, dev-dependencies included: cargo refuses a cycle of normal
//! dependencies, and accepts an upward dev-dependency in silence.

use std::path::Path;

use crate::json::Json;
use crate::metadata;
use crate::report::{Rule, Violation};
use crate::tree::Tree;

/// Who stands where; those of one rank do not import each other. See ARCHITECTURE.md.
const RANKS: &[(&str, u32)] = &[
    ("annulus-ring", 0),
    ("annulus-capi", 1),
    ("annulus-emulate", 1),
    // Tests only: nobody imports it.
    ("annulus-suite", 2),
    ("annulus-runtime", 2),
    ("annulus", 3),
    ("annulus-cli", 4),
    ("xtask", 5),
];

/// The first rank that may have more direct dependencies than [`DEPENDENCIES_MAX`].
const RUNTIME: u32 = 2;

const DEPENDENCIES_MAX: usize = 2;

/// A crate of the workspace.
struct Crate {
    name: String,
    manifest: String,
    /// Crates of the workspace that it imports, and as what.
    imports: Vec<(String, String)>,
    /// The others that it needs on this machine to be built for use.
    foreign: Vec<String>,
}

/// Checks the workspace that cargo sees.
pub fn check(tree: &Tree, out: &mut Vec<Violation>) {
    let mut rule = Rule::new("crate-ranks", out);
    match metadata::read(&tree.root) {
        Ok(json) => judge(&crates(&json, &tree.root), &mut rule),
        Err(why) => rule.broken("Cargo.toml", 1, why, "see what `cargo metadata` says"),
    }
}

fn crates(json: &Json, root: &Path) -> Vec<Crate> {
    let members: Vec<&str> =
        json.get("workspace_members").items().iter().filter_map(Json::str).collect();
    let text = |json: &Json| json.str().unwrap_or_default().to_owned();
    let mut crates = Vec::new();
    for package in metadata::members(json) {
        let manifest = text(package.get("manifest_path"));
        let manifest = Path::new(&manifest).strip_prefix(root).unwrap_or(Path::new(&manifest));
        let own =
            package.get("dependencies").items().iter().filter(|d| d.get("path").str().is_some());
        crates.push(Crate {
            name: text(package.get("name")),
            manifest: manifest.to_string_lossy().into_owned(),
            imports: own
                .map(|d| (text(d.get("name")), d.get("kind").str().unwrap_or("normal").to_owned()))
                .collect(),
            foreign: foreign(json, package.get("id"), &members),
        });
    }
    crates
}

/// The normal dependencies of the crate `id` that apply here and are not the workspace's.
fn foreign(json: &Json, id: &Json, members: &[&str]) -> Vec<String> {
    let nodes = json.get("resolve").get("nodes").items();
    let deps = nodes.iter().find(|n| n.get("id") == id).map(|n| n.get("deps").items());
    let normal = |d: &&Json| {
        let kinds = d.get("dep_kinds").items();
        let own = d.get("pkg").str().is_some_and(|p| members.contains(&p));
        !own && kinds.iter().any(|k| *k.get("kind") == Json::Null)
    };
    let names = deps.unwrap_or(&[]).iter().filter(normal).filter_map(|d| d.get("name").str());
    names.map(str::to_owned).collect()
}

fn rank(name: &str) -> Option<u32> {
    RANKS.iter().find(|(n, _)| *n == name).map(|(_, rank)| *rank)
}

fn judge(crates: &[Crate], rule: &mut Rule<'_>) {
    for krate in crates {
        let Some(own) = rank(&krate.name) else {
            let message = format!("`{}` has no rank", krate.name);
            rule.broken(
                &krate.manifest,
                1,
                message,
                "give it one in tidy/ranks.rs, with its design",
            );
            continue;
        };
        for (name, kind) in &krate.imports {
            if rank(name).is_none_or(|other| other >= own) {
                let message = format!("`{}` imports `{name}` ({kind}), not below it", krate.name);
                rule.broken(&krate.manifest, 1, message, "move what both need into a lower crate");
            }
        }
        if own < RUNTIME && krate.foreign.len() > DEPENDENCIES_MAX {
            let list = krate.foreign.join(", ");
            let message = format!("more than {DEPENDENCIES_MAX} direct dependencies: {list}");
            rule.broken(&krate.manifest, 1, message, "do without one");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{crates, judge};
    use crate::json::Json;
    use crate::metadata;
    use crate::report::Rule;

    fn messages(text: &str) -> Vec<String> {
        let json = Json::parse(text).unwrap();
        let mut out = Vec::new();
        judge(&crates(&json, Path::new("/p")), &mut Rule::new("crate-ranks", &mut out));
        out.into_iter().map(|v| format!("{}: {}", v.path, v.message)).collect()
    }

    /// A workspace of one crate `name`, its own imports and its foreign ones as JSON.
    fn workspace(name: &str, own: &str, foreign: &str) -> String {
        format!(
            r#"{{"workspace_members": ["a"], "packages": [
                {{"id": "a", "name": "{name}", "manifest_path": "/p/a/Cargo.toml",
                  "dependencies": [{own}]}},
                {{"id": "x", "name": "x", "manifest_path": "/y", "dependencies": []}}],
              "resolve": {{"nodes": [{{"id": "a", "deps": [{foreign}]}}]}}}}"#
        )
    }

    fn dep(name: &str, kind: &str) -> String {
        format!(r#"{{"name": "{name}", "pkg": "{name}", "dep_kinds": [{{"kind": {kind}}}]}}"#)
    }

    #[test]
    fn an_upward_import_is_found_also_for_tests() {
        let up = r#"{"name": "annulus-runtime", "kind": "dev", "path": "/p/r"}"#;
        let found = messages(&workspace("annulus-ring", up, ""));
        let expected = "a/Cargo.toml: `annulus-ring` imports `annulus-runtime` (dev), not below it";
        assert_eq!(found, [expected]);
        let equal = r#"{"name": "annulus-emulate", "kind": null, "path": "/p/r"}"#;
        assert_eq!(messages(&workspace("annulus-capi", equal, "")).len(), 1);
        assert_eq!(messages(&workspace("annulus-emulate", up, "")).len(), 1);
        assert_eq!(messages(&workspace("annulus", up, "")), [] as [&str; 0]);
    }

    #[test]
    fn a_crate_without_a_rank_is_found() {
        let found = messages(&workspace("annulus-extra", "", ""));
        assert_eq!(found, ["a/Cargo.toml: `annulus-extra` has no rank"]);
    }

    #[test]
    fn many_dependencies_are_found_below_the_runtime() {
        let three = [dep("x", "null"), dep("y", "null"), dep("z", "null")].join(",");
        let found = messages(&workspace("annulus-ring", "", &three));
        assert_eq!(found, ["a/Cargo.toml: more than 2 direct dependencies: x, y, z"]);
        assert_eq!(messages(&workspace("annulus-cli", "", &three)), [] as [&str; 0]);
        let two = [dep("x", "null"), dep("y", "\"dev\""), dep("z", "null")].join(",");
        assert_eq!(messages(&workspace("annulus-ring", "", &two)), [] as [&str; 0]);
    }

    #[test]
    fn this_workspace_is_understood() {
        let root = crate::tree::root();
        let found = crates(&metadata::read(&root).unwrap(), &root);
        let ring = found.iter().find(|c| c.name == "annulus-ring").unwrap();
        assert!(!ring.foreign.is_empty() && ring.manifest == "crates/annulus-ring/Cargo.toml");
    }
}
