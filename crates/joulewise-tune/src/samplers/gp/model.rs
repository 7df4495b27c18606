//! Processes of what trials give, and when their length scales are fitted.

use crate::gp::encoding::Encoding;
use crate::gp::fit::{self, Hyperparameters};
use crate::gp::matern::Columns;
use crate::gp::process::Process;
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

#[derive(Clone, Debug)]
struct Model {
    /// How many values the length scales were fitted to.
    fitted: usize,
    process: Process,
}

impl Models {
    /// Forgets everything where points are encoded in another way than before.
    pub(super) fn prepare(&mut self, encoding: &Encoding) {
        if self.encoding.as_ref() != Some(encoding) {
            *self = Self { encoding: Some(encoding.clone()), outputs: Vec::new() };
        }
    }

    /// The process of an output after it gave `y` at `points`, which begin as they did before.
    pub(super) fn process(
        &mut self,
        encoding: &Encoding,
        output: usize,
        points: &[&Point],
        y: &[f64],
    ) -> Process {
        if self.outputs.len() <= output {
            self.outputs.resize(output + 1, None);
        }
        let features: Vec<Vec<f64>> = points.iter().map(|point| encoding.features(point)).collect();
        let rows: Vec<&[f64]> = features.iter().map(|row| &row[..]).collect();
        let fitted = scheduled(y.len());
        let mut model =
            self.outputs[output].take().filter(|model| model.fitted == fitted).unwrap_or_else(|| {
                let hyperparameters = fit(encoding, &rows[..fitted], &y[..fitted]);
                Model { fitted, process: Process::new(hyperparameters, encoding.groups()) }
            });
        model.process.see(&rows, y);
        let process = model.process.clone();
        self.outputs[output] = Some(model);
        process
    }

    /// A process that nothing is remembered of.
    pub(super) fn fresh(encoding: &Encoding, points: &[&Point], y: &[f64]) -> Process {
        Self::default().process(encoding, 0, points, y)
    }
}

/// To how many of `n` values length scales are fitted: to all of few, and to more whenever a twentieth is new.
fn scheduled(n: usize) -> usize {
    let step = (n / 20).max(1).next_power_of_two();
    n - n % step
}

fn fit(encoding: &Encoding, rows: &[&[f64]], y: &[f64]) -> Hyperparameters {
    let n = y.len();
    let mut chosen: Vec<usize> = (0..n).collect();
    if n > FITTED {
        // The best half of them, and of the others evenly many.
        let mut order = chosen.clone();
        order.sort_by(|&a, &b| y[a].total_cmp(&y[b]).then(a.cmp(&b)));
        let (best, others) = order.split_at(FITTED / 2);
        let every = |i: usize| others[i * others.len() / (FITTED / 2)];
        chosen = best.iter().copied().chain((0..FITTED / 2).map(every)).collect();
        chosen.sort_unstable();
    }
    let columns = Columns::new(encoding.groups().len(), chosen.iter().map(|&i| rows[i]));
    let y: Vec<f64> = chosen.iter().map(|&i| y[i]).collect();
    fit::fit(encoding.groups(), &columns, &y, EVALUATIONS)
}
