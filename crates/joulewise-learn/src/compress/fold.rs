//! Batch normalisation folded into the convolution before it.

use crate::graph::{Graph, Model, Node, Op};
use crate::tensor::{Tensor, Weights};

/// Merges every BatchNorm2d that directly follows a Conv2d into that convolution.
///
/// At inference the two are one affine map per channel, so the values stay the same up to rounding.
/// A pair stays as it is where the convolution's result or its weights are also used elsewhere.
pub fn fold_batchnorm(model: &Model) -> Model {
    let mut folded = model.clone();
    for norm in model.graph.nodes.iter().filter(|n| matches!(n.op, Op::BatchNorm2d { .. })) {
        let Some(index) = foldable(&folded.graph, norm) else { continue };
        fold_pair(&mut folded, index, norm);
    }
    folded.drop_unused_weights();
    folded
}

/// Where the convolution is that `norm` can be folded into.
fn foldable(graph: &Graph, norm: &Node) -> Option<usize> {
    let value = &norm.inputs[0];
    let index = graph.nodes.iter().position(|n| n.output == *value)?;
    let conv = &graph.nodes[index];
    let alone = |name: &str| graph.consumers(name).count() == 1;
    let foldable = matches!(conv.op, Op::Conv2d { .. })
        && graph.output != *value
        && alone(value)
        && conv.inputs[1..].iter().all(|parameter| alone(parameter));
    foldable.then_some(index)
}

fn fold_pair(model: &mut Model, index: usize, norm: &Node) {
    let Op::BatchNorm2d { epsilon, .. } = norm.op else { return };
    let conv = &model.graph.nodes[index];
    let weights = &model.weights;
    let parameter = |i: usize| weights.get(norm.inputs.get(i)?)?.as_f32();
    let (Some(gamma), Some(beta), Some(mean), Some(variance)) =
        (parameter(1), parameter(2), parameter(3), parameter(4))
    else {
        return;
    };
    let Some(kernel) = weights.get(&conv.inputs[1]).filter(|t| t.as_f32().is_some()) else { return };
    let bias = conv.inputs.get(2).and_then(|name| weights.get(name)?.as_f32());

    let scale: Vec<f64> = gamma
        .iter()
        .zip(variance)
        .map(|(&gamma, &variance)| f64::from(gamma) / (f64::from(variance) + f64::from(epsilon)).sqrt())
        .collect();
    let shifted = (0..scale.len())
        .map(|c| {
            let centred = bias.map_or(0.0, |b| f64::from(b[c])) - f64::from(mean[c]);
            (centred * scale[c] + f64::from(beta[c])) as f32
        })
        .collect();
    let mut kernel = kernel.clone();
    let per_channel = kernel.values.len() / scale.len();
    if let Some(values) = kernel.as_f32_mut() {
        for (channel, scale) in values.chunks_mut(per_channel).zip(&scale) {
            for w in channel {
                *w = (f64::from(*w) * scale) as f32;
            }
        }
    }
    replace_pair(model, index, norm, kernel, Tensor::f32([scale.len()], shifted));
}

/// The convolution takes the place of both, under the name of its own and the output of `norm`.
fn replace_pair(model: &mut Model, index: usize, norm: &Node, kernel: Tensor, bias: Tensor) {
    let conv = &mut model.graph.nodes[index];
    if conv.inputs.len() == 2 {
        conv.inputs.push(fresh_name(&model.weights, &format!("{}.bias", conv.name)));
    }
    conv.output.clone_from(&norm.output);
    model.weights.set(conv.inputs[1].clone(), kernel);
    model.weights.set(conv.inputs[2].clone(), bias);
    model.graph.nodes.retain(|n| n.name != norm.name);
}

fn fresh_name(weights: &Weights, wanted: &str) -> String {
    let mut name = wanted.to_owned();
    while weights.get(&name).is_some() {
        name.push('_');
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builders::build;
    use crate::compress::tests::{example, trained_looking};
    use crate::reference::evaluate;

    #[test]
    fn values_stay_the_same() {
        for name in ["vgg", "resnet8", "simple_cnn"] {
            let model = trained_looking(&build(name, [3, 8, 8], 10, 0.25, 1).unwrap());
            let folded = fold_batchnorm(&model);
            assert!(!folded.graph.nodes.iter().any(|n| matches!(n.op, Op::BatchNorm2d { .. })));
            assert!(folded.weights.count() < model.weights.count());
            let before = evaluate(&model, &example(&model, 1)).unwrap();
            let after = evaluate(&folded, &example(&model, 1)).unwrap();
            for (value, after) in &after {
                for (a, b) in before[value].iter().zip(after) {
                    assert!((a - b).abs() <= 1e-5 * a.abs().max(1.0), "{name} {value}: {a} {b}");
                }
            }
        }
    }

    #[test]
    fn a_convolution_that_is_also_read_elsewhere_stays() {
        let mut model = trained_looking(&build("resnet8", [3, 8, 8], 10, 0.25, 1).unwrap());
        let norm = model.graph.nodes.iter().position(|n| n.name == "bn1a").unwrap();
        let relu = model.graph.nodes.iter().position(|n| n.name == "bn1a.relu").unwrap();
        model.graph.nodes[relu].inputs[0] = model.graph.nodes[norm].inputs[0].clone();
        let folded = fold_batchnorm(&model);
        let left = folded.graph.nodes.iter().filter(|n| matches!(n.op, Op::BatchNorm2d { .. }));
        assert_eq!(left.map(|n| n.name.as_str()).collect::<Vec<_>>(), ["bn1a"]);
    }

    #[test]
    fn nothing_to_fold_changes_nothing() {
        let model = build("lenet", [1, 8, 8], 10, 0.25, 1).unwrap();
        assert_eq!(fold_batchnorm(&model), model);
    }
}
