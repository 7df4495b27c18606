//! Lines of JSON as a study and what happened in it: an error, or a study that can go on and be replayed.
#![no_main]

use joulewise_tune::samplers::Tpe;
use joulewise_tune::storage::{Definition, Entry, Memory, Storage};
use joulewise_tune::{Limits, SharedStudy, replay};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut lines = text.lines();
    let Some(Ok(definition)) = lines.next().map(serde_json::from_str::<Definition>) else { return };
    let mut entries: Vec<Entry> = lines.filter_map(|line| serde_json::from_str(line).ok()).collect();
    let mut memory = Memory::new();
    let mut journal = memory.create("study", &definition).expect("the first study");
    if journal.append(0, &mut |_| Ok(std::mem::take(&mut entries))).is_err() {
        return;
    }
    let sampler = || Tpe::new(&definition.objectives);
    let Ok(mut study) = SharedStudy::new(journal, sampler()) else { return };
    study.limit(Limits { trials: Some(study.trials().len() as u64 + 1), cost: None });
    let _ = (study.best(), study.front(), study.cost());
    study.ask("fuzzer").expect("a study that could be read goes on");
    let mut journal = memory.open("study").expect("it is there");
    replay(&mut *journal, sampler(), None, |_| {}).expect("it can be replayed");
});
