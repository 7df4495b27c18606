//! What a process says about its spans and its metrics: one line of text per edge of a span, or per value of a metric.
//!
//! ```text
//! begin 81273005512345 4711.1 - epoch
//! begin 81273005612345 4711.2 4711.1 forward pass
//! end 81273006512345 4711.2
//! end 81273009512345 4711.1
//! ```
//!
//! The number is the sender's `CLOCK_MONOTONIC` in nanoseconds, so that a message may wait without moving the edge. Then
//! comes the key, any word that is the span's own in the whole run; then, at the beginning, the key of the span that it
//! is nested in (`-` for none) and its name, to the end of the line.
//!
//! Who cannot remember a key from begin to end, as a shell, says `-` and a word of its own, and the name both times:
//!
//! ```text
//! begin 81273005512345 -4711 - build
//! end 81273009512345 -4711 build
//! ```
//!
//! `end-open 81273009512345` ends whatever is open, as at the end of a program that is run again.
//!
//! A value of a metric is `metric 81273009512345 0.9132 validation accuracy`: the time, the value, and the name to the end of
//! the line.

use std::fmt;

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Message {
    /// The sender's `CLOCK_MONOTONIC`, in nanoseconds.
    pub(super) sent_ns: u64,
    pub(super) content: Content,
}

/// What a line is about.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Content {
    Edge(Edge),
    /// A value of a metric, which may be NaN.
    Metric {
        name: String,
        value: f64,
    },
}

/// One edge of a span, or of all.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Edge {
    Begin {
        key: Key,
        parent: Option<String>,
        name: String,
    },
    /// The name is empty where the key says enough.
    End {
        key: Key,
        name: String,
    },
    /// Everything that is open ends.
    EndOpen,
}

/// How a begin and an end find each other.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Key {
    /// By a word that no other open span has.
    Own(String),
    /// By the name: an end belongs to the last begin of that name, of the same sender if there is one.
    Name { sender: String },
}

impl Key {
    fn parse(word: &str) -> Option<Self> {
        match word.strip_prefix('-') {
            Some(sender) => Some(Self::Name { sender: sender.to_owned() }),
            None => (!word.is_empty()).then(|| Self::Own(word.to_owned())),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own(word) => f.write_str(word),
            Self::Name { sender } => write!(f, "-{sender}"),
        }
    }
}

/// A longer name is cut: it is a heading in a table, not a place for data.
const LONGEST_NAME: usize = 120;

impl Message {
    /// The message in one line, if it is one.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let (verb, rest) = line.split_once(' ')?;
        if verb == "end-open" {
            return Some(Self::edge(rest.parse().ok()?, Edge::EndOpen));
        }
        let (sent_ns, rest) = rest.split_once(' ')?;
        let sent_ns = sent_ns.parse().ok()?;
        if verb == "metric" {
            let (value, name) = rest.split_once(' ')?;
            let content = Content::Metric { name: named(name)?, value: value.parse().ok()? };
            return Some(Self { sent_ns, content });
        }
        let (key, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        let key = Key::parse(key)?;
        let edge = match (verb, &key) {
            ("begin", _) => {
                let (parent, name) = rest.split_once(' ')?;
                Edge::Begin { key, parent: (parent != "-").then(|| parent.to_owned()), name: named(name)? }
            }
            ("end", Key::Name { .. }) => Edge::End { key, name: named(rest)? },
            ("end", Key::Own(_)) => Edge::End { key, name: String::new() },
            _ => return None,
        };
        Some(Self::edge(sent_ns, edge))
    }

    pub(super) fn edge(sent_ns: u64, edge: Edge) -> Self {
        Self { sent_ns, content: Content::Edge(edge) }
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.content {
            Content::Metric { name, value } => write!(f, "metric {} {value} {name}", self.sent_ns),
            Content::Edge(Edge::Begin { key, parent, name }) => {
                write!(f, "begin {} {key} {} {name}", self.sent_ns, parent.as_deref().unwrap_or("-"))
            }
            Content::Edge(Edge::End { key, name }) => write!(f, "end {} {key} {name}", self.sent_ns),
            Content::Edge(Edge::EndOpen) => write!(f, "end-open {}", self.sent_ns),
        }
    }
}

/// A name that fits into one cell of a table; `None` if nothing is left of it.
pub(super) fn named(text: &str) -> Option<String> {
    let printable = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c });
    let name = printable.take(LONGEST_NAME).collect::<String>().trim().to_owned();
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_message_is_none() {
        for line in [
            "",
            "begin",
            "begin 1",
            "begin 1 k",
            "begin 1 k -",
            "begin 1 k - ",
            "begin x k - name",
            "begin -1 k - name",
            "start 1 k - name",
            "end",
            "end 1 ",
            "end 1 -",
            "end 1 - ",
            "end  k",
            "end 99999999999999999999 k",
            "metric 1 accuracy",
            "metric 1 0.5",
            "metric 1 0.5 ",
            "metric 1 half accuracy",
            "metric x 0.5 accuracy",
        ] {
            assert_eq!(Message::parse(line), None, "{line:?}");
        }
    }

    #[test]
    fn a_name_is_the_rest_of_the_line() {
        let parsed = Message::parse("begin 7 a.1 - forward pass \t(β)\u{7}").unwrap();
        let Content::Edge(Edge::Begin { key, parent, name }) = parsed.content else { panic!("{parsed:?}") };
        assert_eq!((key, parent, name.as_str()), (Key::Own("a.1".into()), None, "forward pass  (β)"));
        let long = format!("end 7 - {}", "é".repeat(1000));
        let Content::Edge(Edge::End { name, .. }) = Message::parse(&long).unwrap().content else { panic!() };
        assert_eq!(name.chars().count(), LONGEST_NAME);
    }

    fn keys() -> impl Strategy<Value = Key> {
        ("[a-z0-9.]{1,9}", any::<bool>())
            .prop_map(|(word, is_own)| if is_own { Key::Own(word) } else { Key::Name { sender: word } })
    }

    proptest! {
        #[test]
        fn the_end_of_all_survives_the_round_trip(sent_ns: u64) {
            let message = Message::edge(sent_ns, Edge::EndOpen);
            prop_assert_eq!(Message::parse(&message.to_string()), Some(message));
        }

        #[test]
        fn a_message_survives_the_round_trip(
            sent_ns: u64,
            key in keys(),
            parent in prop::option::of("[a-z0-9.]{1,9}"),
            name in "[^\\s\\p{Cc}]([^\\p{Cc}]{0,20}[^\\s\\p{Cc}])?",
            begins: bool,
        ) {
            let edge = match (begins, &key) {
                (true, _) => Edge::Begin { key, parent, name },
                (false, Key::Name { .. }) => Edge::End { key, name },
                (false, Key::Own(_)) => Edge::End { key, name: String::new() },
            };
            let message = Message::edge(sent_ns, edge);
            prop_assert_eq!(Message::parse(&message.to_string()), Some(message));
        }

        #[test]
        fn a_metric_survives_the_round_trip(sent_ns: u64, value in any::<f64>(), name in "[a-z][a-z/ ]{0,20}[a-z]") {
            let message = Message { sent_ns, content: Content::Metric { name: name.clone(), value } };
            let parsed = Message::parse(&message.to_string()).unwrap();
            let Content::Metric { name: parsed_name, value: parsed_value } = parsed.content else { panic!() };
            prop_assert_eq!((parsed.sent_ns, parsed_name), (sent_ns, name));
            prop_assert!(parsed_value == value || parsed_value.is_nan() && value.is_nan());
        }

        #[test]
        fn nothing_panics(line: String) {
            let _ = Message::parse(&line);
        }
    }
}
