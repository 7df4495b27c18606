//! What the names of spans and metrics say.
//!
//! A name is cut into words wherever there is neither a letter nor a digit, and capitals do not count: `Val/Loss` is `val`,
//! `loss`.

use joulewise_tune::Direction;

/// Spans in which a model is evaluated.
const EVALUATION: [&str; 8] =
    ["eval", "evaluate", "evaluation", "test", "val", "valid", "validate", "validation"];
/// Spans in which a loop waits for its next batch.
const LOADING: [&str; 11] = [
    "data",
    "dataload",
    "dataloader",
    "fetch",
    "fetching",
    "input",
    "load",
    "loader",
    "loading",
    "prefetch",
    "read",
];
/// Spans in which it works on one.
const WORK: [&str; 10] = [
    "backward",
    "compute",
    "forward",
    "optimise",
    "optimize",
    "optimizer",
    "step",
    "train",
    "training",
    "update",
];
/// Metrics that grow as a model gets better.
const GROWING: [&str; 20] = [
    "acc",
    "accuracy",
    "ap",
    "auc",
    "auroc",
    "bleu",
    "dice",
    "f1",
    "iou",
    "kappa",
    "map",
    "mcc",
    "miou",
    "precision",
    "psnr",
    "recall",
    "rouge",
    "score",
    "ssim",
    "top1",
];
/// Metrics that shrink as a model gets better.
const SHRINKING: [&str; 13] =
    ["bpc", "cer", "error", "fid", "loss", "mae", "mse", "nll", "perplexity", "ppl", "rmse", "wer", "err"];
/// What says that a metric is of data that the training sees.
const OF_TRAINING: [&str; 3] = ["train", "training", "batch"];

fn words(name: &str) -> impl Iterator<Item = String> {
    name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase)
}

fn has_word(name: &str, of: &[&str]) -> bool {
    words(name).any(|word| of.contains(&word.as_str()))
}

/// Whether a model is evaluated in a span of that name.
pub(super) fn is_evaluation(span: &str) -> bool {
    has_word(span, &EVALUATION)
}

/// Whether a loop waits for data in a span of that name.
pub(super) fn is_loading(span: &str) -> bool {
    has_word(span, &LOADING)
}

/// Whether a loop works on a batch in a span of that name.
pub(super) fn is_work(span: &str) -> bool {
    has_word(span, &WORK) && !is_loading(span)
}

/// The number behind the word `batch` or `bs`, as in `step, batch 32`, `batch=32` or `bs32`.
pub(super) fn batch_size(span: &str) -> Option<u64> {
    let mut words = words(span)
        .skip_while(|word| !["batch", "bs", "batchsize"].iter().any(|name| word.starts_with(name)));
    let first = words.next()?;
    let digits = first.trim_start_matches(char::is_alphabetic);
    let number = if digits.is_empty() { words.find(|word| word != "size")? } else { digits.to_owned() };
    number.parse().ok().filter(|&size| size > 0)
}

/// Which way a metric of that name improves, if it says anything of how good a model is.
pub(super) fn direction(metric: &str) -> Option<Direction> {
    if has_word(metric, &SHRINKING) {
        Some(Direction::Min)
    } else {
        has_word(metric, &GROWING).then_some(Direction::Max)
    }
}

/// How well a metric shows whether a training still gets anywhere; the lowest is best. Held-out data come before the
/// training's, and what is wanted comes before a loss.
pub(super) fn rank(metric: &str) -> u32 {
    let seen = if has_word(metric, &OF_TRAINING) { 2 } else { u32::from(!has_word(metric, &EVALUATION)) };
    2 * seen + u32::from(direction(metric) != Some(Direction::Max))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_word_by_word() {
        for name in ["evaluate", "Eval", "val/epoch", "test_step", "model.validate"] {
            assert!(is_evaluation(name), "{name}");
        }
        for name in ["values", "interval", "latest", "step", "retrieval", ""] {
            assert!(!is_evaluation(name), "{name}");
        }
    }

    #[test]
    fn waiting_is_told_from_work() {
        for name in ["load", "next(dataloader)", "fetch batch", "data_loading"] {
            assert!(is_loading(name) && !is_work(name), "{name}");
        }
        for name in ["step", "train_step", "forward pass"] {
            assert!(is_work(name) && !is_loading(name), "{name}");
        }
        assert!(is_loading("load training data") && !is_work("load training data"));
    }

    #[test]
    fn a_batch_has_the_size_in_its_name() {
        for name in
            ["batch 32", "step (batch=32)", "batch_size=32", "train bs32", "Batch-32 epoch 7", "batch32"]
        {
            assert_eq!(batch_size(name), Some(32), "{name}");
        }
        for name in ["step 32", "batch", "batch norm", "batch 0", "next batch"] {
            assert_eq!(batch_size(name), None, "{name}");
        }
    }

    #[test]
    fn only_metrics_of_quality_have_a_direction() {
        assert_eq!(direction("val_accuracy"), Some(Direction::Max));
        assert_eq!(direction("Top1"), Some(Direction::Max));
        assert_eq!(direction("eval/loss"), Some(Direction::Min));
        for name in ["epoch", "lr", "images_per_s", "gloss", "step"] {
            assert_eq!(direction(name), None, "{name}");
        }
    }

    #[test]
    fn held_out_data_come_first() {
        let mut names = ["train_loss", "loss", "val_loss", "train_acc", "accuracy", "val_acc"];
        names.sort_by_key(|name| rank(name));
        assert_eq!(names, ["val_acc", "val_loss", "accuracy", "loss", "train_acc", "train_loss"]);
    }
}
