//! Optimisers: how a gradient moves the parameters.

use joulewise_kernels::Isa;
use joulewise_kernels::optimiser as kernel;
use serde::{Deserialize, Serialize};

/// The family of an optimiser.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// Stochastic gradient descent with momentum.
    #[default]
    Sgd,
    /// Adam with L2 regularisation (Kingma and Ba 2015).
    Adam,
    /// Adam with decoupled weight decay (Loshchilov and Hutter 2019).
    AdamW,
}

/// An optimiser's constants.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// The rule.
    pub family: Family,
    /// Momentum of SGD.
    pub momentum: f32,
    /// Whether SGD looks ahead (Nesterov).
    pub nesterov: bool,
    /// Weight decay, as PyTorch defines it for the family.
    pub weight_decay: f32,
    /// β₁ and β₂ of Adam.
    pub betas: [f64; 2],
    /// ε of Adam.
    pub epsilon: f32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            family: Family::Sgd,
            momentum: 0.9,
            nesterov: false,
            weight_decay: 0.0,
            betas: [0.9, 0.999],
            epsilon: 1e-8,
        }
    }
}

/// What an optimiser remembers of a stretch of a parameter.
#[derive(Debug)]
pub struct Memory<'a> {
    /// The velocity of SGD, the first moment of Adam.
    pub first: &'a mut [f32],
    /// The second moment of Adam; unused by SGD.
    pub second: &'a mut [f32],
}

impl Settings {
    /// Moves a stretch of a parameter by its `gradient`; `step` counts from 1.
    pub fn update(
        &self,
        isa: Isa,
        step: u64,
        rate: f32,
        memory: &mut Memory<'_>,
        gradient: &[f32],
        parameter: &mut [f32],
    ) {
        let Self { momentum, nesterov, weight_decay, betas, epsilon, .. } = *self;
        match self.family {
            Family::Sgd => kernel::Sgd { rate, momentum, weight_decay, nesterov }.step(
                isa,
                parameter,
                gradient,
                memory.first,
            ),
            Family::Adam | Family::AdamW => {
                let decoupled = self.family == Family::AdamW;
                kernel::Adam { rate, betas, epsilon, weight_decay, decoupled }.step(
                    isa,
                    step,
                    parameter,
                    gradient,
                    memory.first,
                    memory.second,
                );
            }
        }
    }
}
