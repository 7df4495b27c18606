//! A run as the reports' tests see it: twelve candidates, their ledger, and the events of their trainings.

use std::collections::BTreeMap;

use joulewise_meter::event::{Event, EventKind};
use joulewise_meter::{Energy, Method};
use joulewise_tune::Direction;

use crate::card::Card;
use crate::ledger::{self, Outlay};
use crate::result::{
    BreakEven, Candidate, Caveat, Entry, Host, Ledger, Life, MetricValue, PerBatch, Ratio, RunResult,
    RunState, SCHEMA, Status,
};
use crate::waste::{Finding, Kind, NotJudged, Waste};

const LIFE: Life = Life { inferences: 1e7, retrainings: 0.0, batch: 64 };

/// A modelled energy with the scale of the model without counters.
fn modelled(value: f64) -> Energy {
    Energy { value, low: value * 0.6, high: value * 1.7, method: Method::Modelled }
}

/// What a candidate of the fixture is made from.
struct Sketch {
    practices: &'static [&'static str],
    name: &'static str,
    status: Status,
    reason: &'static str,
    accuracy: f64,
    ratio: f64,
    training_j: f64,
    make_j: f64,
    parameters: u64,
    bytes: u64,
    depends_on: &'static [u32],
    notes: &'static [(&'static str, &'static str)],
}

#[rustfmt::skip]
const SKETCHES: [Sketch; 12] = [
    Sketch { practices: &["tune"], name: "tune", status: Status::Holds, reason: "learning rate 3.1e-3 found in 24 trials; the rate of the recipe was too low", accuracy: 0.9218, ratio: 1.002, training_j: 812.0, make_j: 812.0, parameters: 107_786, bytes: 432_110, depends_on: &[4], notes: &[("trials", "24, of which 16 stopped early"), ("lr", "3.1e-3")] },
    Sketch { practices: &["early-stopping"], name: "early-stopping", status: Status::Holds, reason: "the plateau was reached after 6 of 12 epochs", accuracy: 0.9147, ratio: 1.0, training_j: 402.0, make_j: 402.0, parameters: 107_786, bytes: 432_110, depends_on: &[5], notes: &[("epochs", "6 of 12")] },
    Sketch { practices: &["smaller-network"], name: "smaller-network", status: Status::Holds, reason: "half the channels lose 0.42 pp on the judging images, within the 1 pp admitted", accuracy: 0.9131, ratio: 0.342, training_j: 301.0, make_j: 301.0, parameters: 27_402, bytes: 110_512, depends_on: &[6], notes: &[("width", "0.5")] },
    Sketch { practices: &["smaller-network"], name: "smaller-network/0.25", status: Status::Drops, reason: "a quarter of the channels loses 2.31 pp, more than the 1 pp admitted", accuracy: 0.8944, ratio: 0.158, training_j: 142.0, make_j: 142.0, parameters: 7_214, bytes: 29_760, depends_on: &[7], notes: &[("width", "0.25")] },
    Sketch { practices: &["quantise"], name: "quantise", status: Status::Holds, reason: "int8 loses 0.06 pp", accuracy: 0.9169, ratio: 0.271, training_j: 806.0, make_j: 812.4, parameters: 107_786, bytes: 112_930, depends_on: &[2, 8], notes: &[("calibration", "512 training images")] },
    Sketch { practices: &["prune"], name: "prune", status: Status::Holds, reason: "41 % of the channels went, fine-tuned for 2 epochs", accuracy: 0.9153, ratio: 0.483, training_j: 934.0, make_j: 934.0, parameters: 41_270, bytes: 166_020, depends_on: &[2, 9], notes: &[("channels kept", "59 %")] },
    Sketch { practices: &["distil"], name: "distil", status: Status::Holds, reason: "the student of half the width agrees with its teacher on 97.8 % of the judging images", accuracy: 0.9162, ratio: 0.342, training_j: 318.0, make_j: 1_190.0, parameters: 27_402, bytes: 110_512, depends_on: &[2, 10, 11], notes: &[("teacher", "baseline")] },
    Sketch { practices: &["transfer"], name: "transfer", status: Status::Drops, reason: "a linear probe on the trunk's features loses 4.9 pp: it does not pay here", accuracy: 0.8682, ratio: 0.988, training_j: 96.0, make_j: 611.0, parameters: 107_786, bytes: 432_110, depends_on: &[12], notes: &[("trunk", "built in, in full")] },
    Sketch { practices: &["data-subset"], name: "data-subset", status: Status::Holds, reason: "2 104 duplicates out, then 60 % of the images; no better than a stratified random subset", accuracy: 0.9121, ratio: 1.001, training_j: 487.0, make_j: 494.0, parameters: 107_786, bytes: 432_110, depends_on: &[13], notes: &[("images", "32 400 of 54 000")] },
    Sketch { practices: &["inference"], name: "inference", status: Status::Holds, reason: "1 thread at batch 64 costs least under the latency asked for", accuracy: 0.9175, ratio: 0.874, training_j: 806.0, make_j: 809.0, parameters: 107_786, bytes: 432_110, depends_on: &[2, 14], notes: &[("threads", "1")] },
    Sketch { practices: &["distil", "quantise"], name: "distil+quantise", status: Status::Holds, reason: "the chain loses 0.31 pp", accuracy: 0.9144, ratio: 0.121, training_j: 318.0, make_j: 1_196.0, parameters: 27_402, bytes: 31_204, depends_on: &[2, 10, 11, 15], notes: &[] },
    Sketch { practices: &["prune", "quantise"], name: "prune+quantise", status: Status::Holds, reason: "the chain loses 0.38 pp", accuracy: 0.9138, ratio: 0.152, training_j: 934.0, make_j: 941.0, parameters: 41_270, bytes: 45_118, depends_on: &[2, 9, 16], notes: &[] },
];

#[rustfmt::skip]
const STAGES: [(&str, f64, &[u32]); 19] = [
    ("data/load", 18.0, &[]), ("baseline/train", 806.0, &[1]), ("tune/search", 5_240.0, &[1]),
    ("tune/train", 812.0, &[1, 3]), ("early-stopping/train", 402.0, &[1]), ("smaller-network/train-0.5", 301.0, &[1]),
    ("smaller-network/train-0.25", 142.0, &[1]), ("quantise/calibrate", 6.4, &[2]), ("prune/fine-tune", 128.0, &[2]),
    ("distil/logits", 66.0, &[2]), ("distil/train-student", 318.0, &[10]), ("transfer/probe", 611.0, &[1]),
    ("data-subset/train", 494.0, &[1]), ("inference/choose", 41.0, &[2]), ("combine/distil-quantise", 6.1, &[11]),
    ("combine/prune-quantise", 6.9, &[9]), ("judge", 58.0, &[]), ("compare-inference", 402.0, &[]), ("evaluate-test", 71.0, &[]),
];

/// The baseline: a network whose inference costs 3.2 mJ.
fn baseline() -> Candidate {
    let sketch = Sketch {
        practices: &[],
        name: "baseline",
        status: Status::Holds,
        reason: "what everything is compared with",
        accuracy: 0.9175,
        ratio: 1.0,
        training_j: 806.0,
        make_j: 806.0,
        parameters: 107_786,
        bytes: 432_110,
        depends_on: &[2],
        notes: &[],
    };
    Candidate { cpu_ratio: None, ..candidate(&sketch) }
}

fn candidate(sketch: &Sketch) -> Candidate {
    let energy = modelled(3.2e-3 * sketch.ratio);
    let exact = sketch.ratio == 1.0;
    let spread = if exact { 0.0 } else { 0.018 };
    let half = 1.96 * (sketch.accuracy * (1.0 - sketch.accuracy) / 10_000.0).sqrt();
    let metric = MetricValue {
        select: Some(sketch.accuracy + 0.0021),
        judge: Some(sketch.accuracy - 0.0008),
        test: Some(sketch.accuracy),
        low: sketch.accuracy - half,
        high: sketch.accuracy + half,
    };
    Candidate {
        name: sketch.name.to_owned(),
        practices: sketch.practices.iter().map(|&name| name.to_owned()).collect(),
        status: sketch.status,
        reason: sketch.reason.to_owned(),
        depends_on: sketch.depends_on.to_vec(),
        training: Vec::new(),
        metrics: BTreeMap::from([("accuracy".to_owned(), metric)]),
        parameters: sketch.parameters,
        macs: sketch.parameters * 21,
        bytes: sketch.bytes,
        energy_per_inference_j: PerBatch {
            by_batch: BTreeMap::from([
                ("1".to_owned(), modelled(energy.value * 1.9)),
                ("64".to_owned(), energy),
            ]),
        },
        cpu_s_per_inference: BTreeMap::from([
            ("1".to_owned(), energy.value * 1.9 / 11.2),
            ("64".to_owned(), energy.value / 11.2),
        ]),
        energy_ratio: None,
        cpu_ratio: Some(Ratio {
            value: sketch.ratio,
            low: sketch.ratio * (1.0 - spread),
            high: sketch.ratio * (1.0 + spread),
        }),
        training_j: Some(modelled(sketch.training_j)),
        cost_to_make_j: Some(modelled(sketch.make_j)),
        imported: None,
        break_even: BreakEven::NotShown,
        life_cost_j: None,
        model: Some(format!("models/{}.onnx", sketch.name.replace('/', "-"))),
        values: BTreeMap::new(),
        command: None,
        notes: sketch.notes.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect(),
    }
}

/// A candidate without numbers.
fn idle(name: &str, status: Status, reason: &str) -> Candidate {
    Candidate {
        name: name.to_owned(),
        practices: vec![name.to_owned()],
        status,
        reason: reason.to_owned(),
        depends_on: Vec::new(),
        training: Vec::new(),
        metrics: BTreeMap::new(),
        parameters: 0,
        macs: 0,
        bytes: 0,
        energy_per_inference_j: PerBatch::default(),
        cpu_s_per_inference: BTreeMap::new(),
        cpu_ratio: None,
        energy_ratio: None,
        training_j: None,
        cost_to_make_j: None,
        imported: None,
        break_even: BreakEven::NotShown,
        life_cost_j: None,
        model: None,
        values: BTreeMap::new(),
        command: None,
        notes: Vec::new(),
    }
}

/// Twelve candidates with numbers, one that failed and one that was skipped.
pub(crate) fn result() -> RunResult {
    let mut baseline = baseline();
    let mut candidates: Vec<Candidate> = SKETCHES.iter().map(candidate).collect();
    let against = Outlay::of(&baseline, &LIFE).unwrap();
    for model in &mut candidates {
        let outlay = Outlay::of(model, &LIFE).unwrap();
        model.break_even = ledger::break_even(&outlay, &against, model.cpu_ratio.unwrap(), &LIFE);
        model.life_cost_j = Some(outlay.over(&LIFE));
    }
    baseline.life_cost_j = Some(against.over(&LIFE));
    candidates.push(idle(
        "low-rank",
        Status::Failed,
        "the loss was not a number at step 412 (learning rate 0.1)",
    ));
    candidates.push(idle("init", Status::Skipped, "the training command has no placeholder {init}"));
    let entries = STAGES.iter().zip(1..).map(|(&(stage, joules, depends_on), id)| Entry {
        id,
        stage: stage.to_owned(),
        energy_j: modelled(joules),
        cpu_s: joules / 11.2,
        wall_s: joules / 20.0,
        depends_on: depends_on.to_vec(),
        spans: Vec::new(),
    });
    let ledger = Ledger::close(entries.collect(), modelled(10_012.0));
    let mut result = RunResult {
        schema: SCHEMA,
        id: "20261121-0105-k3f9".to_owned(),
        task: "lenet on fashion-mnist".to_owned(),
        state: RunState::Complete,
        life: LIFE,
        metric: "accuracy".to_owned(),
        goal: Direction::Max,
        max_drop: 0.01,
        worth: None,
        baseline,
        candidates,
        ledger,
        budget: crate::budget::Budget::default(),
        choosing_j: modelled(9_450.0),
        scope: "process tree, CPU, modelled".to_owned(),
        waste: waste(),
        caveats: vec![Caveat {
            code: "modelled-energy".to_owned(),
            text: "No energy counter could be read, so joules are CPU time × a table of watts per thread; they may be off by ×0.6 to ×1.7, all by the same factor.".to_owned(),
            hint: "Run on a machine whose `/sys/class/powercap` is readable to measure them.".to_owned(),
        }],
        host: Host {
            system: "linux x86_64".to_owned(),
            cpu: "Intel Xeon Processor (Sapphire Rapids)".to_owned(),
            threads: 2,
            isa: "avx512".to_owned(),
            sources: vec!["model: Sapphire Rapids, watts per thread".to_owned()],
            version: "0.1.0".to_owned(),
            started: "2026-11-21T01:05:12Z".to_owned(),
        },
        verdict: String::new(),
    };
    result.verdict = ledger::verdict(&result);
    result
}

fn waste() -> Waste {
    let finding = Finding {
        kind: Kind::AfterPlateau,
        energy_j: modelled(268.7),
        share: 1.0 / 3.0,
        evidence: "`accuracy` was within 0.5 pp of its best, 91.8 %, at report 8 of 12".to_owned(),
        advice: "train for about 67 % as long".to_owned(),
    };
    let reason = "no GPU was metered over time".to_owned();
    Waste { findings: vec![finding], not_judged: vec![NotJudged { kind: Kind::IdleGpu, reason }] }
}

/// Twelve epochs of the trainings in the fixture's ledger.
pub(crate) fn events() -> Vec<Event> {
    let trained: [(u32, f64, u64); 7] = [
        (2, 0.9175, 12),
        (4, 0.9218, 12),
        (5, 0.9147, 6),
        (6, 0.9131, 12),
        (7, 0.8944, 12),
        (11, 0.9162, 12),
        (13, 0.9121, 12),
    ];
    let mut events = Vec::new();
    for (id, end, epochs) in trained {
        let name = STAGES[id as usize - 1].0.to_owned();
        events.push(Event { at_s: f64::from(id), kind: EventKind::StageOpened { id, name, parent: None } });
        for step in 1..=epochs {
            let late = 1.0 - (-(step as f64) / 2.6).exp();
            let wobble = ((step * 7 + u64::from(id) * 13) % 5) as f64 * 0.0012;
            let accuracy = 0.71 + (end - 0.71) * late - wobble;
            for (name, value) in [("accuracy", accuracy), ("loss", 2.2 * (1.0 - accuracy).powf(0.9))] {
                events.push(Event {
                    at_s: 0.0,
                    kind: EventKind::Metric { stage: id, name: name.to_owned(), step, value },
                });
            }
        }
    }
    events
}

/// Cards of some practices; the others are shown without.
pub(crate) fn cards() -> Vec<Card> {
    let card = |name: &str, what: &str, why: &str, when: &str| Card {
        name: name.to_owned(),
        what: what.to_owned(),
        why: why.to_owned(),
        when: when.to_owned(),
        evidence: "Shown on Fashion-MNIST and CIFAR-10 by several groups; the run above is yours.".to_owned(),
        check: "`joulewise bench models/x.onnx --mode infer --batch 64 --json`".to_owned(),
    };
    vec![
        card(
            "quantise",
            "Rewrites the network in 8-bit integers: per-channel weights, activations calibrated on training images.",
            "An integer product takes a quarter of the memory traffic, and one instruction adds four of them.",
            "Small layers spend more on converting than they save.",
        ),
        card(
            "distil",
            "Trains a smaller student on the probabilities of the baseline, computed once and cached.",
            "The student learns from soft labels what the labels alone do not tell it.",
            "The teacher must be trained first: without a teacher at hand it doubles the cost.",
        ),
        card(
            "early-stopping",
            "Stops a training when the validation metric has reached its plateau.",
            "The last epochs of a fixed schedule often buy nothing.",
            "A schedule that decays to zero needs its end.",
        ),
        card(
            "tune",
            "Searches learning rate, weight decay and batch size at random on a logarithmic scale, and halves the field again and again.",
            "A good rate reaches the same metric in fewer epochs.",
            "A recipe that is tuned already.",
        ),
    ]
}
