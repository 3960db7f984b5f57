//! What a check found, one line each: where, which rule, what is wrong, what to do.

use std::fmt;

/// A place where the project breaks one of its rules.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// The file, from the root; or `git log`.
    pub path: String,
    /// The line, from 1; 0 where the whole file is meant.
    pub line: usize,
    /// The rule's short name.
    pub rule: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub cure: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, line, rule, message, cure } = self;
        write!(f, "{path}:{line}: {rule}: {message} ({cure})")
    }
}

/// All that was found under one rule.
pub struct Rule<'a> {
    name: &'static str,
    out: &'a mut Vec<Violation>,
}

impl<'a> Rule<'a> {
    /// Violations of the rule `name` are added to `out`.
    pub fn new(name: &'static str, out: &'a mut Vec<Violation>) -> Self {
        Self { name, out }
    }

    /// Adds one.
    pub fn broken(&mut self, path: &str, line: usize, message: impl Into<String>, cure: &str) {
        self.out.push(Violation {
            path: path.to_owned(),
            line,
            rule: self.name,
            message: message.into(),
            cure: cure.to_owned(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::Rule;

    #[test]
    fn a_violation_is_one_line() {
        let mut out = Vec::new();
        Rule::new("width", &mut out).broken("a.rs", 3, "120 columns", "break it");
        assert_eq!(out[0].to_string(), "a.rs:3: width: 120 columns (break it)");
    }
}
