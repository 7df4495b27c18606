//! What a reader must know before quoting a study's joules; kept with the study by the workers that came upon it.

use joulewise_meter::Caveat;
use joulewise_tune::storage::StorageError;

use super::worker::Study;

/// What their notes are called, with the code behind it.
const NOTE: &str = "caveat/";

/// Keeps `caveats`, of each code the last.
pub fn keep(study: &mut Study, caveats: &[Caveat]) -> Result<(), StorageError> {
    let written = caveats.iter().filter_map(|caveat| {
        let text = serde_json::to_string(caveat).ok()?;
        let note = format!("{NOTE}{}", caveat.code);
        (study.notes().get(&note) != Some(&text)).then_some((note, text))
    });
    let written: Vec<(String, String)> = written.collect();
    if written.is_empty() {
        return Ok(());
    }
    let notes: Vec<(&str, &str)> =
        written.iter().map(|(note, text)| (note.as_str(), text.as_str())).collect();
    study.note(None, &notes)
}

/// Those of `study`.
pub fn of(study: &Study) -> Vec<Caveat> {
    let notes = study.notes().iter().filter(|(note, _)| note.starts_with(NOTE));
    notes.filter_map(|(_, text)| serde_json::from_str(text).ok()).collect()
}

/// That several workers have the same GPUs.
pub fn shared_gpus(workers: u32) -> Caveat {
    Caveat::new(
        "gpus-shared-by-workers",
        format!(
            "{workers} workers share their GPUs, which do not tell whose work they do: each trial is charged with 1/{workers} \
             of their joules while it ran"
        ),
        "give each worker a GPU of its own, as in --workers 2 --gpus 0,1, to know what each trial used",
    )
}
