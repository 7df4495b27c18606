//! `costs.json`: what operations cost, the same numbers for every decision of a run.
//!
//! Decisions that feed a model never look at a clock: they count operations and price them with this
//! table, so that the same seed and table give the same models on a noisy machine.

use joulewise_learn::shape::{self, GraphError};
use joulewise_learn::{Model, Op};
use serde::{Deserialize, Serialize};

/// Prices of operations in CPU-seconds, saved in the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Costs {
    /// Version of this file.
    pub schema: u32,
    /// Instruction set that the prices are for.
    pub isa: String,
    /// CPU-seconds of one multiply-accumulate in 32-bit floats.
    pub f32_s_per_mac: f64,
    /// CPU-seconds of one multiply-accumulate in 8-bit integers.
    pub int8_s_per_mac: f64,
    /// CPU-seconds of reading and writing one activation.
    pub s_per_value: f64,
    /// A training step's cost over that of its forward pass.
    pub training_factor: f64,
    /// Channels that the convolution kernels compute at once: a layer pays for its channels rounded up.
    pub channels_at_once: usize,
    /// Joules of one CPU-second.
    pub joules_per_cpu_s: f64,
}

impl Costs {
    /// Typical prices for the kernels of `isa`, used when no file is given.
    ///
    /// Only their ratios decide anything; the absolute numbers are for the estimates of a dry run.
    pub fn typical(isa: &str, joules_per_cpu_s: f64) -> Self {
        let (f32_s_per_mac, int8_s_per_mac, channels_at_once) = match isa {
            "avx512" => (2.5e-11, 0.8e-11, 16),
            "avx2" => (5e-11, 5e-11, 8),
            _ => (2e-10, 2e-10, 8),
        };
        Self {
            schema: 1,
            isa: isa.to_owned(),
            f32_s_per_mac,
            int8_s_per_mac,
            s_per_value: 4e-10,
            training_factor: 3.2,
            channels_at_once,
            joules_per_cpu_s,
        }
    }

    /// CPU-seconds of one inference of `model`.
    pub fn inference_s(&self, model: &Model) -> Result<f64, GraphError> {
        let shapes = shape::infer(&model.graph, &model.weights)?;
        let quantised = model.graph.nodes.iter().any(|n| matches!(n.op, Op::QuantizeLinear));
        let s_per_mac = if quantised { self.int8_s_per_mac } else { self.f32_s_per_mac };
        let mut total = 0.0;
        for node in &model.graph.nodes {
            let macs = shape::node_macs(node, &shapes) as f64;
            let outputs = shapes.of(&node.output)[0];
            let padded = outputs.next_multiple_of(self.channels_at_once) as f64 / outputs as f64;
            total += macs * padded * s_per_mac;
            let quantiser = matches!(node.op, Op::QuantizeLinear | Op::DequantizeLinear { .. });
            if !quantiser {
                total += shapes.len_of(&node.output) as f64 * self.s_per_value;
            }
        }
        Ok(total)
    }

    /// CPU-seconds of training `model` on `examples` examples (counted once per epoch).
    pub fn training_s(&self, model: &Model, examples: f64) -> Result<f64, GraphError> {
        Ok(self.inference_s(model)? * self.training_factor * examples)
    }

    /// What updating the parameters takes on top of a training of `model` in batches of `batch` examples, as a part of
    /// the training. Each update reads and writes the parameters and their momenta.
    pub fn updates(&self, model: &Model, batch: usize) -> Result<f64, GraphError> {
        let update_s = 2.0 * self.s_per_value * model.weights.count() as f64;
        Ok(update_s / self.training_s(model, batch.max(1) as f64)?)
    }
}

#[cfg(test)]
mod tests {
    use joulewise_learn::builders::build;

    use super::*;

    #[test]
    fn narrower_networks_cost_less_but_only_in_steps() {
        let costs = Costs::typical("avx512", 2.0);
        let cost = |width| costs.inference_s(&build("lenet", [1, 28, 28], 10, width, 1).unwrap()).unwrap();
        assert!(cost(0.5) < 0.5 * cost(1.0));
        // 36 channels are computed as 48: half a step more costs a whole step.
        let (conv2_64, conv2_68) = (cost(1.0), cost(68.0 / 64.0));
        assert!(conv2_68 > 1.15 * conv2_64);
    }

    #[test]
    fn small_batches_update_more_often() {
        let costs = Costs::typical("avx512", 2.0);
        let model = build("mlp", [1, 28, 28], 10, 1.0, 1).unwrap();
        let of = |batch| costs.updates(&model, batch).unwrap();
        assert!(of(64) > 0.0 && (of(16) / of(64) - 4.0).abs() < 1e-9, "{}", of(64));
        assert!(of(1_000_000) < 1e-3);
    }
}
