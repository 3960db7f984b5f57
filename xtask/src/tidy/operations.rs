//! Kernel spelling below, Rust spelling above, each pointing at the other: every operation's page
//! has the kernel's name as an alias and links to the manual.

use crate::report::{Rule, Violation};
use crate::source::Source;

/// How the kernel's and liburing's names for operations begin: opcodes, commands, helpers.
const ALIASES: &[&str] = &[
    "IORING_OP_",
    "SOCKET_URING_OP_",
    "NVME_URING_CMD_",
    "BLOCK_URING_CMD_",
    "ANNULUS_OP_",
    "io_uring_prep_",
];

/// Where manuals are. Some operations have no page, and a chapter of the kernel's documentation.
const MANUALS: &[&str] = &["man7.org/linux/man-pages", "docs.kernel.org"];

/// Checks one file of the operations.
pub fn check(source: &Source, out: &mut Vec<Violation>) {
    if !source.is_under("crates/annulus-ring/src/op") {
        return;
    }
    let mut rule = Rule::new("operation-docs", out);
    for (i, token) in source.code.iter().enumerate() {
        let builder = source.matches(i, &["pub", "struct"]) && is_builder(source, i);
        let Some(name) = source.ident(i + 2).filter(|_| builder) else { continue };
        let page = page(source, i);
        let mut missing = |what: &str| {
            let message = format!("`{name}` has no {what}");
            rule.broken(&source.path, token.line, message, "say it on the operation's page");
        };
        if !ALIASES.iter().any(|prefix| page.contains(&format!("alias = \"{prefix}"))) {
            missing("alias of the kernel's name");
        }
        if !MANUALS.iter().any(|place| page.contains(place)) {
            missing("link to a manual");
        }
    }
}

/// Whether the struct at `at` holds an entry, as builders do.
fn is_builder(source: &Source, at: usize) -> bool {
    let end = source.item_end(at);
    let fields = &source.code[at..=end];
    fields.windows(3).any(|w| w[0].is("sqe") && w[1].is(":") && w[2].text.starts_with("Sqe"))
}

/// The lines above the item at `at` that are comments or attributes.
fn page(source: &Source, at: usize) -> String {
    let lines: Vec<&str> = source.text.lines().take(source.code[at].line - 1).collect();
    let comment = |l: &str| l.trim_start().starts_with("//");
    let belongs = |l: &&&str| comment(l) || (!l.trim().is_empty() && !l.ends_with(['}', ';']));
    lines.iter().rev().take_while(belongs).copied().collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::testing::found;

    const PATH: &str = "crates/annulus-ring/src/op/a.rs";
    const DOC: &str = "/// See <https://man7.org/linux/man-pages/man2/read.2.html>.\n\
                       /// f();\n\
                       #[doc(alias = \"IORING_OP_READ\")]\n";

    #[test]
    fn an_operation_without_its_kernel_name_or_manual_is_found() {
        let bad =
            format!("{DOC}pub struct A {{ sqe: Sqe }}\n\n/// b\npub struct B {{ sqe: Sqe128 }}");
        let message = |what| (7, format!("`B` has no {what}"));
        assert_eq!(
            found(check, PATH, &bad),
            [message("alias of the kernel's name"), message("link to a manual")]
        );
    }

    #[test]
    fn documented_operations_and_other_structs_are_left_alone() {
        let good = format!("pub struct Target {{ fd: i32 }}\n\n{DOC}pub struct A {{ sqe: Sqe }}");
        assert_eq!(found(check, PATH, &good), []);
    }
}
