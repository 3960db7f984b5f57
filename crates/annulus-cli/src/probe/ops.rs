//! `--ops`: the table of operations.

use annulus_ring::probe::{OpReport, Report};

use crate::out::{Style, Ui};

/// The table, and how many there are.
pub fn table(report: &Report, ui: &Ui) -> String {
    let mut text = ui.paint(Style::Bold, &head());
    for op in &report.ops {
        text.push('\n');
        text.push_str(&row(op, ui));
    }
    let (here, known) = (report.supported_ops_count(), report.ops.len());
    text.push_str(&format!("\n{here} of {known} are here"));
    let unknown = report.kernel_ops_count.map_or(0, |count| count as usize).checked_sub(known);
    if let Some(more @ 1..) = unknown {
        text.push_str(&format!(", and {more} that this program does not know"));
    }
    text
}

fn head() -> String {
    format!("{:>3}  {:<26}{:<7}{:<33}here", "", "operation", "Linux", "liburing")
}

fn row(op: &OpReport, ui: &Ui) -> String {
    let (here, style) = match op.supported {
        Some(true) => ("yes", Style::Good),
        Some(false) => ("no", Style::Bad),
        None => ("?", Style::Dim),
    };
    let name = op.name.strip_prefix("IORING_OP_").unwrap_or(op.name);
    let (number, since, helper) = (op.op.raw(), op.since, op.helper);
    format!("{number:>3}  {name:<26}{since:<7}{helper:<33}{}", ui.paint(style, here))
}
