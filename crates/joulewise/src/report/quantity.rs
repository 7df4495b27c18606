//! Numbers as people read them: three significant figures, SI prefixes, proper signs.

use joulewise_meter::energy::{prefix_of, significant};
use joulewise_meter::{Energy, Joules, Method, Seconds, Watts};
use joulewise_tune::Direction;

use crate::result::{BreakEven, Candidate, Ratio, RunResult, Worth};

/// What the ratio of an inference is of.
pub(super) fn ratio_word(model: &crate::result::Candidate) -> &'static str {
    if model.energy_ratio.is_some() { "energy" } else { "CPU time" }
}

/// Three significant figures without an exponent, as in `12.3` or `0.0456`.
pub fn three_figures(value: f64) -> String {
    if value.is_finite() { typeset(&significant(value, 3)) } else { "–".to_owned() }
}

/// A value with an SI prefix and its unit, as in `1.24 kJ`.
fn si(value: f64, unit: &str) -> String {
    let (scaled, prefix) = prefixed(value);
    let space = if prefix.is_empty() && unit.is_empty() { "" } else { "\u{a0}" };
    format!("{}{space}{prefix}{unit}", three_figures(scaled))
}

fn prefixed(value: f64) -> (f64, &'static str) {
    let (prefix, factor) = prefix_of(value);
    (value / factor, prefix)
}

/// Numbers stay with their units, and a minus is a minus.
fn typeset(text: &str) -> String {
    text.replace(' ', "\u{a0}").replace('-', "−")
}

/// A round value beside an axis, as in `200 µs` or `1 M`, without trailing zeros.
pub fn tick(value: f64, unit: &str) -> String {
    let (scaled, prefix) = prefixed(value);
    let space = if prefix.is_empty() && unit.is_empty() { "" } else { "\u{a0}" };
    format!("{}{space}{prefix}{unit}", trimmed(&three_figures(scaled)))
}

/// Three significant figures without trailing zeros, as in `0.5`.
pub fn plain(value: f64) -> String {
    trimmed(&three_figures(value)).to_owned()
}

fn trimmed(number: &str) -> &str {
    if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { number }
}

/// Joules, as in `1.24 kJ`.
pub fn joules(joules: f64) -> String {
    // Adding 0 makes 0 of −0, which is what a sum of nothing is.
    typeset(&Joules(joules + 0.0).to_string())
}

/// Watts, as in `12.3 W`.
pub fn watts(watts: f64) -> String {
    typeset(&Watts(watts).to_string())
}

/// The best estimate of an energy, as in `1.24 kJ`.
pub fn energy(energy: &Energy) -> String {
    joules(energy.value)
}

/// Seconds, as in `12.3 ms` or `4 min 10 s`.
pub fn seconds(seconds: f64) -> String {
    typeset(&Seconds(seconds).to_string())
}

/// A number of things, as in `12`, `940`, `1.2 M`.
pub fn count(n: f64) -> String {
    if n.abs() < 999.5 {
        return if n == n.round() { format!("{n}") } else { three_figures(n) };
    }
    let (scaled, prefix) = prefixed(n);
    format!("{}\u{a0}{prefix}", trimmed(&three_figures(scaled)))
}

/// Bytes, as in `178 kB`.
pub fn bytes(bytes: u64) -> String {
    si(bytes as f64, "B")
}

/// A share of something, as in `12.3 %`.
pub fn percent(fraction: f64) -> String {
    let percent = fraction * 100.0;
    let decimals = usize::from(percent.abs() < 99.95);
    format!("{percent:.decimals$}\u{a0}%").replace('-', "−")
}

/// A change of something, as in `+12.3 %`.
pub fn signed_percent(fraction: f64) -> String {
    format!("{}{}", if fraction < 0.0 { "" } else { "+" }, percent(fraction))
}

/// A cost over another cost, as in `÷ 4.1` or `× 1.3`.
pub fn factor(ratio: f64) -> String {
    if !ratio.is_finite() || ratio <= 0.0 {
        "–".to_owned()
    } else if (ratio - 1.0).abs() < 0.005 {
        "× 1".to_owned()
    } else if ratio < 1.0 {
        format!("÷\u{a0}{}", two_or_three(1.0 / ratio))
    } else {
        format!("×\u{a0}{}", two_or_three(ratio))
    }
}

fn two_or_three(factor: f64) -> String {
    if factor < 9.95 { format!("{factor:.2}") } else { three_figures(factor) }
}

/// A paired ratio with its interval, as in `0.24 [0.23, 0.25]`.
pub fn ratio(ratio: &Ratio) -> String {
    format!("{:.3} [{:.3}, {:.3}]", ratio.value, ratio.low, ratio.high)
}

/// Whether the run's metric is a fraction, written in percent.
fn is_fraction(result: &RunResult) -> bool {
    result.goal == Direction::Max
        && result
            .models()
            .filter_map(|model| model.metrics.get(&result.metric)?.reported())
            .all(|value| (0.0..=1.0).contains(&value))
}

/// A value of the run's metric: percent for fractions, else three figures.
pub fn metric(result: &RunResult, value: f64) -> String {
    if is_fraction(result) { format!("{:.2}\u{a0}%", value * 100.0) } else { three_figures(value) }
}

/// An interval of the run's metric, as in `90.9 – 92.0 %`. One without width stands for none, as of a value that a
/// command reported.
pub fn metric_interval(result: &RunResult, low: f64, high: f64) -> String {
    if low == high {
        "interval unknown".to_owned()
    } else if is_fraction(result) {
        format!("{:.1} – {:.1}\u{a0}%", low * 100.0, high * 100.0)
    } else {
        format!("{} – {}", three_figures(low), three_figures(high))
    }
}

/// A round value of the run's metric beside an axis.
pub fn metric_tick(result: &RunResult, value: f64) -> String {
    if is_fraction(result) { format!("{}\u{a0}%", plain_percent(value)) } else { plain(value) }
}

fn plain_percent(fraction: f64) -> String {
    trimmed(&format!("{:.1}", fraction * 100.0)).to_owned()
}

/// A signed gain of the run's metric, as in `−0.31 pp`; positive is better.
pub fn gain(result: &RunResult, gain: f64) -> String {
    let (value, unit) = if is_fraction(result) { (gain * 100.0, "\u{a0}pp") } else { (gain, "") };
    let text = if is_fraction(result) { format!("{:.2}", value.abs()) } else { three_figures(value.abs()) };
    let sign = match value {
        _ if text.parse() == Ok(0.0) => "±",
        v if v < 0.0 => "−",
        _ => "+",
    };
    format!("{sign}{text}{unit}")
}

/// An exchange rate between the metric and energy as an adverb, as in `at 0.1 % per 10 kJ`.
pub fn at_worth(worth: &Worth) -> String {
    format!("at {}\u{a0}% per {}", plain(worth.gain * 100.0), tick(worth.energy_j, "J"))
}

/// The break-even point in a table cell, as in `12.1 k`.
pub fn break_even(value: &BreakEven) -> String {
    match *value {
        BreakEven::At { n, .. } => count(n),
        BreakEven::Immediately => "at once".to_owned(),
        BreakEven::Never => "never".to_owned(),
        BreakEven::Until { n, high: Some(_), .. } => format!("to {}", count(n)),
        BreakEven::Until { n, high: None, .. } => format!("to {}+", count(n)),
        BreakEven::NotShown => "not shown".to_owned(),
    }
}

/// The break-even point with its interval, as in `12.1 k [11.0 k, 13.4 k]`.
pub fn break_even_interval(value: &BreakEven) -> String {
    match *value {
        BreakEven::At { low, high, .. } | BreakEven::Until { low, high: high @ Some(_), .. } => {
            let high = high.map_or("∞".to_owned(), count);
            format!("{} [{}, {high}]", break_even(value), count(low))
        }
        _ => break_even(value),
    }
}

/// The break-even point as a clause of a sentence, as in `paid for after 12.1 k inferences`.
pub fn break_even_clause(value: &BreakEven) -> String {
    match *value {
        BreakEven::At { n, .. } => format!("paid for after {} inferences", count(n)),
        BreakEven::Immediately => "cheaper from the first inference on".to_owned(),
        BreakEven::Never => "dearer to make and to run".to_owned(),
        BreakEven::Until { n, high: Some(_), .. } => format!("cheaper up to {} inferences", count(n)),
        BreakEven::Until { n, high: None, .. } => format!("cheaper at least up to {} inferences", count(n)),
        BreakEven::NotShown => "though its saving per inference is within the noise".to_owned(),
    }
}

/// `1 candidate`, `2 candidates`.
pub fn plural(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

/// Whether any energy that the report states is modelled.
pub fn is_modelled(result: &RunResult) -> bool {
    let of = |model: &Candidate| {
        model.energy_per_inference_j.by_batch.values().any(|energy| energy.method == Method::Modelled)
    };
    result.ledger.total_j.method == Method::Modelled || result.models().any(of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_figures_survive_rounding_into_the_next_decade() {
        let cases = [
            (0.0, "0"),
            (9.996, "10.0"),
            (0.09996, "0.100"),
            (12.345, "12.3"),
            (-0.5, "−0.500"),
            (1234.0, "1234"),
        ];
        for (value, expected) in cases {
            assert_eq!(three_figures(value), expected);
        }
    }

    #[test]
    fn prefixes_change_where_three_figures_would_overflow() {
        let cases =
            [(0.0, "0\u{a0}J"), (999.4, "999\u{a0}J"), (999.6, "1.00\u{a0}kJ"), (2.5e-7, "250\u{a0}nJ")];
        for (value, expected) in cases {
            assert_eq!(joules(value), expected);
        }
        assert_eq!(joules(4e-12), "0.00400\u{a0}nJ");
    }

    #[test]
    fn counts_are_short() {
        let cases = [(12.0, "12"), (12.25, "12.2"), (1e6, "1\u{a0}M"), (12_100.0, "12.1\u{a0}k"), (0.0, "0")];
        for (value, expected) in cases {
            assert_eq!(count(value), expected);
        }
        assert_eq!(count(120_000.0), "120\u{a0}k");
    }

    #[test]
    fn factors_say_which_way() {
        assert_eq!(factor(0.25), "÷\u{a0}4.00");
        assert_eq!(factor(13.0), "×\u{a0}13.0");
        assert_eq!(factor(1.001), "× 1");
        assert_eq!(factor(0.0), "–");
    }
}
