//! From text to nodes, by binding power (Pratt 1973).

use super::{Node, Operator};

/// Parentheses and signs may be nested so deep; a stack is finite.
const DEEPEST: usize = 64;

pub(super) fn parse(text: &str) -> Result<Node, String> {
    let mut parser = Parser { tokens: tokens(text)?, next: 0, depth: 0 };
    let root = parser.node(0)?;
    match parser.take() {
        None => Ok(root),
        Some(token) => Err(format!("{} is one too many", token.described())),
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Number(f64),
    Word(String),
    Text(String),
    Sign(&'static str),
}

/// The longer ones first, so that `<=` is not read as `<`.
const SIGNS: [&str; 19] =
    ["<=", ">=", "==", "!=", "&&", "||", "<", ">", "=", "!", "+", "-", "*", "/", "(", ")", "[", "]", ","];

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = if first.is_ascii_digit() || first == '.' {
            let length = number_length(rest);
            let number = rest[..length].parse().map_err(|_| format!("`{}` is no number", &rest[..length]))?;
            tokens.push(Token::Number(number));
            length
        } else if first.is_alphabetic() || first == '_' {
            let length =
                rest.find(|c: char| !(c.is_alphanumeric() || "_.-".contains(c))).unwrap_or(rest.len());
            // A minus is part of a name only between letters: `a-b` is a name, `a -b` and `a- b` are not.
            let length = rest[..length].trim_end_matches(['-', '.']).len();
            tokens.push(Token::Word(rest[..length].to_owned()));
            length
        } else if "\"'`".contains(first) {
            let end = rest[1..].find(first).ok_or("a quote is not closed")?;
            let quoted = rest[1..=end].to_owned();
            // Names of parameters may be more than a word, too.
            tokens.push(if first == '`' { Token::Word(quoted) } else { Token::Text(quoted) });
            end + 2
        } else {
            let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign));
            let sign = sign.ok_or_else(|| format!("`{first}` has no meaning here"))?;
            tokens.push(Token::Sign(sign));
            sign.len()
        };
        rest = rest[length..].trim_start();
    }
    Ok(tokens)
}

/// Digits, a point and an exponent, whose sign belongs to it.
fn number_length(text: &str) -> usize {
    let mut before = ' ';
    let end = text.find(|c: char| {
        let part = c.is_ascii_digit() || ".eE_".contains(c) || ("+-".contains(c) && "eE".contains(before));
        before = c;
        !part
    });
    end.unwrap_or(text.len())
}

struct Parser {
    tokens: Vec<Token>,
    next: usize,
    depth: usize,
}

impl Parser {
    /// A node whose operators all bind tighter than `least`.
    fn node(&mut self, least: u8) -> Result<Node, String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(format!("is nested more than {DEEPEST} deep"));
        }
        let mut left = self.operand()?;
        while let Some((operator, power)) = self.peek().and_then(infix) {
            if power <= least {
                break;
            }
            self.next += 1;
            left = match operator {
                Infix::Plain(operator) => Node::Binary(operator, Box::new(left), Box::new(self.node(power)?)),
                Infix::In => Node::In(Box::new(left), self.list()?),
                Infix::NotIn => {
                    self.expect(&Token::Word("in".to_owned()))?;
                    Node::Not(Box::new(Node::In(Box::new(left), self.list()?)))
                }
            };
        }
        self.depth -= 1;
        Ok(left)
    }

    fn operand(&mut self) -> Result<Node, String> {
        match self.take().ok_or("ends too early")? {
            Token::Number(x) => Ok(Node::Number(x)),
            Token::Text(text) => Ok(Node::Text(text)),
            Token::Word(word) if word == "not" => Ok(Node::Not(Box::new(self.node(NOT)?))),
            Token::Word(word) => Ok(Node::Word(word)),
            Token::Sign("!") => Ok(Node::Not(Box::new(self.node(SIGN)?))),
            Token::Sign("-") => Ok(Node::Negative(Box::new(self.node(SIGN)?))),
            Token::Sign("(") => {
                let inner = self.node(0)?;
                self.expect(&Token::Sign(")"))?;
                Ok(inner)
            }
            token @ Token::Sign(_) => Err(format!("{} stands where a value should be", token.described())),
        }
    }

    fn list(&mut self) -> Result<Vec<Node>, String> {
        self.expect(&Token::Sign("["))?;
        let mut options = Vec::new();
        loop {
            options.push(self.node(COMPARISON)?);
            match self.take() {
                Some(Token::Sign(",")) => {}
                Some(Token::Sign("]")) => return Ok(options),
                _ => return Err("a list is not closed by `]`".to_owned()),
            }
        }
    }

    fn expect(&mut self, token: &Token) -> Result<(), String> {
        match self.take() {
            Some(found) if found == *token => Ok(()),
            Some(found) => Err(format!("{} stands where {} should be", found.described(), token.described())),
            None => Err(format!("ends where {} should be", token.described())),
        }
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next)
    }

    fn take(&mut self) -> Option<Token> {
        let token = self.peek().cloned();
        self.next += 1;
        token
    }
}

enum Infix {
    Plain(Operator),
    In,
    NotIn,
}

const NOT: u8 = 3;
const COMPARISON: u8 = 4;
const SIGN: u8 = 7;

fn infix(token: &Token) -> Option<(Infix, u8)> {
    let (operator, power) = match token {
        Token::Word(word) => match word.as_str() {
            "or" => (Operator::Or, 1),
            "and" => (Operator::And, 2),
            "in" => return Some((Infix::In, COMPARISON)),
            "not" => return Some((Infix::NotIn, COMPARISON)),
            _ => return None,
        },
        Token::Sign(sign) => match *sign {
            "||" => (Operator::Or, 1),
            "&&" => (Operator::And, 2),
            "==" | "=" => (Operator::Equal, COMPARISON),
            "!=" => (Operator::Unequal, COMPARISON),
            "<" => (Operator::Less, COMPARISON),
            "<=" => (Operator::AtMost, COMPARISON),
            ">" => (Operator::Greater, COMPARISON),
            ">=" => (Operator::AtLeast, COMPARISON),
            "+" => (Operator::Plus, 5),
            "-" => (Operator::Minus, 5),
            "*" => (Operator::Times, 6),
            "/" => (Operator::Divided, 6),
            _ => return None,
        },
        Token::Number(_) | Token::Text(_) => return None,
    };
    Some((Infix::Plain(operator), power))
}

impl Token {
    fn described(&self) -> String {
        match self {
            Self::Number(x) => format!("`{x}`"),
            Self::Word(text) | Self::Text(text) => format!("`{text}`"),
            Self::Sign(sign) => format!("`{sign}`"),
        }
    }
}
