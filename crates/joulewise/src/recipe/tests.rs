use std::fs;

use super::*;
use crate::hint;

fn load(text: &str, sets: &[&str]) -> Result<Recipe> {
    load_in(tempfile::tempdir()?.path(), text, sets)
}

fn load_in(folder: &Path, text: &str, sets: &[&str]) -> Result<Recipe> {
    let file = folder.join("recipe.toml");
    fs::write(&file, text)?;
    let sets = sets.iter().map(|set| Override::parse(set)).collect::<Result<Vec<_>>>()?;
    Recipe::load(Some(&file), sets)
}

/// What the terminal shows for a bad recipe.
fn message(text: &str, sets: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut out = Vec::new();
    hint::print(&load_in(folder.path(), text, sets).unwrap_err(), &mut out).unwrap();
    String::from_utf8(out).unwrap().replace(&format!("{}/", folder.path().display()), "")
}

const EVERY_KEY: &str = r#"
    name = "everything"
    [data]
    path = "/data/fashion"
    train = 1000
    test = 500
    select = 200
    judge = 100
    skip_bad = true
    features = "/data/x.npy"
    labels = "/data/y.npy"
    [model]
    name = "vgg"
    width = 0.5
    depth = 18
    [train]
    command = "train {lr} {epochs} {batch} {weight_decay} {seed}"
    folder = "/work"
    timeout_s = 60.0
    metrics = "acc ([0-9]+)"
    precisions = ["fp32", "bf16"]
    epochs = 3
    batch = 32
    lr = 0.01
    weight_decay = 0.1
    momentum = 0.8
    nesterov = false
    beta1 = 0.85
    beta2 = 0.99
    epsilon = 1e-7
    optimiser = "adamw"
    schedule = "cosine"
    warmup = 0.1
    label_smoothing = 0.05
    crop = 2
    flip = true
    threads = 3
    [distil]
    command = "logits {model} {teacher}"
    [eval]
    command = "eval {model}"
    [deploy]
    command = "serve {model}"
    [goal]
    metric = "f1"
    direction = "min"
    max_drop = "2%"
    worth = "0.5% per 2MJ"
    inferences = 5e7
    retrainings = 12
    latency_ms = 3.5
    batch = 1
    [search]
    budget = "50kJ"
    seeds = 3
    seed = 7
    practices = ["tune", "quantise"]
    [transfer]
    trunk = "/trunks/letters.onnx"
    trunk_j = 1234.5
"#;

#[test]
fn defaults_are_those_documented() {
    insta::assert_snapshot!(
        Recipe::load(
            None,
            [Override::parse("train.threads=2").unwrap(), Override::parse("train.folder=/here").unwrap()]
        )
        .unwrap()
        .to_toml()
    );
}

#[test]
fn a_saved_recipe_reads_back() {
    for recipe in [load(EVERY_KEY, &[]).unwrap(), Recipe::load(None, []).unwrap()] {
        assert_eq!(load(&recipe.to_toml(), &[]).unwrap(), recipe);
    }
}

#[test]
fn every_key_is_read() {
    let recipe = load(EVERY_KEY, &[]).unwrap();
    let saved: toml::Table = toml::from_str(&recipe.to_toml()).unwrap();
    let given: toml::Table = toml::from_str(EVERY_KEY).unwrap();
    for (section, keys) in &given {
        let Some(keys) = keys.as_table() else { continue };
        for (key, value) in keys {
            let saved = &saved[section][key];
            let number = |value: &toml::Value| value.as_float().or(value.as_integer().map(|n| n as f64));
            assert!(saved == value || number(saved) == number(value), "{section}.{key}: {saved} and {value}");
        }
        assert_eq!(keys.len(), saved[section].as_table().unwrap().len(), "{section}: a key has no test");
    }
}

#[test]
fn every_key_can_be_set() {
    let recipe = load(
        "[train]\nlr = 1",
        &[
            "train.lr=3e-3",
            "model.name=vgg",
            "goal.max_drop=0.5%",
            "search.budget=10min",
            "search.practices=[\"tune\"]",
            "train.threads=1",
        ],
    )
    .unwrap();
    assert_eq!(recipe.train.lr, 3e-3);
    assert_eq!(recipe.model.name, "vgg");
    assert_eq!(recipe.goal.max_drop.fraction(), 0.005);
    assert_eq!(recipe.search.budget, "10min".parse().unwrap());
    assert_eq!(recipe.search.practices, Some(vec!["tune".to_owned()]));
}

#[test]
fn the_learning_rate_suits_the_optimiser_unless_given() {
    assert_eq!(load("[train]\noptimiser = \"adam\"", &[]).unwrap().train.lr, 0.002);
    assert_eq!(load("[train]\noptimiser = \"adam\"\nlr = 0.1", &[]).unwrap().train.lr, 0.1);
}

#[test]
fn a_loss_is_minimised() {
    let direction = |metric| {
        let text = format!("[train]\ncommand = \"t\"\n[goal]\nmetric = \"{metric}\"");
        load(&text, &[]).unwrap().goal.direction
    };
    assert_eq!(direction("val_loss"), Direction::Min);
    assert_eq!(direction("accuracy"), Direction::Max);
}

#[test]
fn paths_are_relative_to_the_recipe_and_on_the_command_line_to_the_current_folder() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("r.toml");
    fs::write(&file, "[data]\npath = \"images\"\n[train]\ncommand = \"t\"").unwrap();
    let recipe = Recipe::load(Some(&file), []).unwrap();
    assert_eq!(recipe.data.path.unwrap(), folder.path().join("images"));
    assert_eq!(recipe.train.folder, folder.path());
    assert_eq!(recipe.name, "r");
    let recipe = Recipe::load(Some(&file), [Override::parse("data.path=images").unwrap()]).unwrap();
    assert_eq!(recipe.data.path.unwrap(), std::env::current_dir().unwrap().join("images"));
}

#[test]
fn the_recipes_that_we_ship_are_read() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut files = vec![root.join("examples/pytorch/recipe.toml")];
    files.extend(fs::read_dir(root.join("recipes")).unwrap().map(|entry| entry.unwrap().path()));
    // A search has keys of its own, and is no recipe of `improve`.
    files.retain(|file| !file.to_string_lossy().ends_with("-search.toml"));
    assert!(files.len() >= 3);
    for file in files {
        Recipe::load(Some(&file), []).unwrap_or_else(|error| panic!("{}: {error:#}", file.display()));
    }
}

#[test]
fn mistakes_are_explained() {
    let cases: &[(&str, &[&str])] = &[
        ("", &[]),
        ("# only a comment", &[]),
        ("[train]\nlr = ", &[]),
        ("[train]\nlrr = 0.1", &[]),
        ("lr = 0.1", &[]),
        ("[trian]\nlr = 0.1", &[]),
        ("[quantum]\nentanglement = 3", &[]),
        ("[train]\nepochs = \"many\"", &[]),
        ("[train]\nepochs = 2.5", &[]),
        ("[train]\nepochs = 0", &[]),
        ("[train]\nlr = -1", &[]),
        ("[train]\noptimiser = \"lion\"", &[]),
        ("train = 3", &[]),
        ("[model]\nname = \"lennet\"", &[]),
        ("[model]\nname = \"transformer\"", &[]),
        ("[goal]\nmax_drop = 1", &[]),
        ("[goal]\nworth = \"a lot\"", &[]),
        ("[goal]\ninferences = -5", &[]),
        ("[search]\nbudget = \"10 parsecs\"", &[]),
        ("[search]\npractices = \"tune\"", &[]),
        ("[search]\npractices = []", &[]),
        ("[search]\nseeds = 3\n[train]\ncommand = \"python train.py\"", &[]),
        ("[goal]\nmetric = \"loss\"", &[]),
        ("[goal]\ndirection = \"min\"", &[]),
        ("name = \"x\"", &["train.lrr=3"]),
        ("name = \"x\"", &["train.lr=fast"]),
        ("name = \"x\"", &["train.lr"]),
        ("name = \"x\"", &["name.first=y"]),
        ("[train]\ncommand = \"python train.py --lr {lrate}\"", &[]),
        ("[train]\ncommand = \"python train.py --lr {lr}\"", &[]),
        ("[train]\ncommand = \"python train.py\"\nmetrics = \"accuracy\"", &[]),
        ("[eval]\ncommand = \"cd x && python eval.py\"", &[]),
    ];
    let messages =
        cases.iter().map(|(text, sets)| format!("{text}\n--set {sets:?}\n---\n{}", message(text, sets)));
    insta::assert_snapshot!(messages.collect::<Vec<_>>().join("\n========\n"));
}

#[test]
fn a_missing_recipe_is_named() {
    let error = Recipe::load(Some(Path::new("no/such.toml")), []).unwrap_err();
    assert!(format!("{error:#}").starts_with("cannot read the recipe no/such.toml: "), "{error:#}");
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "(\\[[a-z]{0,6}\\]|[a-z.]{1,8} ?= ?[-0-9a-z.\"'\\[\\]{}]{0,8}|\n){0,6}", set in "[a-z.=0-9\"\n]{0,12}") {
        let _ = Document::parse(&text, None).and_then(|mut document| {
            document.set(Override::parse(&set)?)?;
            Recipe::read(&mut document, None)
        });
    }
}

#[test]
fn the_constants_of_adam_reach_the_training() {
    let recipe = load(EVERY_KEY, &[]).unwrap();
    let hyper = recipe.train.hyperparameters(1);
    assert_eq!((hyper.beta1, hyper.beta2, hyper.epsilon), (0.85, 0.99, 1e-7));
    for (key, value) in [("beta1", "1.0"), ("beta2", "-0.1"), ("epsilon", "0.0")] {
        let text = message(&format!("[train]\n{key} = {value}"), &[]);
        assert!(text.contains(&format!("`train.{key}`")), "{text}");
    }
}
