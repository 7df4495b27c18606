//! `joulewise bench`: what a training step or an inference of a model costs on this machine.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use joulewise_learn::builders::{NAMES, build, default_input};
use joulewise_learn::compress::{Calibration, Calibrator, fold_batchnorm, quantise, values_to_calibrate};
use joulewise_learn::engine::{Cpu, Engine as _, Inference, Training, write_image};
use joulewise_learn::random::Stream;
use joulewise_learn::train::loss::Target;
use joulewise_learn::train::optimiser::Settings;
use joulewise_learn::{Model, Op, onnx};
use joulewise_meter::{Energy, Session, cpu_time_s};
use serde::Serialize;

use crate::exit;

/// Steps or calls that are run before the clock starts.
const WARM_UP: usize = 5;

/// Time a training step or an inference of a model on random data
#[derive(Clone, Debug, clap::Args)]
pub struct Bench {
    /// A network's name (mlp, lenet, vgg, resnet8, simple_cnn, simple_cnn_faithful, dense_poly, dense_linear) or an ONNX file
    pub model: String,
    /// What to time
    #[arg(long, value_enum, default_value = "train")]
    pub mode: Mode,
    /// Examples per step
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub batch: u32,
    /// Threads
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=1_024))]
    pub threads: u32,
    /// How long to measure
    #[arg(long, default_value_t = 3.0, value_parser = seconds)]
    pub seconds: f64,
    /// The arithmetic of an inference; an ONNX file has its own
    #[arg(long, value_enum, default_value = "f32")]
    pub precision: Precision,
    /// Write one JSON object to stdout
    #[arg(long)]
    pub json: bool,
}

/// What is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Mode {
    /// Forward, backward and update: SGD with momentum 0.9, cross entropy.
    Train,
    /// Forward, normalisation folded.
    Infer,
}

/// The arithmetic of an inference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Precision {
    /// 32-bit floats.
    F32,
    /// 16-bit floats.
    Bf16,
    /// 8-bit integers.
    Int8,
}

#[derive(Serialize)]
struct Figures {
    images_per_s: f64,
    cpu_ms_per_step: f64,
    median_ms_per_step: f64,
    steps: usize,
    rss_mb: f64,
    energy_per_step_j: Energy,
}

impl Bench {
    /// Runs the command.
    pub fn run(self) -> Result<ExitCode> {
        let model = self.model()?;
        let cpu = Cpu::new(self.threads as usize)?;
        let figures = match (self.mode, self.precision) {
            (_, Precision::Bf16) => bail!("the engine has no bf16 kernels; use --precision f32 or int8"),
            (Mode::Train, Precision::Int8) => bail!("training in int8 is not possible; use --mode infer"),
            (Mode::Train, Precision::F32) => self.train(&cpu, &model)?,
            (Mode::Infer, Precision::F32) => self.infer(&cpu, &fold_batchnorm(&model))?,
            (Mode::Infer, Precision::Int8) => self.infer(&cpu, &quantised(&cpu, &model)?)?,
        };
        let mut out = std::io::stdout().lock();
        if self.json {
            serde_json::to_writer(&mut out, &figures)?;
            writeln!(out)?;
        } else {
            writeln!(
                out,
                "{:.0} images/s, {:.3} ms CPU and {:.3} ms (median) per step of {}, {} steps, {:.0} MB",
                figures.images_per_s,
                figures.cpu_ms_per_step,
                figures.median_ms_per_step,
                self.batch,
                figures.steps,
                figures.rss_mb,
            )?;
            writeln!(out, "{} per step", figures.energy_per_step_j)?;
        }
        Ok(ExitCode::from(exit::OK))
    }

    fn model(&self) -> Result<Model> {
        if Path::new(&self.model).extension().is_some_and(|e| e == "onnx") {
            return Ok(onnx::load(Path::new(&self.model))?);
        }
        if self.model == "encoder" {
            bail!("the network `encoder` needs attention, which the engine does not have");
        }
        build(&self.model, default_input(&self.model), 10, 1.0, 1)
            .with_context(|| format!("give one of {} or an ONNX file", NAMES.join(", ")))
    }

    fn train(&self, cpu: &Cpu, model: &Model) -> Result<Figures> {
        let batch = self.batch as usize;
        let width: usize = model.graph.input_shape.iter().product();
        let pixels = noise(batch * width);
        let mut training = Training::new(cpu, model, batch, 1)?;
        let classes =
            joulewise_learn::shape::infer(&model.graph, &model.weights)?.len_of(&model.graph.output);
        let labels: Vec<u16> = (0..batch).map(|i| (i * 7 % classes) as u16).collect();
        let settings = Settings::default();
        self.measure(|| {
            training.step(
                |row, layout, into| write_image(&pixels[row * width..][..width], layout, into),
                Target::Labels { labels: &labels, smoothing: 0.0 },
                &settings,
                0.01,
            );
        })
    }

    fn infer(&self, cpu: &Cpu, model: &Model) -> Result<Figures> {
        let batch = self.batch as usize;
        let width: usize = model.graph.input_shape.iter().product();
        let pixels = noise(batch * width);
        let mut plan = cpu.compile(model, batch)?;
        let mut outputs = vec![0.0; batch * plan.outputs()];
        self.measure(|| plan.run(&pixels, &mut outputs))
    }

    fn measure(&self, mut step: impl FnMut()) -> Result<Figures> {
        (0..WARM_UP).for_each(|_| step());
        let session = Session::builder().open().context("cannot meter the benchmark")?;
        let stage = session.open_stage("bench", &[]);
        let (cpu, began) = (cpu_time_s(), Instant::now());
        let mut times = Vec::new();
        while times.is_empty() || began.elapsed().as_secs_f64() < self.seconds {
            let start = Instant::now();
            step();
            times.push(start.elapsed().as_secs_f64());
        }
        let cpu_s = cpu_time_s() - cpu;
        let energy = session.close_stage(stage).energy;
        times.sort_by(f64::total_cmp);
        let median = times[times.len() / 2];
        let steps = times.len();
        Ok(Figures {
            images_per_s: f64::from(self.batch) / median,
            cpu_ms_per_step: 1e3 * cpu_s / steps as f64,
            median_ms_per_step: 1e3 * median,
            steps,
            rss_mb: peak_rss_mb(),
            energy_per_step_j: energy.scaled(1.0 / steps as f64),
        })
    }
}

/// The 8-bit form of `model`, calibrated on noise: good for timing only.
fn quantised(cpu: &Cpu, model: &Model) -> Result<Model> {
    if model.graph.nodes.iter().any(|n| matches!(n.op, Op::QuantizeLinear)) {
        return Ok(model.clone());
    }
    let folded = fold_batchnorm(model);
    let wanted = values_to_calibrate(&folded);
    let width: usize = folded.graph.input_shape.iter().product();
    let pixels = noise(8 * width);
    let mut calibrator = Calibrator::default();
    let mut plan = Inference::new(cpu, &folded, 1)?;
    for image in pixels.chunks(width) {
        plan.run_fed(1, |_, layout, into| write_image(image, layout, into));
        plan.visit(&mut |name, numbers| {
            if wanted.iter().any(|value| value == name) {
                calibrator.observe(name, numbers);
            }
        });
    }
    Ok(quantise(&folded, &calibrator.ranges(Calibration::MinMax))?)
}

/// A duration in seconds that ends.
fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok().filter(|seconds: &f64| seconds.is_finite() && *seconds >= 0.0);
    seconds.ok_or_else(|| "expected a number of seconds, as in 3 or 0.5".to_owned())
}

fn noise(len: usize) -> Vec<f32> {
    let mut stream = Stream::new(1, "bench");
    (0..len).map(|_| stream.uniform(-1.0, 1.0)).collect()
}

/// Peak resident memory of this process in MiB, 0 where the system does not tell.
fn peak_rss_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}
