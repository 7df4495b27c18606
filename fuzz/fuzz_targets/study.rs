//! Text as a study's file in each of its formats: an error, or a plan that survives being kept with its study.
#![no_main]

use std::fs;

use joulewise::tune::plan::{Needs, Plan};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for name in ["study.toml", "sweep.yaml", "space.json"] {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("a file");
        let Ok(plan) = Plan::load(&path).and_then(|plan| plan.finish(Needs::Space)) else { continue };
        let definition = plan.definition().expect("a plan can be kept");
        let kept = serde_json::to_string(&definition).expect("JSON");
        let definition = serde_json::from_str(&kept).expect("what was kept can be read");
        let again = Plan::of(&definition, &plan.name).expect("and is a plan");
        assert_eq!(plan.difference(&again), None);
    }
});
