//! Mistakes in a study's file or in the flags: what is said of them, and that nothing is left behind.

use std::fs;

use joulewise::tune::plan::{Needs, Plan};

use crate::support::text;
use crate::{NUMBERS, STUDY, folder, tune};

fn refused(study: &str, arguments: &[&str]) -> String {
    let folder = folder(study);
    let output = tune(folder.path(), &[&["run", "s.toml"], arguments].concat());
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    assert!(!folder.path().join("runs").exists(), "something was left behind");
    text(&output.stderr).to_owned()
}

#[test]
fn mistakes_are_told_before_anything_is_made() {
    let said = refused(&STUDY.replace("{digit}", "{digits}"), &[]);
    assert!(
        said.contains("unknown placeholder {digits}") && said.contains("hint: did you mean {digit}?"),
        "{said}"
    );
    let said = refused(&STUDY.replace("low = 0", "low = 20"), &[]);
    assert!(said.contains("parameter `digit` has a low that is above its high"), "{said}");
    assert!(said.contains("hint: give it a range from its least to its greatest value"), "{said}");
    let said = refused(&STUDY.replace("low = 0, ", "low = 0, log = true, "), &[]);
    assert!(said.contains("parameter `digit` is logarithmic and its low is not above 0"), "{said}");
    let said = refused(&STUDY.replace("kind == deep", "kind == dep"), &[]);
    assert!(said.contains("`dep` is neither a parameter nor a choice"), "{said}");
    let said = refused(&STUDY.replace("trials = 6", "trails = 6"), &[]);
    assert!(said.contains("unknown key `trails`") && said.contains("did you mean `trials`?"), "{said}");
    let said = refused(&format!("sampler = \"tpee\"{STUDY}"), &[]);
    assert!(said.contains("there is no sampler `tpee`") && said.contains("did you mean `tpe`?"), "{said}");
    let said = refused(&format!("stopper = {{ name = \"asha\", eat = 3 }}{STUDY}"), &[]);
    assert!(said.contains("`stopper`: unknown key `eat`") && said.contains("did you mean `eta`?"), "{said}");
    let said = refused(&format!("stopper = {{ name = \"asha\", eta = 1 }}{STUDY}"), &[]);
    assert!(said.contains("`eta` is below 2"), "{said}");
    let said = refused(&STUDY.replace("trials = 6", "trials = \"many\""), &[]);
    assert!(said.contains("line 4: invalid type: string \"many\", expected a whole number"), "{said}");
    let said = refused(&format!("stopper = {{ name = \"wilcoxon\", p = 1.5 }}{STUDY}"), &[]);
    assert!(said.contains("`p` is not between 0 and 1"), "{said}");
    let recipe = concat!(env!("CARGO_MANIFEST_DIR"), "/../../recipes/glyphs.toml");
    let epochs = format!(
        "stopper = \"wilcoxon\"\nrecipe = \"{recipe}\"\nobjectives = [\"max accuracy\"]\n[parameters]\n\"train.lr\" = {}",
        "{ low = 0.01, high = 0.1 }"
    );
    let said = refused(&epochs, &[]);
    assert!(said.contains("`wilcoxon` compares instances"), "{said}");
    let said = refused(&STUDY.replace("trials = 6", "trials = 0"), &[]);
    assert!(said.contains("a study of 0 trials finds nothing"), "{said}");
    let said = refused(&STUDY.replace("sh train.sh", "no-such-program"), &[]);
    assert!(said.contains("cannot find the program `no-such-program`"), "{said}");
    let said = refused(&STUDY.replace("command", "#"), &[]);
    assert!(said.contains("nothing that a trial could run"), "{said}");
    let said = refused(STUDY, &["--budget", "many"]);
    assert!(said.contains("`many` is neither joules nor a time"), "{said}");
    let said = refused(STUDY, &["--data", "pictures"]);
    assert!(said.contains("--data is for trainings of our own"), "{said}");
    let said = refused(STUDY, &["--stopper", "ahsa"]);
    assert!(
        said.contains("--stopper: there is no stopper `ahsa`") && said.contains("did you mean `asha`?"),
        "{said}"
    );
    let said = refused(STUDY, &["--stopper", "{ name = \"asha\", eat = 3 }"]);
    assert!(said.contains("unknown key `eat`"), "{said}");
    let said = refused(STUDY, &["--stopper", "{ name = "]);
    assert!(said.contains("error: s.toml: --stopper:") || said.contains("error: --stopper:"), "{said}");
    let said = refused(STUDY, &["--stopper", "hyperband"]);
    assert!(said.contains("the stopper does not know how long a trial is"), "{said}");
    for (file, cures) in CURES {
        let rest = if file.starts_with("command") {
            STUDY.replace("command", "# command")
        } else {
            STUDY.to_owned()
        };
        let said = refused(&format!("{file}{rest}"), &[]);
        assert!(said.lines().next_back().is_some_and(|last| last.starts_with("hint: ")), "{file}: {said}");
        assert!(said.contains(cures), "{file}: {said}");
    }
    let said = refused(&STUDY.replace("extra = {", "trial = {").replace("{extra}", "{trial}"), &[]);
    assert!(
        said.contains("parameter `trial`: {trial} is of every trial\nhint: give it another name"),
        "{said}"
    );
    let listed = STUDY.replace("[\"max accuracy\", \"min energy_j\"]", "\"max accuracy\"");
    assert!(refused(&listed, &[]).contains("expected a list\nhint: write a list, as in objectives = ["));
    let said = refused(STUDY, &["--worth", "a lot"]);
    assert!(said.contains("hint: write how much of it is worth how many joules"), "{said}");
    let said = refused(STUDY, &["--timeout", "soon"]);
    assert!(
        said.contains("--timeout: `soon` is no time") && said.contains("hint: write a number and a unit"),
        "{said}"
    );
    let said = refused(STUDY, &["--metrics", "acc=.*"]);
    assert!(said.contains("`acc=.*` has no group that a value could be found in"), "{said}");
    let said = refused(STUDY, &["--target", "nan"]);
    assert!(said.contains("the target is not a number"), "{said}");
    let recipe = "recipe = \"r.toml\"\nobjectives = [\"max accuracy\"]\n[parameters]\ntrain.lr = [0.1, 0.2]";
    let said = refused(recipe, &["--timeout", "1min"]);
    assert!(said.contains("--timeout: that is for commands"), "{said}");
    let said = refused(STUDY, &["--name", "a/b"]);
    assert!(said.contains("a study cannot be called `a/b`"), "{said}");
    let folder = folder(STUDY);
    let absent = tune(folder.path(), &["run", "absent.toml"]);
    assert!(text(&absent.stderr).contains("cannot read the study absent.toml"));
    let none = tune(folder.path(), &["best"]);
    assert!(text(&none.stderr).contains("no studies in runs/studies.db: no such file"));
    fs::create_dir(folder.path().join("runs")).unwrap();
    fs::write(folder.path().join("runs/studies.db"), "this is no database, whatever it is called").unwrap();
    let foreign = tune(folder.path(), &["run", "s.toml"]);
    assert_eq!(foreign.status.code(), Some(2), "{}", text(&foreign.stderr));
    let kept = fs::read_to_string(folder.path().join("runs/studies.db")).unwrap();
    assert!(kept.starts_with("this is no database"), "what is there was touched");
}

/// What stands wrongly above a study, and a piece of what is said of it.
const CURES: [(&str, &str); 8] = [
    ("command = \"sh 'train.sh\"\n", "a quote (') is not closed"),
    ("constraints = [\"kind === deep\"]\n", "hint: write the names of parameters, numbers and choices"),
    ("stopper = { name = \"asha\", in = \"jouls\" }\n", "hint: did you mean `joules`?"),
    (
        "stopper = { name = \"asha\", max = \"9\" }\n",
        "`stopper.max`: invalid type: string \"9\", expected a number",
    ),
    ("stopper = { name = \"asha\", min = 1.5 }\n", "epochs, of which there are no parts"),
    ("seed = 1\nseed = 2\n", "line 2: duplicate key\nhint: write each key once"),
    ("trials\n", "hint: a study is TOML with lines as in command ="),
    ("noisy = 1\n", "expected true or false"),
];

#[test]
fn a_sampler_that_does_not_suit_is_refused_with_one_that_does() {
    let said = refused(STUDY, &["--sampler", "cma-es"]);
    assert!(said.contains("`cma-es` is for one objective, and the study has 2"), "{said}");
    assert!(said.contains("hint: write sampler = \"nsga-ii\", or make bounds"), "{said}");
    let one = STUDY.replace(", \"min energy_j\"", ", \"energy_j <= 10\"");
    let said = refused(&one, &["--sampler", "cma-es"]);
    assert!(said.contains("`cma-es` is for numbers, and `extra` is a choice"), "{said}");
    let conditional = NUMBERS.replace("high = 9", "high = 9, when = \"lr < 0.01\"");
    let said = refused(&conditional, &["--sampler", "cma-es"]);
    assert!(said.contains("`cma-es` knows no conditions, and `digit` has one"), "{said}");
    let said = refused(&format!("sampler = {{ name = \"tpe\", population = 9 }}{NUMBERS}"), &[]);
    assert!(said.contains("only `cma-es` and `nsga-ii` have a `population`"), "{said}");
    let said = refused(&format!("sampler = {{ name = \"cma-es\", population = 3 }}{NUMBERS}"), &[]);
    assert!(said.contains("a `population` of less than 4 trials teaches nothing"), "{said}");
}

/// What a text becomes when a piece of it is lost, doubled or something else.
fn damaged(text: &str, mut seed: u64) -> String {
    let mut below = |n: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % n.max(1)
    };
    let pieces = ["", "0", "-1", "1e999", "nan", "null", "[", "}", "\"", "when", ": ", "9223372036854775807"];
    let characters: Vec<char> = text.chars().collect();
    let from = below(characters.len());
    let to = (from + below(12)).min(characters.len());
    let lost: String = characters[from..to].iter().collect();
    let instead = if below(4) == 0 { lost.repeat(2) } else { pieces[below(pieces.len())].to_owned() };
    characters[..from].iter().chain(&instead.chars().collect::<Vec<_>>()).chain(&characters[to..]).collect()
}

#[test]
fn damaged_files_are_refused_or_read() {
    let sweep = "program: t.py\nmethod: bayes\nmetric: {name: a, goal: maximize}\nrun_cap: 9\nparameters:\n  \
                 x: {distribution: q_log_uniform_values, min: 8, max: 64, q: 8}\n  y: {values: [1, true, b]}\n\
                 early_terminate: {type: hyperband, max_iter: 27, s: 2, eta: 3}\n";
    let space = r#"{"name": "s", "hyperparameters": [
        {"name": "c", "type": "categorical", "choices": ["a", "b"], "weights": null},
        {"name": "n", "type": "uniform_int", "lower": 1, "upper": 9, "log": true, "q": 2},
        {"name": "o", "type": "ordinal", "sequence": [16, 32]}],
        "conditions": [{"child": "n", "parent": "c", "type": "IN", "values": ["a"]}],
        "forbiddens": [{"type": "AND", "clauses": [{"name": "o", "type": "EQUALS", "value": 32}]}]}"#;
    let toml = format!(
        "seed = 3\nsampler = \"gp\"\nstopper = {{ name = \"asha\", max = 27 }}\nworth = \"0.1% per 10kJ\"{STUDY}"
    );
    let folder = tempfile::tempdir().unwrap();
    for (name, whole) in [("s.toml", toml.as_str()), ("s.yaml", sweep), ("s.json", space)] {
        let path = folder.path().join(name);
        let read = |text: &str| {
            fs::write(&path, text).unwrap();
            Plan::load(&path).and_then(|plan| plan.finish(Needs::Space)).and_then(|plan| plan.definition())
        };
        assert!(read(whole).is_ok(), "{name}");
        let refused =
            (0..400).filter(|seed| read(&damaged(&damaged(whole, *seed), seed + 7)).is_err()).count();
        assert!((100..400).contains(&refused), "{refused} of {name} refused");
    }
}
