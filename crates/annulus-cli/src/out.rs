//! [`Ui`]: how the user wants to be spoken to, and the only way to stdout.

use std::io::{self, IsTerminal, Write};

use clap::ValueEnum;
use serde::Serialize;

use crate::failure::Failure;

/// What every command understands.
#[derive(Clone, Copy, Debug, clap::Args)]
#[command(next_help_heading = "Output")]
pub struct Common {
    /// Print one JSON object ("schema": 1) instead of text
    #[arg(long, global = true)]
    pub json: bool,
    /// Print results only: no progress, no warnings
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Print more: every round's numbers
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// When to use colours: `auto` means on a terminal, unless NO_COLOR is set
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t = When::Auto)]
    pub color: When,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum When {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How the user wants to be spoken to.
#[derive(Clone, Copy, Debug)]
pub struct Ui {
    /// One JSON object instead of text.
    pub json: bool,
    /// Results only.
    pub quiet: bool,
    /// More of everything.
    pub verbose: bool,
    /// Whether stdout gets colours.
    pub color: bool,
    /// Whether stdout may get more than ASCII.
    pub unicode: bool,
    /// How wide stdout is, in columns.
    pub columns: usize,
    /// Whether somebody watches stderr.
    pub watched: bool,
}

/// What a piece of text is, for those who see colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    Plain,
    Bold,
    Dim,
    /// The ring's numbers.
    Ring,
    /// What the ring is compared with.
    Other,
    Good,
    Bad,
}

/// The width where there is no terminal to ask.
const COLUMNS: usize = 80;

impl Ui {
    /// What the options, the environment and the terminal say together.
    pub fn new(common: &Common) -> Self {
        let terminal = io::stdout().is_terminal();
        Self {
            json: common.json,
            quiet: common.quiet,
            verbose: common.verbose,
            color: wants_color(common.color, terminal, |name| {
                std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
            }),
            unicode: speaks_unicode(|name| std::env::var(name).ok()),
            columns: if terminal { width() } else { COLUMNS },
            watched: io::stderr().is_terminal() && !common.quiet && !common.json,
        }
    }

    /// `text` in its colour, if there are colours.
    pub fn paint(&self, style: Style, text: &str) -> String {
        let code = match style {
            Style::Plain => return text.to_owned(),
            Style::Bold => "1",
            Style::Dim => "2",
            Style::Ring => "36",
            Style::Other => "33",
            Style::Good => "32",
            Style::Bad => "31",
        };
        if self.color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// Nobody watches, and nothing but ASCII: for tests.
    #[cfg(test)]
    pub fn plain() -> Self {
        Self {
            json: false,
            quiet: false,
            verbose: false,
            color: false,
            unicode: false,
            columns: COLUMNS,
            watched: false,
        }
    }

    /// Prints `text` and a line break.
    pub fn line(&self, text: &str) -> Result<(), Failure> {
        print(&format!("{text}\n"))
    }

    /// Prints `value` as one JSON object.
    pub fn object(&self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(value).map_err(|e| Failure::new("JSON", e))?;
        self.line(&text)
    }

    /// Says on stderr what the user should know, unless only results are wanted.
    pub fn warn(&self, text: &str) {
        if !self.quiet {
            // A warning that cannot be written has nobody to be told to.
            let _ = writeln!(io::stderr(), "annulus: {text}");
        }
    }
}

/// Writes to stdout. `println!` would panic when the reader went away.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(|e| Failure::output(&e))
}

fn wants_color(when: When, terminal: bool, env: impl Fn(&str) -> Option<String>) -> bool {
    match when {
        When::Always => true,
        When::Never => false,
        When::Auto => {
            let refused = env("NO_COLOR").is_some_and(|value| !value.is_empty());
            terminal && !refused && env("TERM").is_some_and(|term| term != "dumb")
        }
    }
}

/// Whether the locale is UTF-8: the first that is set of the three variables decides.
fn speaks_unicode(env: impl Fn(&str) -> Option<String>) -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .filter_map(|name| env(name))
        .find(|value| !value.is_empty());
    // No locale at all is a container or a service: today they all speak UTF-8.
    locale.is_none_or(|name| {
        let name = name.to_ascii_lowercase();
        name.contains("utf-8") || name.contains("utf8")
    })
}

fn width() -> usize {
    rustix::termios::tcgetwinsize(io::stdout())
        .map(|size| usize::from(size.ws_col))
        .ok()
        .filter(|&columns| columns >= 40)
        .unwrap_or(COLUMNS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env<'a>(pairs: &'a [(&str, &str)]) -> impl Fn(&str) -> Option<String> + 'a {
        |name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
    }

    #[test]
    fn colours_are_for_terminals_that_want_them() {
        let term = ("TERM", "xterm");
        assert!(wants_color(When::Auto, true, env(&[term])));
        assert!(wants_color(When::Auto, true, env(&[term, ("NO_COLOR", "")])));
        assert!(!wants_color(When::Auto, true, env(&[term, ("NO_COLOR", "1")])));
        assert!(!wants_color(When::Auto, true, env(&[("TERM", "dumb")])));
        assert!(!wants_color(When::Auto, false, env(&[term])));
        assert!(wants_color(When::Always, false, env(&[("NO_COLOR", "1")])));
        assert!(!wants_color(When::Never, true, env(&[term])));
    }

    #[test]
    fn the_locale_decides_about_unicode() {
        assert!(speaks_unicode(env(&[])));
        assert!(speaks_unicode(env(&[("LANG", "de_DE.UTF-8")])));
        assert!(speaks_unicode(env(&[("LC_ALL", ""), ("LC_CTYPE", "C.utf8"), ("LANG", "C")])));
        assert!(!speaks_unicode(env(&[("LC_ALL", "C"), ("LANG", "de_DE.UTF-8")])));
    }
}
