//! Text as a recipe: an error, or a recipe that survives being saved and read again.
#![no_main]

use std::fs;

use joulewise::recipe::Recipe;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("recipe.toml");
    fs::write(&path, text).expect("a file");
    let Ok(recipe) = Recipe::load(Some(&path), []) else { return };
    let saved = recipe.to_toml();
    fs::write(&path, &saved).expect("a file");
    let again = Recipe::load(Some(&path), []).expect("what was saved can be read");
    assert_eq!(saved, again.to_toml());
});
