//! Teach a smaller network with the outputs of the large one.
//!
//! # What it does
//! Computes the baseline's logits for every training image once, and trains a narrower network on them and
//! on the labels together.
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

use joulewise_learn::train::Teacher;

use super::{Card, Practice, Setback, command};
use crate::candidate::Candidate;
use crate::context::Context;
use crate::task::template::{Placeholder, Values};
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

    fn placeholders(&self) -> Option<&'static [Placeholder]> {
        Some(&[Placeholder::Teacher, Placeholder::Width])
    }
}

fn by_command(from: &Candidate, task: &CommandTask, cx: &mut Context<'_>) -> Result<Vec<Candidate>, Setback> {
    let Some(teacher) = &from.artifact else {
        return Err(Setback::Skipped(format!(
            "`{}` left no {} to learn from",
            from.name,
            Placeholder::Model
        )));
    };
    let width = task.number(Placeholder::Width) * f64::from(WIDTH);
    let values = Values::from([
        (Placeholder::Teacher, cx.absolute(teacher).to_string_lossy().into_owned()),
        (Placeholder::Width, width.to_string()),
    ]);
    let mut candidate = command::retrain("distil", "train-student", &from.depends_on, task, &values, cx)?;
    candidate.note("student", format!("{WIDTH} of the baseline's width"));
    Ok(vec![candidate])
}
