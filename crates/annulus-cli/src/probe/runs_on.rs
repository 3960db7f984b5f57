//! What a program that uses Annulus would run on here: which kernel, why, and what that can do.

use annulus_emulate::{Builder, Decision, Error, KernelChoice};
use serde::Serialize;

/// Which kernel, and why.
#[derive(Debug, Serialize)]
pub struct RunsOn {
    /// `linux` or `host`; nothing where a ring would be an error.
    kernel: Option<&'static str>,
    /// Whether `ANNULUS_KERNEL` named it.
    asked_for: bool,
    /// In one line.
    because: String,
    /// How many operations the kernel in user space emulates, whichever a program would run on.
    emulated_ops_count: Option<usize>,
}

impl RunsOn {
    /// Finds out, as a program would by its first ring.
    pub fn find() -> Self {
        let emulated_ops_count = emulated();
        match KernelChoice::Environment.decide() {
            Ok(decision) => Self {
                kernel: Some(decision.name()),
                asked_for: decision.was_asked_for(),
                because: because(&decision),
                emulated_ops_count,
            },
            Err(error) => Self {
                kernel: None,
                asked_for: true,
                because: first_line(&error),
                emulated_ops_count,
            },
        }
    }

    /// In one line, for the report.
    pub fn line(&self, known_ops_count: usize) -> String {
        let emulated = self.emulated_ops_count.map_or_else(String::new, |count| {
            format!(", which does {count} of the {known_ops_count} known operations")
        });
        let because = &self.because;
        match (self.kernel, self.asked_for) {
            (None, _) => format!("nothing: {because}"),
            (Some("host"), false) => format!(
                "the kernel in user space{emulated}; ANNULUS_KERNEL=linux makes it an error"
            ),
            (Some("host"), true) => format!("the kernel in user space{emulated}: {because}"),
            (Some(_), false) => {
                format!("Linux; ANNULUS_KERNEL=host forces the kernel in user space{emulated}")
            }
            (Some(_), true) => format!("Linux: {because}"),
        }
    }
}

/// Why it is this one.
fn because(decision: &Decision) -> String {
    if decision.was_asked_for() {
        return format!("ANNULUS_KERNEL={} asks for it", decision.name());
    }
    let text = decision.to_string();
    text.split_once(": ").map_or(text.clone(), |(_, because)| because.to_owned())
}

/// The first line of an error, which names what failed.
fn first_line(error: &Error) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

/// How many operations the kernel in user space has.
fn emulated() -> Option<usize> {
    let ring = Builder::new().entries(1).kernel(KernelChoice::Host).build().ok()?;
    Some(ring.register().probe().ok()?.supported().count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_names_the_kernel_and_how_to_force_another() {
        let runs_on = |kernel, asked_for| RunsOn {
            kernel,
            asked_for,
            because: "so".to_owned(),
            emulated_ops_count: Some(60),
        };
        let line = |kernel, asked_for| runs_on(kernel, asked_for).line(65);
        assert!(line(Some("linux"), false).starts_with("Linux; ANNULUS_KERNEL=host forces"));
        assert_eq!(line(Some("linux"), true), "Linux: so");
        assert!(
            line(Some("host"), false).contains("60 of the 65 known operations; ANNULUS_KERNEL")
        );
        assert!(line(Some("host"), true).ends_with("operations: so"));
        assert_eq!(line(None, true), "nothing: so");
    }
}
