//! Chain the practices that held.
//!
//! # What it does
//! Takes the cheapest networks that hold and computes them in 8-bit integers as well.
//!
//! # Why it saves energy
//! Fewer channels and cheaper arithmetic multiply: a network of a quarter of the work at a quarter of its
//! price costs a sixteenth.
//!
//! # When it costs
//! A calibration for each chain. Losses add up too, so every chain is judged anew.
//!
//! # Evidence
//! Han, Mao and Dally (2016) chain pruning and quantisation without loss. The savings of practices that act on different parts of a life are independent; those on the same part are
//! not, so only such chains are tried.
//!
//! # How to check
//! The chain's own judgement, not the sum of its links'.

use super::quantise::Quantise;
use super::{Card, Practice, Setback};
use crate::candidate::{Candidate, Status};
use crate::context::Context;
use crate::task::Task;

/// Chains that are tried at the most.
const CHAINS: usize = 4;

/// See the module's documentation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Combine;

impl Practice for Combine {
    fn card(&self) -> Card {
        Card::of_source("combine", include_str!("combine.rs"))
    }

    fn apply(&self, _from: &Candidate, task: &Task, cx: &mut Context<'_>) -> Result<Vec<Candidate>, Setback> {
        let mut links: Vec<(&Candidate, f64)> = Vec::new();
        for candidate in cx.candidates.iter().filter(|c| c.status == Status::Holds) {
            let quantised = candidate.practices.iter().any(|p| p == "quantise" || p == "inference");
            if let (Some(model), false) = (&candidate.model, quantised) {
                links.push((candidate, cx.costs.inference_s(model)?));
            }
        }
        links.sort_by(|a, b| a.1.total_cmp(&b.1));
        if links.is_empty() {
            return Err(Setback::Skipped("no candidate that holds can be quantised".into()));
        }
        let mut candidates = Vec::new();
        for (link, _) in links.into_iter().take(CHAINS) {
            match Quantise.apply(link, task, cx) {
                Ok(chains) => candidates.extend(chains),
                Err(Setback::Cancelled) => return Err(Setback::Cancelled),
                // The other chains are worth keeping.
                Err(Setback::Skipped(reason)) => candidates.push(broken(link, Status::Skipped, reason)),
                Err(Setback::Failed(reason)) => candidates.push(broken(link, Status::Failed, reason)),
            }
        }
        Ok(candidates)
    }
}

/// The chain from `link` that did not become a model.
fn broken(link: &Candidate, status: Status, reason: String) -> Candidate {
    let mut chain = Candidate::without_model(&format!("{}+quantise", link.name), status, reason);
    chain.practices = link.practices.iter().cloned().chain(["quantise".to_owned()]).collect();
    chain
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use joulewise_learn::Values;

    use super::*;
    use crate::practice::fixture::Bench;

    #[test]
    fn a_chain_that_breaks_leaves_the_others() {
        let mut bench = Bench::new(&[]);
        let mut good = bench.baseline.clone();
        (good.name, good.practices) = ("tune".into(), vec!["tune".into()]);
        let mut bad = good.clone();
        (bad.name, bad.practices) = ("prune".into(), vec!["prune".into()]);
        let mut model = (**bad.model.as_ref().unwrap()).clone();
        for tensor in model.weights.0.values_mut() {
            if let Values::F32(values) = &mut tensor.values {
                values.fill(f32::NAN);
            }
        }
        bad.model = Some(Arc::new(model));
        let made = bench.apply("combine", &Combine, &[good.clone(), bad, good]).unwrap();
        let fates: Vec<_> = made.iter().map(|chain| (chain.name.as_str(), chain.model.is_some())).collect();
        assert_eq!(fates, [("tune+quantise", true), ("prune+quantise", false), ("tune+quantise", true)]);
        assert_eq!(
            (made[1].status, &made[1].practices[..]),
            (Status::Failed, &["prune".into(), "quantise".into()][..])
        );
        assert!(!made[1].reason.is_empty());
    }
}
