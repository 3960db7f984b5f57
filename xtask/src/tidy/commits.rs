//! The log is documentation: `area: imperative`, a body that says why, one line of history.

use crate::report::{Rule, Violation};
use crate::tree::{Tree, git};

const SUBJECT_MAX: usize = 72;

/// Words in `-ed` and `-ing` that begin a subject rightly.
const IMPERATIVE: &[&str] = &[
    "bring", "embed", "exceed", "feed", "need", "ping", "proceed", "seed", "shed", "speed",
    "spring", "string", "swing", "embed", "wed", "ring",
];

/// Third persons and past tenses that no suffix gives away.
const NARRATED: &[&str] =
    &["adds", "fixes", "makes", "moves", "removes", "uses", "updates", "made"];

/// Checks the whole log; without a repository there is nothing to check.
pub fn check(tree: &Tree, out: &mut Vec<Violation>) {
    let format = "--format=%h%x1f%P%x1f%s%x1f%b%x1e";
    let log = git(&tree.root, &["log", format]).unwrap_or_default();
    let silent = check_log(&log, &mut Rule::new("commit", out));
    if silent > 0 {
        println!("note: {silent} commits have no body: a commit says why");
    }
}

/// Reports what breaks the rule, and answers how many commits have no body.
fn check_log(log: &str, rule: &mut Rule<'_>) -> usize {
    let mut silent = 0;
    for record in log.split('\x1e').map(str::trim_start).filter(|r| !r.is_empty()) {
        let fields: Vec<&str> = record.split('\x1f').collect();
        let [id, parents, subject, body] = fields[..] else { continue };
        let mut broken = |message: String, cure: &str| {
            rule.broken("git log", 0, format!("{id} \"{subject}\": {message}"), cure);
        };
        if parents.contains(' ') {
            broken("a merge".to_owned(), "rebase instead: history is one line");
        }
        if let Err(why) = form(subject) {
            broken(why, "area: imperative, as in \"ring: count what enter took\"");
        }
        let columns = subject.chars().count();
        if columns > SUBJECT_MAX {
            broken(format!("{columns} columns"), "at most 72, better 50; the rest is the body's");
        }
        silent += usize::from(body.trim().is_empty());
    }
    silent
}

/// Whether a subject is `area: imperative`.
fn form(subject: &str) -> Result<(), String> {
    if subject.starts_with("Revert \"") {
        return Ok(());
    }
    let (area, rest) = subject.split_once(": ").ok_or("no area")?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./, *".contains(c);
    if area.is_empty() || !area.chars().all(plain) {
        return Err(format!("`{area}` is no area"));
    }
    let verb = rest.split([' ', ',', ':']).next().unwrap_or("");
    if verb.is_empty() || !verb.chars().all(|c| c.is_ascii_lowercase() || c == '-') {
        return Err(format!("`{verb}` is no verb in lower case"));
    }
    let suffix = (verb.ends_with("ed") || verb.ends_with("ing")) && !IMPERATIVE.contains(&verb);
    if suffix || NARRATED.contains(&verb) {
        return Err(format!("`{verb}` is not imperative"));
    }
    if subject.ends_with('.') { Err("a full stop at its end".to_owned()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::check_log;
    use crate::report::Rule;

    fn messages(log: &str) -> (Vec<String>, usize) {
        let mut out = Vec::new();
        let silent = check_log(log, &mut Rule::new("commit", &mut out));
        (out.into_iter().map(|v| v.message).collect(), silent)
    }

    fn subject(subject: &str) -> usize {
        messages(&format!("1\x1fp\x1f{subject}\x1fwhy\x1e")).0.len()
    }

    #[test]
    fn subjects_of_another_form_are_found() {
        for bad in [
            "Add a ring",
            "ring: Add a queue",
            "ring: added a queue",
            "ring: fixing a queue",
            "ring: adds a queue",
            "ring: add a queue.",
            "ring (core): add a queue",
            "ring:add a queue",
        ] {
            assert_eq!(subject(bad), 1, "{bad}");
        }
        assert_eq!(subject(&format!("ring: add {}", "x".repeat(70))), 1);
    }

    #[test]
    fn subjects_of_this_form_are_left_alone() {
        for good in ["ring: count what enter took", "op/net: feed it", "xtask, ring: bring x"] {
            assert_eq!(subject(good), 0, "{good}");
        }
    }

    #[test]
    fn merges_are_found_and_missing_bodies_counted() {
        let log = "1\x1fp q\x1fa: merge b\x1f\x1e\n\
                   2\x1fp\x1fa: add b\x1f\n\x1e\n3\x1f\x1fa: begin\x1fy\x1e";
        assert_eq!(messages(log), (vec!["1 \"a: merge b\": a merge".to_owned()], 2));
        assert_eq!(messages(""), (vec![], 0));
    }
}
