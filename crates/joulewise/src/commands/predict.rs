//! `joulewise predict`: the outputs of a model for inputs in a file.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, anyhow, bail};
use joulewise_learn::engine::{Cpu, Engine as _};
use joulewise_learn::npy::{self, Array, Numbers};
use joulewise_learn::onnx;
use joulewise_learn::train::fit::argmax;

use crate::exit;
use crate::hint::Hint as _;

const BATCH: usize = 256;

/// Run a model on the inputs in a .npy file
#[derive(Clone, Debug, clap::Args)]
pub struct Predict {
    /// The model, an ONNX file
    pub model: PathBuf,
    /// Inputs: float32, one row for each example, as in [N, 1, 28, 28]
    #[arg(long, value_name = "X.npy")]
    pub input: PathBuf,
    /// Where to write the outputs, float32 [N, outputs]; without it, the largest output's number is printed
    /// for each example
    #[arg(long, value_name = "Y.npy")]
    pub output: Option<PathBuf>,
    /// Threads
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_024))]
    pub threads: u32,
}

impl Predict {
    /// Runs the command.
    pub fn run(self) -> Result<ExitCode> {
        let model = onnx::load(&self.model)?;
        let Array { shape, numbers } = npy::read(&self.input)?;
        let Numbers::F32(values) = numbers else {
            return Err(anyhow!("{}: float32 numbers are expected", self.input.display()))
                .hint("save them with `x.astype(numpy.float32)`");
        };
        let width: usize = model.graph.input_shape.iter().product();
        let rows = shape.first().copied().unwrap_or(0);
        if rows * width != values.len() || rows == 0 {
            bail!(
                "{}: the shape {shape:?} does not hold examples of {:?}",
                self.input.display(),
                model.graph.input_shape
            );
        }
        let cpu = Cpu::new(self.threads as usize)?;
        let mut plan = cpu.compile(&model, BATCH.min(rows))?;
        let mut outputs = vec![0.0; rows * plan.outputs()];
        let per_call = BATCH * plan.outputs();
        for (x, y) in values.chunks(BATCH * width).zip(outputs.chunks_mut(per_call)) {
            plan.run(x, y);
        }
        let columns = plan.outputs();
        if let Some(path) = &self.output {
            npy::write(path, &Array { shape: vec![rows, columns], numbers: Numbers::F32(outputs) })?;
        } else {
            let mut out = std::io::BufWriter::new(std::io::stdout().lock());
            for row in outputs.chunks(columns) {
                writeln!(out, "{}", argmax(row))?;
            }
            out.flush()?;
        }
        Ok(ExitCode::from(exit::OK))
    }
}
