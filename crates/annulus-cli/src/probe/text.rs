//! The report as a terminal shows it: the library's text, broken between its items and coloured.

use annulus_ring::abi::Op;
use annulus_ring::probe::{Report, Verdict};

use super::runs_on::RunsOn;
use crate::out::{Style, Ui};

/// Where what is said begins, after the word that says of what.
const INDENT: usize = 13;

/// Lines are broken for terminals that are at least this wide.
const COLUMNS_MIN: usize = 80;

/// The report, and what to do next.
pub fn render(report: &Report, runs_on: &RunsOn, ui: &Ui) -> String {
    let text = report.to_string();
    let mut lines: Vec<String> = Vec::new();
    for (n, line) in text.lines().enumerate() {
        if n == 0 {
            lines.extend(verdict(line, report, ui));
        } else {
            lines.extend(row(line, ui));
        }
    }
    lines.push(format!(
        "{}{}",
        ui.paint(Style::Bold, "  runs on    "),
        runs_on.line(Op::ALL.len())
    ));
    if report.verdict() != Verdict::Unusable && !ui.quiet {
        let more = "annulus probe --ops lists the operations, annulus bench measures them";
        lines.push(format!("  {:<10} {more}", "more"));
    }
    lines.join("\n")
}

/// The first line: what it comes to, and which machine this is.
fn verdict(line: &str, report: &Report, ui: &Ui) -> Vec<String> {
    let style = match report.verdict() {
        Verdict::Usable => Style::Good,
        Verdict::Limited => Style::Bold,
        Verdict::Unusable => Style::Bad,
    };
    let (word, rest) = line.split_at(INDENT.min(line.len()));
    let (said, machine) = match rest.rsplit_once(" kernel ") {
        Some((said, machine)) => (said.trim_end(), format!("kernel {machine}")),
        None => (rest, String::new()),
    };
    let plain = ascii(&machine, ui);
    let width = INDENT + said.len() + 2 + plain.chars().count();
    let said = format!("{}{}", ui.paint(Style::Bold, word), ui.paint(style, said));
    if width <= ui.columns.max(COLUMNS_MIN) {
        vec![format!("{said}  {}", ui.paint(Style::Dim, &plain))]
    } else {
        vec![said, format!("  {:<10} {}", "machine", ui.paint(Style::Dim, &plain))]
    }
}

/// One line: lists are broken between their items, sentences and commands never.
fn row(line: &str, ui: &Ui) -> Vec<String> {
    let split = line.char_indices().nth(INDENT).map_or(line.len(), |(at, _)| at);
    let (word, said) = line.split_at(split);
    // A command may hold two spaces, but the lists are those with marks.
    let is_list = said.contains('\u{2713}') || said.contains('\u{2717}');
    let items: Vec<&str> = if is_list { said.split("  ").collect() } else { vec![said] };
    let mut lines = Vec::new();
    let (mut text, mut width) = (ui.paint(Style::Bold, word), INDENT);
    let mut begun = false;
    for item in items {
        let plain = ascii(item, ui);
        let len = plain.chars().count();
        if begun && width + 2 + len > ui.columns.max(COLUMNS_MIN) {
            lines.push(std::mem::replace(&mut text, " ".repeat(INDENT)));
            (width, begun) = (INDENT, false);
        }
        if begun {
            text.push_str("  ");
            width += 2;
        }
        text.push_str(&marked(&plain, item, ui));
        width += len;
        begun = true;
    }
    lines.push(text);
    lines
}

/// An item in the colour of its mark.
fn marked(plain: &str, item: &str, ui: &Ui) -> String {
    let style = match (item.contains('\u{2713}'), item.contains('\u{2717}')) {
        (_, true) => Style::Bad,
        (true, false) => Style::Good,
        (false, false) => Style::Plain,
    };
    ui.paint(style, plain)
}

/// The text for terminals that show nothing but ASCII.
fn ascii(text: &str, ui: &Ui) -> String {
    if ui.unicode {
        return text.to_owned();
    }
    text.replace('\u{2713}', "yes").replace('\u{2717}', "no").replace('\u{b7}', "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_broken_between_items_and_commands_are_not() {
        let ui = Ui::plain();
        let list = format!("  works      {}", ["some thing \u{2713}"; 12].join("  "));
        let lines = row(&list, &ui);
        assert!(lines.len() > 1 && lines.iter().all(|line| line.len() <= 80), "{lines:?}");
        assert!(lines[1].starts_with("             some thing yes"), "{lines:?}");
        let command = format!("  fix        {}", "docker run  ".repeat(20));
        assert_eq!(row(&command, &ui).len(), 1);
    }

    #[test]
    fn marks_are_words_without_unicode() {
        let ui = Ui::plain();
        assert_eq!(ascii("a \u{2713}  b \u{2717} (EINVAL)", &ui), "a yes  b no (EINVAL)");
        assert_eq!(ascii("a \u{2713}", &Ui { unicode: true, ..ui }), "a \u{2713}");
    }
}
