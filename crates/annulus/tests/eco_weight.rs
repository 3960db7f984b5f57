//! How much who depends on this crate has to build.

use std::collections::BTreeSet;
use std::process::Command;

/// The crates of the build with these features, itself included.
fn crates(features: &[&str]) -> BTreeSet<String> {
    let mut tree = Command::new(env!("CARGO"));
    tree.args(["tree", "--offline", "--edges", "normal,build", "--prefix", "none"]);
    tree.args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")]);
    tree.args(features);
    let output = tree.output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("names are text");
    let names = text.lines().filter_map(|line| line.split(' ').next());
    names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

#[test]
fn the_default_build_has_16_crates_at_most() {
    let crates = crates(&[]);
    assert!(crates.contains("annulus") && crates.contains("annulus-ring"), "{crates:?}");
    assert!(crates.len() <= 16, "{}: {crates:?}", crates.len());
    // What only an adaptor needs is not there.
    for other in ["hyper", "tokio", "futures-io", "tower-service", "rustls"] {
        assert!(!crates.contains(other), "{other}");
    }
}

#[test]
fn tokio_io_is_its_traits_alone() {
    let more = crates(&["--features", "tokio-io"]);
    let without = crates(&[]);
    let added: Vec<_> = more.difference(&without).collect();
    assert_eq!(added, ["tokio"]);
}
