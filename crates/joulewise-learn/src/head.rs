//! The linear classifier that a network ends in, and its exchange for another.

use crate::graph::{Model, Op};
use crate::shape::GraphError;
use crate::tensor::Tensor;

/// The last linear layer of a network, whose outputs are the logits and whose inputs are the features.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The value that it reads, `[width]`.
    pub features: String,
    /// How many features there are.
    pub width: usize,
    /// How many logits it gives.
    pub classes: usize,
    node: usize,
}

impl Head {
    /// The head of `model`; an error if it does not end in a linear layer, a Softmax behind it aside.
    pub fn of(model: &Model) -> Result<Self, GraphError> {
        let nodes = &model.graph.nodes;
        let defined_by = |value: &str| nodes.iter().position(|n| n.output == value);
        let mut last = defined_by(&model.graph.output);
        if let Some(index) = last
            && nodes[index].op == Op::Softmax
        {
            last = defined_by(&nodes[index].inputs[0]);
        }
        let not_linear = || GraphError::new("the network does not end in a linear classifier");
        let node = last.filter(|&index| nodes[index].op == Op::Linear).ok_or_else(not_linear)?;
        let weight = model.weights.get(&nodes[node].inputs[1]).ok_or_else(not_linear)?;
        let &[classes, width] = &weight.shape[..] else { return Err(not_linear()) };
        Ok(Self { features: nodes[node].inputs[0].clone(), width, classes, node })
    }

    /// `model` without its head: its output are the features.
    pub fn trunk(&self, model: &Model) -> Model {
        let mut trunk = model.clone();
        trunk.graph.output.clone_from(&self.features);
        trunk.graph.nodes.truncate(self.node);
        trunk.drop_unused_weights();
        trunk
    }

    /// `model` with the classifier `weight` `[classes, width]` and `bias` `[classes]` in place of its own; a
    /// Softmax behind it goes, so that the output are the logits.
    pub fn exchange(&self, model: &Model, weight: Tensor, bias: Tensor) -> Model {
        let mut exchanged = model.clone();
        exchanged.graph.nodes.truncate(self.node + 1);
        let node = &mut exchanged.graph.nodes[self.node];
        exchanged.graph.output.clone_from(&node.output);
        // A parameter that another layer reads too stays that layer's.
        let name_of = |input: usize, role: &str| match node.inputs.get(input) {
            Some(name) if model.graph.consumers(name).count() == 1 => name.clone(),
            _ => format!("{}.{role}", node.name),
        };
        let (weight_name, bias_name) = (name_of(1, "weight"), name_of(2, "bias"));
        node.inputs = vec![node.inputs[0].clone(), weight_name.clone(), bias_name.clone()];
        exchanged.weights.set(weight_name, weight);
        exchanged.weights.set(bias_name, bias);
        exchanged.drop_unused_weights();
        exchanged
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builders::build;
    use crate::compress::fold_batchnorm;
    use crate::graph::Node;
    use crate::reference::evaluate;
    use crate::shape::infer;

    #[test]
    fn trunk_and_head_are_the_network() {
        let model = fold_batchnorm(&build("lenet", [1, 8, 8], 4, 0.25, 1).unwrap());
        let head = Head::of(&model).unwrap();
        assert_eq!((head.width, head.classes), (32, 4));
        let trunk = head.trunk(&model);
        assert_eq!(trunk.weights.count() + 32 * 4 + 4, model.weights.count());
        let x: Vec<f32> = (0..64).map(|i| (i % 7) as f32 / 7.0).collect();
        let output = |model: &Model| evaluate(model, &x).unwrap().remove(&model.graph.output).unwrap();
        let features = output(&trunk);
        let (weight, bias) =
            (model.weights.get("fc2.weight").unwrap(), model.weights.get("fc2.bias").unwrap());
        let (rows, bias) = (weight.as_f32().unwrap(), bias.as_f32().unwrap());
        for ((row, bias), logit) in rows.chunks(32).zip(bias).zip(output(&model)) {
            let product: f32 = row.iter().zip(&features).map(|(w, f)| w * f).sum();
            assert!((product + bias - logit).abs() < 1e-5);
        }
    }

    #[test]
    fn another_head_has_other_classes_and_no_softmax() {
        let mut model = build("mlp", [1, 8, 8], 4, 0.1, 1).unwrap();
        let logits = model.graph.output.clone();
        model.graph.nodes.push(Node {
            name: "softmax".into(),
            op: Op::Softmax,
            inputs: vec![logits.clone()],
            output: "probabilities".into(),
        });
        model.graph.output = "probabilities".into();
        let head = Head::of(&model).unwrap();
        let (weight, bias) = (vec![0.0; 7 * head.width], vec![1.0; 7]);
        let other = head.exchange(&model, Tensor::f32([7, head.width], weight), Tensor::f32([7], bias));
        assert_eq!(other.graph.output, logits);
        assert_eq!(infer(&other.graph, &other.weights).unwrap().of(&logits), [7]);
        assert_eq!(evaluate(&other, &[0.5; 64]).unwrap()[&logits], [1.0; 7]);
    }

    #[test]
    fn a_network_without_a_classifier_has_no_head() {
        let mut model = build("lenet", [1, 8, 8], 4, 0.25, 1).unwrap();
        model.graph.nodes.pop();
        model.graph.output = model.graph.nodes.last().unwrap().output.clone();
        assert!(Head::of(&model).unwrap_err().to_string().contains("linear classifier"));
    }
}
