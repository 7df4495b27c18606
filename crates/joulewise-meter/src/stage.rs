//! Stages: spans of the session itself, opened and closed like a stack, that partition its energy.

use serde::{Deserialize, Serialize};

use crate::energy::{Energy, Estimate};
use crate::meter::Totals;
use crate::spans::SpanTotal;

/// What a stage used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageRecord {
    /// Unique within the session; counts from 1 in the order of opening.
    pub id: u32,
    /// As in `distil/train-student`.
    pub name: String,
    /// The stage that this one is nested in.
    pub parent: Option<u32>,
    /// Joules of this stage without those of the stages nested in it. Over all stages they partition the session.
    pub energy: Energy,
    /// Joules from open to close.
    pub inclusive: Energy,
    /// CPU time of the process tree without the nested stages, in seconds.
    pub cpu_s: f64,
    /// CPU time of the process tree from open to close, in seconds.
    pub inclusive_cpu_s: f64,
    /// From open to close, in seconds.
    pub wall_s: f64,
    /// Stages whose product this one used.
    pub depends_on: Vec<u32>,
    /// What programs told of as parts of it. Their joules are among those of the stage, and may be counted in several
    /// spans.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spans: Vec<SpanTotal>,
}

/// The open and the closed stages.
pub(crate) struct Stages {
    open: Vec<Open>,
    pub(crate) closed: Vec<StageRecord>,
    /// Where the energy was last divided up.
    last: Totals,
    outside: Estimate,
    next_id: u32,
}

struct Open {
    id: u32,
    name: String,
    depends_on: Vec<u32>,
    opened: Totals,
    exclusive: Estimate,
    cpu_s: f64,
    spans: Vec<SpanTotal>,
}

impl Stages {
    pub(crate) fn new(now: Totals) -> Self {
        Self { open: Vec::new(), closed: Vec::new(), last: now, outside: Estimate::zero(), next_id: 1 }
    }

    /// Gives what was used since the last call to the innermost stage.
    fn settle(&mut self, now: Totals) {
        let used = now.since(&self.last);
        let used_cpu_s = now.cpu_s - self.last.cpu_s;
        self.last = now;
        match self.open.last_mut() {
            Some(stage) => {
                stage.exclusive = stage.exclusive + used;
                stage.cpu_s += used_cpu_s;
            }
            None => self.outside = self.outside + used,
        }
    }

    /// Opens a stage inside the innermost one; gives its id and its parent's.
    pub(crate) fn open(&mut self, name: &str, depends_on: &[u32], now: Totals) -> (u32, Option<u32>) {
        self.settle(now);
        let parent = self.innermost();
        let id = self.next_id;
        self.next_id += 1;
        self.open.push(Open {
            id,
            name: name.to_owned(),
            depends_on: depends_on.to_vec(),
            opened: now,
            exclusive: Estimate::zero(),
            cpu_s: 0.0,
            spans: Vec::new(),
        });
        (id, parent)
    }

    /// Closes the innermost stage, if one is open.
    pub(crate) fn close_innermost(&mut self, now: Totals) -> Option<StageRecord> {
        self.settle(now);
        let stage = self.open.pop()?;
        let record = StageRecord {
            id: stage.id,
            name: stage.name,
            parent: self.innermost(),
            energy: stage.exclusive.energy(),
            inclusive: now.since(&stage.opened).energy(),
            cpu_s: stage.cpu_s,
            inclusive_cpu_s: now.cpu_s - stage.opened.cpu_s,
            wall_s: now.at_s - stage.opened.at_s,
            depends_on: stage.depends_on,
            spans: stage.spans,
        };
        self.closed.push(record.clone());
        Some(record)
    }

    pub(crate) fn innermost(&self) -> Option<u32> {
        self.open.last().map(|stage| stage.id)
    }

    /// Adds what programs told of as parts of a stage that is still open.
    pub(crate) fn add_spans(&mut self, id: u32, spans: &[SpanTotal]) {
        let Some(stage) = self.open.iter_mut().find(|stage| stage.id == id) else { return };
        let before = stage.spans.len() as u32;
        stage.spans.extend(spans.iter().map(|span| SpanTotal {
            id: span.id + before,
            parent: span.parent.map(|parent| parent + before),
            ..span.clone()
        }));
    }

    pub(crate) fn is_open(&self, id: u32) -> bool {
        self.open.iter().any(|stage| stage.id == id)
    }

    /// Adds a dependency to a stage, open or closed; one that it already has is not added again.
    pub(crate) fn depend(&mut self, id: u32, on: u32) {
        let open = self.open.iter_mut().map(|stage| (stage.id, &mut stage.depends_on));
        let closed = self.closed.iter_mut().map(|stage| (stage.id, &mut stage.depends_on));
        for (_, depends_on) in open.chain(closed).filter(|(stage, _)| *stage == id) {
            if !depends_on.contains(&on) {
                depends_on.push(on);
            }
        }
    }

    /// What was used outside of all stages. Call it when none is open.
    pub(crate) fn unattributed(&mut self, now: Totals) -> Energy {
        self.settle(now);
        self.outside.energy()
    }
}
