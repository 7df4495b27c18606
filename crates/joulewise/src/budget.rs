//! The budget of a search, divided among the practices in epochs of the baseline.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What each practice may spend and has spent, in epochs of the baseline's training: operations are
/// counted and priced by the cost table, so the division does not depend on a clock.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    /// By practice.
    pub shares: BTreeMap<String, Share>,
}

/// One practice's part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// Epochs of the baseline that it may spend.
    pub epochs: f64,
    /// Epochs of the baseline that it has spent.
    pub spent: f64,
}

impl Budget {
    /// Divides `epochs` among practices in proportion to their weights.
    pub fn divide<'n>(epochs: f64, weights: impl IntoIterator<Item = (&'n str, f64)>) -> Self {
        let weights: Vec<_> = weights.into_iter().collect();
        let total: f64 = weights.iter().map(|(_, w)| w).sum::<f64>().max(f64::MIN_POSITIVE);
        let share = |weight| Share { epochs: epochs * weight / total, spent: 0.0 };
        Self { shares: weights.into_iter().map(|(name, w)| (name.to_owned(), share(w))).collect() }
    }

    /// Makes the shares sum to `epochs`, in the proportions that they have.
    pub fn scale_to(&mut self, epochs: f64) {
        let total: f64 = self.shares.values().map(|share| share.epochs).sum();
        if total > 0.0 {
            self.shares.values_mut().for_each(|share| share.epochs *= epochs / total);
        }
    }

    /// Epochs that `practice` can still spend.
    pub fn left(&self, practice: &str) -> f64 {
        self.shares.get(practice).map_or(0.0, |share| (share.epochs - share.spent).max(0.0))
    }

    /// Epochs that `practice` has spent.
    pub fn spent(&self, practice: &str) -> f64 {
        self.shares.get(practice).map_or(0.0, |share| share.spent)
    }

    /// Records that `practice` has spent `epochs`. Whoever has no share, as the baseline, which is the unit and not
    /// part of the search, is not charged.
    pub fn spend(&mut self, practice: &str, epochs: f64) {
        if let Some(share) = self.shares.get_mut(practice) {
            share.spent += epochs;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_sum_to_the_budget_and_shrink_as_they_are_spent() {
        let mut budget = Budget::divide(12.0, [("tune", 2.0), ("prune", 1.0), ("quantise", 0.0)]);
        assert_eq!(budget.left("tune"), 8.0);
        assert_eq!(budget.left("prune"), 4.0);
        assert_eq!(budget.left("quantise"), 0.0);
        budget.spend("prune", 3.5);
        assert_eq!(budget.left("prune"), 0.5);
        budget.spend("prune", 3.5);
        assert_eq!(budget.left("prune"), 0.0);
        budget.scale_to(6.0);
        assert_eq!(budget.left("tune"), 4.0);
    }

    #[test]
    fn the_baseline_is_the_unit_and_has_no_share() {
        let mut budget = Budget::divide(12.0, [("tune", 1.0)]);
        budget.spend("baseline", 6.0);
        assert_eq!(budget.shares.keys().collect::<Vec<_>>(), ["tune"]);
    }
}
