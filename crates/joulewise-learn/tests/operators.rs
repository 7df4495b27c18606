//! Operators, losses, optimisers and schedules against what PyTorch computed (`reference/operators.py`).

mod formula;

use formula::{labels, signed};
use joulewise_kernels::Isa;
use joulewise_learn::engine::{Cpu, Engine, Training, write_image};
use joulewise_learn::train::loss::Target;
use joulewise_learn::train::optimiser::{Family, Memory, Settings};
use joulewise_learn::train::schedule::Schedule;
use joulewise_learn::{Graph, Model, Node, Op, Tensor, Weights, Window};
use serde_json::Value;

const CLASSES: usize = 3;

fn section(name: &str) -> Vec<Value> {
    let file: Value = serde_json::from_str(include_str!("reference/operators.json")).unwrap();
    file[name].as_array().unwrap().clone()
}

fn whole(value: &Value) -> Vec<usize> {
    value.as_array().unwrap().iter().map(|v| v.as_u64().unwrap() as usize).collect()
}

fn pair(value: &Value) -> [usize; 2] {
    whole(value).try_into().unwrap()
}

fn number(value: &Value) -> f32 {
    value.as_f64().unwrap() as f32
}

fn assert_close(found: &[f32], expected: &Value, what: &str) {
    let expected: Vec<f32> = expected.as_array().unwrap().iter().map(number).collect();
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
        let tolerance = 1e-5 * expected.abs().max(1.0);
        assert!((found - expected).abs() <= tolerance, "{what}[{i}]: {found} instead of {expected}");
    }
}

/// The operator under test and its parameters by role.
fn operator(case: &Value) -> (Op, Vec<(&'static str, Tensor)>) {
    let name = case["case"].as_str().unwrap();
    let parameter = |role: &'static str, shift: f32| {
        let shape = whole(case.get(format!("{role}_shape"))?);
        let values = signed(&format!("{name}/{role}"), shape.iter().product());
        Some((role, Tensor::f32(shape, values.iter().map(|v| v + shift).collect())))
    };
    let window = || Window {
        kernel: pair(&case["kernel"]),
        stride: pair(&case["stride"]),
        padding: pair(&case["padding"]),
    };
    match case["kind"].as_str().unwrap() {
        "conv" => {
            let op = Op::Conv2d {
                stride: pair(&case["stride"]),
                padding: pair(&case["padding"]),
                groups: case["groups"].as_u64().unwrap() as usize,
            };
            (op, parameter("weight", 0.0).into_iter().chain(parameter("bias", 0.0)).collect())
        }
        "batch_norm" => {
            let channels = whole(&case["weight_shape"]);
            let constant = |value| Tensor::f32(channels.clone(), vec![value; channels[0]]);
            let mut parameters: Vec<_> =
                parameter("weight", 1.5).into_iter().chain(parameter("bias", 0.0)).collect();
            parameters.extend([("running_mean", constant(0.0)), ("running_var", constant(1.0))]);
            let op =
                Op::BatchNorm2d { epsilon: number(&case["epsilon"]), momentum: number(&case["momentum"]) };
            (op, parameters)
        }
        "max_pool" => (Op::MaxPool2d(window()), vec![]),
        "avg_pool" => (Op::AvgPool2d(window()), vec![]),
        "global_avg_pool" => (Op::GlobalAvgPool, vec![]),
        kind => panic!("no operator is called {kind}"),
    }
}

/// The case's network up to the flattened result of the operator; `head` adds the linear layer.
fn network(case: &Value, head: bool) -> Model {
    let name = case["case"].as_str().unwrap();
    let shape = whole(&case["x_shape"])[1..].to_vec();
    let (op, parameters) = operator(case);
    let mut weights = Weights::default();
    let scale = Tensor::f32([shape[0], 1, 1, 1], signed(&format!("{name}/scale"), shape[0]));
    weights.set("scale", scale);
    let features: usize = whole(&case["y_shape"])[1..].iter().product();
    let scaling = Op::Conv2d { stride: [1; 2], padding: [0; 2], groups: shape[0] };
    let roles: Vec<&str> = parameters.iter().map(|&(role, _)| role).collect();
    let mut layers =
        vec![("scaling", scaling, vec!["scale"]), ("operator", op, roles), ("flat", Op::Flatten, vec![])];
    if head {
        let values = signed(&format!("{name}/head"), CLASSES * features);
        weights.set("head", Tensor::f32([CLASSES, features], values));
        layers.push(("linear", Op::Linear, vec!["head"]));
    }
    for (role, tensor) in parameters {
        weights.set(role, tensor);
    }
    let mut nodes: Vec<Node> = Vec::new();
    for (name, op, parameters) in layers {
        let input = nodes.last().map_or("input", |node| node.output.as_str());
        let inputs = std::iter::once(input).chain(parameters).map(str::to_owned).collect();
        nodes.push(Node { name: name.into(), op, inputs, output: format!("{name}.out") });
    }
    let output = nodes[nodes.len() - 1].output.clone();
    let graph = Graph { name: name.into(), input: "input".into(), input_shape: shape, output, nodes };
    Model { graph, weights }
}

#[test]
fn operators_give_pytorchs_results_and_gradients() {
    for case in section("operators") {
        let name = case["case"].as_str().unwrap();
        let shape = whole(&case["x_shape"]);
        let (rows, x) = (shape[0], signed(&format!("{name}/x"), shape.iter().product()));
        let width = x.len() / rows;
        for isa in Isa::available() {
            let what = |part: &str| format!("{name} on {isa}, {part}");
            let cpu = Cpu::with_isa(1, isa);
            let mut y = vec![0.0; whole(&case["y_shape"]).iter().product()];
            cpu.compile(&network(&case, false), rows).unwrap().run(&x, &mut y);
            assert_close(&y, &case["y"], &what("y"));

            let mut training = Training::new(&cpu, &network(&case, true), rows, 1).unwrap();
            let loss = training.gradients(
                |row, layout, into| write_image(&x[row * width..][..width], layout, into),
                Target::Labels {
                    labels: &labels(&format!("{name}/labels"), rows, CLASSES as u64),
                    smoothing: 0.0,
                },
            );
            assert_close(&[loss as f32], &Value::Array(vec![case["loss"].clone()]), &what("loss"));
            for role in ["scale", "weight", "bias"] {
                if let Some(expected) = case.get(format!("d{role}")) {
                    let gradient = training.gradient(role).unwrap();
                    assert_close(gradient.as_f32().unwrap(), expected, &what(role));
                }
            }
            for role in ["running_mean", "running_var"] {
                if let Some(expected) = case.get(role) {
                    let model = training.model();
                    assert_close(model.weights.get(role).unwrap().as_f32().unwrap(), expected, &what(role));
                }
            }
        }
    }
}

#[test]
fn cross_entropy_is_pytorchs() {
    for case in section("losses") {
        let name = case["case"].as_str().unwrap();
        let [rows, classes] = pair(&case["shape"]);
        let logits: Vec<f32> = signed(&format!("{name}/x"), rows * classes).iter().map(|x| 4.0 * x).collect();
        let labels = labels(&format!("{name}/labels"), rows, classes as u64);
        let target = Target::Labels { labels: &labels, smoothing: number(&case["smoothing"]) };
        let mut gradient = vec![0.0; logits.len()];
        let loss = target.loss(classes, &logits, &mut gradient);
        assert!((loss - case["loss"].as_f64().unwrap()).abs() < 1e-6, "{name}: {loss}");
        assert_close(&gradient, &case["dx"], name);
    }
}

#[test]
fn optimisers_step_as_pytorchs() {
    for case in section("optimisers") {
        let name = case["case"].as_str().unwrap();
        let optional = |key: &str, default: f64| case.get(key).map_or(default, |v| v.as_f64().unwrap());
        let settings = Settings {
            family: match name {
                "adam" => Family::Adam,
                "adamw" => Family::AdamW,
                _ => Family::Sgd,
            },
            momentum: optional("momentum", 0.9) as f32,
            nesterov: name == "nesterov",
            weight_decay: number(&case["weight_decay"]),
            betas: [optional("beta1", 0.9), optional("beta2", 0.999)],
            epsilon: optional("epsilon", 1e-8) as f32,
        };
        for isa in Isa::available() {
            let mut w = signed("w", 6);
            let (mut first, mut second) = (vec![0.0; 6], vec![0.0; 6]);
            for (step, expected) in case["w"].as_array().unwrap().iter().enumerate() {
                let mut memory = Memory { first: &mut first, second: &mut second };
                let gradient = signed(&format!("g{step}"), 6);
                settings.update(isa, step as u64 + 1, number(&case["lr"]), &mut memory, &gradient, &mut w);
                assert_close(&w, expected, &format!("{name} on {isa}, step {step}"));
            }
        }
    }
}

#[test]
fn schedules_are_pytorchs() {
    for case in section("schedules") {
        let name = case["case"].as_str().unwrap();
        let schedule: Schedule = serde_json::from_value(case["case"].clone()).unwrap();
        let (peak, steps) = (case["base_lr"].as_f64().unwrap(), case["steps"].as_u64().unwrap());
        for (step, expected) in (0..steps).zip(case["lr"].as_array().unwrap()) {
            let rate = schedule.rate(peak, step, steps, case["warmup"].as_f64().unwrap());
            assert!((rate - expected.as_f64().unwrap()).abs() < 1e-9, "{name}, step {step}: {rate}");
        }
    }
}
