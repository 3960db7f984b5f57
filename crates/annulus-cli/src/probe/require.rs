//! `--require`: what must be here, by name.

use annulus_ring::abi::{Op, SetupFlags};
use annulus_ring::probe::{Report, behaviour_names};

use crate::failure::Failure;

/// Something that can be required.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    Op(Op, &'static str),
    Flag(SetupFlags, &'static str),
    Behaviour(&'static str),
}

impl Wanted {
    fn name(self) -> &'static str {
        match self {
            Self::Op(_, name) | Self::Flag(_, name) | Self::Behaviour(name) => name,
        }
    }
}

/// Everything that can be required.
fn all() -> impl Iterator<Item = Wanted> {
    let ops = Op::ALL.iter().map(|known| Wanted::Op(known.value, known.name));
    let flags = SetupFlags::ALL.iter().map(|known| Wanted::Flag(known.value, known.name));
    behaviour_names().map(Wanted::Behaviour).chain(ops).chain(flags)
}

/// How a name is compared: `IORING_OP_READ_FIXED`, `io_uring_prep_read_fixed` and `read-fixed` are
/// one.
fn bare(name: &str) -> String {
    let name = name.trim().to_ascii_lowercase().replace('-', "_");
    let prefixes = ["ioring_op_", "ioring_setup_", "io_uring_prep_"];
    prefixes.iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(&name).to_owned()
}

/// What the names mean.
pub fn parse(names: &[String]) -> Result<Vec<Wanted>, Failure> {
    names.iter().filter(|name| !name.trim().is_empty()).map(|name| find(name)).collect()
}

fn find(name: &str) -> Result<Wanted, Failure> {
    let wanted = bare(name);
    if let Some(found) = all().find(|one| bare(one.name()) == wanted) {
        return Ok(found);
    }
    let near = near(&wanted);
    let cure = match near.is_empty() {
        true => "`annulus probe --ops` lists the operations".to_owned(),
        false => format!("did you mean {}?", near.join(", ")),
    };
    Err(Failure::usage("--require", format!("there is no `{name}`"), &cure))
}

/// At most five names that are like `wanted`, the nearest first.
fn near(wanted: &str) -> Vec<String> {
    let mut found: Vec<(usize, String)> = Vec::new();
    for name in all().map(|one| bare(one.name())) {
        let distance = distance(wanted, &name);
        let holds = wanted.len() >= 3 && (name.contains(wanted) || wanted.contains(&name));
        if distance <= 1 + wanted.len() / 4 || holds {
            found.push((distance, name));
        }
    }
    found.sort();
    found.dedup_by(|a, b| a.1 == b.1);
    found.into_iter().take(5).map(|(_, name)| name).collect()
}

/// How many letters must be put in, taken out or changed to make one of the other.
pub fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let change = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// What of it is not here.
pub fn missing(wanted: &[Wanted], report: &Report) -> Vec<&'static str> {
    let is_here = |one: &Wanted| match *one {
        Wanted::Op(op, _) => report.supports(op) == Some(true),
        Wanted::Flag(flag, _) => report.setup_flag(flag).is_some_and(|f| f.outcome.works()),
        Wanted::Behaviour(name) => report.behaviour(name).is_some_and(|b| b.outcome.works()),
    };
    wanted.iter().filter(|one| !is_here(one)).map(|one| one.name()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_be_written_in_many_ways() {
        let read = Wanted::Op(Op::READ_FIXED, "IORING_OP_READ_FIXED");
        for name in ["read_fixed", "READ-FIXED", "IORING_OP_READ_FIXED", "io_uring_prep_read_fixed"]
        {
            assert_eq!(find(name).unwrap(), read, "{name}");
        }
        assert_eq!(find("buffer-ring").unwrap(), Wanted::Behaviour("buffer-ring"));
        let flag = Wanted::Flag(SetupFlags::DEFER_TASKRUN, "IORING_SETUP_DEFER_TASKRUN");
        assert_eq!(find("defer_taskrun").unwrap(), flag);
        assert!(parse(&[String::new()]).unwrap().is_empty());
    }

    #[test]
    fn an_unknown_name_lists_its_neighbours() {
        let text = find("raed").unwrap_err().to_string();
        assert!(text.contains("no `raed`") && text.contains("read"), "{text}");
        let text = find("accep").unwrap_err().to_string();
        assert!(text.contains("accept"), "{text}");
        let text = find("qqqqqqq").unwrap_err().to_string();
        assert!(text.contains("annulus probe --ops"), "{text}");
    }

    #[test]
    fn distances_are_those_of_single_letters() {
        assert_eq!((distance("read", "read"), distance("raed", "read")), (0, 2));
        assert_eq!((distance("", "abc"), distance("sitting", "kitten")), (3, 3));
    }
}
