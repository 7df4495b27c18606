//! Which spans are open, and what those that ended have used, by name.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::message::{Edge, Key};
use crate::energy::{Energy, Estimate};
use crate::meter::Totals;

/// What all spans of one name inside the same parent have used.
///
/// Each counts whatever the session counts while it is open: spans that overlap count the same joules, each in full.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SpanTotal {
    /// Counts from 1 in the order in which the names were first seen.
    pub id: u32,
    /// Chosen by the program.
    pub name: String,
    /// The spans that these are nested in.
    pub parent: Option<u32>,
    /// How many there were.
    pub count: u64,
    /// How many of them were still open at the end, and are counted up to it.
    pub unclosed: u64,
    /// Joules of all of them.
    #[serde(rename = "energy_j")]
    pub energy: Energy,
    /// CPU time of the process tree in all of them, in seconds.
    pub cpu_s: f64,
    /// From begin to end, over all of them, in seconds.
    pub wall_s: f64,
}

/// Those totals with their depths, each behind the one that it is nested in.
pub fn nested(totals: &[SpanTotal]) -> Vec<(usize, &SpanTotal)> {
    let mut inside: HashMap<Option<u32>, Vec<&SpanTotal>> = HashMap::new();
    for total in totals.iter().rev() {
        inside.entry(total.parent).or_default().push(total);
    }
    let mut of = |parent, depth| {
        let inner = inside.remove(&parent).unwrap_or_default();
        inner.into_iter().map(move |total| (depth, total)).collect::<Vec<_>>()
    };
    let mut found = Vec::with_capacity(totals.len());
    let mut next = of(None, 0);
    while let Some((depth, total)) = next.pop() {
        found.push((depth, total));
        next.extend(of(Some(total.id), depth + 1));
    }
    found
}

/// The open spans and the sums.
#[derive(Default)]
pub(super) struct Book {
    sums: Vec<Sum>,
    by_name: HashMap<(Option<u32>, String), u32>,
    open: HashMap<String, Open>,
    /// Spans that are known by their name, as they began, each with its sender.
    named: Vec<(String, Open)>,
    /// Edges that fit to no span: an end without a begin, a key that is in use.
    pub(super) unfitting: u64,
}

struct Sum {
    name: String,
    parent: Option<u32>,
    count: u64,
    unclosed: u64,
    used: Estimate,
    cpu_s: f64,
    wall_s: f64,
}

struct Open {
    id: u32,
    begun: Totals,
}

/// A span that ended.
pub(super) struct Closed {
    pub(super) name: String,
    pub(super) energy: Energy,
    pub(super) cpu_s: f64,
    pub(super) wall_s: f64,
}

/// A program that counts in its spans' names is not to fill the memory.
const MOST_NAMES: usize = 10_000;
/// The name of all spans beyond.
const OTHERS: &str = "(others)";
/// Nor is one that never ends its spans.
const MOST_OPEN: usize = 100_000;

impl Book {
    /// Takes in an edge; gives the spans that it ended.
    pub(super) fn take(&mut self, edge: Edge, now: Totals) -> Vec<Closed> {
        match edge {
            Edge::Begin { key, parent, name } => {
                self.begin(key, parent.as_deref(), name, now);
                Vec::new()
            }
            Edge::EndOpen => self.close_all(now),
            Edge::End { key, name } => {
                let ended = match key {
                    Key::Own(key) => self.open.remove(&key),
                    Key::Name { sender } => self.innermost(&sender, &name).map(|i| self.named.remove(i).1),
                };
                if ended.is_none() {
                    self.unfitting += 1;
                }
                ended.map(|open| self.close(&open, now)).into_iter().collect()
            }
        }
    }

    fn begin(&mut self, key: Key, parent: Option<&str>, name: String, begun: Totals) {
        let is_in_use = matches!(&key, Key::Own(key) if self.open.contains_key(key));
        if is_in_use || self.open.len() + self.named.len() >= MOST_OPEN {
            self.unfitting += 1;
            return;
        }
        let around = match (parent, &key) {
            (Some(parent), _) => self.open.get(parent),
            (None, Key::Own(_)) => None,
            // Who remembers no key begins and ends like a stack.
            (None, Key::Name { sender }) => {
                self.named.iter().rev().find(|(of, _)| of == sender).map(|(_, open)| open)
            }
        };
        let id = self.id_of(around.map(|open| open.id), name);
        let open = Open { id, begun };
        match key {
            Key::Own(key) => drop(self.open.insert(key, open)),
            Key::Name { sender } => self.named.push((sender, open)),
        }
    }

    fn id_of(&mut self, parent: Option<u32>, name: String) -> u32 {
        let is_full = self.sums.len() >= MOST_NAMES;
        let (parent, name) = match self.by_name.get(&(parent, name.clone())) {
            Some(&id) => return id,
            None if is_full => (None, OTHERS.to_owned()),
            None => (parent, name),
        };
        let next = self.sums.len() as u32 + 1;
        let id = *self.by_name.entry((parent, name.clone())).or_insert(next);
        if id == next {
            self.sums.push(Sum {
                name,
                parent,
                count: 0,
                unclosed: 0,
                used: Estimate::zero(),
                cpu_s: 0.0,
                wall_s: 0.0,
            });
        }
        id
    }

    /// The last of the named spans that has this name, of that sender or else of any.
    fn innermost(&self, sender: &str, name: &str) -> Option<usize> {
        let fits = |open: &Open| self.sums[open.id as usize - 1].name == name;
        let own = self.named.iter().rposition(|(of, open)| of == sender && fits(open));
        own.or_else(|| self.named.iter().rposition(|(_, open)| fits(open)))
    }

    fn close(&mut self, open: &Open, now: Totals) -> Closed {
        // Clocks of two processes that share a span may disagree, and what is read more closely at one edge than at the
        // other may overlap: nothing is less than nothing.
        let now = if now.at_s < open.begun.at_s { open.begun } else { now };
        let used = now.since(&open.begun).at_least_nothing();
        let sum = &mut self.sums[open.id as usize - 1];
        let (cpu_s, wall_s) = ((now.cpu_s - open.begun.cpu_s).max(0.0), now.at_s - open.begun.at_s);
        sum.count += 1;
        sum.used = sum.used + used;
        sum.cpu_s += cpu_s;
        sum.wall_s += wall_s;
        Closed { name: sum.name.clone(), energy: used.energy(), cpu_s, wall_s }
    }

    /// Ends what is still open; gives the spans that this ended.
    pub(super) fn close_all(&mut self, now: Totals) -> Vec<Closed> {
        let named = self.named.drain(..).map(|(_, open)| open);
        let open: Vec<Open> = self.open.drain().map(|(_, open)| open).chain(named).collect();
        let close = |open: &Open| {
            self.sums[open.id as usize - 1].unclosed += 1;
            self.close(open, now)
        };
        open.iter().map(close).collect()
    }

    /// The sums of all spans that ended.
    pub(super) fn totals(&self) -> Vec<SpanTotal> {
        let total = |(i, sum): (usize, &Sum)| SpanTotal {
            id: i as u32 + 1,
            name: sum.name.clone(),
            parent: sum.parent,
            count: sum.count,
            unclosed: sum.unclosed,
            energy: sum.used.energy(),
            cpu_s: sum.cpu_s,
            wall_s: sum.wall_s,
        };
        self.sums.iter().enumerate().map(total).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(at_s: f64) -> Totals {
        let mut totals = Totals::START.corrected(10.0 * at_s, (0.5, 2.0));
        (totals.at_s, totals.cpu_s) = (at_s, at_s / 4.0);
        totals
    }

    fn key(word: &str) -> Key {
        match word.strip_prefix('-') {
            Some(sender) => Key::Name { sender: sender.to_owned() },
            None => Key::Own(word.to_owned()),
        }
    }

    fn begin(word: &str, parent: &str, name: &str) -> Edge {
        let parent = (parent != "-").then(|| parent.to_owned());
        Edge::Begin { key: key(word), parent, name: name.to_owned() }
    }

    fn end(word: &str, name: &str) -> Edge {
        Edge::End { key: key(word), name: name.to_owned() }
    }

    #[test]
    fn spans_of_a_name_add_up_inside_their_parent() {
        let mut book = Book::default();
        book.take(begin("1", "-", "epoch"), at(0.0));
        for i in 0..3 {
            let begun_s = f64::from(i);
            book.take(begin("2", "1", "step"), at(begun_s));
            assert_eq!(book.take(end("2", ""), at(begun_s + 0.5))[0].energy.value, 5.0);
        }
        book.take(begin("3", "gone", "step"), at(3.0));
        book.take(end("1", ""), at(4.0));
        book.take(end("3", ""), at(5.0));
        let totals = book.totals();
        let found: Vec<_> = totals
            .iter()
            .map(|t| (t.id, t.name.as_str(), t.parent, t.count, t.energy.value, t.cpu_s, t.wall_s))
            .collect();
        assert_eq!(
            found,
            [
                (1, "epoch", None, 1, 40.0, 1.0, 4.0),
                (2, "step", Some(1), 3, 15.0, 0.375, 1.5),
                (3, "step", None, 1, 20.0, 0.5, 2.0),
            ]
        );
        assert_eq!((totals[0].energy.low, totals[0].energy.high, book.unfitting), (20.0, 80.0, 0));
    }

    #[test]
    fn a_span_without_a_key_is_ended_by_its_name() {
        let mut book = Book::default();
        book.take(begin("-sh", "-", "night"), at(0.0));
        book.take(begin("-sh", "-", "run"), at(1.0));
        book.take(begin("-other", "-", "run"), at(2.0));
        assert_eq!(book.take(end("-sh", "night"), at(3.0))[0].wall_s, 3.0);
        assert!(book.take(end("-sh", "night"), at(4.0)).is_empty());
        assert_eq!(book.unfitting, 1);
        assert_eq!(book.take(end("-sh", "run"), at(4.0))[0].wall_s, 3.0, "its own comes first");
        assert_eq!(book.take(end("-subshell", "run"), at(4.0))[0].wall_s, 2.0);
        book.take(begin("-sh", "-", "left"), at(4.0));
        assert_eq!(book.take(Edge::EndOpen, at(5.0)).len(), 1);
        let parents: Vec<_> = book.totals().into_iter().map(|t| (t.name, t.parent, t.unclosed)).collect();
        let expected = [("night", None, 0), ("run", Some(1), 0), ("run", None, 0), ("left", None, 1)];
        assert_eq!(parents, expected.map(|(name, parent, unclosed)| (name.to_owned(), parent, unclosed)));
    }

    #[test]
    fn names_without_end_share_one_sum() {
        let mut book = Book::default();
        for i in 0..MOST_NAMES + 5 {
            book.take(begin("k", "-", &format!("step {i}")), at(0.0));
            book.take(end("k", ""), at(1.0));
        }
        let totals = book.totals();
        assert_eq!(totals.len(), MOST_NAMES + 1);
        assert_eq!((totals[MOST_NAMES].name.as_str(), totals[MOST_NAMES].count), (OTHERS, 5));
    }

    fn edges() -> impl Strategy<Value = Edge> {
        let key = || prop::sample::select(vec!["-", "-1", "1", "2"]);
        let name = || prop::sample::select(vec!["a", "b"]);
        prop_oneof![
            (key(), key(), name()).prop_map(|(key, parent, name)| begin(key, parent, name)),
            (key(), name()).prop_map(|(key, name)| end(key, name)),
        ]
    }

    proptest! {
        /// Whatever comes, in whatever order and with whatever clock: nothing is negative, and nothing is lost.
        #[test]
        fn any_edges_give_a_sound_book(edges in prop::collection::vec((edges(), 0.0..10.0f64), 0..80)) {
            let begins = edges.iter().filter(|(edge, _)| matches!(edge, Edge::Begin { .. })).count() as u64;
            let ends = edges.len() as u64 - begins;
            let (mut book, mut closed) = (Book::default(), 0);
            for (edge, at_s) in edges {
                closed += book.take(edge, at(at_s)).len() as u64;
            }
            let left = book.close_all(at(10.0)).len() as u64;
            prop_assert_eq!(begins + ends, 2 * closed + left + book.unfitting);
            let totals = book.totals();
            prop_assert_eq!(totals.iter().map(|t| t.count).sum::<u64>(), closed + left);
            prop_assert_eq!(totals.iter().map(|t| t.unclosed).sum::<u64>(), left);
            for total in totals {
                prop_assert!(total.energy.value >= 0.0 && total.cpu_s >= 0.0 && total.wall_s >= 0.0);
                prop_assert!(total.parent.is_none_or(|parent| parent < total.id));
            }
        }
    }
}
