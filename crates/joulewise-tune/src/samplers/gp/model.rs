//! Processes of what trials give, and when what they do not learn point by point is fitted.

use crate::gp::encoding::Encoding;
use crate::gp::fit::{self, Hyperparameters};
use crate::gp::matern::Columns;
use crate::gp::process::Process;
use crate::gp::scale::Scale;
use crate::point::Point;

/// Length scales are fitted to at most so many values.
const FITTED: usize = 200;
/// Evaluations of the likelihood for each fit.
const EVALUATIONS: usize = 60;

/// A process for each output of trials. They only remember what they would compute again from the same trials.
#[derive(Clone, Debug, Default)]
pub(super) struct Models {
    encoding: Option<Encoding>,
    outputs: Vec<Option<Model>>,
}

/// What an output gave at points, in the order in which trials ended.
pub(super) struct Seen<'a> {
    /// How many trials were forgotten before: other ones begin elsewhere.
    pub(super) start: usize,
    pub(super) points: &'a [&'a Point],
    pub(super) values: &'a [f64],
}

#[derive(Clone, Debug)]
struct Model {
    /// What it was fitted to: from where on, and how many values.
    fitted: (usize, usize),
    is_bent: bool,
    process: Process,
}

impl Models {
    /// Forgets everything where points are encoded in another way than before.
    pub(super) fn prepare(&mut self, encoding: &Encoding) {
        if self.encoding.as_ref() != Some(encoding) {
            *self = Self { encoding: Some(encoding.clone()), outputs: Vec::new() };
        }
    }

    /// The process of an output and the scale that it is on. With `may_bend`, that scale is a power where this makes the
    /// values more plausible.
    pub(super) fn process(
        &mut self,
        encoding: &Encoding,
        output: usize,
        seen: &Seen,
        may_bend: bool,
    ) -> (Process, Scale) {
        if self.outputs.len() <= output {
            self.outputs.resize(output + 1, None);
        }
        let features: Vec<Vec<f64>> = seen.points.iter().map(|point| encoding.features(point)).collect();
        let rows: Vec<&[f64]> = features.iter().map(|row| &row[..]).collect();
        let count = scheduled(seen.values.len());
        let fitted = (seen.start, count);
        let mut model =
            self.outputs[output].take().filter(|model| model.fitted == fitted).unwrap_or_else(|| {
                let (hyperparameters, is_bent) =
                    fit(encoding, &rows[..count], &seen.values[..count], may_bend);
                Model { fitted, is_bent, process: Process::new(hyperparameters, encoding.groups()) }
            });
        let scale = scale(seen.values, model.is_bent);
        let y: Vec<f64> = seen.values.iter().map(|value| scale.apply(*value)).collect();
        model.process.see(&rows, &y);
        let process = model.process.clone();
        self.outputs[output] = Some(model);
        (process, scale)
    }
}

/// To how many of `n` values length scales are fitted: to all of few, and to more whenever a twentieth is new.
fn scheduled(n: usize) -> usize {
    let step = (n / 20).max(1).next_power_of_two();
    n - n % step
}

fn scale(values: &[f64], is_bent: bool) -> Scale {
    if is_bent { Scale::power(values) } else { Scale::affine(values) }
}

/// What is most plausible, and whether that is so of bent values.
fn fit(encoding: &Encoding, rows: &[&[f64]], values: &[f64], may_bend: bool) -> (Hyperparameters, bool) {
    let chosen = chosen(values);
    let columns = Columns::new(encoding.groups().len(), chosen.iter().map(|&i| rows[i]));
    let fitted = |is_bent: bool| {
        let scale = scale(values, is_bent);
        let y: Vec<f64> = chosen.iter().map(|&i| scale.apply(values[i])).collect();
        let (hyperparameters, evidence) = fit::fit(encoding.groups(), &columns, &y, EVALUATIONS);
        // Densities of the values themselves can be compared.
        (hyperparameters, evidence + chosen.iter().map(|&i| scale.log_slope(values[i])).sum::<f64>())
    };
    let (plain, evidence) = fitted(false);
    if may_bend {
        let (bent, more) = fitted(true);
        if more > evidence {
            return (bent, true);
        }
    }
    (plain, false)
}

/// Of many values the best half of those that are fitted to, and of the others evenly many.
fn chosen(values: &[f64]) -> Vec<usize> {
    let mut chosen: Vec<usize> = (0..values.len()).collect();
    if values.len() > FITTED {
        let mut order = chosen;
        order.sort_by(|&a, &b| values[a].total_cmp(&values[b]).then(a.cmp(&b)));
        let (best, others) = order.split_at(FITTED / 2);
        let every = |i: usize| others[i * others.len() / (FITTED / 2)];
        chosen = best.iter().copied().chain((0..FITTED / 2).map(every)).collect();
        chosen.sort_unstable();
    }
    chosen
}
