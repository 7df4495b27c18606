//! `--fail-if 'energy_j > +5%'`: what a pipeline does not accept.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use super::{Against, Change, FEWEST, Metric};

/// A limit on the change of a metric.
///
/// A limit on the near side of zero, as in `> +5%`, guards against a change: the change must be *shown* for the rule to be
/// violated, so that noise breaks no pipeline. One on the far side, as in `> -20%`, demands a change: it must be shown for
/// the rule to be kept, so that noise is not taken for a saving.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    metric: Metric,
    is_above: bool,
    /// A fraction: 0.05 for `+5%`.
    limit: f64,
}

/// What a rule says about one side.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ruling {
    /// The rule, as in `energy_j > +5%`.
    pub rule: String,
    /// The side that it was applied to.
    pub side: String,
    /// Whether the side breaks it.
    pub is_violated: bool,
    /// Whether it could not be decided: there are too few runs, or nothing to compare.
    pub is_undecided: bool,
    /// The change as a fraction, if there is one.
    pub change: Option<f64>,
    /// Whether that is beyond the scatter of the runs.
    pub is_shown: bool,
}

impl Rule {
    /// What it is about.
    pub fn metric(&self) -> Metric {
        self.metric
    }

    pub(super) fn apply(&self, against: &Against) -> Ruling {
        let change = against.ratios.get(&self.metric);
        let is_undecided = change.is_none_or(|change| change.low.is_none());
        Ruling {
            rule: self.to_string(),
            side: against.side.clone(),
            is_violated: !is_undecided && change.is_some_and(|change| self.is_violated_by(change)),
            is_undecided,
            change: change.map(|change| change.ratio - 1.0),
            is_shown: change.is_some_and(|change| change.is_shown),
        }
    }

    fn is_violated_by(&self, change: &Change) -> bool {
        let by = change.ratio - 1.0;
        let is_beyond = if self.is_above { by > self.limit } else { by < self.limit };
        let is_demand = if self.is_above { self.limit < 0.0 } else { self.limit > 0.0 };
        if is_demand { is_beyond || !change.is_shown } else { is_beyond && change.is_shown }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.is_above { '>' } else { '<' };
        // Rounded where the fraction 0.07 would read 7.000000000000001.
        let percent = (self.limit * 1e10).round() / 1e8;
        write!(f, "{} {sign} {percent:+}%", self.metric.name())
    }
}

impl FromStr for Rule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = "expected METRIC > PERCENT or METRIC < PERCENT, as in 'energy_j > +5%'";
        let (name, is_above, limit) = match (text.split_once('>'), text.split_once('<')) {
            (Some((name, limit)), None) => (name, true, limit),
            (None, Some((name, limit))) => (name, false, limit),
            _ => return Err(expected.to_owned()),
        };
        let metric = Metric::named(name.trim()).ok_or_else(|| {
            let known: Vec<&str> = Metric::ALL.into_iter().map(Metric::name).collect();
            format!("there is no metric '{}'; there are {}", name.trim(), known.join(", "))
        })?;
        let number = limit.trim().strip_suffix('%').ok_or(expected)?.trim_end();
        let percent: f64 = number.parse().map_err(|_| expected.to_owned())?;
        if !percent.is_finite() || percent <= -100.0 {
            return Err("a change is more than -100 %".to_owned());
        }
        Ok(Self { metric, is_above, limit: percent / 100.0 })
    }
}

impl Ruling {
    /// Why it could not be decided, as an advice.
    pub fn advice(&self) -> String {
        if self.change.is_some() {
            format!("run every side at least {FEWEST} times: --repeat {FEWEST}")
        } else {
            "measure both sides on one machine, with joules of one kind".to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn violated(rule: &str, ratio: f64, is_shown: bool) -> bool {
        let change = Change { ratio, low: Some(ratio - 0.01), high: Some(ratio + 0.01), is_shown };
        let against = Against { side: "B".to_owned(), ratios: BTreeMap::from([(Metric::EnergyJ, change)]) };
        rule.parse::<Rule>().unwrap().apply(&against).is_violated
    }

    #[test]
    fn a_guard_is_violated_by_what_is_beyond_the_limit_and_shown() {
        assert!(violated("energy_j > +5%", 1.06, true));
        assert!(!violated("energy_j > +5%", 1.06, false));
        assert!(!violated("energy_j > +5%", 1.04, true));
        assert!(!violated("energy_j > 5%", 0.5, true));
        assert!(violated("energy_j<-5%", 0.9, true));
        assert!(!violated("energy_j < -5%", 0.97, true));
        assert!(violated("energy_j > 0%", 1.01, true));
    }

    #[test]
    fn a_demand_is_kept_only_by_what_is_shown() {
        assert!(!violated("energy_j > -20%", 0.75, true));
        assert!(violated("energy_j > -20%", 0.75, false));
        assert!(violated("energy_j > -20%", 0.85, true));
        assert!(violated("energy_j < +50%", 1.2, true));
        assert!(!violated("energy_j < +50%", 1.6, true));
    }

    #[test]
    fn what_cannot_be_compared_is_undecided() {
        let rule: Rule = "power_w > +1%".parse().unwrap();
        let missing = rule.apply(&Against { side: "B".to_owned(), ratios: BTreeMap::new() });
        assert!(missing.is_undecided && !missing.is_violated);
        assert!(missing.advice().contains("on one machine"));
        let change = Change { ratio: 1.5, low: None, high: None, is_shown: false };
        let single =
            rule.apply(&Against { side: "B".to_owned(), ratios: BTreeMap::from([(Metric::PowerW, change)]) });
        assert!(single.is_undecided && single.advice().contains("--repeat"));
    }

    #[test]
    fn rules_are_read_and_written() {
        let read = |text: &str| text.parse::<Rule>().map(|rule| rule.to_string());
        assert_eq!(read(" energy_j >+7%").unwrap(), "energy_j > +7%");
        assert_eq!(read("wall_s < -2.5 %").unwrap(), "wall_s < -2.5%");
        assert!(read("energy > 5%").unwrap_err().contains("there are cpu_s, energy_j, wall_s, power_w"));
        for wrong in ["", "energy_j", "energy_j > 5", "energy_j > five%", "energy_j >= 5%", "energy_j > < 5%"]
        {
            assert!(read(wrong).unwrap_err().starts_with("expected METRIC"), "{wrong}");
        }
        assert!(read("energy_j > -100%").is_err() && read("energy_j > inf%").is_err());
    }
}
