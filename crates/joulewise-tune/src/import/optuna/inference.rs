//! Conditions, which Optuna does not write down.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::Domain;
use crate::point::Point;

/// When `name` has a value in `points`, if the values of a choice that all of them have tell.
pub(super) fn condition(name: &str, domains: &BTreeMap<String, Domain>, points: &[&Point]) -> Option<String> {
    let choices = domains.iter().filter(|(_, domain)| domain.is_categorical());
    choices.map(|(choice, _)| choice).find_map(|choice| {
        let values = |is_there: bool| -> Option<BTreeSet<&str>> {
            let points = points.iter().filter(|point| point.get(name).is_some() == is_there);
            points.map(|point| point.choice(choice)).collect()
        };
        let (with, without) = (values(true)?, values(false)?);
        if !with.is_disjoint(&without) || with.iter().any(|value| value.contains('"')) {
            return None;
        }
        let values = with.iter().map(|value| format!("\"{value}\"")).collect::<Vec<_>>();
        match &values[..] {
            [only] => Some(format!("{choice} == {only}")),
            several => Some(format!("{choice} in [{}]", several.join(", "))),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Value;

    #[test]
    fn a_choice_tells_when_another_parameter_matters() {
        let domains = BTreeMap::from([
            ("colour".to_owned(), Domain::choice(&["red", "blue"])),
            ("optimiser".to_owned(), Domain::choice(&["sgd", "adam", "lion"])),
            ("momentum".to_owned(), Domain::float(0.0, 1.0)),
        ]);
        let point = |colour: &str, optimiser: &str, momentum: Option<f64>| {
            let text = |value: &str| Value::Choice(value.to_owned());
            let both = [("colour", text(colour)), ("optimiser", text(optimiser))];
            let momentum = momentum.map(|x| ("momentum", Value::Float(x)));
            both.into_iter().chain(momentum).map(|(k, v)| (k.to_owned(), v)).collect::<Point>()
        };
        let mut points =
            vec![point("red", "sgd", Some(0.5)), point("red", "adam", None), point("blue", "adam", None)];
        let infer = |points: &[Point]| condition("momentum", &domains, &points.iter().collect::<Vec<_>>());
        assert_eq!(infer(&points).unwrap(), r#"optimiser == "sgd""#);
        points.push(point("blue", "lion", Some(0.1)));
        assert_eq!(infer(&points).unwrap(), r#"optimiser in ["lion", "sgd"]"#);
        points.push(point("blue", "lion", None));
        assert_eq!(infer(&points), None);
    }
}
