//! Teach a smaller network with the outputs of the large one.
//!
//! # What it does
//! Computes the baseline's logits for every training image once, and trains a narrower network on them and
//! on the labels together. A command writes those logits once (`distil.command`), and the training reads them
//! from `{teacher}`.
//!
//! # Why it saves energy
//! The student is cheap to run for its whole life; the teacher runs once per image, not once per epoch.
//!
//! # When it costs
//! The teacher is upstream of the student: its training is part of what the student cost to make. Searching
//! for temperatures can cost more than the teacher did; here there is one.
//!
//! # Evidence
//! Hinton et al. (2015). Rafat et al. (PLOS ONE 2023) found distillation to emit 13 to 18 times what its
//! teacher did, mostly by tuning its temperature.
//!
//! # How to check
//! Compare with `smaller-network` at the same width: the difference is what the teacher is worth.

use std::path::Path;

use joulewise_learn::train::Teacher;

use super::command::{self, Variation};
use super::{Card, Practice, Setback};
use crate::candidate::Candidate;
use crate::context::Context;
use crate::task::template::Placeholder;
use crate::task::{CommandTask, Task};

/// Width of the student, relative to the baseline.
const WIDTH: f32 = 0.5;
/// Weight of the teacher in the loss.
const WEIGHT: f32 = 0.5;
/// Temperature of both softmaxes.
const TEMPERATURE: f32 = 3.0;

/// See the module's documentation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Distil;

impl Practice for Distil {
    fn card(&self) -> Card {
        Card::of_source("distil", include_str!("distil.rs"))
    }

    fn apply(&self, from: &Candidate, task: &Task, cx: &mut Context<'_>) -> Result<Vec<Candidate>, Setback> {
        let task = match task {
            Task::Graph(task) => task,
            Task::Commands(task) => return by_command(from, task, cx),
        };
        let Some(teacher) = &from.model else {
            return Err(Setback::Skipped(format!("`{}` has no network to learn from", from.name)));
        };
        let (logits, asked) = cx.stage("teacher-logits", &from.depends_on, |_| {
            let indices: Vec<u32> = (0..task.data.train.len() as u32).collect();
            let known = task.outputs(teacher, &task.data.train, &task.splits.train)?;
            let mut logits = vec![0.0; indices.len() * task.classes()];
            for (row, &index) in known.chunks(task.classes()).zip(&task.splits.train) {
                logits[index as usize * task.classes()..][..task.classes()].copy_from_slice(row);
            }
            Ok(logits)
        })?;
        let teacher = Teacher { logits, classes: task.classes(), weight: WEIGHT, temperature: TEMPERATURE };
        let student = task.network(WIDTH, cx.seed)?;
        let mut hyper = task.hyper.clone();
        hyper.epochs = cx.affordable_epochs(task, &student, task.splits.train.len(), hyper.epochs)?;
        let trained = cx.train("train-student", &[asked], task, &student, &hyper, Some(&teacher))?;
        let mut candidate = Candidate::trained("distil", trained.fitted.model);
        candidate.made_by(trained.entry);
        candidate.upstream(asked);
        candidate.note("student", format!("{WIDTH} of the baseline's width, {} epochs", hyper.epochs));
        candidate.note("temperature", TEMPERATURE.to_string());
        candidate.hyper = Some(hyper);
        Ok(vec![candidate])
    }

    fn needs(&self) -> Option<&'static [&'static [Placeholder]]> {
        Some(&[&[Placeholder::Teacher], &[Placeholder::Width, Placeholder::Depth]])
    }
}

fn by_command(from: &Candidate, task: &CommandTask, cx: &mut Context<'_>) -> Result<Vec<Candidate>, Setback> {
    let teacher = match &from.artifact {
        Some(teacher) if task.has_distil() => cx.absolute(teacher),
        Some(_) => {
            return Err(Setback::Skipped(format!(
                "the recipe has no `distil.command`, which would write the teacher's logits to {}",
                Placeholder::Teacher
            )));
        }
        None => {
            let text = format!("`{}` left no {} to learn from", from.name, Placeholder::Model);
            return Err(Setback::Skipped(text));
        }
    };
    let out = cx.absolute(&Path::new(command::FOLDER).join(cx.stage_name("teacher-logits")));
    let (logits, asked) = cx.command_stage("teacher-logits", &from.depends_on, |_, by| {
        task.teach(&teacher, &out, by).map_err(Setback::from)
    })?;
    let size = if task.has(Placeholder::Width) { Placeholder::Width } else { Placeholder::Depth };
    let value = command::scaled(task, size, f64::from(WIDTH));
    let variation = Variation::from([
        (Placeholder::Teacher, logits.file.to_string_lossy().into_owned()),
        (size, value.clone()),
    ]);
    let mut candidate = command::retrain("distil", "train-student", &[asked], task, &variation, cx)?;
    candidate.note("student", format!("{} {value} instead of {}", size.name(), task.number(size)));
    candidate
        .note("teacher", format!("logits of {} examples in {} classes", logits.examples, logits.classes));
    Ok(vec![candidate])
}
