//! Numbers in JSON, which has none that are not finite: NaN is `null`, infinities are `"inf"` and `"-inf"`.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Finite(f64),
    Infinite(Infinity),
    Nothing(()),
}

#[derive(Serialize, Deserialize)]
enum Infinity {
    #[serde(rename = "inf")]
    Positive,
    #[serde(rename = "-inf")]
    Negative,
}

impl From<f64> for Written {
    fn from(x: f64) -> Self {
        match x {
            f64::INFINITY => Self::Infinite(Infinity::Positive),
            f64::NEG_INFINITY => Self::Infinite(Infinity::Negative),
            x if x.is_nan() => Self::Nothing(()),
            x => Self::Finite(x),
        }
    }
}

impl From<Written> for f64 {
    fn from(written: Written) -> Self {
        match written {
            Written::Finite(x) => x,
            Written::Infinite(Infinity::Positive) => f64::INFINITY,
            Written::Infinite(Infinity::Negative) => f64::NEG_INFINITY,
            Written::Nothing(()) => f64::NAN,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
pub(crate) fn serialize<S: Serializer>(x: &f64, to: S) -> Result<S::Ok, S::Error> {
    Written::from(*x).serialize(to)
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    Written::deserialize(from).map(f64::from)
}

/// The same for lists.
pub(crate) mod list {
    use super::{Deserialize, Deserializer, Serializer, Written};

    pub(crate) fn serialize<S: Serializer>(list: &[f64], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(list.iter().copied().map(Written::from))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<f64>, D::Error> {
        Ok(Vec::<Written>::deserialize(from)?.into_iter().map(f64::from).collect())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::trial::{Outcome, Report, State};

    #[test]
    fn what_is_not_finite_has_a_name() {
        let report = Report { step: 1, values: vec![f64::NAN, f64::NEG_INFINITY], cost: f64::INFINITY };
        let json = serde_json::to_string(&report).unwrap();
        assert_eq!(json, r#"{"step":1,"values":[null,"-inf"],"cost":"inf"}"#);
        let back: Report = serde_json::from_str(&json).unwrap();
        assert!(back.values[0].is_nan());
        assert_eq!((back.values[1], back.cost), (f64::NEG_INFINITY, f64::INFINITY));
    }

    proptest! {
        #[test]
        fn states_survive_json_bit_for_bit(values in prop::collection::vec(any::<f64>(), 0..4), cost: f64) {
            let bits = |state: &State| match state {
                State::Done(outcome) => outcome.values.iter().chain([&outcome.cost])
                    .map(|x| if x.is_nan() { u64::MAX } else { x.to_bits() }).collect::<Vec<_>>(),
                _ => vec![],
            };
            let state = State::Done(Outcome { values, cost });
            let json = serde_json::to_string(&state).unwrap();
            prop_assert_eq!(bits(&serde_json::from_str(&json).unwrap()), bits(&state));
        }
    }
}
