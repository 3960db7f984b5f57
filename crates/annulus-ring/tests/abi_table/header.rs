//! Reads `linux-raw-sys`'s own source: what names it has cannot be asked of the compiled crate, and
//! a list written here would be complete only on the day it was written.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;

/// A file of that crate for this architecture: `io_uring`, `general`, `net`.
pub fn source(file: &str) -> String {
    let path = directory().join("src").join(std::env::consts::ARCH).join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Where cargo keeps the crate's source: wherever that is (registry, vendored), cargo knows.
fn directory() -> PathBuf {
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline", "--filter-platform", &target])
        .args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")])
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let json = String::from_utf8(output.stdout).expect("JSON is UTF-8");
    let mut found: Vec<&str> = json
        .split("\"manifest_path\":\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .filter(|path| path.contains("/linux-raw-sys"))
        .collect();
    found.dedup();
    assert_eq!(found.len(), 1, "one linux-raw-sys among the dependencies: {found:?}");
    let mut directory = PathBuf::from(found[0]);
    directory.pop();
    directory
}

/// The integer constants and enum members of a bindgen file, by name.
pub fn constants(source: &str) -> BTreeMap<String, u64> {
    let mut constants = BTreeMap::new();
    let mut in_enum = false;
    for line in source.lines() {
        let line = line.trim();
        if line.starts_with("pub enum ") {
            in_enum = true;
        } else if line == "}" {
            in_enum = false;
        } else if let Some(rest) = line.strip_prefix("pub const ") {
            // `pub const NAME: u32 = 1;`; an alias of an enum member has no number.
            let Some((name, rest)) = rest.split_once(": ") else { continue };
            let Some((_, value)) = rest.split_once(" = ") else { continue };
            if let Some(value) = number(value.trim_end_matches(';')) {
                constants.insert(name.to_owned(), value);
            }
        } else if in_enum && let Some((name, value)) = line.split_once(" = ") {
            let value = number(value.trim_end_matches(','))
                .unwrap_or_else(|| panic!("an enum member that is no number: {line}"));
            constants.insert(name.to_owned(), value);
        }
    }
    constants
}

/// A number as bindgen writes it; a negative one as the kernel sees it, in 32 bits.
fn number(text: &str) -> Option<u64> {
    let value: i128 = text.parse().ok()?;
    Some(if value < 0 { u64::from(value as i32 as u32) } else { value as u64 })
}

/// Every word of the source that could be a constant's name: found without understanding the
/// syntax, so that a constant which [`constants`] fails to understand is noticed.
pub fn words<'a>(source: &'a str, prefixes: &[&str]) -> BTreeSet<&'a str> {
    source
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .filter(|word| prefixes.iter().any(|prefix| word.starts_with(prefix)))
        .collect()
}

/// The members of io_uring's enums, and of those that have no name.
pub fn members(source: &str) -> Vec<&str> {
    let mut members = Vec::new();
    let mut inside = false;
    for line in source.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("pub enum ") {
            inside = ["io_", "zcrx_", "_bindgen_ty_"].iter().any(|p| name.starts_with(p));
        } else if line == "}" {
            inside = false;
        } else if inside && let Some((name, _)) = line.split_once(" = ") {
            members.push(name);
        }
    }
    members
}

/// The names of all constants from `first` on: bindgen keeps the order of the headers, and
/// `io_uring.h`, which includes the others, comes last.
pub fn macros_from<'a>(source: &'a str, first: &str) -> Vec<&'a str> {
    let names = source.lines().filter_map(|line| line.trim().strip_prefix("pub const "));
    let names = names.filter_map(|rest| rest.split_once(": ")).map(|(name, _)| name);
    names.skip_while(|name| *name != first).collect()
}

/// The fields of every struct and union, by its name. What bindgen adds is left out, and what it
/// moved into types of its own (`io_uring_sqe__bindgen_ty_1`) belongs to the type they came from.
pub fn fields(source: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut types: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut current: Option<String> = None;
    for line in source.lines() {
        let line = line.trim();
        let head = line.strip_prefix("pub struct ").or_else(|| line.strip_prefix("pub union "));
        if let Some(head) = head {
            let name = head.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).next();
            let owner = name.expect("a name").split("__bindgen").next().expect("a name").to_owned();
            types.entry(owner.clone()).or_default();
            current = line.ends_with('{').then_some(owner);
        } else if line == "}" {
            current = None;
        } else if let (Some(owner), Some(field)) = (&current, line.strip_prefix("pub ")) {
            let name = field.split(':').next().expect("a name").to_owned();
            // Not the kernel's: stand-ins for unions and for arrays without length.
            let ours = name.starts_with("__bindgen")
                || name == "bindgen_union_field"
                || name == "__empty_bufs";
            if !ours {
                types.get_mut(owner).expect("made above").insert(name);
            }
        }
    }
    types
}
