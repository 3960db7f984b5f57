//! What is counted: a program run for a short time and for a longer one, and what came of it.

use std::collections::BTreeMap;

/// A program, and how it is asked for what is compared.
pub struct Case {
    /// Under which it is told of, without spaces: what is counted, who does it, how.
    pub name: String,
    pub program: &'static str,
    /// All but `ops=`.
    pub arguments: String,
    /// How many operations the two runs do.
    pub lengths: [u64; 2],
}

impl Case {
    /// One run, as its line in the other machine's list: the name, the program, its arguments.
    pub fn line(&self, ops: u64) -> String {
        format!("{} {} {} ops={ops}\n", self.run(ops), self.program, self.arguments)
    }

    /// What a run is called.
    pub fn run(&self, ops: u64) -> String {
        format!("{}/{ops}", self.name)
    }

    /// How much more the longer run does.
    pub fn difference(&self) -> f64 {
        (self.lengths[1] - self.lengths[0]) as f64
    }
}

/// The argument that names the file to read, on the other machine.
pub const DATA: &str = "file=/data";

/// By the name of a case, in instructions per operation.
pub type ByCase = BTreeMap<String, f64>;

/// What was counted on one kernel.
pub struct Counts {
    /// User space and kernel together, of all threads.
    pub total: ByCase,
    /// User space alone.
    pub user: ByCase,
    /// The kernel alone, by the plugin: what it executed, however long it waited.
    pub executed: ByCase,
}

impl Counts {
    pub fn total(&self, name: &str) -> Option<f64> {
        self.total.get(name).copied()
    }

    pub fn user(&self, name: &str) -> Option<f64> {
        self.user.get(name).copied()
    }

    pub fn executed(&self, name: &str) -> Option<f64> {
        self.executed.get(name).copied()
    }

    pub fn kernel(&self, name: &str) -> Option<f64> {
        Some(self.total(name)? - self.user(name)?)
    }
}

/// A cell of a table: a number or a dash.
pub fn cell(number: Option<f64>, digits: usize) -> String {
    number.map_or_else(|| "-".to_owned(), |n| format!("{n:.digits$}"))
}

/// `a` divided by `b`.
pub fn ratio(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    Some(a? / b?)
}

#[cfg(test)]
mod tests {
    use super::{Case, Counts};

    #[test]
    fn a_line_names_the_run() {
        let (name, arguments) = ("read/a/1".to_owned(), "qd=1".to_owned());
        let case = Case { name, program: "p", arguments, lengths: [2, 6] };
        assert_eq!(case.line(6), "read/a/1/6 p qd=1 ops=6\n");
        assert_eq!(case.difference(), 4.0);
    }

    #[test]
    fn the_kernel_is_what_user_space_is_not() {
        let one = |n| [("a".to_owned(), n)].into();
        let counts = Counts { total: one(100.0), user: one(30.0), executed: one(69.0) };
        assert_eq!(counts.kernel("a"), Some(70.0));
        assert_eq!((counts.kernel("b"), counts.executed("a")), (None, Some(69.0)));
    }
}
