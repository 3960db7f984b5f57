//! `cargo xtask coverage`: how much of the public interface is documented, and by examples.
//!
//! Two figures per library crate, and for all of them together, from two outputs of rustdoc:
//!
//! - items documented: `--show-coverage`, which counts every public item, fields and constants too;
//! - functions with an example: of the public functions and methods, and those of public traits,
//!   how many have a code block that runs as a test (not `text`, `no_run` or another language).
//!   `--show-coverage` counts examples per item, types among them: its figure is printed too.

use std::process::ExitCode;

use crate::json::Json;
use crate::metadata;
use crate::tree::root;

const DOCUMENTED_MIN: u64 = 100;
const EXAMPLES_MIN: u64 = 75;

/// Of how many things how many are as they should be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Share {
    with: u64,
    total: u64,
}

impl Share {
    fn add(&mut self, with: u64, total: u64) {
        *self = Self { with: self.with + with, total: self.total + total };
    }

    fn reaches(self, percent: u64) -> bool {
        self.with * 100 >= self.total * percent
    }
}

impl std::fmt::Display for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let percent = self.with as f64 * 100.0 / self.total.max(1) as f64;
        write!(f, "{}/{} ({percent:.1} %)", self.with, self.total)
    }
}

/// The figures of one crate, or of all.
#[derive(Clone, Debug, Default)]
struct Figures {
    documented: Share,
    functions: Share,
    /// As rustdoc counts, per item.
    examples: Share,
    /// The places of the functions without an example.
    missing: Vec<String>,
}

impl Figures {
    fn add(&mut self, other: &Self) {
        let shares = [
            (&mut self.documented, other.documented),
            (&mut self.functions, other.functions),
            (&mut self.examples, other.examples),
        ];
        shares.into_iter().for_each(|(sum, part)| sum.add(part.with, part.total));
    }

    fn is_enough(&self) -> bool {
        self.documented.reaches(DOCUMENTED_MIN) && self.functions.reaches(EXAMPLES_MIN)
    }
}

/// Measures every library crate; the exit code is 1 where one is below the minimum.
pub fn run() -> ExitCode {
    let measured = libraries().and_then(|names| {
        names.into_iter().map(|name| measure(&name).map(|figures| (name, figures))).collect()
    });
    let measured: Vec<(String, Figures)> = match measured {
        Ok(measured) => measured,
        Err(why) => {
            eprintln!("coverage: {why}");
            return ExitCode::FAILURE;
        }
    };
    print!("{}", table(&measured));
    let lacking: Vec<_> = measured.iter().filter(|(_, figures)| !figures.is_enough()).collect();
    for (name, figures) in &lacking {
        println!("{name}: below the minimum; without a runnable example:");
        figures.missing.iter().for_each(|place| println!("  {place}"));
    }
    ExitCode::from(u8::from(!lacking.is_empty()))
}

/// A line per crate, then their sum, and what is the least of each.
fn table(measured: &[(String, Figures)]) -> String {
    let mut total = Figures::default();
    measured.iter().for_each(|(_, figures)| total.add(figures));
    let line = |name: &str, cells: [String; 3]| {
        let [documented, functions, examples] = cells;
        format!("{name:<18} {documented:>20} {functions:>24} {examples:>20}\n")
    };
    let head = ["documented", "functions with example", "items with example"];
    let mut text = line("coverage", head.map(str::to_owned));
    let all = measured.iter().map(|(name, figures)| (name.as_str(), figures));
    for (name, figures) in all.chain([("total", &total)]) {
        let Figures { documented, functions, examples, .. } = figures;
        text += &line(name, [documented, functions, examples].map(Share::to_string));
    }
    let least = |percent| format!("{percent} %");
    text + &line("at least, each", [least(DOCUMENTED_MIN), least(EXAMPLES_MIN), "-".to_owned()])
}

/// The workspace's library crates.
fn libraries() -> Result<Vec<String>, String> {
    let json = metadata::read(&root())?;
    let is_library = |package: &&Json| {
        let targets = package.get("targets").items().iter();
        targets.flat_map(|t| t.get("kind").items()).any(|k| k.str() == Some("lib"))
    };
    let names = metadata::members(&json).filter(is_library).filter_map(|p| p.get("name").str());
    Ok(names.map(str::to_owned).collect())
}

/// The figures of one crate.
fn measure(name: &str) -> Result<Figures, String> {
    let shown = rustdoc(name, &["--show-coverage", "--output-format", "json"])?;
    let line = shown.lines().find(|l| l.starts_with('{')).ok_or("rustdoc printed no coverage")?;
    let (documented, examples) = coverage(&Json::parse(line)?);
    rustdoc(name, &["--output-format", "json"])?;
    let path = root().join(format!("target/coverage/doc/{}.json", name.replace('-', "_")));
    let text = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    let (functions, missing) = functions(&Json::parse(&text)?);
    Ok(Figures { documented, functions, examples, missing })
}

/// What rustdoc prints. Its coverage is unstable: the stable compiler is told to allow it, in a
/// target directory of its own.
fn rustdoc(package: &str, options: &[&str]) -> Result<String, String> {
    let out = metadata::cargo(&root())
        .env("RUSTC_BOOTSTRAP", "1")
        .args([
            "rustdoc",
            "--quiet",
            "--lib",
            "--all-features",
            "--target-dir",
            "target/coverage",
            "-p",
            package,
        ])
        .args(["--", "-Z", "unstable-options"])
        .args(options)
        .output()
        .map_err(|e| format!("cargo does not run: {e}"))?;
    if out.status.success() {
        Ok(String::from_utf8_lossy(&out.stdout).into_owned())
    } else {
        Err(String::from_utf8_lossy(&out.stderr).into_owned())
    }
}

/// Items documented and items with examples, over all files of `--show-coverage`.
fn coverage(json: &Json) -> (Share, Share) {
    let (mut documented, mut examples) = (Share::default(), Share::default());
    for (_, file) in json.members() {
        documented.add(file.get("with_docs").count(), file.get("total").count());
        examples.add(file.get("with_examples").count(), file.get("total_examples").count());
    }
    (documented, examples)
}

/// How many public functions have an example, and the places of those that have none.
fn functions(json: &Json) -> (Share, Vec<String>) {
    let index = json.get("index");
    let traits = index.members().filter_map(|(_, item)| {
        let own = item.get("visibility").str() == Some("public") && is_local(item);
        own.then(|| item.get("inner").get("trait").get("items").items())
    });
    let of_traits: Vec<u64> = traits.flatten().map(Json::count).collect();
    let (mut share, mut missing) = (Share::default(), Vec::new());
    for (id, item) in index.members() {
        let public = item.get("visibility").str() == Some("public")
            || id.parse().is_ok_and(|id: u64| of_traits.contains(&id));
        if *item.get("inner").get("function") == Json::Null || !public || !is_local(item) {
            continue;
        }
        let with = has_example(item.get("docs").str().unwrap_or(""));
        share.add(u64::from(with), 1);
        if !with {
            missing.push(place(item));
        }
    }
    missing.sort();
    (share, missing)
}

fn is_local(item: &Json) -> bool {
    *item.get("crate_id") == Json::Number(0.0)
}

fn place(item: &Json) -> String {
    let span = item.get("span");
    let file = span.get("filename").str().unwrap_or("?");
    let line = span.get("begin").items().first().map_or(0, Json::count);
    format!("{file}:{line}: {}", item.get("name").str().unwrap_or("?"))
}

/// Whether a code block in `docs` runs as a test.
fn has_example(docs: &str) -> bool {
    let mut inside = false;
    for line in docs.lines().map(str::trim) {
        let Some(tags) = line.strip_prefix("```") else { continue };
        inside = !inside;
        if inside && tags.split([',', ' ']).all(runs) {
            return true;
        }
    }
    false
}

/// Whether a block with this tag is Rust, compiled and run.
fn runs(tag: &str) -> bool {
    matches!(tag.trim(), "" | "rust" | "should_panic") || tag.trim().starts_with("edition")
}

#[cfg(test)]
mod tests {
    use super::{Figures, Share, coverage, functions, has_example, table};
    use crate::json::Json;

    #[test]
    fn the_table_ends_with_the_sum() {
        let share = |with, total| Share { with, total };
        let of = |documented, functions| Figures {
            documented,
            functions,
            examples: share(1, 2),
            missing: vec![],
        };
        let (good, bad) = (of(share(4, 4), share(3, 4)), of(share(3, 4), share(4, 4)));
        assert!(good.is_enough() && !bad.is_enough());
        let text = table(&[("a".to_owned(), good), ("b".to_owned(), bad)]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 5);
        assert!(lines[1].starts_with("a ") && lines[1].contains("3/4 (75.0 %)"), "{text}");
        let sums = ["7/8 (87.5 %)", "2/4 (50.0 %)"];
        assert!(lines[3].starts_with("total ") && sums.iter().all(|s| lines[3].contains(s)));
    }

    #[test]
    fn only_blocks_that_run_are_examples() {
        for good in ["a\n\n```\nf();\n```", "```rust,should_panic\nf()\n```", "```edition2024\n```"]
        {
            assert!(has_example(good), "{good}");
        }
        for bad in ["none", "`f()`", "```text\n```\n", "```no_run\nf()\n```", "```c\nf();\n```\n"] {
            assert!(!has_example(bad), "{bad}");
        }
    }

    #[test]
    fn files_add_up() {
        let file = r#"{"total": 4, "with_docs": 3, "total_examples": 2, "with_examples": 1}"#;
        let json = Json::parse(&format!(r#"{{"a.rs": {file}, "b.rs": {file}}}"#)).unwrap();
        let (documented, examples) = coverage(&json);
        assert_eq!(documented, Share { with: 6, total: 8 });
        assert_eq!(examples, Share { with: 2, total: 4 });
        assert!(documented.reaches(75) && !documented.reaches(76));
    }

    #[test]
    fn public_functions_and_those_of_public_traits_count() {
        let item = |id: u32, visibility: &str, inner: &str, docs: &str| {
            format!(
                r#""{id}": {{"crate_id": 0, "name": "f{id}", "visibility": "{visibility}",
                   "docs": "{docs}", "inner": {inner}, "span": {{"filename": "a.rs", "begin": [{id}, 1]}}}}"#
            )
        };
        let function = r#"{"function": {"sig": 1}}"#;
        let items = [
            item(1, "public", function, "```\\nf();\\n```"),
            item(2, "public", function, "nothing"),
            item(3, "default", function, "of a trait's implementation"),
            item(4, "default", function, "of a public trait"),
            item(5, "public", r#"{"trait": {"items": [4]}}"#, ""),
            item(6, "public", r#"{"struct": {}}"#, ""),
        ];
        let json = Json::parse(&format!(r#"{{"index": {{{}}}}}"#, items.join(","))).unwrap();
        let (share, missing) = functions(&json);
        assert_eq!(share, Share { with: 1, total: 3 });
        assert_eq!(missing, ["a.rs:2: f2", "a.rs:4: f4"]);
    }
}
