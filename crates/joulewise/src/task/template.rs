//! Commands with placeholders, as in `python train.py --lr {lr} --out {model}`.
//!
//! A command is split into words as a POSIX shell splits it (quotes and backslashes included) but no shell
//! runs it, and a placeholder's value is never split, so nothing in a value can become a word of its own.
//! `{{` and `}}` stand for braces; braces around anything but a name are left alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use anyhow::{Result, anyhow};

use crate::hint::{Hint as _, Hinted};
use crate::recipe::did_you_mean;

/// What Joulewise can fill into a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Placeholder {
    /// `{lr}`: the peak learning rate.
    Lr,
    /// `{epochs}`: passes over the training data.
    Epochs,
    /// `{batch}`: examples per step, or per inference in a deploy command.
    Batch,
    /// `{width}`: width of the hidden layers: `model.width`, or a part of it.
    Width,
    /// `{depth}`: how many layers or blocks there are: `model.depth`, or a part of it.
    Depth,
    /// `{subset}`: a .npy file with the numbers of the training examples to use, from 0; empty for all.
    Subset,
    /// `{teacher}`: the file of a teacher's logits, safetensors, which `distil.command` writes and a training
    /// reads; empty when there is no teacher.
    Teacher,
    /// `{init}`: the model file to start from; empty when there is none.
    Init,
    /// `{model}`: the model, a file or a folder, which a training writes and other commands read.
    Model,
    /// `{out}`: the folder of this execution, for `metrics.jsonl` and whatever else it writes.
    Out,
    /// `{precision}`: the number format that is computed in, one of `train.precisions`.
    Precision,
    /// `{weight_decay}`: the weight decay.
    WeightDecay,
    /// `{seed}`: the seed of this training.
    Seed,
}

impl Placeholder {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Lr,
        Self::Epochs,
        Self::Batch,
        Self::Width,
        Self::Depth,
        Self::Subset,
        Self::Teacher,
        Self::Init,
        Self::Model,
        Self::Out,
        Self::Precision,
        Self::WeightDecay,
        Self::Seed,
    ];

    /// The name between the braces.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lr => "lr",
            Self::Epochs => "epochs",
            Self::Batch => "batch",
            Self::Width => "width",
            Self::Depth => "depth",
            Self::Subset => "subset",
            Self::Teacher => "teacher",
            Self::Init => "init",
            Self::Model => "model",
            Self::Out => "out",
            Self::Precision => "precision",
            Self::WeightDecay => "weight_decay",
            Self::Seed => "seed",
        }
    }
}

impl fmt::Display for Placeholder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{}}}", self.name())
    }
}

/// What is filled in for each placeholder.
pub type Values<P = Placeholder> = BTreeMap<P, String>;

/// A command with placeholders: those of a recipe, or names that the caller knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template<P = Placeholder> {
    words: Vec<Vec<Piece<P>>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece<P> {
    Text(String),
    Placeholder(P),
}

impl Template {
    /// Reads a command. An unknown placeholder, an open quote, a shell's operator and an empty command are
    /// errors.
    pub fn parse(command: &str) -> Result<Self> {
        Self::of_words(&split(command)?, named)
    }
}

impl<P: Clone + Ord + fmt::Display> Template<P> {
    /// A command that is split already; `named` knows the placeholders. An unknown one and an empty command are
    /// errors.
    pub fn of_words(words: &[String], named: impl Fn(&str) -> Result<P>) -> Result<Self> {
        if words.is_empty() {
            return Err(anyhow!("the command is empty"))
                .hint("write a program and its arguments, as in \"python train.py\"");
        }
        let words = words.iter().map(|word| pieces(word, &named)).collect::<Result<_>>()?;
        Ok(Self { words })
    }

    /// The placeholders in it.
    pub fn placeholders(&self) -> BTreeSet<P> {
        let placeholder = |piece: &Piece<P>| match piece {
            Piece::Placeholder(placeholder) => Some(placeholder.clone()),
            Piece::Text(_) => None,
        };
        self.words.iter().flatten().filter_map(placeholder).collect()
    }

    /// The program and its arguments. Fails when a placeholder has no value.
    pub fn render(&self, values: &Values<P>) -> Result<Vec<String>> {
        let text = |piece: &Piece<P>| match piece {
            Piece::Text(text) => Ok(text.clone()),
            Piece::Placeholder(placeholder) => values
                .get(placeholder)
                .cloned()
                .ok_or_else(|| anyhow!("nothing to fill in for {placeholder}")),
        };
        self.words.iter().map(|word| word.iter().map(text).collect()).collect()
    }

    /// The program and its arguments, without the words that need a value that there is not, and without the option
    /// in front of such a word: of `--momentum {momentum}` and `--momentum={momentum}` nothing is left.
    pub fn render_known(&self, values: &Values<P>) -> Vec<String> {
        let mut rendered: Vec<String> = Vec::new();
        for word in &self.words {
            let text = |piece: &Piece<P>| match piece {
                Piece::Text(text) => Some(text.clone()),
                Piece::Placeholder(placeholder) => values.get(placeholder).cloned(),
            };
            if let Some(word) = word.iter().map(text).collect::<Option<String>>() {
                rendered.push(word);
            } else if let [Piece::Placeholder(_)] = word[..] {
                rendered.pop_if(|option| option.starts_with('-'));
            }
        }
        rendered
    }
}

/// Splits a command into words as POSIX does, without any expansion.
pub(crate) fn split(command: &str) -> Result<Vec<String>> {
    let mut words = Vec::new();
    // A word exists from its first character or quote on, so that '' is an empty word.
    let mut word: Option<String> = None;
    let mut bare = String::new();
    let mut chars = command.chars();
    while let Some(c) = chars.next() {
        match c {
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some('\'') => break,
                        Some(c) => word.push(c),
                        None => return Err(open_quote('\'')),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some('"') => break,
                        Some('\\') => match chars.next() {
                            Some(c @ ('"' | '\\' | '$' | '`')) => word.push(c),
                            Some(c) => word.extend(['\\', c]),
                            None => return Err(open_quote('"')),
                        },
                        Some(c) => word.push(c),
                        None => return Err(open_quote('"')),
                    }
                }
            }
            '\\' => match chars.next() {
                Some('\n') | None => {}
                Some(c) => word.get_or_insert_default().push(c),
            },
            c if c.is_whitespace() => {
                words.extend(word.take());
                no_operator(&std::mem::take(&mut bare))?;
            }
            c => {
                word.get_or_insert_default().push(c);
                bare.push(c);
            }
        }
    }
    words.extend(word);
    no_operator(&bare)?;
    Ok(words)
}

fn open_quote(quote: char) -> anyhow::Error {
    let error = anyhow!("a quote ({quote}) is not closed");
    Hinted::new(error, format!("close it, or write \\{quote} for the character itself")).into()
}

/// `bare` is the part of a word that stood outside of quotes.
fn no_operator(bare: &str) -> Result<()> {
    let operator = ["|", "||", "&", "&&", ";", ">", ">>", "<", "2>&1", "2>", "&>"].contains(&bare);
    if operator || bare.ends_with(';') {
        return Err(anyhow!("`{bare}` needs a shell, and none runs the command"))
            .hint("put the steps into a script, or write sh -c '…'");
    }
    Ok(())
}

/// Text and placeholders of a word.
fn pieces<P>(word: &str, named: &impl Fn(&str) -> Result<P>) -> Result<Vec<Piece<P>>> {
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut rest = word;
    while let Some(c) = rest.chars().next() {
        if rest.starts_with("{{") || rest.starts_with("}}") {
            text.push(c);
            rest = &rest[2..];
        } else if let Some((placeholder, after)) = placeholder(rest, named)? {
            if !text.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut text)));
            }
            pieces.push(Piece::Placeholder(placeholder));
            rest = after;
        } else {
            text.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
    Ok(pieces)
}

/// The placeholder in `{name}…` and what follows it. What looks like a name has to be one; what looks like text may be
/// one, as in `{optimiser.lr}`.
fn placeholder<'t, P>(text: &'t str, named: &impl Fn(&str) -> Result<P>) -> Result<Option<(P, &'t str)>> {
    let Some((name, after)) = text.strip_prefix('{').and_then(|text| text.split_once('}')) else {
        return Ok(None);
    };
    let is_name = !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !name.starts_with(|c: char| c.is_ascii_digit());
    match named(name) {
        Ok(placeholder) => Ok(Some((placeholder, after))),
        Err(error) if is_name => Err(error),
        Err(_) => Ok(None),
    }
}

fn named(name: &str) -> Result<Placeholder> {
    if let Some(placeholder) = Placeholder::ALL.into_iter().find(|placeholder| placeholder.name() == name) {
        return Ok(placeholder);
    }
    let hint = if let Some(known) = did_you_mean(name, Placeholder::ALL.map(Placeholder::name)) {
        format!("did you mean {{{known}}}?")
    } else {
        let all = Placeholder::ALL.map(|placeholder| placeholder.to_string()).join(" ");
        format!("the placeholders are {all}; write {{{{{name}}}}} for the braces themselves")
    };
    Err(anyhow!("unknown placeholder {{{name}}}")).hint(hint)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rendered(command: &str, values: &[(Placeholder, &str)]) -> Vec<String> {
        let values = values.iter().map(|(placeholder, value)| (*placeholder, (*value).to_owned())).collect();
        Template::parse(command).unwrap().render(&values).unwrap()
    }

    #[test]
    fn words_are_split_as_a_shell_splits_them() {
        let cases: [(&str, &[&str]); 7] = [
            ("python train.py", &["python", "train.py"]),
            ("  a\tb\nc ", &["a", "b", "c"]),
            (r#"a 'b c' "d e" f\ g"#, &["a", "b c", "d e", "f g"]),
            (r#"a'b'"c"d"#, &["abcd"]),
            (r#"'' "" "#, &["", ""]),
            (r#""a\"b\\c\d" 'e\f'"#, &[r#"a"b\c\d"#, r"e\f"]),
            ("python -c 'a | b; c' \"&&\"", &["python", "-c", "a | b; c", "&&"]),
        ];
        for (command, words) in cases {
            assert_eq!(rendered(command, &[]), words, "{command}");
        }
    }

    #[test]
    fn a_value_is_never_split() {
        let argv = rendered(
            "train --lr={lr} '{out}/x'",
            &[(Placeholder::Lr, "0.1; rm -rf /"), (Placeholder::Out, "a 'b")],
        );
        assert_eq!(argv, ["train", "--lr=0.1; rm -rf /", "a 'b/x"]);
    }

    #[test]
    fn braces_that_name_nothing_are_text() {
        assert_eq!(
            rendered("a {} {1} '{\"x\": 1}' {{lr}} {", &[]),
            ["a", "{}", "{1}", "{\"x\": 1}", "{lr}", "{"]
        );
    }

    #[test]
    fn words_without_a_value_are_left_out_with_their_option() {
        let template = Template::parse("t --a {lr} --b={epochs} c{epochs} {epochs} --d {epochs} -e").unwrap();
        let values = Values::from([(Placeholder::Lr, "0.1".to_owned())]);
        assert_eq!(template.render_known(&values), ["t", "--a", "0.1", "-e"]);
    }

    #[test]
    fn placeholders_are_listed_once() {
        let template = Template::parse("t {lr} {seed} {lr}").unwrap();
        assert_eq!(template.placeholders(), BTreeSet::from([Placeholder::Lr, Placeholder::Seed]));
        assert!(template.render(&Values::new()).unwrap_err().to_string().contains("{lr}"));
    }

    #[test]
    fn mistakes_are_named() {
        let message = |command: &str| {
            let mut out = Vec::new();
            crate::hint::print(&Template::parse(command).unwrap_err(), &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(
            message("t {learning}"),
            "error: unknown placeholder {learning}\nhint: the placeholders are {lr} {epochs} {batch} {width} {depth} \
             {subset} {teacher} {init} {model} {out} {precision} {weight_decay} {seed}; write {{learning}} for the \
             braces themselves\n"
        );
        assert!(message("t {epoch}").contains("did you mean {epochs}?"));
        assert!(message("t 'a").contains("not closed\nhint: close it, or write \\' for"));
        assert!(message(" ").contains("empty\nhint: "));
        assert!(message("cd x && t").contains("`&&` needs a shell"));
        assert!(message("cd x; t").contains("`x;` needs a shell"));
    }

    proptest! {
        #[test]
        fn quoted_words_come_back(words in prop::collection::vec("[^{}\0]{0,8}", 1..5)) {
            let quoted = words.iter().map(|word| format!("'{}'", word.replace('\'', r"'\''"))).collect::<Vec<_>>();
            prop_assert_eq!(rendered(&quoted.join(" "), &[]), words);
        }

        #[test]
        fn no_text_makes_it_panic(command in "[a-z{}'\"\\\\ ;é]{0,20}") {
            let _ = Template::parse(&command);
        }
    }
}
