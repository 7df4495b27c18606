//! What leaves a session: terminal, log, live page and ledger are folds over the same events.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::energy::Energy;
use crate::spans::SpanTotal;

/// Something that happened, and when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Seconds since the session was opened.
    pub at_s: f64,
    /// What happened.
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum EventKind {
    /// A stage began.
    StageOpened {
        /// Unique within the session.
        id: u32,
        /// As in `distil/train-student`.
        name: String,
        /// The stage that this one is nested in.
        parent: Option<u32>,
    },
    /// A stage ended.
    StageClosed {
        /// Unique within the session.
        id: u32,
        /// As in `distil/train-student`.
        name: String,
        /// Without the stages nested in it.
        energy: Energy,
        /// CPU time of the process tree without the nested stages, in seconds.
        cpu_s: f64,
        /// From open to close, in seconds.
        wall_s: f64,
        /// What programs told of as parts of it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        spans: Vec<SpanTotal>,
    },
    /// A free span ended.
    SpanClosed {
        /// Chosen by the caller.
        name: String,
        /// The innermost stage that was open as it began to be listened for.
        #[serde(default)]
        stage: Option<u32>,
        /// From open to close.
        energy: Energy,
        /// CPU time of the process tree, in seconds.
        cpu_s: f64,
        /// From open to close, in seconds.
        wall_s: f64,
    },
    /// The sampling thread read the sources.
    Sample {
        /// Mean power since the last sample.
        watts: f64,
        /// Joules since the session was opened.
        energy_j: f64,
    },
    /// A value of a metric.
    Metric {
        /// The stage that reports it.
        stage: u32,
        /// As in `accuracy`.
        name: String,
        /// Counts up within the stage.
        step: u64,
        /// Written as `null` when it is not finite.
        #[serde(with = "finite_or_null")]
        value: f64,
    },
    /// A trial of a search changed state.
    Trial {
        /// The stage that searches.
        stage: u32,
        /// Unique within the search.
        number: u64,
        /// The parameters as text, by name.
        params: BTreeMap<String, String>,
        /// The objective, once known.
        value: Option<f64>,
        /// What the trial cost, once known.
        energy_j: Option<f64>,
        /// As in `complete`; chosen by the caller.
        state: String,
    },
    /// A candidate was decided on.
    Candidate {
        /// As in `distil+quantise`.
        name: String,
        /// As in `holds`; chosen by the caller.
        status: String,
        /// Why, a sentence.
        reason: String,
    },
    /// How far a stage has come.
    Progress {
        /// The stage.
        stage: u32,
        /// Steps done.
        done: u64,
        /// Steps in all.
        of: u64,
        /// What to show beside it; may be empty.
        text: String,
    },
    /// A fact that limits what the numbers mean came to light.
    Caveat(Caveat),
    /// The session is over; no event follows.
    Finished,
}

/// A fact that limits what the numbers mean.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caveat {
    /// A short stable name, as in `modelled-energy`.
    pub code: String,
    /// What it is.
    pub text: String,
    /// What to do about it; may be empty.
    pub hint: String,
}

impl Caveat {
    /// A caveat from its three parts.
    pub fn new(code: &str, text: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code: code.to_owned(), text: text.into(), hint: hint.into() }
    }
}

/// Receives the events of a session, in order, from whichever thread causes them.
///
/// An observer may ask the session for a [`reading`](crate::Session::reading); it must not cause events itself,
/// as by closing a stage or a span, which would wait for its own end.
pub trait Observer {
    /// One event.
    fn on(&mut self, event: &Event);
}

impl<F: FnMut(&Event)> Observer for F {
    fn on(&mut self, event: &Event) {
        self(event);
    }
}

/// JSON has no NaN and no infinity: they are written as `null` and read back as NaN.
pub(crate) mod finite_or_null {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    pub(crate) fn serialize<S: Serializer>(value: &f64, to: S) -> Result<S::Ok, S::Error> {
        value.is_finite().then_some(*value).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
        Ok(Option::deserialize(from)?.unwrap_or(f64::NAN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_tagged_in_kebab_case() {
        let opened = EventKind::StageOpened { id: 1, name: "train".into(), parent: None };
        let event = Event { at_s: 0.5, kind: opened };
        let json = serde_json::to_string(&event).unwrap();
        assert_eq!(
            json,
            r#"{"at_s":0.5,"kind":{"type":"stage-opened","id":1,"name":"train","parent":null}}"#
        );
        assert_eq!(serde_json::from_str::<Event>(&json).unwrap(), event);
    }

    #[test]
    fn a_caveat_survives_the_round_trip() {
        let event = Event { at_s: 1.0, kind: EventKind::Caveat(Caveat::new("a-code", "text", "hint")) };
        let json = serde_json::to_string(&event).unwrap();
        assert!(json.contains(r#""type":"caveat","code":"a-code""#), "{json}");
        assert_eq!(serde_json::from_str::<Event>(&json).unwrap(), event);
    }

    #[test]
    fn a_metric_that_is_not_a_number_is_null() {
        let kind = EventKind::Metric { stage: 1, name: "loss".into(), step: 3, value: f64::NAN };
        let json = serde_json::to_string(&kind).unwrap();
        assert!(json.ends_with(r#""value":null}"#), "{json}");
        let EventKind::Metric { value, .. } = serde_json::from_str(&json).unwrap() else { panic!("{json}") };
        assert!(value.is_nan());
    }
}
