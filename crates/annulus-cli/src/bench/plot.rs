//! Throughput against depth, as bars in the terminal: full to the slowest round, shaded to the
//! fastest, so that the spread is seen.

use super::plan::Engine;
use super::report::{CellReport, Outcome};
use super::table::engine;
use crate::out::{Style, Ui};
use crate::units;

/// The room a panel needs, and what lies between two of them.
const PANEL_COLUMNS: usize = 58;
const GAP_COLUMNS: usize = 3;

/// All workloads, two beside each other where there is room.
pub fn plots(ui: &Ui, outcomes: &[Outcome]) -> String {
    let measured: Vec<&Outcome> = outcomes.iter().filter(|it| !it.cells.is_empty()).collect();
    let beside = if ui.columns >= 2 * PANEL_COLUMNS + GAP_COLUMNS { 2 } else { 1 };
    let width = (ui.columns.min(160) - (beside - 1) * GAP_COLUMNS) / beside;
    let panels: Vec<Vec<Line>> = measured.iter().map(|outcome| panel(ui, outcome, width)).collect();
    let mut text = String::new();
    for pair in panels.chunks(beside) {
        let height = pair.iter().map(Vec::len).max().unwrap_or(0);
        for row in 0..height {
            let cells: Vec<Line> =
                pair.iter().map(|panel| panel.get(row).cloned().unwrap_or_default()).collect();
            text += beside_each_other(&cells, width).trim_end();
            text.push('\n');
        }
        text.push('\n');
    }
    text
}

/// A line with its colours, and how wide it is without.
#[derive(Clone, Debug, Default)]
struct Line {
    text: String,
    columns: usize,
}

fn beside_each_other(lines: &[Line], width: usize) -> String {
    let padded = |line: &Line| {
        format!("{}{}", line.text, " ".repeat((width + GAP_COLUMNS).saturating_sub(line.columns)))
    };
    lines.iter().map(padded).collect()
}

/// The bars of one workload.
fn panel(ui: &Ui, outcome: &Outcome, width: usize) -> Vec<Line> {
    let name = outcome.workload.name();
    let title = format!("{name}: operations per second, by depth");
    let title: String = title.chars().take(width).collect();
    let columns = title.chars().count();
    let mut lines = vec![Line { text: ui.paint(Style::Bold, &title), columns }];
    let top = outcome.cells.iter().map(|cell| cell.ops_per_s.max).fold(0.0, f64::max);
    let mut depth = 0;
    for cell in &outcome.cells {
        let label = if cell.depth == depth { String::new() } else { cell.depth.to_string() };
        depth = cell.depth;
        lines.push(bar(ui, cell, &label, &engine(outcome, cell), top, width));
    }
    lines
}

fn bar(ui: &Ui, cell: &CellReport, depth: &str, name: &str, top: f64, width: usize) -> Line {
    let head = format!("{depth:>5} {name:<12}");
    let tail = format!(" {}", units::rate(cell.ops_per_s.median));
    // The longest value has 6 characters and a space.
    let room = width.saturating_sub(head.chars().count() + 7).max(4);
    let (full, shade) = lengths(cell.ops_per_s.min, cell.ops_per_s.max, top, room);
    let (solid, light) = if ui.unicode { ("█", "▒") } else { ("#", "=") };
    let style = if cell.engine == Engine::Threads { Style::Other } else { Style::Ring };
    let bar = format!("{}{}", solid.repeat(full), light.repeat(shade));
    Line {
        columns: head.chars().count() + full + shade + tail.chars().count(),
        text: format!("{head}{}{tail}", ui.paint(style, &bar)),
    }
}

/// How many cells are full, and how many shaded: at least one in all, at most `room`.
fn lengths(min: f64, max: f64, top: f64, room: usize) -> (usize, usize) {
    if top <= 0.0 {
        return (0, 0);
    }
    let cells = |value: f64| ((value / top * room as f64).round() as usize).min(room);
    let end = cells(max).max(1);
    let full = cells(min).min(end);
    (full, end - full)
}

/// What the bars mean.
pub fn legend(ui: &Ui) -> String {
    let (solid, light) = if ui.unicode { ("█", "▒") } else { ("#", "=") };
    let text =
        format!("{solid} the slowest round, {light} up to the fastest; the number is the median");
    ui.paint(Style::Dim, &text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::report::tests::outcome;

    #[test]
    fn bars_are_as_long_as_their_rounds() {
        assert_eq!(lengths(50.0, 100.0, 100.0, 40), (20, 20));
        assert_eq!(lengths(100.0, 100.0, 100.0, 40), (40, 0));
        assert_eq!(lengths(0.1, 0.2, 100.0, 40), (0, 1));
        assert_eq!(lengths(0.0, 0.0, 0.0, 40), (0, 0));
    }

    #[test]
    fn plots_fit_their_terminal() {
        for columns in [60, 80, 100, 120, 200] {
            let ui = Ui { columns, ..Ui::plain() };
            let text = plots(&ui, &[outcome(), outcome(), outcome()]);
            let widest = text.lines().map(|line| line.chars().count()).max().unwrap();
            assert!(widest <= columns, "{columns}: {widest}\n{text}");
            let panels = text.lines().filter(|line| line.contains("random reads")).count();
            assert_eq!(panels, if columns >= 119 { 2 } else { 3 }, "{columns}\n{text}");
        }
    }

    #[test]
    fn the_fastest_fills_the_room() {
        let text = plots(&Ui { columns: 80, ..Ui::plain() }, &[outcome()]);
        let longest = text.lines().map(|line| line.matches(['#', '=']).count()).max();
        assert_eq!(longest, Some(80 - 18 - 7), "{text}");
    }
}
