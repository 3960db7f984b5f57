//! `lib.rs` declares modules and re-exports: what the crate is, on one page.

use crate::report::{Rule, Violation};
use crate::source::Source;

/// Checks one file, where it is a crate's `lib.rs`.
pub fn check(source: &Source, out: &mut Vec<Violation>) {
    if !source.path.ends_with("/src/lib.rs") {
        return;
    }
    let mut rule = Rule::new("lib-rs", out);
    let mut at = 0;
    while at < source.code.len() {
        let item = Item::at(source, at);
        if !item.belongs {
            let token = &source.code[item.start];
            let cure = "move it to a module, and re-export it";
            rule.broken(&source.path, token.line, "an item that is no declaration", cure);
        }
        at = item.end + 1;
    }
}

/// A top-level item.
struct Item {
    /// Its first token after attributes.
    start: usize,
    /// Its last token.
    end: usize,
    /// Whether `lib.rs` may have it.
    belongs: bool,
}

impl Item {
    fn at(source: &Source, first: usize) -> Self {
        let mut start = first;
        let mut only_doctest = false;
        while source.is(start, "#") {
            let open = start + if source.is(start + 1, "!") { 2 } else { 1 };
            if open >= source.code.len() {
                break;
            }
            only_doctest |= source.matches(open + 1, &["cfg", "(", "doctest", ")"]);
            let inner = source.is(start + 1, "!");
            start = source.close(open) + 1;
            if inner {
                return Self { start, end: start - 1, belongs: true };
            }
        }
        let mut keyword = start;
        if source.is(keyword, "pub") {
            keyword += 1;
            if source.is(keyword, "(") {
                keyword = source.close(keyword) + 1;
            }
        }
        let declares = source.is(keyword, "mod") && source.is(keyword + 2, ";");
        let imports = source.is(keyword, "use") || source.matches(keyword, &["extern", "crate"]);
        let refuses = source.matches(keyword, &["compile_error", "!"]);
        let end = match imports || declares {
            true => (keyword..source.code.len()).find(|i| source.is(*i, ";")).unwrap_or(keyword),
            false => source.item_end(start),
        };
        Self { start, end, belongs: only_doctest || declares || imports || refuses }
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::testing::lines;

    const LIB: &str = "crates/x/src/lib.rs";

    #[test]
    fn items_in_lib_rs_are_found() {
        let bad = "//! x\nmod a;\npub fn f() { g(); }\nstruct S { a: u32 }\nconst A: u32 = 1;\n\
                   mod tests {\n fn t() {}\n}\nmacro_rules! m { () => {}; }\nmod b;\n";
        assert_eq!(lines(check, LIB, bad), [3, 4, 5, 6, 9]);
    }

    #[test]
    fn declarations_and_imports_belong() {
        let good = "//! x\n#![deny(missing_docs)]\n#[macro_use]\nmod a;\npub(crate) mod b;\n\
                    pub use a::{B, c::{D, E}};\nextern crate alloc;\n\
                    #[cfg(not(target_os = \"linux\"))]\ncompile_error!(\"Linux\");\n\
                    #[cfg(doctest)]\n#[doc = include_str!(\"r.md\")]\nstruct Readme;\n";
        assert_eq!(lines(check, LIB, good), []);
        assert_eq!(lines(check, "crates/x/src/a.rs", "fn f() {}"), []);
    }
}
