//! Thirty training steps of each network against PyTorch: same weights, same batches, same losses.

mod formula;

use formula::{labels, signed};
use joulewise_learn::builders::build;
use joulewise_learn::engine::Cpu;
use joulewise_learn::engine::Training;
use joulewise_learn::engine::write_image;
use joulewise_learn::train::loss::Target;
use joulewise_learn::train::optimiser::{Family, Settings};
use joulewise_learn::{Model, Tensor};
use serde_json::Value;

/// Relative to the first loss: f32 in another order of summation stays within 1e-4 of it.
const TOLERANCE: f64 = 1e-3;

fn curve(optimiser: &str, net: &str) -> Value {
    let text = include_str!("reference/curves.json");
    let file: Value = serde_json::from_str(text).unwrap();
    let curves = file["curves"].as_array().unwrap();
    curves
        .iter()
        .find(|c| c["net"] == net && c["optimiser"]["kind"] == optimiser)
        .expect("the curve is in the file")
        .clone()
}

fn model(curve: &Value) -> Model {
    let input: Vec<usize> = numbers(&curve["input_shape"]);
    let net = curve["net"].as_str().unwrap();
    let mut model = build(net, [input[0], input[1], input[2]], 10, 1.0, 1).unwrap();
    for parameter in curve["parameters"].as_array().unwrap() {
        let name = parameter["name"].as_str().unwrap();
        let shape: Vec<usize> = numbers(&parameter["shape"]);
        assert_eq!(model.weights.get(name).expect(name).shape, shape, "{name}");
        if name.starts_with("bn") {
            continue;
        }
        let weight = name.replace(".bias", ".weight");
        let of = &model.weights.get(&weight).unwrap().shape;
        let fan_in: usize = of[1..].iter().product();
        let bound = (1.0 / (fan_in as f64).sqrt()) as f32;
        let values = signed(name, shape.iter().product()).iter().map(|u| u * bound).collect();
        model.weights.set(name, Tensor::f32(shape, values));
    }
    model
}

fn numbers(value: &Value) -> Vec<usize> {
    value.as_array().unwrap().iter().map(|v| v.as_u64().unwrap() as usize).collect()
}

fn settings(optimiser: &Value) -> Settings {
    let number = |key: &str, default: f64| optimiser.get(key).and_then(Value::as_f64).unwrap_or(default);
    Settings {
        family: match optimiser["kind"].as_str().unwrap() {
            "adam" => Family::Adam,
            "adamw" => Family::AdamW,
            _ => Family::Sgd,
        },
        momentum: number("momentum", 0.9) as f32,
        nesterov: optimiser["nesterov"] == true,
        weight_decay: number("weight_decay", 0.0) as f32,
        ..Settings::default()
    }
}

fn assert_follows(optimiser: &str, net: &str) {
    let curve = curve(optimiser, net);
    let (batch, batches) = (curve["batch"].as_u64().unwrap() as usize, curve["batches"].as_u64().unwrap());
    let cpu = Cpu::new(2).unwrap();
    let model = model(&curve);
    let width: usize = model.graph.input_shape.iter().product();
    let mut training = Training::new(&cpu, &model, batch, 1).unwrap();
    let settings = settings(&curve["optimiser"]);
    let rate = curve["optimiser"]["lr"].as_f64().unwrap() as f32;
    let smoothing = curve["label_smoothing"].as_f64().unwrap() as f32;
    let expected = curve["loss"].as_array().unwrap();
    for (step, expected) in expected.iter().enumerate() {
        let b = step as u64 % batches;
        let x = signed(&format!("x{b}"), batch * width);
        let y = labels(&format!("y{b}"), batch, 10);
        let loss = training.step(
            |row, layout, into| write_image(&x[row * width..][..width], layout, into),
            Target::Labels { labels: &y, smoothing },
            &settings,
            rate,
        );
        let expected = expected.as_f64().unwrap();
        assert!((loss - expected).abs() < TOLERANCE, "{net}, step {step}: {loss} instead of {expected}");
    }
}

#[test]
fn lenet_learns_as_in_pytorch() {
    assert_follows("sgd", "lenet");
}

#[test]
fn vgg_learns_as_in_pytorch() {
    assert_follows("sgd", "vgg");
}

#[test]
fn resnet8_learns_as_in_pytorch() {
    assert_follows("sgd", "resnet8");
}

#[test]
fn a_network_of_odd_shapes_learns_as_in_pytorch() {
    assert_follows("sgd", "untuned");
}

#[test]
fn adam_and_adamw_move_the_mlp_as_in_pytorch() {
    assert_follows("adam", "mlp");
    assert_follows("adamw", "mlp");
}
