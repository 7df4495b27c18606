use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use tempfile::TempDir;

use super::*;
use crate::recipe::Override;

/// A training that takes its learning rate and its epochs, and reports an accuracy per epoch.
const TRAIN: &str = r#"
lr=$1 epochs=$2 model=$3
echo "training at $lr" >&2
epoch=1
while [ "$epoch" -le "$epochs" ]; do
    echo "{\"epoch\": $epoch, \"accuracy\": 0.$((5 + epoch))}"
    epoch=$((epoch + 1))
done
echo "weights of $lr" > "$model"
"#;

struct Project {
    folder: TempDir,
    cancel: AtomicBool,
}

impl Project {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), cancel: AtomicBool::new(false) }
    }

    fn task(&self, recipe: &str, sets: &[&str]) -> CommandTask {
        let file = self.folder.path().join("recipe.toml");
        fs::write(&file, recipe).unwrap();
        let sets = sets.iter().map(|set| Override::parse(set).unwrap());
        CommandTask::new(&Recipe::load(Some(&file), sets).unwrap()).unwrap().unwrap()
    }

    /// The task of which the training is the shell script `train`.
    fn script(&self, train: &str, sets: &[&str]) -> CommandTask {
        fs::write(self.folder.path().join("train.sh"), train).unwrap();
        let recipe = r#"
            [train]
            command = "sh train.sh {lr} {epochs} {model} {out}"
            lr = 0.1
            epochs = 3
        "#;
        self.task(recipe, sets)
    }

    fn train(&self, task: &CommandTask, values: &[(Placeholder, &str)]) -> Result<Trained, TaskError> {
        let values = values.iter().map(|(placeholder, value)| (*placeholder, (*value).to_owned())).collect();
        task.train(&values, &self.folder.path().join("out"), &mut go_on, self.supervision())
    }

    fn supervision(&self) -> Supervision<'_> {
        Supervision { cancel: &self.cancel, spans: None }
    }

    fn error(&self, train: &str, sets: &[&str]) -> (TaskErrorKind, String) {
        let error = self.train(&self.script(train, sets), &[]).unwrap_err();
        let out = format!("{}/", self.folder.path().display());
        (error.kind(), error.to_string().replace(&out, ""))
    }
}

#[test]
fn a_training_gives_its_metrics_its_curve_and_its_model() {
    let project = Project::new();
    let task = project.script(TRAIN, &[]);
    let trained = project.train(&task, &[(Placeholder::Lr, "0.01")]).unwrap();
    assert_eq!(trained.metrics["accuracy"], 0.8);
    let curve = trained.curve.iter().map(|metrics| metrics["accuracy"]).collect::<Vec<_>>();
    assert_eq!(curve, [0.6, 0.7, 0.8]);
    assert_eq!(fs::read_to_string(trained.model.unwrap()).unwrap(), "weights of 0.01\n");
    let log = fs::read_to_string(project.folder.path().join("out/output.log")).unwrap();
    assert!(log.contains("training at 0.01") && log.contains("0.8"), "{log}");
}

#[test]
fn the_baseline_is_what_the_recipe_says() {
    let project = Project::new();
    let task = project.script(TRAIN, &["train.lr=0.5"]);
    let trained = project.train(&task, &[]).unwrap();
    assert_eq!(fs::read_to_string(trained.model.unwrap()).unwrap(), "weights of 0.5\n");
    assert_eq!(
        task.placeholders(),
        BTreeSet::from([Placeholder::Lr, Placeholder::Epochs, Placeholder::Model, Placeholder::Out])
    );
}

#[test]
fn what_the_command_does_not_take_changes_no_cost() {
    let project = Project::new();
    let halved = [(Placeholder::Epochs, "1.5".to_owned()), (Placeholder::Width, "0.5".to_owned())];
    let task = project.script(TRAIN, &[]);
    assert_eq!(task.cost(&Values::from(halved.clone())), 1.5, "it has {{epochs}} and no {{width}}");
    let fixed = project.task("[train]\ncommand = \"sh train.sh {model}\"", &[]);
    assert_eq!(fixed.cost(&Values::from(halved)), 1.0, "a whole training is its unit");
}

#[test]
fn it_tells_of_its_spans_where_it_is_told_to() {
    let project = Project::new();
    let task = project
        .script("test \"$JOULEWISE_SPANS\" = /the/socket && echo '{\"accuracy\": 1}' > $3 && cat $3", &[]);
    let by = Supervision { cancel: &project.cancel, spans: Some(Path::new("/the/socket")) };
    let out = project.folder.path().join("out");
    assert!(task.train(&Values::new(), &out, &mut go_on, by).is_ok(), "and nobody needs to listen there");
}

#[test]
fn a_watcher_can_stop_it() {
    for report in ["echo '{\"accuracy\": 0.7}'", "echo '{\"accuracy\": 0.7}' >> $4/metrics.jsonl"] {
        let project = Project::new();
        let task = project.script(&format!("{report}; exec sleep 600"), &[]);
        let mut seen = Vec::new();
        let mut watch = |metrics: &Metrics| {
            seen.push(metrics["accuracy"]);
            Verdict::Stop
        };
        let out = project.folder.path().join("out");
        let trained = task.train(&Values::new(), &out, &mut watch, project.supervision()).unwrap();
        assert!(trained.was_stopped && trained.model.is_none());
        assert_eq!((trained.metrics["accuracy"], seen), (0.7, vec![0.7]));
    }
}

#[test]
fn the_user_can_stop_it() {
    let project = Project::new();
    let task = project.script("echo '{\"accuracy\": 0.7}'; exec sleep 600", &[]);
    let mut watch = |_: &Metrics| {
        project.cancel.store(true, Ordering::Relaxed);
        Verdict::Continue
    };
    let out = project.folder.path().join("out");
    let error = task.train(&Values::new(), &out, &mut watch, project.supervision()).unwrap_err();
    assert_eq!(error.kind(), TaskErrorKind::Cancelled);
}

#[test]
fn failures_are_explained() {
    let project = Project::new();
    let (kind, text) = project.error("echo cannot open data; exit 3", &[]);
    assert_eq!(kind, TaskErrorKind::Failed);
    assert_eq!(
        text,
        "`sh train.sh 0.1 3 out/model out` failed with exit code 3\n  | cannot open data\nall of its output is in \
         out/output.log"
    );

    let (kind, text) = project.error("kill -9 $$", &[]);
    assert_eq!(kind, TaskErrorKind::Failed);
    assert!(text.contains("was ended by signal 9"), "{text}");

    let (kind, text) = project.error("echo started; exec sleep 600", &["train.timeout_s=0.2"]);
    assert_eq!(kind, TaskErrorKind::TimedOut);
    assert!(text.contains("did not end within 0.2 s: raise `train.timeout_s`"), "{text}");
    assert!(text.contains("  | started"), "{text}");

    let (kind, text) = project.error("echo accuracy 0.9; touch $3", &[]);
    assert_eq!(kind, TaskErrorKind::NoMetric);
    assert!(text.contains("reported no `accuracy`: print a line {\"accuracy\": …}"), "{text}");

    let (kind, text) = project.error("echo '{\"accuracy\": NaN}'; exec sleep 600", &[]);
    assert_eq!(kind, TaskErrorKind::NotANumber);
    assert!(text.ends_with("reported NaN as accuracy in its report 1 at learning rate 0.1"), "{text}");

    let (kind, text) = project.error("echo '{\"accuracy\": 91.5}'; touch $3", &[]);
    assert_eq!(kind, TaskErrorKind::NotAFraction);
    assert!(text.contains("91.5"), "{text}");

    let (kind, text) = project.error("echo '{\"accuracy\": 0.9}'", &[]);
    assert_eq!(kind, TaskErrorKind::NoModel);
    assert!(text.ends_with("wrote no model to {model}, which was out/model"), "{text}");
}

#[test]
fn a_missing_program_is_named() {
    let project = Project::new();
    let task = project.task("[train]\ncommand = 'joulewise-no-such-program {model}'", &[]);
    let error = project.train(&task, &[]).unwrap_err();
    assert_eq!(error.kind(), TaskErrorKind::Start);
    assert!(error.to_string().contains("`joulewise-no-such-program`"), "{error}");
}

#[test]
fn a_regular_expression_finds_the_metric() {
    let project = Project::new();
    let task = project.script("echo 'val acc: 91.5%'; touch $3", &["train.metrics=acc: ([0-9.]+%)"]);
    assert_eq!(project.train(&task, &[]).unwrap().metrics["accuracy"], 0.915);
}

#[test]
fn what_an_earlier_execution_left_does_not_count() {
    let project = Project::new();
    let out = project.folder.path().join("out");
    fs::create_dir(&out).unwrap();
    fs::write(out.join("metrics.jsonl"), "{\"accuracy\": 0.99}").unwrap();
    fs::write(out.join("model"), "old").unwrap();
    let (kind, _) = project.error("echo '{\"accuracy\": 0.5}'", &[]);
    assert_eq!(kind, TaskErrorKind::NoModel);
    let task = project.script(TRAIN, &[]);
    assert_eq!(project.train(&task, &[]).unwrap().metrics["accuracy"], 0.8);
}

#[test]
fn a_model_may_be_a_folder() {
    let project = Project::new();
    let task = project.script("mkdir $3 && touch $3/weights && echo '{\"accuracy\": 0.5}'", &[]);
    for _ in 0..2 {
        let model = project.train(&task, &[]).unwrap().model.unwrap();
        assert!(model.join("weights").is_file(), "what an earlier execution left was in the way");
    }
}

#[test]
fn evaluation_and_deployment_read_the_model() {
    let project = Project::new();
    let task = project.task(
        r#"
        [train]
        command = "touch {model}"
        [eval]
        command = "sh -c 'echo \"{\\\"accuracy\\\": $(cat \"$1\")}\"' eval {model}"
        [deploy]
        command = "printf '{\"inferences\": %s00}' {batch}"
        "#,
        &[],
    );
    let model = project.folder.path().join("a model");
    fs::write(&model, "0.75").unwrap();
    let out = project.folder.path().join("eval");
    let metrics = task.evaluate(&model, &Values::new(), &out, project.supervision()).unwrap().unwrap();
    assert_eq!(metrics["accuracy"], 0.75);
    let deployed = task.deploy(&model, &Values::new(), 8, &out, project.supervision()).unwrap().unwrap();
    assert_eq!(deployed.inferences, 800.0);
    let task = project.task("[train]\ncommand = 'true'", &[]);
    assert!(task.evaluate(&model, &Values::new(), &out, project.supervision()).unwrap().is_none());
    assert!(task.deploy(&model, &Values::new(), 8, &out, project.supervision()).unwrap().is_none());
}
