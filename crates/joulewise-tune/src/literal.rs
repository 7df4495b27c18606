//! Texts that stand for JSON: choices and notes, which come from tools with types and go to such.

use std::collections::BTreeMap;

use serde::Serializer;
use serde_json::Value as Json;

/// What a text stands for: a number, `true`, `false`, `null` or a quoted text where it reads as that; else itself.
pub(crate) fn meant(text: &str) -> Json {
    match serde_json::from_str(text) {
        // Digits that no number keeps are those of a name.
        Ok(Json::Number(number)) if number.is_f64() && !text.contains(['.', 'e', 'E']) => text.into(),
        Ok(json @ (Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_))) => json,
        Ok(json) if json.to_string().as_str() == text => json,
        _ => text.into(),
    }
}

/// The text that stands for `json`. Only those texts are quoted that would stand for something else.
pub(crate) fn text(json: &Json) -> String {
    match json {
        Json::String(text) if meant(text) == *json => text.clone(),
        other => other.to_string(),
    }
}

/// Writes what the texts stand for.
pub(crate) fn serialize<S: Serializer>(texts: &BTreeMap<String, String>, to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(texts.iter().map(|(name, text)| (name, meant(text))))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn types_are_kept_and_texts_look_like_themselves() {
        for (json, as_text) in [
            (json!(3), "3"),
            (json!(0.5), "0.5"),
            (json!(null), "null"),
            (json!(true), "true"),
            (json!("sgd"), "sgd"),
            (json!("3"), "\"3\""),
            (json!("true"), "\"true\""),
            (json!("\"3\""), r#""\"3\"""#),
            (json!("007"), "007"),
            (json!("12345678901234567890123"), "12345678901234567890123"),
            (json!([32, "a"]), r#"[32,"a"]"#),
            (json!(""), ""),
        ] {
            assert_eq!((text(&json).as_str(), meant(as_text)), (as_text, json));
        }
    }

    proptest! {
        #[test]
        fn any_text_comes_back(x in r#"[-0-9a-e.,"{}\[\] ]{0,6}"#) {
            prop_assert_eq!(meant(&text(&Json::String(x.clone()))), Json::String(x));
        }
    }
}
