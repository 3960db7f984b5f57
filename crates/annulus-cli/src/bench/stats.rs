//! What may be said about numbers that differ from round to round, and what may not.

use serde::Serialize;

/// The rounds of one measurement, in three numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Summary {
    pub median: f64,
    pub min: f64,
    pub max: f64,
    #[serde(skip)]
    pub rounds: usize,
}

impl Summary {
    /// Of no rounds there is no summary.
    pub fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (&min, &max) = (sorted.first()?, sorted.last()?);
        let middle = sorted.len() / 2;
        let median = if sorted.len() % 2 == 1 {
            sorted[middle]
        } else {
            f64::midpoint(sorted[middle - 1], sorted[middle])
        };
        Some(Self { median, min, max, rounds: sorted.len() })
    }
}

/// What may be said about one measurement against another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every round was above every round of the other, by enough to matter.
    Higher,
    /// Every round was below every round of the other, by enough to matter.
    Lower,
    /// The rounds overlap, or lie closer together than matters.
    NoDifference,
    /// With so few rounds, chance alone keeps them apart often enough.
    TooFewRounds,
}

/// With 4 rounds each, two equal engines are apart by chance once in 35 times; with 3, in 10.
const ROUNDS_MIN: usize = 4;

/// Below this, two medians differ by less than where the code happened to lie in memory.
const RATIO_MIN: f64 = 1.05;

/// One measurement against another.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// The medians' ratio.
    pub ratio: f64,
    /// The ratio if the one had its worst round when the other had its best.
    pub low: f64,
    /// And the other way round.
    pub high: f64,
    pub verdict: Verdict,
}

impl Comparison {
    /// `one` against `other`; nothing if one of them is zero somewhere.
    pub fn of(one: &Summary, other: &Summary) -> Option<Self> {
        if one.min <= 0.0 || other.min <= 0.0 {
            return None;
        }
        let ratio = one.median / other.median;
        let verdict = if one.rounds.min(other.rounds) < ROUNDS_MIN {
            Verdict::TooFewRounds
        } else if one.min > other.max && ratio >= RATIO_MIN {
            Verdict::Higher
        } else if one.max < other.min && ratio <= RATIO_MIN.recip() {
            Verdict::Lower
        } else {
            Verdict::NoDifference
        };
        Some(Self { ratio, low: one.min / other.max, high: one.max / other.min, verdict })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(values: &[f64]) -> Summary {
        Summary::of(values).unwrap()
    }

    fn verdict(one: &[f64], other: &[f64]) -> Verdict {
        Comparison::of(&summary(one), &summary(other)).unwrap().verdict
    }

    #[test]
    fn a_summary_is_median_and_extremes() {
        let odd = summary(&[3.0, 1.0, 2.0]);
        assert_eq!((odd.median, odd.min, odd.max, odd.rounds), (2.0, 1.0, 3.0, 3));
        assert_eq!(summary(&[4.0, 1.0, 2.0, 3.0]).median, 2.5);
        assert_eq!(Summary::of(&[]), None);
    }

    #[test]
    fn no_verdict_within_the_spread() {
        // The medians are 2x apart, but one round of each overlaps.
        assert_eq!(
            verdict(&[200.0, 210.0, 205.0, 99.0], &[100.0, 101.0, 102.0, 103.0]),
            Verdict::NoDifference
        );
        assert_eq!(
            verdict(&[100.0, 101.0, 102.0, 103.0], &[200.0, 210.0, 205.0, 103.0]),
            Verdict::NoDifference
        );
    }

    #[test]
    fn a_verdict_where_the_rounds_are_apart() {
        let (fast, slow) = ([200.0, 210.0, 205.0, 190.0], [100.0, 101.0, 102.0, 103.0]);
        assert_eq!(verdict(&fast, &slow), Verdict::Higher);
        assert_eq!(verdict(&slow, &fast), Verdict::Lower);
        let comparison = Comparison::of(&summary(&fast), &summary(&slow)).unwrap();
        assert!(comparison.low > 1.0 && comparison.low < comparison.ratio);
        assert!(comparison.high > comparison.ratio);
    }

    #[test]
    fn a_difference_too_small_to_matter_is_none() {
        let (one, other) = ([104.0, 104.1, 104.2, 104.3], [100.0, 100.1, 100.2, 100.3]);
        assert_eq!(verdict(&one, &other), Verdict::NoDifference);
        assert_eq!(verdict(&other, &one), Verdict::NoDifference);
    }

    #[test]
    fn three_rounds_are_too_few() {
        assert_eq!(verdict(&[9.0, 9.1, 9.2], &[1.0, 1.1, 1.2]), Verdict::TooFewRounds);
    }

    #[test]
    fn nothing_is_said_about_zero() {
        let zero = summary(&[0.0, 1.0, 1.0, 1.0]);
        assert_eq!(Comparison::of(&zero, &summary(&[1.0; 4])), None);
        assert_eq!(Comparison::of(&summary(&[1.0; 4]), &zero), None);
    }

    /// Every order of eight numbers dealt to two engines: a verdict only where all are apart.
    #[test]
    fn chance_alone_gives_a_verdict_as_rarely_as_said() {
        let mut verdicts = 0;
        let mut deals = 0;
        for deal in 0u32..256 {
            if deal.count_ones() != 4 {
                continue;
            }
            let of = |bit| -> Vec<f64> {
                (0..8).filter(|n| deal >> n & 1 == bit).map(|n| 100.0 * f64::from(n + 1)).collect()
            };
            deals += 1;
            verdicts += u32::from(verdict(&of(0), &of(1)) != Verdict::NoDifference);
        }
        assert_eq!((deals, verdicts), (70, 2));
    }
}
