//! How what a trial costs counts.

use super::model::{Models, Seen};
use super::told::View;
use crate::gp::acquisition::Cost;
use crate::gp::encoding::Encoding;

/// How costs count.
#[derive(Clone, Copy, Debug)]
pub(super) enum Thrift {
    /// Not at all.
    Never,
    /// The logarithm of the expected improvement less that of the cost, times what is left of the budget.
    Cooled { budget: Option<f64> },
    /// By what a unit of them is worth.
    Worth { per_cost: f64 },
}

impl Thrift {
    /// The process of the logarithm of the cost, where costs count and some are known.
    pub(super) fn cost(
        self,
        view: &View,
        models: &mut Models,
        encoding: &Encoding,
        output: usize,
    ) -> Option<Cost> {
        let power = match self {
            Self::Never => return None,
            Self::Worth { .. } => 1.0,
            Self::Cooled { budget: None } => 0.5,
            Self::Cooled { budget: Some(budget) } => (1.0 - view.spent() / budget).clamp(0.0, 1.0),
        };
        let (points, values): (Vec<_>, Vec<f64>) = view
            .costs()
            .filter(|(_, cost)| cost.is_finite() && *cost > 0.0)
            .map(|(point, cost)| (point, cost.ln()))
            .unzip();
        if values.len() < 2 {
            return None;
        }
        let seen = Seen { start: view.start_of_ended(), points: &points, values: &values };
        let (process, scale) = models.process(encoding, output, &seen, false);
        Some(Cost { process, spread: scale.spread(), centre: scale.centre(), power })
    }
}
