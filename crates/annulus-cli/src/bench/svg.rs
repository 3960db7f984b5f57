//! The plots as an SVG: for each workload throughput and CPU time against depth, with the spread.
//!
//! Written by hand: a few lines, circles and words need no drawing library.

use std::fmt::Write;

use super::plan::Engine;
use super::report::{CellReport, Outcome, Report};
use super::stats::Summary;
use crate::units;

const WIDTH: f64 = 920.0;
const HEAD: f64 = 96.0;
const ROW: f64 = 250.0;
const CHART_WIDTH: f64 = 350.0;
const CHART_HEIGHT: f64 = 160.0;
/// Where the two charts of a row begin.
const LEFT: [f64; 2] = [80.0, 540.0];

const STYLE: &str = "
  :root { color-scheme: light dark; }
  .page { fill: #fff } text { fill: #333; font: 12px system-ui, sans-serif }
  .title { font-size: 18px; font-weight: 600 } .name { font-size: 14px; font-weight: 600 }
  .axis { stroke: #999; fill: none } .grid { stroke: #ddd; fill: none }
  .uring { stroke: #0b7285; fill: #0b7285 } .threads { stroke: #d9480f; fill: #d9480f }
  .host { stroke: #5f3dc4; fill: #5f3dc4 }
  .line { fill: none; stroke-width: 2 } .spread { stroke-width: 1.5; fill: none }
  @media (prefers-color-scheme: dark) {
    .page { fill: #16181d } text { fill: #ddd } .grid { stroke: #333 } .axis { stroke: #777 }
    .uring { stroke: #3bc9db; fill: #3bc9db } .threads { stroke: #ff922b; fill: #ff922b }
    .host { stroke: #b197fc; fill: #b197fc }
  }
";

/// One quantity of the cells: what it is called, how it is had, how it is written.
struct Quantity {
    name: &'static str,
    of: fn(&CellReport) -> &Summary,
    write: fn(f64) -> String,
}

const QUANTITIES: [Quantity; 2] = [
    Quantity {
        name: "operations per second (higher is better)",
        of: |cell| &cell.ops_per_s,
        write: units::rate,
    },
    Quantity {
        name: "CPU time per operation (lower is better)",
        of: |cell| &cell.cpu_ns_per_op,
        write: |ns| units::nanoseconds(ns, true),
    },
];

/// The whole picture.
pub fn draw(report: &Report) -> String {
    let measured: Vec<&Outcome> =
        report.workloads.iter().filter(|outcome| !outcome.cells.is_empty()).collect();
    let height = HEAD + ROW * measured.len() as f64;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         width=\"{WIDTH}\" height=\"{height}\" role=\"img\">\n<style>{STYLE}</style>\n\
         <rect class=\"page\" width=\"{WIDTH}\" height=\"{height}\"/>\n"
    );
    text(&mut svg, (20.0, 32.0), "title", "start", "annulus bench");
    let machine = &report.machine;
    let facts = format!(
        "{}, {} CPUs, Linux {}, {}, {} per operation, load {:.2}",
        machine.cpu.as_deref().unwrap_or("unknown processor"),
        machine.cpus,
        machine.kernel,
        machine.file_system.as_deref().unwrap_or("unknown file system"),
        units::size(report.settings.block_bytes.into()),
        machine.load_average,
    );
    text(&mut svg, (20.0, 52.0), "", "start", &facts);
    legend(&mut svg);
    for (row, outcome) in measured.iter().enumerate() {
        let top = HEAD + ROW * row as f64;
        text(&mut svg, (20.0, top + 14.0), "name", "start", outcome.workload.name());
        for (left, quantity) in LEFT.iter().zip(&QUANTITIES) {
            chart(&mut svg, outcome, quantity, (*left, top + 42.0));
        }
    }
    svg += "</svg>\n";
    svg
}

fn legend(svg: &mut String) {
    for (x, class, words) in [
        (20.0, "uring", "one ring"),
        (110.0, "host", "host kernel"),
        (215.0, "threads", "the ordinary way"),
    ] {
        element(svg, &format!("<circle class=\"{class}\" cx=\"{x}\" cy=\"72\" r=\"4\"/>"));
        text(svg, (x + 10.0, 76.0), "", "start", words);
    }
    text(
        svg,
        (340.0, 76.0),
        "",
        "start",
        "points are medians, bars from the slowest round to the fastest",
    );
}

/// One chart with its upper left corner at `corner`.
fn chart(svg: &mut String, outcome: &Outcome, quantity: &Quantity, corner: (f64, f64)) {
    let (left, top) = corner;
    let bottom = top + CHART_HEIGHT;
    text(svg, (left, top - 10.0), "", "start", quantity.name);
    let highest = outcome.cells.iter().map(|cell| (quantity.of)(cell).max).fold(0.0, f64::max);
    let (step, steps) = ticks(highest);
    let y = |value: f64| bottom - value / (step * f64::from(steps)) * CHART_HEIGHT;
    for tick in 0..=steps {
        let value = step * f64::from(tick);
        let class = if tick == 0 { "axis" } else { "grid" };
        line(svg, class, (left, y(value)), (left + CHART_WIDTH, y(value)));
        text(svg, (left - 8.0, y(value) + 4.0), "", "end", &(quantity.write)(value));
    }
    let mut depths: Vec<u32> = outcome.cells.iter().map(|cell| cell.depth).collect();
    depths.dedup();
    let x = |depth: u32| left + place(&depths, depth) * CHART_WIDTH;
    for &depth in &depths {
        text(svg, (x(depth), bottom + 18.0), "", "middle", &depth.to_string());
    }
    text(svg, (left + CHART_WIDTH / 2.0, bottom + 34.0), "", "middle", "depth");
    // A little to the left and to the right, so that one does not hide the other's spread.
    for (engine, class, aside) in [
        (Engine::Threads, "threads", -3.0),
        (Engine::Host, "host", 0.0),
        (Engine::Uring, "uring", 3.0),
    ] {
        let x = |depth| x(depth) + aside;
        let cells: Vec<&CellReport> =
            outcome.cells.iter().filter(|cell| cell.engine == engine).collect();
        if cells.is_empty() {
            continue;
        }
        let points: Vec<String> = cells
            .iter()
            .map(|cell| format!("{:.1},{:.1}", x(cell.depth), y((quantity.of)(cell).median)))
            .collect();
        element(
            svg,
            &format!("<polyline class=\"line {class}\" points=\"{}\"/>", points.join(" ")),
        );
        for cell in cells {
            let summary = (quantity.of)(cell);
            let x = x(cell.depth);
            line(svg, &format!("spread {class}"), (x, y(summary.min)), (x, y(summary.max)));
            let middle = y(summary.median);
            element(
                svg,
                &format!("<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{middle:.1}\" r=\"3.5\"/>"),
            );
        }
    }
}

/// Where a depth lies between the left and the right end: by its logarithm.
fn place(depths: &[u32], depth: u32) -> f64 {
    const MARGIN: f64 = 0.06;
    let log = |depth: u32| f64::from(depth).log2();
    match (depths.first(), depths.last()) {
        (Some(&first), Some(&last)) if first < last => {
            MARGIN + (log(depth) - log(first)) / (log(last) - log(first)) * (1.0 - 2.0 * MARGIN)
        }
        _ => 0.5,
    }
}

/// A step of 1, 2 or 5 times a power of ten, and how many it takes to reach `highest`.
fn ticks(highest: f64) -> (f64, u32) {
    if highest <= 0.0 {
        return (1.0, 1);
    }
    let power = 10f64.powf((highest / 4.0).log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .iter()
        .map(|factor| factor * power)
        .find(|step| highest / step <= 5.0)
        .unwrap_or(power * 10.0);
    // At most 5, at least 1.
    (step, (highest / step).ceil().max(1.0) as u32)
}

fn line(svg: &mut String, class: &str, from: (f64, f64), to: (f64, f64)) {
    let ((x1, y1), (x2, y2)) = (from, to);
    element(
        svg,
        &format!(
            "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
        ),
    );
}

fn text(svg: &mut String, at: (f64, f64), class: &str, anchor: &str, words: &str) {
    let (x, y) = at;
    let words = words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    element(
        svg,
        &format!(
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{words}</text>"
        ),
    );
}

fn element(svg: &mut String, element: &str) {
    // Writing to a string does not fail.
    let _ = writeln!(svg, "{element}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_reach_the_highest_value_in_round_steps() {
        for (highest, expected) in
            [(4.0, (1.0, 4)), (10.0, (2.0, 5)), (83_000.0, (20_000.0, 5)), (0.3, (0.1, 3))]
        {
            let (step, steps) = ticks(highest);
            assert!((step - expected.0).abs() < expected.0 * 1e-9, "{highest}: {step}");
            assert_eq!(steps, expected.1, "{highest}");
            assert!(step * f64::from(steps) >= highest * 0.999_999);
        }
        assert_eq!(ticks(0.0), (1.0, 1));
    }

    #[test]
    fn depths_lie_by_their_logarithm() {
        assert!((place(&[1, 4, 16], 4) - 0.5).abs() < 1e-9);
        assert!(place(&[1, 4, 16], 1) < place(&[1, 4, 16], 4));
        assert_eq!(place(&[8], 8), 0.5);
    }

    #[test]
    fn words_are_escaped() {
        let mut svg = String::new();
        text(&mut svg, (0.0, 0.0), "", "start", "a<b & c>d");
        assert!(svg.contains("a&lt;b &amp; c&gt;d"), "{svg}");
    }
}
