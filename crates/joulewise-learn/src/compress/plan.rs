//! Which channels to remove, and how many of each layer.

use std::collections::BTreeMap;

use super::groups::{Group, Role, groups};
use super::prune::prune;
use crate::graph::Model;
use crate::shape::GraphError;

/// Which channels of each group stay; groups that are not named stay whole.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Ascending channel numbers by name of the group.
    pub kept: BTreeMap<String, Vec<usize>>,
}

/// What tells how much a channel matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Importance {
    /// The squared norm of everything that is removed with the channel, averaged over the layers
    /// of its group (Fang et al. 2023, DepGraph).
    #[default]
    GroupL2,
    /// The squared factors γ of the batch normalisations (Liu et al. 2017, network slimming);
    /// `GroupL2` where a group has none.
    NormScale,
}

impl Importance {
    /// The importance of each channel of `group`, 1 on average.
    pub fn of(self, model: &Model, group: &Group) -> Vec<f64> {
        let normed = group.slices.iter().any(|s| s.role == Role::NormWeight);
        let counts = |role| match self {
            Self::NormScale if normed => role == Role::NormWeight,
            _ => matches!(role, Role::Weight | Role::NormWeight),
        };
        let mut importance = vec![0.0; group.channels];
        for slice in group.slices.iter().filter(|s| counts(s.role)) {
            let Some(tensor) = model.weights.get(&slice.parameter) else { continue };
            let extent = tensor.shape[slice.axis];
            let inner: usize = tensor.shape[slice.axis + 1..].iter().product();
            for (i, &value) in tensor.as_f32().unwrap_or_default().iter().enumerate() {
                importance[i / inner % extent / slice.block] += f64::from(value) * f64::from(value);
            }
        }
        let mean = importance.iter().sum::<f64>() / importance.len() as f64;
        if mean > 0.0 {
            for channel in &mut importance {
                *channel /= mean;
            }
        }
        importance
    }
}

impl Plan {
    /// Keeps the `keep(group)` most important channels of each group, at least one.
    pub fn keeping(
        model: &Model,
        importance: Importance,
        keep: impl Fn(&Group) -> usize,
    ) -> Result<Self, GraphError> {
        let kept = groups(model)?.into_iter().map(|group| {
            let ranked = Ranked::new(model, importance, &group);
            let kept = ranked.best(keep(&group).clamp(1, group.channels));
            (group.name, kept)
        });
        Ok(Self { kept: kept.collect() })
    }
}

/// Chooses channels to remove until `cost` of what is left is at most `target_cost_ratio` of the
/// whole, or nothing more can go.
///
/// Each step removes channels of one group down to a multiple of `round_to`, which is how many the
/// hardware computes at once: fewer would save nothing. The group is the one that loses the least
/// for what it saves. The loss is the logarithm of the share of importance that is left, so that a
/// layer becomes the dearer the narrower it already is. At least `round_to` channels stay per group.
/// `cost` must be deterministic, and then the plan is.
pub fn plan(
    model: &Model,
    importance: Importance,
    target_cost_ratio: f64,
    cost: &dyn Fn(&Model) -> f64,
    round_to: usize,
) -> Result<Plan, GraphError> {
    let round_to = round_to.max(1);
    let ranked: BTreeMap<String, Ranked> =
        groups(model)?.iter().map(|g| (g.name.clone(), Ranked::new(model, importance, g))).collect();
    let mut counts: BTreeMap<&str, usize> =
        ranked.iter().map(|(name, r)| (name.as_str(), r.order.len())).collect();
    let cost_of = |counts: &BTreeMap<&str, usize>| -> Result<f64, GraphError> {
        Ok(cost(&prune(model, &plan_of(&ranked, counts))?))
    };
    let target = target_cost_ratio * cost(model);
    let mut current = cost(model);
    while current > target {
        let mut best: Option<(f64, &str, usize, f64)> = None;
        for (name, channels) in &ranked {
            let count = counts[name.as_str()];
            let fewer = (count - 1) / round_to * round_to;
            if fewer == 0 {
                continue;
            }
            let mut trial = counts.clone();
            trial.insert(name, fewer);
            let left = cost_of(&trial)?;
            let loss = (channels.share(count) / channels.share(fewer)).ln();
            // A step on a plateau of the cost saves nothing yet, but the next one may.
            let price = loss / (current - left).max(1e-9 * current);
            if best.is_none_or(|(cheapest, ..)| price < cheapest) {
                best = Some((price, name, fewer, left));
            }
        }
        let Some((_, name, fewer, left)) = best else { break };
        counts.insert(name, fewer);
        current = left;
    }
    Ok(plan_of(&ranked, &counts))
}

fn plan_of(ranked: &BTreeMap<String, Ranked>, counts: &BTreeMap<&str, usize>) -> Plan {
    let pruned = ranked.iter().filter(|(name, r)| counts[name.as_str()] < r.order.len());
    Plan { kept: pruned.map(|(name, r)| (name.clone(), r.best(counts[name.as_str()]))).collect() }
}

/// The channels of a group, the most important first.
struct Ranked {
    order: Vec<usize>,
    /// Importance of the first `n` channels together, at `n`.
    cumulative: Vec<f64>,
}

impl Ranked {
    fn new(model: &Model, importance: Importance, group: &Group) -> Self {
        let importance = importance.of(model, group);
        let mut order: Vec<usize> = (0..group.channels).collect();
        order.sort_by(|&a, &b| importance[b].total_cmp(&importance[a]).then(a.cmp(&b)));
        let mut sum = 0.0;
        let sums = order.iter().map(|&c| {
            sum += importance[c];
            sum
        });
        let cumulative = std::iter::once(0.0).chain(sums).collect();
        Self { order, cumulative }
    }

    fn best(&self, count: usize) -> Vec<usize> {
        let mut kept = self.order[..count].to_vec();
        kept.sort_unstable();
        kept
    }

    /// The importance of the best `count` channels; never zero, also where all weights are.
    fn share(&self, count: usize) -> f64 {
        self.cumulative[count].max(f64::MIN_POSITIVE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builders::build;
    use crate::compress::tests::trained_looking;
    use crate::shape::{infer, macs};

    fn macs_of(model: &Model) -> f64 {
        macs(&model.graph, &infer(&model.graph, &model.weights).unwrap()) as f64
    }

    #[test]
    fn the_target_is_met_in_whole_blocks() {
        for (name, round_to) in [("lenet", 16), ("vgg", 8), ("resnet8", 16)] {
            let model = trained_looking(&build(name, [1, 16, 16], 10, 1.0, 1).unwrap());
            let plan = plan(&model, Importance::GroupL2, 0.4, &macs_of, round_to).unwrap();
            let pruned = prune(&model, &plan).unwrap();
            let ratio = macs_of(&pruned) / macs_of(&model);
            assert!(ratio <= 0.4 && ratio > 0.2, "{name}: {ratio}");
            for (group, kept) in &plan.kept {
                assert_eq!(kept.len() % round_to, 0, "{name}: {group}");
            }
            // No layer pays for all.
            let widths = groups(&pruned).unwrap().into_iter().map(|g| g.channels);
            assert!(widths.min().unwrap() >= 2 * round_to.min(8), "{name}");
        }
    }

    #[test]
    fn unimportant_channels_go_first() {
        let mut model = build("lenet", [1, 8, 8], 4, 1.0, 1).unwrap();
        let weak = [3, 5, 30];
        for channel in weak {
            let weights = model.weights.0.get_mut("conv1.weight").unwrap().as_f32_mut().unwrap();
            weights[channel * 9..][..9].fill(0.0);
            let next = model.weights.0.get_mut("conv2.weight").unwrap().as_f32_mut().unwrap();
            for out in next.chunks_mut(32 * 9) {
                out[channel * 9..][..9].fill(0.0);
            }
        }
        let keep = |g: &Group| if g.name == "conv1" { 29 } else { g.channels };
        let plan = Plan::keeping(&model, Importance::GroupL2, keep).unwrap();
        assert!(weak.iter().all(|channel| !plan.kept["conv1"].contains(channel)));
    }

    #[test]
    fn norm_scale_looks_at_gamma_only() {
        let mut model = build("vgg", [1, 8, 8], 4, 0.25, 1).unwrap();
        let gamma = model.weights.0.get_mut("bn1.weight").unwrap().as_f32_mut().unwrap();
        gamma.iter_mut().enumerate().for_each(|(i, g)| *g = i as f32);
        let group = &groups(&model).unwrap()[0];
        let squares: Vec<f64> = (0..8).map(|i| f64::from(i * i) / 17.5).collect();
        assert_eq!(Importance::NormScale.of(&model, group), squares);
    }

    #[test]
    fn an_impossible_target_ends_at_the_narrowest_network() {
        let model = build("vgg", [1, 8, 8], 4, 1.0, 1).unwrap();
        let plan = plan(&model, Importance::GroupL2, 0.0, &macs_of, 16).unwrap();
        let pruned = prune(&model, &plan).unwrap();
        assert!(groups(&pruned).unwrap().iter().all(|g| g.channels == 16));
    }
}
