//! The numbers as text: the header, a table for each workload, and what may be said about them.

use super::plan::{Cache, Engine, Rw};
use super::report::{Against, CellReport, Outcome, Report};
use super::stats::{Comparison, Verdict};
use crate::out::{Style, Ui};
use crate::units;

/// What is measured, and on what.
pub fn header(ui: &Ui, report: &Report, file: &str, rounds: &str) -> String {
    let Report { machine, instructions_missing: no_instructions, .. } = report;
    let dot = if ui.unicode { " · " } else { " - " };
    let mut lines = vec![format!(
        "machine  {}{dot}{} CPUs{dot}Linux {} {}{dot}load {:.2}",
        machine.cpu.as_deref().unwrap_or("unknown processor"),
        machine.cpus,
        machine.kernel,
        machine.arch,
        machine.load_average,
    )];
    if !file.is_empty() {
        let mut line = format!("file     {}: {file}", machine.dir);
        line += &format!("{dot}{}", machine.file_system.as_deref().unwrap_or("unknown"));
        if let Some(device) = &machine.device {
            line += &format!(" on {device}");
        }
        if let Some(scheduler) = &machine.scheduler {
            line += &format!(" (scheduler {scheduler})");
        }
        lines.push(line);
    }
    lines.push(format!("rounds   {rounds}"));
    if let Some(reason) = no_instructions {
        lines.push(format!("instr/op {reason}"));
    }
    lines.iter().map(|line| fold(line, ui.columns, 9)).collect::<Vec<_>>().join("\n")
}

/// `line`, broken at spaces where it is too long; what follows is indented.
fn fold(line: &str, columns: usize, indent: usize) -> String {
    let mut out = String::new();
    let mut used = 0;
    for word in line.split_inclusive(' ') {
        let len = word.trim_end().chars().count();
        if used > indent && used + len > columns {
            out.truncate(out.trim_end().len());
            out += &format!("\n{}", " ".repeat(indent));
            used = indent;
        }
        out += word;
        used += word.chars().count();
    }
    out.truncate(out.trim_end().len());
    out
}

/// The columns' names, over what [`row`] prints.
const COLUMNS: &str =
    " depth                  ops/s  slowest..fastest    CPU/op  calls/op  instr/op";

/// The table of one workload.
pub fn table(ui: &Ui, outcome: &Outcome, block_bytes: u32) -> String {
    let workload = outcome.workload;
    let mut title = ui.paint(Style::Bold, workload.name());
    if workload.rw != Rw::Nop {
        title += &format!(" ({})", units::size(block_bytes.into()));
    }
    if let Some(reason) = &outcome.skipped {
        return format!("{title}: skipped: {reason}\n");
    }
    let mut lines = vec![title, ui.paint(Style::Dim, COLUMNS)];
    let mut depth = 0;
    for cell in &outcome.cells {
        let first = cell.depth != depth;
        depth = cell.depth;
        lines.push(row(ui, outcome, cell, first));
        if ui.verbose {
            lines.push(ui.paint(Style::Dim, &rounds(cell)));
        }
        if cell.engine == Engine::Threads {
            let of_depth = outcome.comparisons.iter().filter(|it| it.depth == cell.depth);
            lines.extend(of_depth.map(|against| format!("        {}", judgement(ui, against))));
        }
    }
    for note in [cores(outcome), workers(outcome), enters(outcome)].into_iter().flatten() {
        lines.push(fold(&format!("        {note}"), ui.columns, 8));
    }
    lines.join("\n") + "\n"
}

/// One engine at one depth.
fn row(ui: &Ui, outcome: &Outcome, cell: &CellReport, first: bool) -> String {
    let depth = if first { cell.depth.to_string() } else { String::new() };
    let name = engine(outcome, cell);
    let ops = &cell.ops_per_s;
    let spread = format!("{}..{}", units::rate(ops.min), units::rate(ops.max));
    let missing = if ui.unicode { "–" } else { "-" };
    let instructions = cell.instructions_per_op.map_or(missing.to_owned(), units::rate);
    let cpu = units::nanoseconds(cell.cpu_ns_per_op.median, ui.unicode);
    let calls = match cell.calls_per_op {
        few if few < 0.095 => format!("{few:.3}"),
        many => format!("{many:.2}"),
    };
    let style = if cell.engine == Engine::Threads { Style::Plain } else { Style::Ring };
    format!(
        "{depth:>6}  {}{:>9}  {spread:>16}  {cpu:>8}  {calls:>8}  {instructions:>8}",
        ui.paint(style, &format!("{name:<12}")),
        units::rate(ops.median),
    )
}

/// What a row or a bar is called.
pub fn engine(outcome: &Outcome, cell: &CellReport) -> String {
    match (cell.engine, outcome.workload.rw, cell.threads) {
        (Engine::Uring, ..) => "ring".to_owned(),
        (Engine::Host, ..) => "host kernel".to_owned(),
        (Engine::Threads, Rw::Nop, _) => "system call".to_owned(),
        (Engine::Threads, _, 1) => "1 thread".to_owned(),
        (Engine::Threads, _, count) => format!("{count} threads"),
    }
}

fn rounds(cell: &CellReport) -> String {
    let all: Vec<String> = cell.rounds.iter().map(|it| units::rate(it.ops_per_s())).collect();
    format!("        rounds: {}", all.join(" "))
}

/// Through the cache it is processors that do the work, and the ring's thread has but one.
fn cores(outcome: &Outcome) -> Option<String> {
    let ring = outcome.cells.iter().any(|cell| cell.engine != Engine::Threads);
    let most = outcome.cells.iter().map(|cell| cell.threads).max().filter(|&n| ring && n > 1)?;
    (outcome.workload.cache == Some(Cache::Cached)).then(|| {
        format!("the ring has one thread, the ordinary way up to {most}: CPU/op compares them")
    })
}

/// That the kernel gave the ring's work to threads of its own is half of the explanation.
fn workers(outcome: &Outcome) -> Option<String> {
    let count = outcome.cells.iter().map(CellReport::kernel_workers).max().filter(|&n| n > 0)?;
    let workers = if count == 1 { "a worker".to_owned() } else { format!("{count} workers") };
    Some(format!("what could not be done at once, the kernel passed to {workers} (iou-wrk)"))
}

/// In user space an enter is no system call.
fn enters(outcome: &Outcome) -> Option<String> {
    let is_there = outcome.cells.iter().any(|cell| cell.engine == Engine::Host);
    is_there.then(|| {
        "calls/op of the host kernel are enters: the system calls behind them are not counted"
            .to_owned()
    })
}

/// A ring against threads at one depth, in words.
fn judgement(ui: &Ui, against: &Against) -> String {
    use Verdict::{NoDifference, TooFewRounds};
    let arrow = if ui.unicode { "→" } else { "=>" };
    let who = against.engine.subject();
    let speed = compare(ui, &against.ops, ["faster", "slower"], true);
    let cpu = compare(ui, &against.cpu, ["more CPU", "less CPU"], false);
    match (against.ops.verdict, against.cpu.verdict) {
        (TooFewRounds, _) | (_, TooFewRounds) => format!("{arrow} too few rounds for a verdict"),
        (NoDifference, NoDifference) if against.engine == Engine::Uring => {
            format!("{arrow} no difference")
        }
        (NoDifference, NoDifference) => format!("{arrow} {who}: no difference"),
        (NoDifference, _) => format!("{arrow} no difference in speed; {who} takes {cpu}"),
        (_, NoDifference) => format!("{arrow} {who} is {speed}; no difference in CPU"),
        _ => format!("{arrow} {who} is {speed}, and takes {cpu}"),
    }
}

/// The ratio in the direction that makes it more than 1; `words` for more and for less.
fn compare(ui: &Ui, comparison: &Comparison, words: [&str; 2], is_higher_better: bool) -> String {
    let is_higher = comparison.verdict == Verdict::Higher;
    let ratio = if is_higher { comparison.ratio } else { comparison.ratio.recip() };
    let word = if is_higher { words[0] } else { words[1] };
    let style = if is_higher == is_higher_better { Style::Good } else { Style::Bad };
    ui.paint(style, &format!("{} {word}", times(ui, ratio)))
}

fn times(ui: &Ui, ratio: f64) -> String {
    let sign = if ui.unicode { "×" } else { "x" };
    if ratio >= 9.95 { format!("{ratio:.0}{sign}") } else { format!("{ratio:.2}{sign}") }
}

/// All workloads at a glance: each ring's speed and CPU time, the ordinary way's being 1.
pub fn summary(ui: &Ui, report: &Report) -> String {
    let tables = [Engine::Uring, Engine::Host].map(|engine| summary_of(ui, report, engine));
    let mut lines: Vec<String> = tables.into_iter().flatten().collect();
    if lines.is_empty() {
        return String::new();
    }
    let legend = "= no difference beyond the spread, ? too few rounds (good: fast, little CPU)";
    lines.push(ui.paint(Style::Dim, &fold(legend, ui.columns, 2)));
    lines.join("\n") + "\n"
}

/// One ring in all workloads where it is compared.
fn summary_of(ui: &Ui, report: &Report, engine: Engine) -> Vec<String> {
    let is_compared =
        |outcome: &&Outcome| outcome.comparisons.iter().any(|against| against.engine == engine);
    let compared: Vec<&Outcome> = report.workloads.iter().filter(is_compared).collect();
    if compared.is_empty() {
        return Vec::new();
    }
    let depths = &report.settings.depths;
    let titles = [("speed", true), ("CPU per operation", false)];
    let subject = engine.subject().replacen('t', "T", 1);
    let title = format!("{subject} against the ordinary way, at each depth");
    let mut lines = vec![ui.paint(Style::Bold, &title)];
    // Both beside each other, if they fit; else below each other.
    let beside = NAME_COLUMNS + 2 * (depths.len() * RATIO_COLUMNS + GAP.len()) <= ui.columns;
    let groups: Vec<&[(&str, bool)]> =
        if beside { vec![&titles] } else { titles.chunks(1).collect() };
    for group in groups {
        lines.push(ui.paint(Style::Dim, &summary_head(group, depths)));
        let row = |outcome: &&Outcome| summary_row(ui, outcome, engine, group, depths);
        lines.extend(compared.iter().map(row));
    }
    lines
}

/// How wide the names and the ratios of the summary are, and what lies between its halves.
const NAME_COLUMNS: usize = 22;
const RATIO_COLUMNS: usize = 7;
const GAP: &str = "   ";

fn summary_head(group: &[(&str, bool)], depths: &[u32]) -> String {
    let mut names = " ".repeat(NAME_COLUMNS);
    let mut line = " ".repeat(NAME_COLUMNS);
    for (name, _) in group {
        let width = depths.len() * RATIO_COLUMNS;
        names += &format!("{GAP}{name:>width$}");
        line += GAP;
        line.extend(depths.iter().map(|depth| format!("{depth:>RATIO_COLUMNS$}")));
    }
    format!("{names}\n{line}")
}

fn summary_row(
    ui: &Ui,
    outcome: &Outcome,
    engine: Engine,
    group: &[(&str, bool)],
    depths: &[u32],
) -> String {
    let mut line = format!("{:<NAME_COLUMNS$}", outcome.workload.name());
    for &(_, is_speed) in group {
        line += GAP;
        for &depth in depths {
            let against = outcome.against(depth, engine);
            let comparison = against.map(|it| if is_speed { it.ops } else { it.cpu });
            line += &ratio(ui, comparison, is_speed);
        }
    }
    line
}

/// A ratio in its column, or why there is none.
fn ratio(ui: &Ui, comparison: Option<Comparison>, is_higher_better: bool) -> String {
    let Some(comparison) = comparison else { return " ".repeat(RATIO_COLUMNS) };
    let (text, style) = match comparison.verdict {
        Verdict::NoDifference => ("=".to_owned(), Style::Dim),
        Verdict::TooFewRounds => ("?".to_owned(), Style::Dim),
        verdict => {
            let is_good = (verdict == Verdict::Higher) == is_higher_better;
            (times(ui, comparison.ratio), if is_good { Style::Good } else { Style::Bad })
        }
    };
    ui.paint(style, &format!("{text:>RATIO_COLUMNS$}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::report::tests::{cell, outcome};

    fn ui(columns: usize) -> Ui {
        Ui { columns, ..Ui::plain() }
    }

    #[test]
    fn tables_fit_into_80_columns() {
        let text = table(&ui(80), &outcome(), 4096);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(text.contains("32 threads") && text.contains("40.0k..44.0k"), "{text}");
    }

    #[test]
    fn a_table_says_no_more_than_the_verdict() {
        let text = table(&ui(80), &outcome(), 4096);
        assert!(text.contains("=> no difference\n"), "{text}");
        assert!(text.contains("the ring is 1.95x faster, and takes 3.00x less CPU"), "{text}");
    }

    #[test]
    fn the_summary_has_a_ratio_only_where_there_is_a_verdict() {
        let group = [("speed", true), ("CPU", false)];
        let row = summary_row(&ui(80), &outcome(), Engine::Uring, &group, &[1, 32]);
        let words: Vec<&str> = row.split_whitespace().collect();
        assert_eq!(words, ["random", "reads,", "direct", "=", "1.95x", "=", "0.33x"]);
    }

    #[test]
    fn no_verdict_has_no_words_of_one() {
        let comparison = |verdict| Comparison { ratio: 3.0, low: 1.0, high: 9.0, verdict };
        for (ops, cpu) in [
            (Verdict::NoDifference, Verdict::NoDifference),
            (Verdict::TooFewRounds, Verdict::TooFewRounds),
            (Verdict::TooFewRounds, Verdict::Lower),
        ] {
            let (ops, cpu) = (comparison(ops), comparison(cpu));
            let against = Against { depth: 1, engine: Engine::Uring, ops, cpu };
            let text = judgement(&ui(80), &against);
            assert!(!text.contains("3.00") && !text.contains("faster"), "{text}");
        }
    }

    #[test]
    fn few_rounds_are_no_verdict() {
        let cells = vec![
            cell(1, Engine::Uring, &[100, 101, 102], 10),
            cell(1, Engine::Threads, &[10, 11, 12], 100),
        ];
        let text = table(&ui(80), &Outcome::new(outcome().workload, cells), 4096);
        assert!(text.contains("too few rounds for a verdict"), "{text}");
        assert!(!text.contains("faster"), "{text}");
    }

    #[test]
    fn long_lines_are_folded_at_spaces() {
        let text = fold("file     one two three", 16, 9);
        assert_eq!(text, "file     one two\n         three");
        assert!(fold("a verylongwordthatdoesnotfit", 10, 2).lines().count() <= 2);
    }
}
