//! Errors as the terminal shows them: the chain of causes on one line and, below it, what to do about it.

use std::fmt;
use std::io::{self, Write};

use joulewise_learn::data::DataError;
use joulewise_learn::engine::IsaError;
use joulewise_tune::storage::StorageError;
use joulewise_tune::{ExpressionError, SpaceError};

/// An error with an advice attached. Its message and its causes are those of the error inside.
pub struct Hinted {
    error: anyhow::Error,
    hint: String,
}

/// Attaches an advice to an error, as [`anyhow::Context`] attaches a cause.
pub trait Hint<T> {
    /// Attaches `hint`: a sentence that says what to do, without a full stop.
    fn hint(self, hint: impl fmt::Display) -> anyhow::Result<T>;

    /// Attaches `hint` to an error that has no other advice.
    fn or_hint(self, hint: impl fmt::Display) -> anyhow::Result<T>;
}

impl<T, E: Into<anyhow::Error>> Hint<T> for Result<T, E> {
    fn hint(self, hint: impl fmt::Display) -> anyhow::Result<T> {
        self.map_err(|error| Hinted::new(error, hint).into())
    }

    fn or_hint(self, hint: impl fmt::Display) -> anyhow::Result<T> {
        self.map_err(Into::into)
            .map_err(|error| if hints(&error).is_empty() { Hinted::new(error, hint).into() } else { error })
    }
}

impl Hinted {
    /// Attaches `hint` to `error`.
    pub fn new(error: impl Into<anyhow::Error>, hint: impl fmt::Display) -> Self {
        Self { error: error.into(), hint: hint.to_string() }
    }
}

impl fmt::Display for Hinted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl fmt::Debug for Hinted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for Hinted {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

/// Writes `error: …` and below it, each on a line of its own, its hints.
pub fn print(error: &anyhow::Error, out: &mut impl Write) -> io::Result<()> {
    if is_of_stdout(error) {
        writeln!(out, "error: cannot write to standard output: {error:#}")?;
        return writeln!(out, "hint: make room there, or send it elsewhere");
    }
    writeln!(out, "error: {error:#}")?;
    for hint in hints(error) {
        writeln!(out, "hint: {hint}")?;
    }
    Ok(())
}

/// Whether the reader of our output went away, which is the end of the work and not a failure of it.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| match cause.downcast_ref::<Hinted>() {
        Some(hinted) => is_broken_pipe(&hinted.error),
        None => cause.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe),
    })
}

/// Whoever opens a file or a pipe names it where it fails, so that what no one has named is what everyone writes to.
fn is_of_stdout(error: &anyhow::Error) -> bool {
    error.chain().next().and_then(|head| head.downcast_ref::<io::Error>()).is_some()
}

fn hints(error: &anyhow::Error) -> Vec<&str> {
    let mut found = Vec::new();
    for cause in error.chain() {
        found.extend(cure(cause));
        let mut next = cause.downcast_ref::<Hinted>();
        while let Some(hinted) = next {
            found.push(hinted.hint.as_str());
            // The causes of the error inside are on the outer chain already: only its head is hidden.
            let head = hinted.error.chain().next();
            found.extend(head.and_then(cure));
            next = head.and_then(|head| head.downcast_ref());
        }
    }
    found
}

/// The advice of those errors of our libraries that carry one.
fn cure<'e>(error: &'e (dyn std::error::Error + 'static)) -> Option<&'e str> {
    let data = error.downcast_ref::<DataError>().map(DataError::cure);
    data.or_else(|| Some(error.downcast_ref::<IsaError>()?.cure()))
        .or_else(|| error.downcast_ref::<StorageError>()?.cure())
        .or_else(|| Some(error.downcast_ref::<SpaceError>()?.cure()))
        .or_else(|| Some(error.downcast_ref::<ExpressionError>()?.cure()))
}

#[cfg(test)]
mod tests {
    use anyhow::{Context as _, anyhow};
    use joulewise_learn::data::{self, LoadOptions};
    use joulewise_learn::engine::Isa;

    use super::*;

    fn printed(error: &anyhow::Error) -> String {
        let mut out = Vec::new();
        print(error, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_hint_stands_below_the_chain_of_causes() {
        let error = Err::<(), _>(anyhow!("no such file"))
            .hint("pass --data FOLDER")
            .context("cannot read train-images.gz")
            .unwrap_err();
        assert_eq!(
            printed(&error),
            "error: cannot read train-images.gz: no such file\nhint: pass --data FOLDER\n"
        );
    }

    #[test]
    fn every_hint_is_shown_once() {
        let inner = Err::<(), _>(anyhow!("a")).hint("first").context("b").unwrap_err();
        let error = Err::<(), _>(inner).hint("second").context("c").unwrap_err();
        assert_eq!(printed(&error), "error: c: b: a\nhint: second\nhint: first\n");
        let nested = Hinted::new(Hinted::new(anyhow!("a"), "near"), "far").into();
        assert_eq!(printed(&nested), "error: a\nhint: far\nhint: near\n");
    }

    #[test]
    fn an_advice_for_all_gives_way_to_a_better_one() {
        let plain = || Err::<(), _>(anyhow!("a"));
        assert_eq!(printed(&plain().or_hint("any").unwrap_err()), "error: a\nhint: any\n");
        let hinted = plain().hint("near").context("b").or_hint("any").unwrap_err();
        assert_eq!(printed(&hinted), "error: b: a\nhint: near\n");
    }

    #[test]
    fn what_cannot_be_written_to_is_named() {
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        let text = printed(&full().into());
        assert!(text.starts_with("error: cannot write to standard output: "), "{text}");
        assert!(text.contains("\nhint: "), "{text}");
        let named = Err::<(), _>(full()).context("cannot write report.html").unwrap_err();
        assert!(printed(&named).starts_with("error: cannot write report.html: "));
    }

    #[test]
    fn errors_of_data_and_of_instruction_sets_bring_their_cure() {
        let missing = || data::load("/no/such/folder".as_ref(), &LoadOptions::default()).unwrap_err();
        let expected = "/no/such/folder: no such file or folder\nhint: check the path\n";
        assert_eq!(printed(&missing().into()), format!("error: {expected}"));
        let error = Err::<(), _>(missing()).context("cannot start").unwrap_err();
        assert_eq!(printed(&error), format!("error: cannot start: {expected}"));
        let error = Err::<(), _>(missing()).hint("or leave it").unwrap_err();
        assert_eq!(
            printed(&error),
            format!("error: {expected}").replace("hint:", "hint: or leave it\nhint:")
        );
        let isa = Isa::from_name("sse9").unwrap_err();
        let text = printed(&isa.into());
        assert!(
            text.starts_with("error: JOULEWISE_ISA=sse9: ") && text.contains("\nhint: use one of portable")
        );
    }

    #[test]
    fn a_broken_pipe_is_found_under_contexts_and_hints() {
        let pipe = || io::Error::from(io::ErrorKind::BrokenPipe);
        let error = Err::<(), _>(pipe()).hint("h").context("cannot write").unwrap_err();
        assert!(is_broken_pipe(&error));
        assert!(!is_broken_pipe(&anyhow!(io::Error::from(io::ErrorKind::NotFound))));
    }
}
