//! NOPs: what entering the kernel costs, and an operation that does nothing.

use super::case::{Case, Counts};

/// How many NOPs go in together.
const BATCHES: [u32; 4] = [1, 8, 32, 128];

/// The lengths of the two runs.
const LENGTHS: [u64; 2] = [12_800, 102_400];

/// Who is compared, by which program, asked how.
const PEERS: &[(&str, &str, &str)] = &[
    ("annulus", "nop-annulus", "call=reserve"),
    ("annulus-pushes", "nop-annulus", "call=push"),
    ("annulus-Ring", "nop-annulus", "call=reserve mode=plain"),
    ("rustix-by-hand", "nop-rustix", "mode=defer_nosq"),
    // What it can do where there is no NO_SQARRAY.
    ("rustix-array", "nop-rustix", "mode=defer"),
    ("io-uring", "nop-uring", "mode=defer_nosq"),
    ("io-uring-array", "nop-uring", "mode=defer"),
    ("liburing-registered", "nop-c", "mode=defer regring=1"),
    ("liburing", "nop-c", "mode=defer"),
];

fn name(peer: &str, batch: u32) -> String {
    format!("nop/{peer}/{batch}")
}

pub fn cases() -> Vec<Case> {
    let of = |&(peer, program, how): &(&'static str, &'static str, &'static str)| {
        BATCHES.map(|batch| Case {
            name: name(peer, batch),
            program,
            arguments: format!("{how} batch={batch}"),
            lengths: LENGTHS,
        })
    };
    PEERS.iter().flat_map(of).collect()
}

pub fn print(kernel: &str, counts: &Counts) {
    println!("\n### NOPs on Linux {kernel}, instructions in the kernel per NOP");
    let batches = BATCHES.map(|b| format!("batch {b}")).join(" | ");
    println!("| | {batches} | per enter | per NOP | user, batch 1 and 32 |");
    println!("|---|---|---|---|---|---|---|---|");
    for (peer, ..) in PEERS {
        let in_kernel = BATCHES.map(|batch| counts.kernel(&name(peer, batch)));
        let [Some(a), Some(b), Some(c), Some(d)] = in_kernel else { continue };
        let (enter, nop) = fit(&[a, b, c, d]);
        let cells = [a, b, c, d].map(|n| format!("{n:.1}")).join(" | ");
        let in_user = |batch| counts.user(&name(peer, batch)).unwrap_or(f64::NAN);
        let users = [1, 32].map(|b| format!("{:.1}", in_user(b))).join(", ");
        println!("| {peer} | {cells} | {enter:.0} | {nop:.1} | {users} |");
    }
}

/// The line `per enter / batch + per NOP` nearest to the counts of each batch, by least squares.
fn fit(counts: &[f64; 4]) -> (f64, f64) {
    let x = BATCHES.map(|batch| 1.0 / f64::from(batch));
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (x_mean, y_mean) = (mean(&x), mean(counts));
    let together: f64 = x.iter().zip(counts).map(|(x, y)| (x - x_mean) * (y - y_mean)).sum();
    let alone: f64 = x.iter().map(|x| (x - x_mean).powi(2)).sum();
    let enter = together / alone;
    (enter, y_mean - enter * x_mean)
}

#[cfg(test)]
mod tests {
    use super::{BATCHES, fit};

    #[test]
    fn a_line_is_found_again() {
        let (enter, nop) = fit(&BATCHES.map(|b| 600.0 / f64::from(b) + 301.0));
        assert!((enter - 600.0).abs() < 1e-6 && (nop - 301.0).abs() < 1e-6);
    }
}
