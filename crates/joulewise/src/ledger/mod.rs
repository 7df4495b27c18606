//! The arithmetic of energy over a model's life: what it costs, when it has paid for itself, which candidates
//! are worth a look, and the sentence that a run ends with.
//!
//! All energies of a run share the scale of its source, so the scale cancels wherever two of them are divided.
//! Break-even points therefore carry only the interval of the paired ratio of running costs.

mod front;
mod verdict;

use std::collections::BTreeSet;

use joulewise_meter::Energy;
use joulewise_tune::Direction;

use crate::result::{
    BreakEven, Candidate, Entry, Ledger, Life, MetricValue, OTHER_SEEDS, Ratio, RunResult, Status,
};

pub use front::{TradeOff, knee, pareto_front};
pub use verdict::verdict;

/// What a model asks for, whatever its life turns out to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outlay {
    /// Everything spent before the first inference, the first training included.
    pub once: Energy,
    /// Running the winning recipe once more.
    pub training: Energy,
    /// One inference.
    pub per_inference: Energy,
}

impl Outlay {
    /// The outlay of a candidate in `life`, at whose batch size its inference is priced.
    ///
    /// `None` where a part of it is unknown: a candidate that failed, or an inference that nobody measured and that
    /// the life needs.
    pub fn of(candidate: &Candidate, life: &Life) -> Option<Self> {
        let priced = candidate.energy_per_inference_j.by_batch.get(&life.batch.to_string()).copied();
        let unneeded = (life.inferences == 0.0).then(Energy::zero);
        Some(Self {
            once: candidate.cost_to_make_j?,
            training: candidate.training_j.unwrap_or_else(Energy::zero),
            per_inference: priced.or(unneeded)?,
        })
    }

    /// Energy over the whole of `life`.
    pub fn over(&self, life: &Life) -> Energy {
        life_cost(self.once, self.training, self.per_inference, life)
    }

    /// Best estimate, in joules, of everything but the inferences.
    fn fixed_j(&self, life: &Life) -> f64 {
        self.once.value + life.retrainings * self.training.value
    }
}

/// `once + retrainings · training + inferences · per_inference`.
pub fn life_cost(once: Energy, training: Energy, per_inference: Energy, life: &Life) -> Energy {
    once + training.scaled(life.retrainings) + per_inference.scaled(life.inferences)
}

/// After how many inferences `candidate` has paid for itself against `baseline`.
///
/// `ratio` is the candidate's cost of one inference over the baseline's, from paired measurements; it is exactly
/// 1 where both run the same graph. A saving whose interval contains zero is [`BreakEven::NotShown`]; where such
/// a candidate was cheaper to make, it stays cheaper at least up to the lower end of the interval.
pub fn break_even(candidate: &Outlay, baseline: &Outlay, ratio: Ratio, life: &Life) -> BreakEven {
    if candidate.per_inference.method != baseline.per_inference.method {
        // A counter was lost between the two: counted and modelled joules cannot be subtracted.
        return BreakEven::NotShown;
    }
    let extra = candidate.fixed_j(life) - baseline.fixed_j(life);
    let saving = |ratio: f64| baseline.per_inference.value * (1.0 - ratio);
    let (best, least, most) = (saving(ratio.value), saving(ratio.high), saving(ratio.low));
    if extra <= 0.0 {
        if least > 0.0 || (extra < 0.0 && least == 0.0) {
            BreakEven::Immediately
        } else if extra == 0.0 {
            if most < 0.0 { BreakEven::Never } else { BreakEven::NotShown }
        } else if most < 0.0 {
            BreakEven::Until { n: extra / best, low: extra / least, high: Some(extra / most) }
        } else {
            BreakEven::Until { n: extra / least, low: extra / least, high: None }
        }
    } else if least > 0.0 {
        BreakEven::At { n: extra / best, low: extra / most, high: Some(extra / least) }
    } else if most <= 0.0 {
        BreakEven::Never
    } else {
        BreakEven::NotShown
    }
}

/// Inferences after which the saving of `candidate` has repaid `joules`, as those of the whole search.
///
/// `None` where no saving is shown.
pub fn repaid_after(joules: f64, candidate: &Candidate, baseline: &Outlay) -> Option<f64> {
    let ratio = candidate.inference_ratio()?;
    (ratio.high < 1.0).then(|| joules / (baseline.per_inference.value * (1.0 - ratio.value)))
}

impl Ledger {
    /// A ledger of `entries` whose rest to the metered `total_j` is the unattributed energy.
    pub fn close(entries: Vec<Entry>, total_j: Energy) -> Self {
        let attributed: f64 = entries.iter().map(|entry| entry.energy_j.value).sum();
        Self { entries, total_j, unattributed_j: total_j.value - attributed }
    }

    /// The part of the total that no stage accounts for, a fraction; zero for an empty ledger.
    pub fn unattributed_share(&self) -> f64 {
        if self.total_j.value == 0.0 { 0.0 } else { self.unattributed_j / self.total_j.value }
    }

    /// `ids` and every entry they depend on, directly or not. Unknown ids are left out.
    pub fn upstream(&self, ids: &[u32]) -> BTreeSet<u32> {
        let mut found = BTreeSet::new();
        let mut open: Vec<u32> = ids.to_vec();
        while let Some(id) = open.pop() {
            if let Some(entry) = self.entries.iter().find(|entry| entry.id == id)
                && found.insert(id)
            {
                open.extend(&entry.depends_on);
            }
        }
        found
    }

    /// Energy of the entries in `ids`.
    pub fn energy_of(&self, ids: &BTreeSet<u32>) -> Energy {
        self.entries.iter().filter(|entry| ids.contains(&entry.id)).map(|entry| entry.energy_j).sum()
    }
}

/// What the energy of a ledger's entry was good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// It is in the model that costs least over this life.
    Best,
    /// It is in another candidate that holds, or in the baseline.
    Kept,
    /// It went only into what did not hold.
    Lost,
    /// It went into no model: the search, the comparison and the report.
    Overhead,
}

impl RunResult {
    /// The baseline, then the candidates.
    pub fn models(&self) -> impl Iterator<Item = &Candidate> {
        std::iter::once(&self.baseline).chain(&self.candidates)
    }

    /// Whether `model` is what the candidates are compared with; names are unique within a run.
    pub fn is_baseline(&self, model: &Candidate) -> bool {
        model.name == self.baseline.name
    }

    /// The model that costs least over the run's life among the baseline and the candidates that hold.
    ///
    /// The baseline where no life cost is known.
    pub fn best(&self) -> &Candidate {
        self.holding()
            .filter_map(|model| Some((model, model.life_cost_j?.value)))
            .min_by(|a, b| a.1.total_cmp(&b.1))
            .map_or(&self.baseline, |(model, _)| model)
    }

    /// The command that trains the best model, if that is another one than the baseline's.
    pub fn recommended_command(&self) -> Option<&str> {
        let best = self.best();
        best.command.as_deref().filter(|_| !self.is_baseline(best))
    }

    /// Energy of one inference of `model` at the life's batch size.
    pub fn inference_j(&self, model: &Candidate) -> Option<Energy> {
        model.energy_per_inference_j.by_batch.get(&self.life.batch.to_string()).copied()
    }

    /// CPU time of one inference of `model` at the life's batch size, in seconds.
    pub fn inference_cpu_s(&self, model: &Candidate) -> Option<f64> {
        model.cpu_s_per_inference.get(&self.life.batch.to_string()).copied()
    }

    /// The value of the run's metric that reports state for `model`.
    pub fn metric_of(&self, model: &Candidate) -> Option<f64> {
        model.metrics.get(&self.metric)?.reported()
    }

    /// Models with a metric and an energy per inference at the life's batch size, as points of the trade.
    pub fn trade_offs(&self) -> Vec<(&Candidate, TradeOff)> {
        self.models()
            .filter_map(|model| {
                let (metric, energy) = (self.metric_of(model)?, self.inference_j(model)?);
                (energy.value > 0.0).then_some((model, TradeOff { metric, energy_j: energy.value }))
            })
            .collect()
    }

    /// Whether the user's own command trained the models.
    pub fn is_by_command(&self) -> bool {
        self.baseline.command.is_some()
    }

    /// The baseline and the candidates that hold.
    fn holding(&self) -> impl Iterator<Item = &Candidate> {
        self.models().filter(|model| model.status == Status::Holds || self.is_baseline(model))
    }

    /// Where saving more begins to cost too much of the metric: the model that is [worth](Self::worth_of) most if the
    /// user says what the metric is worth, and otherwise where the Pareto front bends, if it does.
    ///
    /// Only the baseline and what holds can be the knee, and the test split has no say in it.
    pub fn knee(&self) -> Option<&Candidate> {
        if self.worth.is_some() {
            let worths = self.holding().filter_map(|model| Some((model, self.worth_of(model)?)));
            // The baseline comes first: it stays where nothing is worth more.
            return worths
                .reduce(|most, next| if next.1 > most.1 { next } else { most })
                .map(|(model, _)| model);
        }
        let (models, points) = self.trades();
        knee(&points, &pareto_front(&points, self.goal)).map(|i| models[i])
    }

    /// The baseline and what holds, without those that another one beats in quality and in the energy of an inference;
    /// the cheapest first.
    pub fn front(&self) -> Vec<&Candidate> {
        let (models, points) = self.trades();
        pareto_front(&points, self.goal).into_iter().map(|i| models[i]).collect()
    }

    /// The baseline and what holds, as points of the trade that is decided on.
    fn trades(&self) -> (Vec<&Candidate>, Vec<TradeOff>) {
        let trade = |model| {
            let metric = self.deciding(model)?;
            let energy_j = self.inference_j(model)?.value;
            (energy_j > 0.0).then_some((model, TradeOff { metric, energy_j }))
        };
        self.holding().filter_map(trade).unzip()
    }

    /// The value of the run's metric that decisions are made by.
    fn deciding(&self, model: &Candidate) -> Option<f64> {
        model.metrics.get(&self.metric)?.deciding()
    }

    /// Joules that `model` is worth more than the baseline over the run's life: its gain of the metric at the user's
    /// exchange rate, less what its life costs more.
    ///
    /// `None` where the user names no rate, or the metric or the life cost of either is unknown.
    pub fn worth_of(&self, model: &Candidate) -> Option<f64> {
        let worth = self.worth?;
        let gain =
            self.goal.gain(self.deciding(model)?, self.deciding(&self.baseline)?) / self.whole_metric();
        Some(
            gain / worth.gain * worth.energy_j
                - (model.life_cost_j?.value - self.baseline.life_cost_j?.value),
        )
    }

    /// What a percentage of the metric is a percentage of: one where the metric is a fraction, so that 1 % is a percentage
    /// point, and else the baseline's value, as of a perplexity.
    fn whole_metric(&self) -> f64 {
        let from = self.baseline.metrics.get(&self.metric).and_then(MetricValue::deciding).unwrap_or(1.0);
        if self.goal == Direction::Max && (0.0..=1.0).contains(&from) { 1.0 } else { from.abs() }
    }

    /// Largest admitted loss of the metric against the baseline, in units of the metric.
    pub fn admitted(&self) -> f64 {
        self.max_drop * self.whole_metric()
    }

    /// How far the metric of the baseline's training moves with its seed, if the run looked at that.
    pub fn spread(&self) -> Option<&str> {
        let note = self.baseline.notes.iter().find(|(name, _)| name == OTHER_SEEDS);
        note.map(|(_, spread)| spread.as_str())
    }

    /// What became of the energy of the ledger's entry `id`.
    pub fn fate(&self, id: u32) -> Fate {
        let made_of = |model: &Candidate| self.ledger.upstream(&model.depends_on).contains(&id);
        if made_of(self.best()) {
            Fate::Best
        } else if self.models().any(|model| model.status == Status::Holds && made_of(model))
            || made_of(&self.baseline)
        {
            Fate::Kept
        } else if self.candidates.iter().any(made_of) || self.tried_in_vain(id) {
            Fate::Lost
        } else {
            Fate::Overhead
        }
    }

    /// Whether the entry `id` belongs to a practice of which nothing holds, as one that gave up before it had a model.
    fn tried_in_vain(&self, id: u32) -> bool {
        let Some(entry) = self.ledger.entries.iter().find(|entry| entry.id == id) else { return false };
        let practice = entry.stage.split('/').next().unwrap_or_default();
        let of_practice = |c: &&Candidate| c.practices.as_slice() == [practice] || c.name == practice;
        let mut tried = self.candidates.iter().filter(of_practice).peekable();
        tried.peek().is_some() && tried.all(|candidate| candidate.status != Status::Holds)
    }

    /// Loss or gain of a model's metric against the baseline, signed so that positive is better.
    pub fn gain_of(&self, model: &Candidate) -> Option<f64> {
        Some(self.goal.gain(self.metric_of(model)?, self.metric_of(&self.baseline)?))
    }
}

impl Status {
    /// The status as a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Drops => "drops",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

impl MetricValue {
    /// The value that reports state: on the test split, or on the judging one without a test split, or what a
    /// command reported of its own training.
    pub fn reported(&self) -> Option<f64> {
        self.test.or(self.judge).or(self.select)
    }

    /// The value that decisions are made by: that of the judging images, or what a command reported of its own
    /// training. Never that of the test.
    pub fn deciding(&self) -> Option<f64> {
        self.judge.or(self.select)
    }
}

#[cfg(test)]
mod tests {
    use joulewise_meter::Method;
    use proptest::prelude::*;

    use super::*;
    use crate::report::fixture;
    use crate::result::Worth;

    fn exactly(value: f64) -> Energy {
        Energy { value, low: value, high: value, method: Method::Measured }
    }

    fn outlay(once: f64, training: f64, per_inference: f64) -> Outlay {
        Outlay { once: exactly(once), training: exactly(training), per_inference: exactly(per_inference) }
    }

    fn life(inferences: f64) -> Life {
        Life { inferences, retrainings: 1.0, batch: 64 }
    }

    fn ratio(value: f64, spread: f64) -> Ratio {
        Ratio { value, low: value - spread, high: value + spread }
    }

    #[test]
    fn break_even_names_every_quadrant() {
        let baseline = outlay(100.0, 50.0, 1.0);
        let cases = [
            (150.0, ratio(0.5, 0.1), BreakEven::At { n: 100.0, low: 50.0 / 0.6, high: Some(125.0) }),
            (50.0, ratio(0.5, 0.1), BreakEven::Immediately),
            (150.0, ratio(1.5, 0.1), BreakEven::Never),
            (50.0, ratio(1.5, 0.25), BreakEven::Until { n: 100.0, low: 50.0 / 0.75, high: Some(200.0) }),
            (150.0, ratio(0.99, 0.05), BreakEven::NotShown),
            (50.0, ratio(1.0, 0.25), BreakEven::Until { n: 200.0, low: 200.0, high: None }),
            // The same graph costs the same to run, exactly.
            (50.0, ratio(1.0, 0.0), BreakEven::Immediately),
            (150.0, ratio(1.0, 0.0), BreakEven::Never),
            (100.0, ratio(1.0, 0.0), BreakEven::NotShown),
        ];
        for (once, ratio, expected) in cases {
            let found = break_even(&outlay(once, 50.0, ratio.value), &baseline, ratio, &life(1e6));
            match (found, expected) {
                (BreakEven::At { n, low, high }, BreakEven::At { n: a, low: b, high: c })
                | (BreakEven::Until { n, low, high }, BreakEven::Until { n: a, low: b, high: c }) => {
                    let near = |x: f64, y: f64| (x / y - 1.0).abs() < 1e-9;
                    assert!(near(n, a) && near(low, b), "{found:?} {expected:?}");
                    assert!(high.zip(c).is_none_or(|(x, y)| near(x, y)) && high.is_some() == c.is_some());
                }
                _ => assert_eq!(found, expected),
            }
        }
    }

    #[test]
    fn a_life_is_the_sum_of_its_parts_and_modelled_if_one_is() {
        let modelled = Energy { value: 2.0, low: 1.0, high: 4.0, method: Method::Modelled };
        let life = Life { inferences: 10.0, retrainings: 2.0, batch: 1 };
        let cost = life_cost(exactly(100.0), modelled, exactly(0.5), &life);
        assert_eq!((cost.value, cost.low, cost.high, cost.method), (109.0, 107.0, 113.0, Method::Modelled));
    }

    #[test]
    fn the_test_split_moves_no_knee_and_what_drops_is_none() {
        let mut result = fixture::result();
        let knee = result.knee().unwrap().name.clone();
        for (i, model) in result.candidates.iter_mut().enumerate() {
            for metric in model.metrics.values_mut() {
                metric.test = Some(0.1 + 0.01 * i as f64);
            }
        }
        assert_eq!(result.knee().unwrap().name, knee);
        result.candidates.iter_mut().find(|model| model.name == knee).unwrap().status = Status::Drops;
        assert_ne!(result.knee().unwrap().name, knee);
    }

    #[test]
    fn the_exchange_rate_decides_which_model_is_worth_most() {
        let mut result = fixture::result();
        let mut knee_at = |energy_j| {
            result.worth = Some(Worth { gain: 0.001, energy_j });
            result.knee().map(|model| model.name.clone())
        };
        // A metric that is worth nothing leaves the cheapest, one that is worth everything the best.
        assert_eq!(knee_at(1e-9).as_deref(), Some("distil+quantise"));
        assert_eq!(knee_at(1e9).as_deref(), Some("tune"));
        // `quantise` is 0.25 pp better than `distil+quantise`, whose life costs 4.42 kJ less.
        assert_eq!(knee_at(1_700.0).as_deref(), Some("distil+quantise"));
        assert_eq!(knee_at(1_800.0).as_deref(), Some("quantise"));
        // Of a metric that is no fraction, 0.1 % is that part of the baseline's value.
        for model in std::iter::once(&mut result.baseline).chain(&mut result.candidates) {
            model
                .metrics
                .values_mut()
                .for_each(|metric| metric.judge = metric.judge.map(|value| value * 100.0));
        }
        result.worth = Some(Worth { gain: 0.001, energy_j: 1_700.0 });
        assert_eq!(result.knee().unwrap().name, "quantise");
        assert!((result.admitted() - 0.9167).abs() < 1e-9);
        result.candidates.clear();
        assert_eq!(result.knee().map(|model| model.name.as_str()), Some("baseline"));
        assert_eq!(result.worth_of(&result.baseline), Some(0.0));
    }

    #[test]
    fn entries_are_charged_once_however_often_they_are_used() {
        let ledger = fixture::result().ledger;
        let upstream = ledger.upstream(&[16, 11, 99]);
        assert_eq!(upstream, BTreeSet::from([1, 2, 9, 10, 11, 16]));
        assert!(
            (ledger.energy_of(&upstream).value - (18.0 + 806.0 + 128.0 + 66.0 + 318.0 + 6.9)).abs() < 1e-9
        );
        let attributed: f64 = ledger.entries.iter().map(|entry| entry.energy_j.value).sum();
        assert_eq!(attributed + ledger.unattributed_j, ledger.total_j.value);
    }

    #[test]
    fn fates_follow_the_models_that_an_entry_went_into() {
        let mut result = fixture::result();
        let fates = [(11, Fate::Best), (9, Fate::Kept), (7, Fate::Lost), (17, Fate::Overhead)];
        for (id, fate) in fates {
            assert_eq!(result.fate(id), fate, "{id}");
        }
        // A practice that gives up leaves stages that no model depends on.
        result.candidates.iter_mut().find(|c| c.name == "transfer").unwrap().depends_on.clear();
        assert_eq!(result.fate(12), Fate::Lost);
    }

    proptest! {
        #[test]
        fn lives_cost_the_same_at_the_break_even(
            once in 1.0f64..1e6, extra in 1e-3f64..1e6, training in 0.0f64..1e5,
            per_inference in 1e-6f64..1.0, saved in 0.01f64..0.99, spread in 0.0f64..0.2, retrainings in 0.0f64..9.0,
        ) {
            let paired = ratio(1.0 - saved, spread.min(saved * 0.9));
            let life = Life { inferences: 1.0, retrainings, batch: 1 };
            let baseline = outlay(once, training, per_inference);
            let candidate = outlay(once + extra, training, per_inference * paired.value);
            let BreakEven::At { n, low, high: Some(high) } = break_even(&candidate, &baseline, paired, &life) else {
                return Err(TestCaseError::fail("a shown saving must pay for itself"));
            };
            prop_assert!(low <= n && n <= high);
            let at = Life { inferences: n, ..life };
            let (a, b) = (candidate.over(&at).value, baseline.over(&at).value);
            prop_assert!((a / b - 1.0).abs() < 1e-6, "{a} {b}");

            // The scale of a source moves all energies alike, and no break-even point.
            let scaled = |o: &Outlay| Outlay { once: o.once.scaled(1.7), training: o.training.scaled(1.7), per_inference: o.per_inference.scaled(1.7) };
            let BreakEven::At { n: moved, .. } = break_even(&scaled(&candidate), &scaled(&baseline), paired, &life) else {
                return Err(TestCaseError::fail("the scale decided"));
            };
            prop_assert!((moved / n - 1.0).abs() < 1e-6);
        }

        #[test]
        fn the_verdict_of_the_arithmetic_agrees_with_the_lives(
            once in 0.0f64..2.0, value in 0.0f64..2.0, inferences in 0.0f64..1e3,
        ) {
            let baseline = outlay(1.0, 0.0, 0.01);
            let candidate = outlay(once, 0.0, 0.01 * value);
            let life = Life { inferences, retrainings: 0.0, batch: 1 };
            let cheaper = candidate.over(&life).value < baseline.over(&life).value;
            match break_even(&candidate, &baseline, ratio(value, 0.0), &life) {
                BreakEven::At { n, .. } => prop_assert_eq!(cheaper, inferences > n),
                BreakEven::Until { n, .. } => prop_assert_eq!(cheaper, inferences < n),
                BreakEven::Immediately => prop_assert!(cheaper),
                BreakEven::Never => prop_assert!(!cheaper),
                BreakEven::NotShown => prop_assert!(once == 1.0 && value == 1.0),
            }
        }

    }
}
