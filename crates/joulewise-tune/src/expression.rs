//! Conditions and constraints: what may be said of the values of a point.
//!
//! Comparisons of sums and products, joined by `and`, `or` and `not`:
//! `optimiser in [sgd, adam]`, `layers * width <= 4096 and not (depth > 3)`. Names and choices that are more than a word
//! are quoted: ``model:depth`` in backquotes, `"no decay"` as a text.

mod parser;

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::domain::{Domain, Value};
use crate::point::Point;

/// A statement about the values of a point. It is read from text and written as the text that it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Expression {
    text: String,
    root: Node,
}

/// Why a text is no expression, or not one about a space.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}`: {problem}")]
pub struct ExpressionError {
    text: String,
    problem: String,
}

impl ExpressionError {
    /// What to do about it.
    pub fn cure(&self) -> &'static str {
        "write the names of parameters, numbers and choices, as in \"optimiser == sgd and batch <= 64\""
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Node {
    Number(f64),
    /// A parameter, or a choice that needs no quotes.
    Word(String),
    Text(String),
    Not(Box<Node>),
    Negative(Box<Node>),
    Binary(Operator, Box<Node>, Box<Node>),
    In(Box<Node>, Vec<Node>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Or,
    And,
    Equal,
    Unequal,
    Less,
    AtMost,
    Greater,
    AtLeast,
    Plus,
    Minus,
    Times,
    Divided,
}

/// What a part of an expression comes to.
#[derive(Clone, Debug, PartialEq)]
enum Part {
    Truth(bool),
    Number(f64),
    Text(String),
}

/// What a part can come to, known before there is a point. A choice may be both a number and a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Truth,
    Number,
    Text,
    Choice,
}

impl Expression {
    /// Whether it is true of `point`; `None` when that hangs on a parameter that is not active there.
    pub fn holds(&self, point: &Point) -> Option<bool> {
        self.root.part(point).and_then(Part::truth)
    }

    /// The words that are names of parameters when `is_name` says so.
    pub(crate) fn names(&self, is_name: impl Fn(&str) -> bool) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        self.root.visit(&mut |node| {
            if let Node::Word(word) = node
                && is_name(word)
            {
                names.insert(word.clone());
            }
        });
        names
    }

    /// Takes the bare words that are no parameters for the choices that they are compared with, and refuses what
    /// is then still unknown or makes no sense.
    pub(crate) fn resolve<'a>(
        &mut self,
        domain: impl Fn(&str) -> Option<&'a Domain>,
    ) -> Result<(), ExpressionError> {
        self.root.resolve(&domain);
        match self.root.kind(&domain) {
            Ok(Kind::Truth) => Ok(()),
            Ok(_) => Err(self.problem("says nothing that is true or false, as in `batch <= 64`".to_owned())),
            Err(problem) => Err(self.problem(problem)),
        }
    }

    fn problem(&self, problem: String) -> ExpressionError {
        ExpressionError { text: self.text.clone(), problem }
    }
}

impl FromStr for Expression {
    type Err = ExpressionError;

    fn from_str(text: &str) -> Result<Self, ExpressionError> {
        match parser::parse(text) {
            Ok(root) => Ok(Self { text: text.to_owned(), root }),
            Err(problem) => Err(ExpressionError { text: text.to_owned(), problem }),
        }
    }
}

impl TryFrom<String> for Expression {
    type Error = ExpressionError;

    fn try_from(text: String) -> Result<Self, ExpressionError> {
        text.parse()
    }
}

impl From<Expression> for String {
    fn from(expression: Expression) -> Self {
        expression.text
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Node {
    fn visit(&self, see: &mut impl FnMut(&Self)) {
        see(self);
        match self {
            Self::Number(_) | Self::Word(_) | Self::Text(_) => {}
            Self::Not(inner) | Self::Negative(inner) => inner.visit(see),
            Self::Binary(_, left, right) => {
                left.visit(see);
                right.visit(see);
            }
            Self::In(left, options) => {
                left.visit(see);
                options.iter().for_each(|option| option.visit(see));
            }
        }
    }

    fn part(&self, point: &Point) -> Option<Part> {
        Some(match self {
            Self::Number(x) => Part::Number(*x),
            Self::Text(text) => Part::of(&Value::Choice(text.clone())),
            Self::Word(word) => Part::of(point.get(word)?),
            Self::Not(inner) => Part::Truth(!inner.part(point)?.truth()?),
            Self::Negative(inner) => Part::Number(-inner.part(point)?.number()?),
            Self::In(left, options) => {
                let left = left.part(point)?;
                Part::Truth(options.iter().any(|option| option.part(point).as_ref() == Some(&left)))
            }
            Self::Binary(operator @ (Operator::And | Operator::Or), left, right) => {
                // One side alone may decide, whatever the other would be.
                let decides = *operator == Operator::Or;
                let sides = [left, right].map(|side| side.part(point).and_then(Part::truth));
                match sides {
                    [Some(side), _] | [_, Some(side)] if side == decides => Part::Truth(decides),
                    [Some(left), Some(right)] => {
                        Part::Truth(if decides { left || right } else { left && right })
                    }
                    _ => return None,
                }
            }
            Self::Binary(operator @ (Operator::Equal | Operator::Unequal), left, right) => {
                let (left, right) = (left.part(point)?, right.part(point)?);
                Part::Truth((left == right) == (*operator == Operator::Equal))
            }
            Self::Binary(operator, left, right) => {
                let (left, right) = (left.part(point)?.number()?, right.part(point)?.number()?);
                match operator {
                    Operator::Less => Part::Truth(left < right),
                    Operator::AtMost => Part::Truth(left <= right),
                    Operator::Greater => Part::Truth(left > right),
                    Operator::AtLeast => Part::Truth(left >= right),
                    Operator::Plus => Part::Number(left + right),
                    Operator::Minus => Part::Number(left - right),
                    Operator::Times => Part::Number(left * right),
                    _ => Part::Number(left / right),
                }
            }
        })
    }

    /// Makes texts of the bare words that are choices of the parameter that they are compared with.
    fn resolve<'a>(&mut self, domain: &impl Fn(&str) -> Option<&'a Domain>) {
        match self {
            Self::Number(_) | Self::Word(_) | Self::Text(_) => {}
            Self::Not(inner) | Self::Negative(inner) => inner.resolve(domain),
            Self::In(left, options) => {
                options.iter_mut().for_each(|option| option.become_choice(left, domain));
            }
            Self::Binary(Operator::Equal | Operator::Unequal, left, right) => {
                right.become_choice(left, domain);
                left.become_choice(right, domain);
            }
            Self::Binary(_, left, right) => {
                left.resolve(domain);
                right.resolve(domain);
            }
        }
    }

    fn become_choice<'a>(&mut self, of: &Self, domain: &impl Fn(&str) -> Option<&'a Domain>) {
        if let (Self::Word(word), Self::Word(name)) = (&*self, of)
            && domain(word).is_none()
            && let Some(Domain::Choice(options)) = domain(name)
            && options.contains(word)
        {
            *self = Self::Text(word.clone());
        }
    }

    fn kind<'a>(&self, domain: &impl Fn(&str) -> Option<&'a Domain>) -> Result<Kind, String> {
        let number = |node: &Self| match node.kind(domain)? {
            Kind::Number | Kind::Choice => Ok(()),
            _ => Err(format!("{} is no number", node.described())),
        };
        let truth = |node: &Self| match node.kind(domain)? {
            Kind::Truth => Ok(()),
            _ => Err(format!("{} is neither true nor false", node.described())),
        };
        Ok(match self {
            Self::Number(_) => Kind::Number,
            Self::Text(_) => Kind::Text,
            Self::Word(word) => match domain(word) {
                Some(Domain::Choice(_) | Domain::Fixed(Value::Choice(_))) => Kind::Choice,
                Some(_) => Kind::Number,
                None => {
                    return Err(format!(
                        "`{word}` is neither a parameter nor a choice of what it is compared with"
                    ));
                }
            },
            Self::Not(inner) => {
                truth(inner)?;
                Kind::Truth
            }
            Self::Negative(inner) => {
                number(inner)?;
                Kind::Number
            }
            Self::In(left, options) => {
                left.kind(domain)?;
                for option in options {
                    option.kind(domain)?;
                }
                Kind::Truth
            }
            Self::Binary(Operator::And | Operator::Or, left, right) => {
                truth(left)?;
                truth(right)?;
                Kind::Truth
            }
            Self::Binary(Operator::Equal | Operator::Unequal, left, right) => {
                left.kind(domain)?;
                right.kind(domain)?;
                Kind::Truth
            }
            Self::Binary(operator, left, right) => {
                number(left)?;
                number(right)?;
                match operator {
                    Operator::Plus | Operator::Minus | Operator::Times | Operator::Divided => Kind::Number,
                    _ => Kind::Truth,
                }
            }
        })
    }

    fn described(&self) -> String {
        match self {
            Self::Number(x) => format!("`{x}`"),
            Self::Word(text) | Self::Text(text) => format!("`{text}`"),
            _ => "what stands in parentheses".to_owned(),
        }
    }
}

impl Part {
    fn of(value: &Value) -> Self {
        value.number().map_or_else(|| Self::Text(value.to_string()), Self::Number)
    }

    fn truth(self) -> Option<bool> {
        match self {
            Self::Truth(truth) => Some(truth),
            _ => None,
        }
    }

    fn number(self) -> Option<f64> {
        match self {
            Self::Number(x) => Some(x),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::Space;

    fn space() -> Space {
        let space = Space::new().int("layers", 1, 9).unwrap().float("rate", 0.0, 1.0).unwrap();
        space
            .choice("optimiser", &["sgd", "adam", "no decay"])
            .unwrap()
            .choice("batch", &["16", "64"])
            .unwrap()
    }

    fn point() -> Point {
        [
            ("layers".to_owned(), Value::Int(3)),
            ("rate".to_owned(), Value::Float(0.25)),
            ("optimiser".to_owned(), Value::Choice("sgd".into())),
            ("batch".to_owned(), Value::Choice("64".into())),
        ]
        .into_iter()
        .collect()
    }

    fn resolved(text: &str) -> Result<Expression, ExpressionError> {
        let space = space();
        let mut expression = text.parse::<Expression>()?;
        expression.resolve(|name| space.domain(name))?;
        Ok(expression)
    }

    #[test]
    fn statements_are_read_as_they_are_meant() {
        for (text, truth) in [
            ("layers == 3", true),
            ("layers != 3 or rate < 0.5", true),
            ("layers * 2 + 1 <= 7 and rate * 4 == 1", true),
            ("layers - 1 - 1 == 1", true),
            ("-layers < -2 && !(rate > .3)", true),
            ("not layers > 2", false),
            ("optimiser in [sgd, 'no decay']", true),
            ("optimiser not in [sgd, adam]", false),
            ("optimiser = \"no decay\"", false),
            ("`layers` in [`layers`]", true),
            ("batch > 32 and batch in [16, 64]", true),
            ("batch == \"64\"", true),
            ("layers / 2 >= 1.5e0", true),
            ("rate > 1 or layers > 9 or optimiser == sgd", true),
        ] {
            let expression = resolved(text).unwrap();
            assert_eq!(expression.holds(&point()), Some(truth), "{text}");
            let json = serde_json::to_string(&expression).unwrap();
            assert_eq!(serde_json::from_str::<Expression>(&json).unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_not_active_decides_nothing() {
        let point = Point::from_iter([("layers".to_owned(), Value::Int(3))]);
        let holds = |text: &str| resolved(text).unwrap().holds(&point);
        assert_eq!(holds("rate > 0.5"), None);
        assert_eq!(holds("rate > 0.5 and layers == 3"), None);
        assert_eq!(holds("rate > 0.5 or layers == 3"), Some(true));
        assert_eq!(holds("rate > 0.5 and layers == 4"), Some(false));
        assert_eq!(holds("not rate > 0.5"), None);
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        let problem = |text: &str| resolved(text).unwrap_err().to_string();
        assert_eq!(
            problem("layer > 2"),
            "`layer > 2`: `layer` is neither a parameter nor a choice of what it is compared with"
        );
        assert_eq!(
            problem("optimiser == sdg"),
            "`optimiser == sdg`: `sdg` is neither a parameter nor a choice of what it is compared with"
        );
        assert_eq!(
            problem("layers + 2"),
            "`layers + 2`: says nothing that is true or false, as in `batch <= 64`"
        );
        assert_eq!(
            problem("(layers > 1) > 2"),
            "`(layers > 1) > 2`: what stands in parentheses is no number"
        );
        assert_eq!(problem("layers and rate"), "`layers and rate`: `layers` is neither true nor false");
        for text in
            ["", "layers >", "layers > 2)", "(layers > 2", "layers ? 2", "optimiser in sgd", "'layers", "1 2"]
        {
            assert!(text.parse::<Expression>().is_err(), "{text}");
        }
        let deep = "(".repeat(100_000) + "layers > 1";
        assert!(deep.parse::<Expression>().is_err());
    }
}
