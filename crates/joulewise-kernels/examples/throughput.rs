//! Prints the throughput of every kernel on the layers of three small networks, next to the processor's
//! peak, on one thread: `cargo run --release -p joulewise-kernels --example throughput [FILTER]`.
//!
//! `JOULEWISE_ISA` chooses the instruction set. Every number is the best of many repetitions.
#![allow(unsafe_code)]

use joulewise_kernels::{Aligned, Conv, Image, Isa, Packed, batch_norm, elementwise, gemm, int8, pool::Pool};
use std::hint::black_box;
use std::io::{self, Write};
use std::time::Instant;

const LAYERS: [(&str, [usize; 5], [usize; 3]); 14] = [
    // name, [height, width, in, out, groups], [kernel, stride, padding]
    ("lenet 1", [28, 28, 1, 32, 1], [3, 1, 1]),
    ("lenet 2", [14, 14, 32, 64, 1], [3, 1, 1]),
    ("vgg 1", [32, 32, 3, 32, 1], [3, 1, 1]),
    ("vgg 2", [32, 32, 32, 32, 1], [3, 1, 1]),
    ("vgg 3", [16, 16, 32, 64, 1], [3, 1, 1]),
    ("vgg 4", [16, 16, 64, 64, 1], [3, 1, 1]),
    ("vgg 5", [8, 8, 64, 128, 1], [3, 1, 1]),
    ("vgg 6", [8, 8, 128, 128, 1], [3, 1, 1]),
    ("odd 1", [32, 32, 3, 24, 1], [5, 2, 2]),
    ("odd 2", [16, 16, 24, 40, 1], [5, 1, 2]),
    ("odd 3", [16, 16, 40, 56, 1], [3, 2, 1]),
    ("pointwise", [16, 16, 64, 128, 1], [1, 1, 0]),
    ("grouped", [16, 16, 64, 64, 4], [3, 1, 1]),
    ("depthwise", [16, 16, 64, 64, 64], [3, 1, 1]),
];

const LINEAR: [(&str, [usize; 2]); 5] = [
    ("in cache", [160, 32]),
    ("lenet fc", [3136, 128]),
    ("lenet out", [128, 10]),
    ("mlp 1", [784, 512]),
    ("mlp 2", [512, 512]),
];

fn main() -> io::Result<()> {
    let filter = std::env::args().nth(1).unwrap_or_default();
    let isa = Isa::from_env().map_err(io::Error::other)?;
    let out = &mut io::stdout().lock();
    let peak = peak(isa);
    writeln!(out, "{isa}: peak {peak:.1} GFLOP/s; below in GFLOP/s and % of it")?;
    writeln!(out, "{:<12}{:>16}{:>16}{:>16}{:>16}", "", "forward", "data", "weights", "int8 forward")?;
    for (name, shape, window) in LAYERS.into_iter().filter(|layer| layer.0.contains(&filter)) {
        let conv = conv(shape, window);
        line(out, name, 2.0 * conv.macs() as f64, peak, conv_seconds(isa, &conv))?;
    }
    for (name, [inputs, outputs]) in LINEAR.into_iter().filter(|layer| layer.0.contains(&filter)) {
        let flop = 2.0 * (ROWS * inputs * outputs) as f64;
        line(out, name, flop, peak, linear_seconds(isa, inputs, outputs))?;
    }
    if filter.is_empty() {
        writeln!(out, "\none image of 32 × 32 pixels and 32 channels")?;
        for (name, seconds) in pointwise_seconds(isa) {
            writeln!(out, "{name:<32}{:>10.1} µs", seconds * 1e6)?;
        }
    }
    Ok(())
}

/// Rows of a batch for the linear layers.
const ROWS: usize = 64;

fn line(out: &mut impl Write, name: &str, flop: f64, peak: f64, seconds: [f64; 4]) -> io::Result<()> {
    write!(out, "{name:<12}")?;
    for gflops in seconds.map(|s| flop / s * 1e-9) {
        write!(out, "{gflops:>10.1} {:>4.0}%", 100.0 * gflops / peak)?;
    }
    writeln!(out)
}

fn conv([height, width, cin, cout, groups]: [usize; 5], [kernel, stride, padding]: [usize; 3]) -> Conv {
    let input = Image { height, width, channels: cin, halo: padding };
    let mut conv = Conv {
        input,
        output: input,
        kernel: [kernel; 2],
        stride: [stride; 2],
        padding: [padding; 2],
        groups,
    };
    let [height, width] = conv.output_size();
    conv.output = Image { height, width, channels: cout, halo: 0 };
    conv.output.halo = conv.backward_halo();
    conv
}

/// Seconds for one image: forward, data gradient, weight gradient, integer forward. Eight images take turns, as in a step.
fn conv_seconds(isa: Isa, conv: &Conv) -> [f64; 4] {
    const IMAGES: usize = 8;
    let lens = [conv.input.len(), conv.output.len(), conv.input.len()].map(|len| len * IMAGES);
    let [mut x, mut y, mut dx] = lens.map(Aligned::zeros);
    let [mut w, mut dw] = [conv.weights(); 2].map(Aligned::zeros);
    x.fill(0.5);
    w.fill(0.25);
    let [mut forward, mut backward] = [Packed::new(), Packed::new()];
    conv.pack_forward(isa, &w, &mut forward);
    conv.pack_backward(isa, &w, &mut backward);
    let q_w = int8::pack_conv(isa, conv, &vec![1; conv.weights()], None, 0);
    let (q_x, mut q_y) = (vec![1_u8; lens[0] + int8::SLACK], vec![0_u8; lens[1]]);
    let scale = vec![0.01; conv.output.channels];
    let pairs = |y: &mut [f32], run: &mut dyn FnMut(&[f32], &mut [f32])| {
        for (x, y) in x.chunks_exact(conv.input.len()).zip(y.chunks_exact_mut(conv.output.len())) {
            run(x, y);
        }
    };
    [
        best(|| pairs(&mut y, &mut |x, y| conv.forward(isa, x, &forward, None, true, y))),
        best(|| {
            let dx = dx.chunks_exact_mut(conv.input.len());
            for (dy, dx) in y.chunks_exact(conv.output.len()).zip(dx) {
                conv.backward_data(isa, dy, &backward, false, dx);
            }
        }),
        best(|| {
            let dy = y.chunks_exact(conv.output.len());
            for (x, dy) in x.chunks_exact(conv.input.len()).zip(dy) {
                conv.backward_weights(isa, x, dy, &mut dw);
            }
        }),
        best(|| {
            for (x, q) in q_x
                .windows(conv.input.len() + int8::SLACK)
                .step_by(conv.input.len())
                .zip(q_y.chunks_exact_mut(conv.output.len()))
            {
                let output = int8::Output::U8 { q, scale: &scale, zero: 128, lowest: 0 };
                int8::conv_forward(isa, conv, x, &q_w, output);
            }
        }),
    ]
    .map(|seconds| seconds / IMAGES as f64)
}

/// Seconds for a batch: forward, data gradient, weight gradient, integer forward.
fn linear_seconds(isa: Isa, inputs: usize, outputs: usize) -> [f64; 4] {
    let (mut x, mut y) = (vec![0.5; ROWS * inputs], vec![0.5; ROWS * outputs]);
    let w = vec![0.25; inputs * outputs];
    let mut dw = w.clone();
    let [mut forward, mut backward] = [Packed::new(), Packed::new()];
    let q_w = int8::pack_linear(isa, inputs, outputs, &vec![1; inputs * outputs], None, 0);
    let (q_x, mut q_y) = (vec![1_u8; ROWS * inputs + int8::SLACK], vec![0_u8; ROWS * outputs]);
    let scale = vec![0.01; outputs];
    gemm::pack(isa, inputs, outputs, &w, &mut forward);
    gemm::pack_transposed(isa, outputs, inputs, &w, &mut backward);
    [
        best(|| gemm::linear_forward(isa, ROWS, inputs, outputs, &x, &forward, None, true, &mut y)),
        best(|| gemm::linear_backward_data(isa, ROWS, inputs, outputs, &y, &backward, &mut x)),
        best(|| gemm::linear_backward_weights(isa, ROWS, inputs, outputs, &x, &y, 0..inputs, &mut dw)),
        best(|| {
            let output = int8::Output::U8 { q: &mut q_y, scale: &scale, zero: 128, lowest: 0 };
            int8::linear_forward(isa, ROWS, inputs, outputs, &q_x, &q_w, output);
        }),
    ]
}

/// Seconds for one image of 32 × 32 pixels and 32 channels, and for packing a layer.
fn pointwise_seconds(isa: Isa) -> Vec<(&'static str, f64)> {
    let image = Image { height: 32, width: 32, channels: 32, halo: 1 };
    let half = Image { height: 16, width: 16, ..image };
    let pool = Pool { input: image, output: half, kernel: [2, 2], stride: [2, 2], padding: [0, 0] };
    let (x, dy) = (vec![0.5_f32; image.len()], vec![0.25_f32; half.len()]);
    let (mut y, mut small) = (x.clone(), dy.clone());
    let (c, mut sums, mut squares) = (vec![0.5_f32; 32], vec![0.0; 32], vec![0.0; 32]);
    let fc = vec![0.5_f32; 3136 * 128];
    let mut packed = Packed::new();
    vec![
        ("packing, 3136 × 128", best(|| gemm::pack(isa, 3136, 128, &fc, &mut packed))),
        ("packing, transposed", best(|| gemm::pack_transposed(isa, 128, 3136, &fc, &mut packed))),
        ("max pool", best(|| pool.max_forward(isa, &x, &mut small))),
        ("max pool, gradient", best(|| pool.max_backward(isa, &x, &dy, 1, &dy, true, false, 1, &mut y))),
        ("relu, gradient", best(|| elementwise::relu_backward_in_place(isa, &x, &mut y))),
        ("bias gradient", best(|| elementwise::add_channel_sums(isa, image, &x, &mut c.clone()))),
        ("moments", best(|| batch_norm::moments(isa, image, &x, &mut sums, &mut squares))),
        ("normalisation", best(|| batch_norm::scale_shift(isa, image, &x, &c, &c, true, image, &mut y))),
        ("gradient moments", {
            let mask = Some([&c[..]; 2]);
            best(|| {
                batch_norm::gradient_moments(isa, image, &x, image, &x, mask, &mut sums, &mut squares);
            })
        }),
        ("normalisation, gradient", {
            let mask = Some([&c[..]; 2]);
            best(|| {
                batch_norm::input_gradient(isa, image, &x, image, &x, mask, [&c; 4], image, &mut y);
            })
        }),
    ]
}

/// Seconds of the fastest of many runs.
fn best(mut run: impl FnMut()) -> f64 {
    let start = Instant::now();
    let mut least = f64::INFINITY;
    while start.elapsed().as_secs_f64() < 0.15 {
        let start = Instant::now();
        run();
        least = least.min(start.elapsed().as_secs_f64());
    }
    least
}

/// Independent multiply-adds in registers, in GFLOP/s.
fn peak(isa: Isa) -> f64 {
    const ROUNDS: usize = 20_000;
    const CHAINS: usize = 12;
    #[cfg(target_arch = "x86_64")]
    use std::arch::x86_64::{_mm256_fmadd_ps, _mm256_set1_ps, _mm512_fmadd_ps, _mm512_set1_ps};
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f")]
    fn avx512() -> usize {
        let factor = black_box(_mm512_set1_ps(0.999));
        let mut sums = [factor; CHAINS];
        for _ in 0..ROUNDS {
            for sum in &mut sums {
                *sum = _mm512_fmadd_ps(*sum, factor, factor);
            }
        }
        black_box(sums);
        2 * 16 * CHAINS * ROUNDS
    }
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn avx2() -> usize {
        let factor = black_box(_mm256_set1_ps(0.999));
        let mut sums = [factor; CHAINS];
        for _ in 0..ROUNDS {
            for sum in &mut sums {
                *sum = _mm256_fmadd_ps(*sum, factor, factor);
            }
        }
        black_box(sums);
        2 * 8 * CHAINS * ROUNDS
    }
    fn portable() -> usize {
        let factor = black_box([0.999_f32; 4]);
        let mut sums = [factor; CHAINS];
        for _ in 0..ROUNDS {
            for sum in &mut sums {
                for (x, f) in sum.iter_mut().zip(factor) {
                    *x = *x * f + f;
                }
            }
        }
        black_box(sums);
        2 * 4 * CHAINS * ROUNDS
    }
    let mut flop = 0;
    // SAFETY: `Isa::from_env` gives only what the processor has.
    let seconds = best(|| unsafe {
        flop = match isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => avx512(),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => avx2(),
            _ => portable(),
        }
    });
    flop as f64 / seconds * 1e-9
}
