//! Errors as the terminal shows them: the chain of causes on one line and, below it, what to do about it.

use std::fmt;
use std::io::{self, Write};

/// An error with an advice attached. Its message and its causes are those of the error inside.
pub struct Hinted {
    error: anyhow::Error,
    hint: String,
}

/// Attaches an advice to an error, as [`anyhow::Context`] attaches a cause.
pub trait Hint<T> {
    /// Attaches `hint`: a sentence that says what to do, without a full stop.
    fn hint(self, hint: impl fmt::Display) -> anyhow::Result<T>;
}

impl<T, E: Into<anyhow::Error>> Hint<T> for Result<T, E> {
    fn hint(self, hint: impl fmt::Display) -> anyhow::Result<T> {
        self.map_err(|error| Hinted::new(error, hint).into())
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

/// Writes `error: …` and, below an empty line each, its hints.
pub fn print(error: &anyhow::Error, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "error: {error:#}")?;
    for hint in hints(error) {
        writeln!(out, "\nhint: {hint}")?;
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

fn hints(error: &anyhow::Error) -> Vec<&str> {
    let mut found = Vec::new();
    for cause in error.chain() {
        let mut next = cause.downcast_ref::<Hinted>();
        while let Some(hinted) = next {
            found.push(hinted.hint.as_str());
            // The causes of the error inside are on the outer chain already: only its head is hidden.
            next = hinted.error.chain().next().and_then(|head| head.downcast_ref());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use anyhow::{Context as _, anyhow};

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
            "error: cannot read train-images.gz: no such file\n\nhint: pass --data FOLDER\n"
        );
    }

    #[test]
    fn every_hint_is_shown_once() {
        let inner = Err::<(), _>(anyhow!("a")).hint("first").context("b").unwrap_err();
        let error = Err::<(), _>(inner).hint("second").context("c").unwrap_err();
        assert_eq!(printed(&error), "error: c: b: a\n\nhint: second\n\nhint: first\n");
        let nested = Hinted::new(Hinted::new(anyhow!("a"), "near"), "far").into();
        assert_eq!(printed(&nested), "error: a\n\nhint: far\n\nhint: near\n");
    }

    #[test]
    fn a_broken_pipe_is_found_under_contexts_and_hints() {
        let pipe = || io::Error::from(io::ErrorKind::BrokenPipe);
        let error = Err::<(), _>(pipe()).hint("h").context("cannot write").unwrap_err();
        assert!(is_broken_pipe(&error));
        assert!(!is_broken_pipe(&anyhow!(io::Error::from(io::ErrorKind::NotFound))));
    }
}
