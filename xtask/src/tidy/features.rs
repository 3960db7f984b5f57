//! A feature that is off is a file, not forty `cfg`s: each is asked for at most twice in code.

use std::collections::BTreeMap;

use crate::lexer::Kind;
use crate::report::{Rule, Violation};
use crate::tree::Tree;

const USES_MAX: usize = 2;

/// Counts where each feature of each crate is asked for.
pub fn check(tree: &Tree, out: &mut Vec<Violation>) {
    let mut uses: BTreeMap<(&str, &str), Vec<(&str, usize)>> = BTreeMap::new();
    for source in tree.sources.iter().filter(|s| s.path.starts_with("crates/")) {
        let package = source.path.split('/').nth(1).unwrap_or("");
        for (i, token) in source.code.iter().enumerate() {
            let named = source.matches(i, &["feature", "="]) && !source.in_test(token.line);
            let Some(name) = source.code.get(i + 2).filter(|t| named && t.kind == Kind::Text)
            else {
                continue;
            };
            uses.entry((package, &name.text)).or_default().push((&source.path, token.line));
        }
    }
    let mut rule = Rule::new("features", out);
    for ((_, name), places) in uses {
        for (path, line) in places.iter().skip(USES_MAX) {
            let message = format!("feature {name} is asked for {} times", places.len());
            let cure = "put what it switches into two files of one face: enabled.rs, disabled.rs";
            rule.broken(path, *line, message, cure);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::testing::messages;

    #[test]
    fn a_feature_asked_for_three_times_is_found() {
        let two = "#[cfg(feature = \"x\")] mod a;\n#[cfg(not(feature = \"x\"))] mod b;\n";
        let files = [("crates/a/src/lib.rs", two), ("crates/b/src/lib.rs", two)];
        assert_eq!(messages(check, &files), [] as [&str; 0]);
        let files =
            [("crates/a/src/lib.rs", two), ("crates/a/src/a.rs", "\ncfg!(feature = \"x\");")];
        assert_eq!(
            messages(check, &files),
            ["crates/a/src/a.rs:2: feature \"x\" is asked for 3 times"]
        );
    }
}
