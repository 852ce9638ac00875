//! Times that were measured, and what they come to.

use std::time::{Duration, Instant};

/// Durations in microseconds, the shortest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sample(Vec<f64>);

impl Sample {
    /// Orders what was measured.
    pub(crate) fn new(times: impl IntoIterator<Item = Duration>) -> Self {
        let mut times: Vec<f64> = times
            .into_iter()
            .map(|time| time.as_secs_f64() * 1e6)
            .collect();
        times.sort_by(f64::total_cmp);
        Self(times)
    }

    /// All of several samples as one.
    pub(crate) fn together(samples: &[Self]) -> Self {
        let mut times: Vec<f64> = samples
            .iter()
            .flat_map(|sample| &sample.0)
            .copied()
            .collect();
        times.sort_by(f64::total_cmp);
        Self(times)
    }

    /// The time that `percent` of all do not exceed; 0 when nothing was measured.
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        let place = self.0.len().saturating_sub(1) * percent / 100;
        self.0.get(place).copied().unwrap_or(0.0)
    }

    /// The one in the middle.
    pub(crate) fn median(&self) -> f64 {
        self.percentile(50)
    }
}

/// The number in the middle; 0 when there is none.
pub(crate) fn middle(numbers: &[f64]) -> f64 {
    let mut numbers = numbers.to_vec();
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(0.0)
}

/// The smallest and the largest of some numbers.
pub(crate) fn range(numbers: &[f64]) -> (f64, f64) {
    numbers
        .iter()
        .fold((f64::MAX, 0.0), |(least, most), &number| {
            (number.min(least), number.max(most))
        })
}

/// How long it takes to do something.
#[expect(
    clippy::disallowed_methods,
    reason = "a benchmark measures short times on a machine that is awake"
)]
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let began = Instant::now();
    let done = work();
    (began.elapsed(), done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_one_of_the_times() {
        let sample = Sample::new((1..=100).rev().map(Duration::from_micros));
        let rounded = |percent| format!("{:.0}", sample.percentile(percent));
        assert_eq!([0, 50, 100].map(rounded), ["1", "50", "100"]);
        assert!(Sample::default().median() < f64::EPSILON);
    }

    #[test]
    fn a_range_is_the_smallest_and_the_largest() {
        assert_eq!(format!("{:?}", range(&[2.0, 1.0, 3.0])), "(1.0, 3.0)");
        assert_eq!(format!("{:?}", middle(&[2.0, 1.0, 3.0])), "2.0");
    }
}
