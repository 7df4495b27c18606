use joulewise_learn::{builders, onnx, reference};
use std::io::Write;
fn main() {
    for name in builders::NAMES {
        let mut model = builders::build(name, builders::default_input(name), 10, 0.5, 1).unwrap();
        // make BN statistics non trivial
        for (n, t) in &mut model.weights.0 { if n.contains("running_mean") { for (i,v) in t.as_f32_mut().unwrap().iter_mut().enumerate() { *v = 0.01 * i as f32; } } if n.contains("running_var") { for (i,v) in t.as_f32_mut().unwrap().iter_mut().enumerate() { *v = 0.1 + 0.01 * i as f32; } } }
        onnx::save(&model, format!("/tmp/w/compress-out/{name}.onnx").as_ref()).unwrap();
        let n: usize = model.graph.input_shape.iter().product();
        let x: Vec<f32> = (0..n).map(|i| ((i * 37 % 101) as f32) / 101.0).collect();
        let y = reference::evaluate(&model, &x).unwrap();
        let mut f = std::fs::File::create(format!("/tmp/w/compress-out/{name}.txt")).unwrap();
        writeln!(f, "{:?}", y[&model.graph.output]).unwrap();
    }
}
