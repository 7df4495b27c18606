//! Whole channels removed from every parameter that they run through.

use std::collections::BTreeMap;

use super::groups::{Group, Slice, groups};
use super::plan::Plan;
use crate::graph::{Model, Op};
use crate::shape::{self, GraphError};
use crate::tensor::{Tensor, Values};

/// The network without the channels that `plan` does not keep: smaller parameters, and the same
/// result as the whole network would give if nothing read those channels.
pub fn prune(model: &Model, plan: &Plan) -> Result<Model, GraphError> {
    let groups: BTreeMap<String, Group> = groups(model)?.into_iter().map(|g| (g.name.clone(), g)).collect();
    let mut pruned = model.clone();
    for (name, kept) in &plan.kept {
        let Some(group) = groups.get(name) else {
            return Err(GraphError::new(format!(
                "the network has no channels of `{name}` that can be removed"
            )));
        };
        let ascending = kept.windows(2).all(|pair| pair[0] < pair[1]);
        if !ascending || kept.last().is_none_or(|&last| last >= group.channels) {
            return Err(GraphError::new(format!(
                "channels to keep of `{name}` must be ascending numbers below {}, at least one",
                group.channels
            )));
        }
        keep_channels(&mut pruned, group, kept);
    }
    shape::infer(&pruned.graph, &pruned.weights)?;
    Ok(pruned)
}

fn keep_channels(model: &mut Model, group: &Group, kept: &[usize]) {
    for slice in &group.slices {
        if let Some(tensor) = model.weights.0.get_mut(&slice.parameter) {
            *tensor = select(tensor, slice, kept);
        }
    }
    for node in model.graph.nodes.iter_mut().filter(|n| group.depthwise.contains(&n.name)) {
        if let Op::Conv2d { groups, .. } = &mut node.op {
            *groups = kept.len();
        }
    }
}

fn select(tensor: &Tensor, slice: &Slice, kept: &[usize]) -> Tensor {
    let inner: usize = tensor.shape[slice.axis + 1..].iter().product();
    let mut shape = tensor.shape.clone();
    shape[slice.axis] = kept.len() * slice.block;
    let stride = tensor.shape[slice.axis] * inner;
    let values = match &tensor.values {
        Values::F32(v) => Values::F32(runs(v, stride, slice.block * inner, kept)),
        Values::I8(v) => Values::I8(runs(v, stride, slice.block * inner, kept)),
        Values::U8(v) => Values::U8(runs(v, stride, slice.block * inner, kept)),
        Values::I32(v) => Values::I32(runs(v, stride, slice.block * inner, kept)),
    };
    Tensor::new(shape, values)
}

/// From every `stride` numbers, the runs of `len` whose index is kept.
fn runs<T: Copy>(values: &[T], stride: usize, len: usize, kept: &[usize]) -> Vec<T> {
    let rows = values.chunks(stride);
    rows.flat_map(|row| kept.iter().flat_map(move |&c| &row[c * len..][..len])).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builders::build;
    use crate::compress::tests::{example, mixed_network, trained_looking};
    use crate::onnx;
    use crate::reference::evaluate;
    use proptest::prelude::*;

    /// The whole network, in which nothing reads the channels that are not kept.
    fn blinded(model: &Model, plan: &Plan) -> Model {
        let mut model = model.clone();
        for group in groups(&model).unwrap() {
            let Some(kept) = plan.kept.get(&group.name) else { continue };
            for slice in group.slices.iter().filter(|s| s.axis == 1) {
                let tensor = model.weights.0.get_mut(&slice.parameter).unwrap();
                let (extent, inner) = (tensor.shape[1], tensor.shape[2..].iter().product::<usize>());
                for (i, value) in tensor.as_f32_mut().unwrap().iter_mut().enumerate() {
                    if !kept.contains(&(i / inner % extent / slice.block)) {
                        *value = 0.0;
                    }
                }
            }
        }
        model
    }

    fn network(index: usize) -> Model {
        match ["mlp", "lenet", "vgg", "resnet8", "simple_cnn"].get(index) {
            Some(name) => trained_looking(&build(name, [1, 8, 8], 4, 0.15, 1).unwrap()),
            None => mixed_network(),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn removing_is_not_reading(index in 0usize..6, seed in 0u64..1000) {
            let model = network(index);
            let mut plan = Plan::default();
            for group in groups(&model).unwrap() {
                let mut stream = crate::random::Stream::new(seed, &group.name);
                let kept: Vec<usize> =
                    (0..group.channels).filter(|_| stream.uniform(0.0, 1.0) < 0.6).collect();
                if !kept.is_empty() {
                    plan.kept.insert(group.name, kept);
                }
            }
            let pruned = prune(&model, &plan).unwrap();
            prop_assert!(pruned.weights.count() <= model.weights.count());
            let x = example(&model, seed);
            let expected = evaluate(&blinded(&model, &plan), &x).unwrap();
            let found = evaluate(&pruned, &x).unwrap();
            for (a, b) in expected[&model.graph.output].iter().zip(&found[&model.graph.output]) {
                prop_assert!((a - b).abs() <= 1e-5 * a.abs().max(1.0), "{} {}", a, b);
            }
            prop_assert_eq!(onnx::decode(&onnx::encode(&pruned).unwrap()).unwrap(), pruned);
        }
    }

    #[test]
    fn a_plan_for_other_channels_is_refused() {
        let model = build("lenet", [1, 8, 8], 4, 0.25, 1).unwrap();
        let refused = |name: &str, kept: Vec<usize>| {
            let plan = Plan { kept: BTreeMap::from([(name.to_owned(), kept)]) };
            prune(&model, &plan).unwrap_err().to_string()
        };
        assert!(refused("fc2", vec![0]).contains("`fc2`"));
        for kept in [vec![], vec![1, 0], vec![0, 8]] {
            assert!(refused("conv1", kept).contains("ascending numbers below 8"));
        }
    }
}
