//! What a practice is, in the words of its own documentation.

/// The documentation of a practice under its fixed headings, as its help and the report show it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Card {
    /// The practice's name, as in `early-stopping`.
    pub name: String,
    /// What it does.
    pub what: String,
    /// Why it saves energy.
    pub why: String,
    /// When it costs more than it saves.
    pub when: String,
    /// Who has shown that it works, and by how much.
    pub evidence: String,
    /// How to check it on one's own task.
    pub check: String,
}

impl Card {
    /// The card of the practice `name` from the source of its file, whose `//!` comment has the headings
    /// `# What it does`, `# Why it saves energy`, `# When it costs`, `# Evidence` and `# How to check`.
    pub fn of_source(name: &str, source: &str) -> Self {
        let mut card = Self { name: name.to_owned(), ..Self::default() };
        let mut heading = "";
        for line in source.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim) {
            if let Some(title) = line.strip_prefix('#') {
                heading = title.trim_start_matches('#').trim();
            } else if let Some(text) = card.section(heading) {
                if !text.is_empty() && !text.ends_with('\n') && !line.is_empty() {
                    text.push(' ');
                }
                text.push_str(if line.is_empty() && !text.is_empty() { "\n" } else { line });
            }
        }
        for text in [&mut card.what, &mut card.why, &mut card.when, &mut card.evidence, &mut card.check] {
            text.truncate(text.trim_end().len());
        }
        card
    }

    fn section(&mut self, heading: &str) -> Option<&mut String> {
        Some(match heading {
            "What it does" => &mut self.what,
            "Why it saves energy" => &mut self.why,
            "When it costs" => &mut self.when,
            "Evidence" => &mut self.evidence,
            "How to check" => &mut self.check,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_read_under_their_headings() {
        let source = "//! Prune: smaller.\n//!\n//! # What it does\n//! Removes whole\n//! channels.\n//!\n//! Then fine-tunes.\n//!\n//! ## How to check\n//! `joulewise bench`\nuse std::fmt;\n//! # Evidence\n";
        let card = Card::of_source("prune", source);
        assert_eq!(card.name, "prune");
        assert_eq!(card.what, "Removes whole channels.\nThen fine-tunes.");
        assert_eq!(card.check, "`joulewise bench`");
        assert_eq!(card.evidence, "");
    }
}
