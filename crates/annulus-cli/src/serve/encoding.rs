//! `Accept-Encoding`: which compressed sibling of a file may be answered (RFC 9110, 12.5.3).

/// How a sibling is compressed, best first.
pub const CODINGS: [Coding; 3] = [
    Coding { name: "br", suffix: b".br" },
    Coding { name: "zstd", suffix: b".zst" },
    Coding { name: "gzip", suffix: b".gz" },
];

/// One of them.
#[derive(Debug, PartialEq, Eq)]
pub struct Coding {
    /// As HTTP calls it.
    pub name: &'static str,
    /// What is behind the name of the file.
    pub suffix: &'static [u8],
}

/// What is never said: that it is wanted less than everything that is said.
const UNSAID: u32 = 0;

/// The siblings to look for, in their order: those that are wanted at least as much as the file
/// itself.
pub fn wanted(accepted: &str) -> impl Iterator<Item = &'static Coding> + use<> {
    let mut weights = [None; CODINGS.len()];
    let (mut others, mut identity) = (None, None);
    for item in accepted.split(',') {
        let (name, weight) = match item.split_once(';') {
            Some((name, parameter)) => (name.trim(), weight(parameter)),
            None => (item.trim(), 1000),
        };
        if name == "*" {
            others = Some(weight);
        } else if name.eq_ignore_ascii_case("identity") {
            identity = Some(weight);
        }
        let is_it = |coding: &Coding| {
            coding.name.eq_ignore_ascii_case(name)
                || (coding.name == "gzip" && name.eq_ignore_ascii_case("x-gzip"))
        };
        if let Some(at) = CODINGS.iter().position(is_it) {
            weights[at] = Some(weight);
        }
    }
    let least = identity.unwrap_or(UNSAID).max(1);
    let weights = weights.map(|weight| weight.or(others).unwrap_or(UNSAID));
    let mut order = [0, 1, 2];
    // Stable: of those that are wanted alike the best is first.
    order.sort_by_key(|&at| u32::MAX - weights[at]);
    order.into_iter().filter(move |&at| weights[at] >= least).map(|at| &CODINGS[at])
}

/// `q=0.5` in thousandths. What is no weight is none at all: the coding is as good as unsaid.
fn weight(parameter: &str) -> u32 {
    let Some((name, value)) = parameter.split_once('=') else { return UNSAID };
    if !name.trim().eq_ignore_ascii_case("q") {
        return UNSAID;
    }
    match value.trim().parse::<f32>() {
        Ok(weight) if (0.0..=1.0).contains(&weight) => (weight * 1000.0).round() as u32,
        _ => UNSAID,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(accepted: &str) -> Vec<&'static str> {
        wanted(accepted).map(|coding| coding.name).collect()
    }

    #[test]
    fn what_is_wanted_most_comes_first() {
        assert_eq!(names(""), [""; 0]);
        assert_eq!(names("gzip, deflate, br, zstd"), ["br", "zstd", "gzip"]);
        assert_eq!(names("gzip;q=1.0, br;q=0.5"), ["gzip", "br"]);
        assert_eq!(names("br;q=0, gzip"), ["gzip"]);
        assert_eq!(names("*"), ["br", "zstd", "gzip"]);
        assert_eq!(names("*;q=0.5, br;q=0"), ["zstd", "gzip"]);
        assert_eq!(names("GZIP ; Q=0.001"), ["gzip"]);
        assert_eq!(names("x-gzip"), ["gzip"]);
        assert_eq!(names("identity, gzip;q=0.5"), [""; 0]);
        assert_eq!(names("identity;q=0.5, gzip"), ["gzip"]);
        assert_eq!(names("identity;q=0, *;q=0"), [""; 0]);
        for odd in ["br;q=2", "br;q=-1", "br;q=x", "br;level=1", "br;q", "brr", ";;;", "nan;q=nan"]
        {
            assert_eq!(names(odd), [""; 0], "{odd}");
        }
    }
}
