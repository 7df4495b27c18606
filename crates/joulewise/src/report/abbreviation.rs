//! Names that have to be short and yet stay distinct.

/// Each of `names` in at most `most` letters, those that are longer without some of their middle, as in
/// `smaller…0.25`. Different names stay different, as far as `most` letters can tell them apart.
pub fn abbreviated(names: &[&str], most: usize) -> Vec<String> {
    let most = most.max(3);
    let mut short: Vec<String> = names.iter().map(|name| elided(name, most, most / 2)).collect();
    // The ends that tell two names apart may be anywhere: what the names of a clash keep of theirs grows and shrinks.
    let ends =
        (1..most).flat_map(|step| [most / 2 + step, (most / 2).wrapping_sub(step)]).filter(|&end| end < most);
    for end in ends {
        let clashing = clashes(names, &short);
        if clashing.is_empty() {
            return short;
        }
        for i in clashing {
            short[i] = elided(names[i], most, end);
        }
    }
    // Names that differ only in the middle are numbered.
    for i in clashes(names, &short) {
        let number = format!("…{}", i + 1);
        let kept = most.saturating_sub(number.chars().count());
        short[i] = names[i].chars().take(kept).collect::<String>() + &number;
    }
    short
}

/// Indices of those that were shortened to what another name is called by as well.
fn clashes(names: &[&str], short: &[String]) -> Vec<usize> {
    let clash = |i: usize| (0..names.len()).any(|j| short[i] == short[j] && names[i] != names[j]);
    (0..names.len()).filter(|&i| short[i] != names[i] && clash(i)).collect()
}

/// `name` in at most `most` letters, of which `end` are its last ones.
fn elided(name: &str, most: usize, end: usize) -> String {
    let letters: Vec<char> = name.chars().collect();
    if letters.len() <= most {
        return name.to_owned();
    }
    let start = most - 1 - end;
    letters[..start].iter().chain(&['…']).chain(&letters[letters.len() - end..]).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_middle_goes_and_distinct_names_stay_so() {
        let names =
            ["smaller-network-0.5", "smaller-network-0.25", "baseline", "smaller-network-0.5+quantise"];
        assert_eq!(abbreviated(&names, 12), ["small…rk-0.5", "small…k-0.25", "baseline", "small…antise"]);
        let chains = ["smaller-network-0.5+quantise", "smaller-network-0.25+quantise"];
        assert_eq!(abbreviated(&chains, 16), ["smal….5+quantise", "smal…25+quantise"]);
        assert_eq!(abbreviated(&["äöüß", "äöüßx"], 4), ["äöüß", "ä…ßx"]);
    }

    proptest! {
        #[test]
        fn names_fit_and_stay_distinct(
            names in prop::collection::hash_set("[ab]{1,14}(-[ab]{1,14})?", 1..12), most in 6usize..16,
        ) {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let short = abbreviated(&names, most);
            prop_assert!(short.iter().all(|name| name.chars().count() <= most));
            prop_assert_eq!(short.iter().collect::<HashSet<_>>().len(), names.len(), "{:?}", short);
        }
    }
}
