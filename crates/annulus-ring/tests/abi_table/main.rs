//! Our `abi` beside `linux-raw-sys`, which has the kernel's headers as of 6.17: every constant's
//! value, every field's place, and that nothing of io_uring there is missing here.
//!
//! Its names are read from its source (see `header.rs`), so that an upgrade which brings a new
//! operation, flag, struct or field fails here until we have it too.

mod header;
mod layout;
mod names;

use std::collections::{BTreeMap, BTreeSet};

use annulus_ring::abi::{Op, RegisterOp, RestrictionOp};
use linux_raw_sys::io_uring::{
    io_uring_op, io_uring_register_op, io_uring_register_restriction_op,
};
use names::Constant;

/// What the names of io_uring's constants begin with.
const PREFIXES: &[&str] = &[
    "IORING_",
    "IOSQE_",
    "IOU_",
    "IO_URING_",
    "IO_WQ_",
    "IO_INTEGRITY_",
    "SOCKET_URING_",
    "ZCRX_",
];

/// Those of our names that `linux-raw-sys` 0.12.1 has nowhere: of Linux 6.18 and later, macros that
/// bindgen drops, and what is in headers it does not read; with their values, written from those
/// headers a second time. Checked to be exact, so that a misspelt name does not pass for a new one.
const NOT_THERE: &[(&str, u64)] = &[
    ("BLOCK_URING_CMD_DISCARD", 0x1200),
    ("IORING_CQE_F_32", 0x8000),
    ("IORING_CQE_F_SKIP", 0x20),
    ("IORING_CQE_F_TSTAMP_HW", 0x1_0000),
    ("IORING_NOP_CQE32", 0x20),
    ("IORING_OP_NOP128", 63),
    ("IORING_OP_URING_CMD128", 64),
    ("IORING_REGISTER_BPF_FILTER", 37),
    ("IORING_REGISTER_QUERY", 35),
    ("IORING_REGISTER_ZCRX_CTRL", 36),
    ("IORING_SETUP_CQE_MIXED", 0x4_0000),
    ("IORING_SETUP_SQE_MIXED", 0x8_0000),
    ("IORING_SETUP_SQ_REWIND", 0x10_0000),
    ("IORING_TIMEOUT_IMMEDIATE_ARG", 0x80),
    ("IORING_URING_CMD_MULTISHOT", 2),
    ("IORING_ZCRX_AREA_MASK", 0xffff_0000_0000_0000),
    ("IO_URING_BPF_CMD_FILTER", 1),
    ("IO_URING_BPF_FILTER_DENY_REST", 1),
    ("IO_URING_BPF_FILTER_SZ_STRICT", 2),
    ("IO_URING_QUERY_OPCODES", 0),
    ("IO_URING_QUERY_SCQ", 2),
    ("IO_URING_QUERY_ZCRX", 1),
    ("IO_URING_QUERY_ZCRX_EVENT", 3),
    ("MSG_FASTOPEN", 0x2000_0000),
    ("MSG_SOCK_DEVMEM", 0x200_0000),
    ("MSG_WAITFORONE", 0x1_0000),
    ("MSG_ZEROCOPY", 0x400_0000),
    ("NVME_URING_CMD_ADMIN", 0xc048_4e82),
    ("NVME_URING_CMD_ADMIN_VEC", 0xc048_4e83),
    ("NVME_URING_CMD_IO", 0xc048_4e80),
    ("NVME_URING_CMD_IO_VEC", 0xc048_4e81),
    ("RWF_ATOMIC", 0x40),
    ("RWF_DONTCACHE", 0x80),
    ("RWF_NOAPPEND", 0x20),
    ("RWF_NOSIGNAL", 0x100),
    ("SOCKET_URING_OP_GETSOCKNAME", 5),
    ("SOCK_CLOEXEC", 0o2_000_000),
    ("SOCK_NONBLOCK", 0o4_000),
    ("ZCRX_CTRL_ARM_EVENT", 2),
    ("ZCRX_CTRL_EXPORT", 1),
    ("ZCRX_CTRL_FLUSH_RQ", 0),
    ("ZCRX_EVENT_ALLOC_FAIL", 0),
    ("ZCRX_EVENT_COPY", 1),
    ("ZCRX_EVENT_DESC_FLAG_STATS", 1),
    ("ZCRX_FEATURE_EVENT", 2),
    ("ZCRX_FEATURE_RX_PAGE_SIZE", 1),
    ("ZCRX_REG_IMPORT", 1),
    ("ZCRX_REG_NODEV", 2),
];

fn ours() -> BTreeMap<&'static str, Constant> {
    let mut by_name = BTreeMap::new();
    for constant in names::tabled().into_iter().chain(names::alone()) {
        let twice = by_name.insert(constant.name, constant);
        assert!(twice.is_none(), "{} is here twice", constant.name);
    }
    by_name
}

/// What their constant is called here and what its value must be; nothing for one that only counts.
fn translated(name: &str, value: u64) -> Option<(&str, u64)> {
    if name.ends_with("_LAST") {
        return None; // Compared in `the_counts_agree`.
    }
    match name.strip_suffix("_BIT") {
        Some(flag) => Some((flag, 1 << value)), // IOSQE_FIXED_FILE_BIT and the like: bit numbers.
        None => Some((name, value)),
    }
}

#[test]
fn no_constant_of_io_uring_is_missing_and_each_has_its_value() {
    let source = header::source("io_uring.rs");
    let theirs = header::constants(&source);
    let ours = ours();
    let mut words = header::words(&source, PREFIXES);
    // And whatever is named otherwise: every member of its enums, every macro of its header.
    words.extend(header::members(&source));
    words.extend(header::macros_from(&source, "IORING_RW_ATTR_FLAG_PI"));
    assert!(words.len() >= 249, "only {} names found: is this the right file?", words.len());

    let mut faults = Vec::new();
    for word in words {
        let Some(&value) = theirs.get(word) else {
            faults.push(format!("{word}: in the source, but not understood"));
            continue;
        };
        let Some((name, value)) = translated(word, value) else { continue };
        match ours.get(name) {
            None => faults.push(format!("{name} = {value:#x}: missing")),
            // Linux 6.18 added MULTISHOT to the mask.
            Some(mask) if name == "IORING_URING_CMD_MASK" => {
                assert_eq!(mask.value & value, value, "{name} lost a bit");
            }
            Some(constant) if constant.value != value => {
                faults.push(format!("{name}: {:#x} here, {value:#x} there", constant.value));
            }
            Some(_) => {}
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_constant_of_ours_is_in_a_header_with_its_value() {
    let mut theirs = header::constants(&header::source("net.rs"));
    theirs.extend(header::constants(&header::source("general.rs")));
    theirs.extend(header::constants(&header::source("io_uring.rs")));
    theirs.remove("IORING_URING_CMD_MASK"); // Wider here, as above.
    let mut unknown = BTreeSet::new();
    let mut compared = 0;
    for (name, constant) in ours() {
        match theirs.get(name) {
            Some(&value) => {
                assert_eq!(constant.value, value, "{name}");
                compared += 1;
            }
            None if name.starts_with("IOSQE_") || name == "IORING_URING_CMD_MASK" => {}
            None => {
                unknown.insert((name, constant.value));
            }
        }
    }
    assert!(compared >= 422, "only {compared} compared");
    let expected: BTreeSet<(&str, u64)> = NOT_THERE.iter().copied().collect();
    let more: Vec<_> = unknown.difference(&expected).collect();
    let fewer: Vec<_> = expected.difference(&unknown).collect();
    assert!(more.is_empty(), "not in linux-raw-sys, and not listed: {more:?}");
    assert!(fewer.is_empty(), "listed, but in linux-raw-sys or otherwise here: {fewer:?}");
}

#[test]
fn the_counts_agree() {
    // An upgrade of linux-raw-sys moves these; then the features above have new names too.
    let operations = io_uring_op::IORING_OP_LAST as usize;
    assert_eq!(operations, 63, "linux-raw-sys knows more operations");
    assert_eq!(&Op::ALL[operations..].iter().map(|k| k.since).collect::<Vec<_>>(), &["6.19"; 2]);

    let registrations = io_uring_register_op::IORING_REGISTER_LAST as usize;
    assert_eq!(registrations, 35, "linux-raw-sys knows more registrations");
    let later: Vec<_> = RegisterOp::ALL[registrations..].iter().map(|k| k.since).collect();
    assert_eq!(later, ["6.18", "6.19", "7.0"]);

    let restrictions = io_uring_register_restriction_op::IORING_RESTRICTION_LAST as usize;
    assert_eq!(restrictions, RestrictionOp::ALL.len());
}

#[test]
fn every_field_is_where_the_kernel_has_it() {
    let rows = concat([layout::structs(), layout::pointed_to(), layout::special()]);
    for field in &rows {
        let (owner, name) = (field.owner, field.name);
        let ((theirs, their_size), (ours, our_size)) = (field.theirs, field.ours);
        if field.of_union {
            let inside = theirs >= ours && theirs + their_size <= ours + our_size;
            assert!(inside, "{owner}.{name}: {:?} not within {:?}", field.theirs, field.ours);
        } else {
            assert_eq!((theirs, their_size), (ours, our_size), "{owner}.{name}");
        }
    }
    assert!(rows.len() > 250, "only {} fields compared", rows.len());
}

#[test]
fn no_struct_or_field_of_io_uring_is_missing() {
    let source = header::source("io_uring.rs");
    let mut compared: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for field in concat([layout::structs(), layout::special()]) {
        compared.entry(field.owner).or_default().insert(field.name);
    }
    let theirs = header::fields(&source);
    let of_io_uring: Vec<_> = theirs
        .iter()
        .filter(|(name, _)| name.starts_with("io_") || name.starts_with("zcrx_"))
        .collect();
    assert_eq!(of_io_uring.len(), compared.len(), "how many structs there are");
    for (name, fields) in of_io_uring {
        let fields: BTreeSet<&str> = fields.iter().map(String::as_str).collect();
        assert_eq!(compared.get(name.as_str()), Some(&fields), "the fields of {name}");
    }
}

#[test]
fn every_constant_says_since_when() {
    for constant in names::tabled() {
        let parts: Vec<_> = constant.since.split('.').map(str::parse::<u32>).collect();
        assert!(parts.len() >= 2, "{}: {:?}", constant.name, constant.since);
        assert!(parts.iter().all(Result::is_ok), "{}: {:?}", constant.name, constant.since);
    }
}

#[test]
fn a_constant_that_is_not_understood_is_noticed() {
    let source = "pub const IORING_A: u32 = 1;\npub const IORING_B: u32 = A | B;\n\
                  pub enum e {\nIORING_C = 3,\n}\npub const IORING_D: i32 = -1;";
    let understood = header::constants(source);
    let words = header::words(source, &["IORING_"]);
    assert_eq!(words.len(), 4);
    assert_eq!(understood.get("IORING_A"), Some(&1));
    assert_eq!(understood.get("IORING_B"), None);
    assert_eq!(understood.get("IORING_C"), Some(&3));
    assert_eq!(understood.get("IORING_D"), Some(&0xffff_ffff));
}

/// Lists of rows, in one.
fn concat<const N: usize>(lists: [Vec<layout::Field>; N]) -> Vec<layout::Field> {
    lists.into_iter().flatten().collect()
}
