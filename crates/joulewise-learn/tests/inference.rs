//! The engine's forward pass against the plain evaluator, and its independence of the threads.

use joulewise_learn::builders::{NAMES, build, default_input};
use joulewise_learn::engine::{Cpu, Engine, Training, write_image};
use joulewise_learn::random::Stream;
use joulewise_learn::train::loss::Target;
use joulewise_learn::train::optimiser::Settings;
use joulewise_learn::{Model, reference};

fn network(name: &str) -> Model {
    let mut model = build(name, default_input(name), 10, 0.5, 3).unwrap();
    let mut stream = Stream::new(1, "statistics");
    for (name, tensor) in &mut model.weights.0 {
        if name.contains("running") {
            tensor.as_f32_mut().unwrap().iter_mut().for_each(|v| *v += stream.uniform(0.0, 0.5));
        }
    }
    model
}

fn pictures(model: &Model, rows: usize) -> Vec<f32> {
    let mut stream = Stream::new(2, "pictures");
    let width: usize = model.graph.input_shape.iter().product();
    (0..rows * width).map(|_| stream.uniform(-1.0, 1.0)).collect()
}

#[test]
fn the_engine_computes_what_the_graph_says() {
    for name in NAMES.into_iter().chain(["untuned"]) {
        let model = network(name);
        let x = pictures(&model, 5);
        let cpu = Cpu::new(2).unwrap();
        let mut outputs = vec![0.0; 5 * 10];
        cpu.compile(&model, 8).unwrap().run(&x, &mut outputs);
        for (x, outputs) in x.chunks(x.len() / 5).zip(outputs.chunks(10)) {
            let values = reference::evaluate(&model, x).unwrap();
            for (a, b) in outputs.iter().zip(&values[&model.graph.output]) {
                assert!((a - b).abs() < 1e-4, "{name}: {a} instead of {b}");
            }
        }
    }
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    for name in ["lenet", "resnet8"] {
        let model = network(name);
        let x = pictures(&model, 24);
        let width = x.len() / 24;
        let labels: Vec<u16> = (0..24).map(|i| i % 10).collect();
        let train = |threads: usize| {
            let cpu = Cpu::new(threads).unwrap();
            let mut training = Training::new(&cpu, &model, 24, 7).unwrap();
            for _ in 0..3 {
                training.step(
                    |row, layout, into| write_image(&x[row * width..][..width], layout, into),
                    Target::Labels { labels: &labels, smoothing: 0.0 },
                    &Settings::default(),
                    0.05,
                );
            }
            let model = training.model();
            let mut outputs = vec![0.0; 240];
            cpu.compile(&model, 24).unwrap().run(&x, &mut outputs);
            (model, outputs)
        };
        let one = train(1);
        assert!(train(2) == one && train(3) == one, "{name} depends on its threads");
    }
}
