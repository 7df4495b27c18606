//! What a parameter may be, and how that lies on the unit interval.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

/// What a parameter may be.
///
/// Samplers see every domain as the interval from 0 to 1: [`at`](Self::at) and [`unit`](Self::unit) go there and
/// back, with equal lengths for equally likely values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Domain {
    /// A number from `low` to `high`, both included.
    Float {
        /// The least value.
        low: f64,
        /// The greatest value.
        high: f64,
        /// Whether factors count instead of differences; `low` is above 0 then.
        #[serde(default)]
        log: bool,
        /// Only `low`, `low + step`, … up to `high`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<f64>,
    },
    /// A whole number from `low` to `high`, both included.
    Int {
        /// The least value.
        low: i64,
        /// The greatest value.
        high: i64,
        /// Whether factors count instead of differences; `low` is above 0 then.
        #[serde(default)]
        log: bool,
        /// Only `low`, `low + step`, … up to `high`.
        #[serde(default = "one")]
        step: u64,
    },
    /// One of a few names without an order.
    Choice(Vec<String>),
    /// Always the same.
    Fixed(Value),
}

/// A value of a parameter. Values are ordered, so that sets of points are possible: −0 equals 0, NaN itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Value {
    /// Of [`Domain::Float`].
    Float(f64),
    /// Of [`Domain::Int`].
    Int(i64),
    /// Of [`Domain::Choice`].
    Choice(String),
}

fn one() -> u64 {
    1
}

impl Domain {
    /// A number from `low` to `high`.
    pub fn float(low: f64, high: f64) -> Self {
        Self::Float { low, high, log: false, step: None }
    }

    /// A number from `low` to `high` of which the order of magnitude matters.
    pub fn log_float(low: f64, high: f64) -> Self {
        Self::Float { low, high, log: true, step: None }
    }

    /// A whole number from `low` to `high`.
    pub fn int(low: i64, high: i64) -> Self {
        Self::Int { low, high, log: false, step: 1 }
    }

    /// A whole number from `low` to `high` of which the order of magnitude matters.
    pub fn log_int(low: i64, high: i64) -> Self {
        Self::Int { low, high, log: true, step: 1 }
    }

    /// One of `options`.
    pub fn choice<S: AsRef<str>>(options: &[S]) -> Self {
        Self::Choice(options.iter().map(|option| option.as_ref().to_owned()).collect())
    }

    /// Whether `value` belongs to it.
    pub fn contains(&self, value: &Value) -> bool {
        match (self, value) {
            (&Self::Float { low, high, step, .. }, &Value::Float(x)) => {
                // Values that went through text may be off by a unit in the last place.
                let on_step = |step: f64| {
                    let level = (x - low) / step;
                    (level - level.round()).abs() < 1e-6
                };
                (low..=high).contains(&x) && step.is_none_or(on_step)
            }
            (&Self::Int { low, high, step, .. }, &Value::Int(x)) => {
                (low..=high).contains(&x) && x.abs_diff(low).is_multiple_of(step.max(1))
            }
            (Self::Choice(options), Value::Choice(x)) => options.contains(x),
            (Self::Fixed(only), value) => only == value,
            _ => false,
        }
    }

    /// How many values it has; `None` where that is not countable.
    pub fn cardinality(&self) -> Option<u64> {
        match *self {
            Self::Float { low, high, .. } if low == high => Some(1),
            Self::Float { step: None, .. } => None,
            Self::Float { low, high, step: Some(step), .. } => Some(steps(low, high, step)),
            Self::Int { low, high, step, .. } => Some((high.abs_diff(low) / step.max(1)).saturating_add(1)),
            Self::Choice(ref options) => Some(options.len() as u64),
            Self::Fixed(_) => Some(1),
        }
    }

    /// Whether its values have no order.
    pub fn is_categorical(&self) -> bool {
        matches!(self, Self::Choice(_))
    }

    /// The value number `index`, from the least on; `None` behind the last one and
    /// where the values are not countable.
    pub fn nth(&self, index: u64) -> Option<Value> {
        if index >= self.cardinality()? {
            return None;
        }
        Some(match *self {
            Self::Float { low, high, step, .. } => {
                Value::Float((low + index as f64 * step.unwrap_or(0.0)).min(high))
            }
            Self::Int { low, step, .. } => Value::Int(low.wrapping_add_unsigned(index * step.max(1))),
            Self::Choice(ref options) => Value::Choice(options.get(index as usize)?.clone()),
            Self::Fixed(ref only) => only.clone(),
        })
    }

    /// The number of a value of a countable domain, from 0.
    pub(crate) fn index(&self, value: &Value) -> Option<u64> {
        self.cardinality()?;
        match (self, value) {
            (&Self::Float { low, step, .. }, &Value::Float(x)) => {
                Some(step.map_or(0, |step| ((x - low) / step).round() as u64))
            }
            (&Self::Int { low, step, .. }, &Value::Int(x)) => Some(x.abs_diff(low) / step.max(1)),
            (Self::Choice(options), Value::Choice(x)) => {
                Some(options.iter().position(|option| option == x)? as u64)
            }
            _ => Some(0),
        }
    }

    /// Where on the unit interval value number `index` begins, which is not the first one; `None` where values are not
    /// countable.
    pub(crate) fn border(&self, index: u64) -> Option<f64> {
        let count = self.cardinality()?;
        let before = index as f64 - 0.5;
        Some(match *self {
            Self::Float { low, high, log: true, step: Some(step) } => {
                ((low + before * step) / low).ln() / (high / low).ln()
            }
            Self::Int { low, high, log: true, step } => {
                let step = step.max(1);
                let (start, end) = whole_ends(low, high, step);
                ((low as f64 + before * step as f64) / start).ln() / (end / start).ln()
            }
            _ => index as f64 / count as f64,
        })
    }

    /// The value at `unit` of the way from the least to the greatest, in the logarithm where it is logarithmic.
    pub fn at(&self, unit: f64) -> Value {
        let unit = unit.clamp(0.0, 1.0);
        match *self {
            Self::Float { low, high, log: true, step } => {
                let x = low * (high / low).powf(unit);
                let on_step = |step: f64| {
                    let level = ((x - low) / step).round().min((steps(low, high, step) - 1) as f64);
                    low + level * step
                };
                // Rounding may leave the domain by one unit in the last place.
                Value::Float(step.map_or(x, on_step).clamp(low, high))
            }
            Self::Float { low, high, step: Some(step), .. } => {
                let level = part(unit, steps(low, high, step)) as f64;
                Value::Float((low + level * step).min(high))
            }
            Self::Float { low, high, .. } => Value::Float((low + (high - low) * unit).clamp(low, high)),
            Self::Int { low, high, log: true, step } => {
                let (step, last) = (step.max(1), high.abs_diff(low) / step.max(1));
                let (start, end) = whole_ends(low, high, step);
                let x = start * (end / start).powf(unit);
                let level = ((x - low as f64) / step as f64).round() as u64;
                Value::Int(low.wrapping_add_unsigned(level.min(last) * step))
            }
            Self::Int { low, high, step, .. } => {
                let levels = (high.abs_diff(low) / step.max(1)).saturating_add(1);
                Value::Int(low.wrapping_add_unsigned(part(unit, levels) * step.max(1)))
            }
            Self::Choice(ref options) => {
                Value::Choice(options[part(unit, options.len() as u64) as usize].clone())
            }
            Self::Fixed(ref only) => only.clone(),
        }
    }

    /// Where `value` lies between 0 and 1: in the middle of what [`at`](Self::at) takes there. 0.5 for a stranger.
    pub fn unit(&self, value: &Value) -> f64 {
        let middle = |level: f64, levels: u64| (level + 0.5) / levels as f64;
        let unit = match (self, value) {
            (&Self::Float { low, high, .. }, _) if low == high => 0.5,
            (&Self::Float { low, high, log: true, .. }, &Value::Float(x)) => {
                (x / low).ln() / (high / low).ln()
            }
            (&Self::Float { low, high, step: Some(step), .. }, &Value::Float(x)) => {
                middle(((x - low) / step).round(), steps(low, high, step))
            }
            (&Self::Float { low, high, .. }, &Value::Float(x)) => (x - low) / (high - low),
            (&Self::Int { low, high, log: true, step }, &Value::Int(x)) => {
                let (start, end) = whole_ends(low, high, step);
                (x as f64 / start).ln() / (end / start).ln()
            }
            (&Self::Int { low, high, step, .. }, &Value::Int(x)) => {
                let step = step.max(1);
                middle((x.abs_diff(low) / step) as f64, (high.abs_diff(low) / step).saturating_add(1))
            }
            (Self::Choice(options), Value::Choice(x)) => {
                match options.iter().position(|option| option == x) {
                    Some(index) => middle(index as f64, options.len() as u64),
                    None => 0.5,
                }
            }
            _ => 0.5,
        };
        unit.clamp(0.0, 1.0)
    }

    /// The same values, of which the differences count and not the factors.
    #[must_use]
    pub fn linear(&self) -> Self {
        match self.clone() {
            Self::Float { low, high, step, .. } => Self::Float { low, high, log: false, step },
            Self::Int { low, high, step, .. } => Self::Int { low, high, log: false, step },
            other => other,
        }
    }

    /// Why it is impossible, if it is.
    pub(crate) fn problem(&self) -> Option<&'static str> {
        let (crossed, log, reaches_zero) = match *self {
            Self::Float { low, high, .. } if !(high - low).is_finite() => return Some("is not finite"),
            Self::Float { low, high, log, step } => {
                if step.is_some_and(|step| !(step.is_finite() && step > 0.0)) {
                    return Some("has a step that is not above 0");
                }
                (low > high, log, low <= 0.0)
            }
            Self::Int { step: 0, .. } => return Some("has a step that is not above 0"),
            Self::Int { low, high, log, .. } => (low > high, log, low <= 0),
            Self::Choice(ref options) => {
                let twice = options.iter().enumerate().any(|(i, option)| options[..i].contains(option));
                if twice {
                    return Some("has the same choice twice");
                }
                return options.is_empty().then_some("has no choices");
            }
            Self::Fixed(Value::Float(x)) if !x.is_finite() => return Some("is not finite"),
            Self::Fixed(_) => return None,
        };
        match (crossed, log) {
            (true, _) => Some("has a low that is above its high"),
            (false, true) if reaches_zero => Some("is logarithmic and its low is not above 0"),
            _ => None,
        }
    }
}

impl Value {
    /// It as a number: a choice is one when its name reads as one.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Float(x) => Some(*x),
            Self::Int(x) => Some(*x as f64),
            Self::Choice(text) => text.parse().ok(),
        }
    }
}

impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            // Adding 0 makes 0 of −0.
            (Self::Float(a), Self::Float(b)) => (a + 0.0).total_cmp(&(b + 0.0)),
            (Self::Int(a), Self::Int(b)) => a.cmp(b),
            (Self::Choice(a), Self::Choice(b)) => a.cmp(b),
            (Self::Float(_), _) | (Self::Int(_), Self::Choice(_)) => Ordering::Less,
            (Self::Choice(_), _) | (Self::Int(_), Self::Float(_)) => Ordering::Greater,
        }
    }
}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Value {}

/// As it stands in a command line: the shortest text that reads back as the same number.
impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Float(x) if x.abs() < 1e-4 && *x != 0.0 => write!(f, "{x:e}"),
            Self::Float(x) => write!(f, "{x}"),
            Self::Int(x) => write!(f, "{x}"),
            Self::Choice(text) => f.write_str(text),
        }
    }
}

/// Half a step beyond both ends gives them the weight of the other numbers; 0 is not reached.
fn whole_ends(low: i64, high: i64, step: u64) -> (f64, f64) {
    let (low, half) = (low as f64, step as f64 / 2.0);
    ((low - half).max(low / 2.0), high as f64 + half)
}

/// How many multiples of `step` fit, the start included.
fn steps(low: f64, high: f64, step: f64) -> u64 {
    // The tolerance lets 0.1 be a step from 0 to 0.3.
    ((high - low) / step + 1e-9).floor() as u64 + 1
}

/// Which of `levels` equal parts of the unit interval `unit` is in.
fn part(unit: f64, levels: u64) -> u64 {
    ((unit * levels as f64) as u64).min(levels - 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn domains() -> impl Strategy<Value = Domain> {
        let ends = (-1e6..1e6f64, 0.0..1e6f64);
        let float = (ends.clone(), proptest::option::of(1e-3..1e3f64))
            .prop_map(|((low, width), step)| Domain::Float { low, high: low + width, log: false, step });
        let log = (1e-9..1e3f64, 1.0..1e6f64).prop_map(|(low, factor)| Domain::log_float(low, low * factor));
        let int = (-1000i64..1000, 0i64..1000, 1u64..9).prop_map(|(low, width, step)| Domain::Int {
            low,
            high: low + width,
            log: false,
            step,
        });
        let log_int = (1i64..1000, 0i64..5000, 1u64..99).prop_map(|(low, width, step)| Domain::Int {
            low,
            high: low + width,
            log: true,
            step,
        });
        let log_steps = (1e-3..1e3f64, 1.0..1e3f64, 1e-2..1e2f64).prop_map(|(low, factor, step)| {
            Domain::Float { low, high: low * factor, log: true, step: Some(step) }
        });
        let choice = (1usize..9).prop_map(|n| Domain::Choice((0..n).map(|i| i.to_string()).collect()));
        prop_oneof![float, log, log_steps, int, log_int, choice, Just(Domain::Fixed(Value::Int(3)))]
    }

    proptest! {
        #[test]
        fn the_unit_interval_is_the_domain(domain in domains(), unit in 0.0..=1.0f64) {
            prop_assert_eq!(domain.problem(), None);
            let value = domain.at(unit);
            prop_assert!(domain.contains(&value), "{:?} of {:?}", value, domain);
            let there = domain.unit(&value);
            let back = domain.at(there);
            match (&value, &back) {
                (Value::Float(a), Value::Float(b)) => prop_assert!((a - b).abs() <= 1e-9 * a.abs().max(1.0)),
                _ => prop_assert_eq!(&value, &back),
            }
            if let Some(index) = domain.index(&value).filter(|index| *index > 0) {
                let border = domain.border(index).unwrap();
                let sides = [-1e-9, 1e-9].map(|by| domain.index(&domain.at(border + by)).unwrap());
                // Where values are finer than that, the border is still between its neighbours.
                prop_assert!(sides[0] < index.max(1) + 1 && sides[1] + 1 > index, "{sides:?} for {index}");
                if domain.cardinality() < Some(1_000_000) && border < 1.0 - 1e-9 {
                    prop_assert_eq!(sides, [index - 1, index]);
                }
            }
            if domain.cardinality().is_none() {
                prop_assert!((there - unit).abs() < 1e-6, "{there} for {unit}");
            }
        }
    }

    #[test]
    fn every_value_of_a_countable_domain_is_reached() {
        let quarter = Domain::Float { low: 0.0, high: 0.3, log: false, step: Some(0.1) };
        assert_eq!(quarter.cardinality(), Some(4));
        let reached = |domain: &Domain| {
            let mut values =
                (0..1000).map(|i| domain.at(f64::from(i) / 999.0).to_string()).collect::<Vec<_>>();
            values.dedup();
            values.len() as u64
        };
        for domain in [
            quarter,
            Domain::Int { low: -3, high: 9, log: false, step: 4 },
            Domain::choice(&["a", "b", "c"]),
            Domain::Int { low: 16, high: 128, log: true, step: 16 },
        ] {
            assert_eq!(Some(reached(&domain)), domain.cardinality(), "{domain:?}");
            let counted =
                (0..9).map_while(|index| domain.nth(index)).collect::<std::collections::BTreeSet<_>>();
            assert_eq!(Some(counted.len() as u64), domain.cardinality(), "{domain:?}");
            assert!(counted.iter().all(|value| domain.contains(value)), "{counted:?} of {domain:?}");
        }
        assert_eq!(Domain::float(0.0, 1.0).nth(0), None);
        assert_eq!(Domain::float(1.0, 1.0).nth(0), Some(Value::Float(1.0)));
        assert_eq!(Domain::log_int(1, 1).at(0.7), Value::Int(1));
        assert_eq!(Domain::int(i64::MIN, i64::MAX).at(0.0), Value::Int(i64::MIN));
    }

    #[test]
    fn impossible_domains_say_why() {
        let stepped = |step| Domain::Float { low: 0.0, high: 1.0, log: false, step: Some(step) };
        assert_eq!(stepped(0.0).problem(), Some("has a step that is not above 0"));
        assert_eq!(stepped(f64::NAN).problem(), Some("has a step that is not above 0"));
        let crossed = Domain::Float { low: 1.0, high: 0.1, log: true, step: Some(0.1) };
        assert_eq!(crossed.problem(), Some("has a low that is above its high"));
        assert_eq!(Domain::choice(&["a", "a"]).problem(), Some("has the same choice twice"));
        assert_eq!(Domain::log_int(0, 4).problem(), Some("is logarithmic and its low is not above 0"));
    }

    #[test]
    fn values_read_as_people_write_them() {
        let text = |value: Value| value.to_string();
        assert_eq!(text(Value::Float(0.05)), "0.05");
        assert_eq!(text(Value::Float(2.5e-7)), "2.5e-7");
        assert_eq!(text(Value::Float(0.0)), "0");
        assert_eq!(text(Value::Int(-3)), "-3");
    }

    #[test]
    fn values_have_an_order() {
        assert_eq!(Value::Float(0.0), Value::Float(-0.0));
        assert_eq!(Value::Float(f64::NAN), Value::Float(f64::NAN));
        assert_ne!(Value::Float(1.0), Value::Int(1));
        let mut values = [Value::Choice("a".into()), Value::Int(2), Value::Float(3.0), Value::Int(1)];
        values.sort();
        assert_eq!(values.map(|value| value.to_string()), ["3", "1", "2", "a"]);
    }
}
