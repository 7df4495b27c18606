//! Tables of text that give way to the width of a terminal: columns go, then letters of the names.

use std::borrow::Cow;

use super::abbreviation::abbreviated;
use super::terminal::escaped;

/// What stands between two columns.
pub const GAP: &str = "  ";

/// Letters that names give up before a column has to go.
const SPARE_LETTERS: usize = 4;

/// Letters that a name keeps.
const NAME: usize = 8;

/// A column of a [`Grid`].
#[derive(Clone, Debug)]
pub struct Column {
    /// Stands above its cells.
    pub heading: String,
    /// Words stand to the left, numbers to the right.
    pub align: Align,
    /// The column that is left out first has the largest; one with 0 stays.
    pub spare: u8,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Words.
    Left,
    /// Names, which may be abbreviated.
    Names,
    /// Numbers.
    Right,
}

/// A table of text with a row of headings.
#[derive(Clone, Debug)]
pub struct Grid {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

impl Grid {
    /// A table of `rows`, each with a cell per column. What would command a terminal is shown [`escaped`].
    pub fn new(mut columns: Vec<Column>, mut rows: Vec<Vec<String>>) -> Self {
        let headings = columns.iter_mut().map(|column| &mut column.heading);
        for cell in rows.iter_mut().flatten().chain(headings) {
            if let Cow::Owned(shown) = escaped(cell) {
                *cell = shown;
            }
        }
        Self { columns, rows }
    }

    /// Leaves out columns, and then letters of the names, until a line has at most `width` letters.
    pub fn fit(&mut self, width: usize) {
        // A few letters fewer in the names cost less than a column.
        while self.width() > width.saturating_add(SPARE_LETTERS) {
            let spare = (0..self.columns.len()).filter(|&i| self.columns[i].spare > 0);
            let Some(spare) = spare.max_by_key(|&i| self.columns[i].spare) else { break };
            self.columns.remove(spare);
            for row in &mut self.rows {
                row.remove(spare);
            }
        }
        let excess = self.width().saturating_sub(width);
        let names = self.columns.iter().position(|column| column.align == Align::Names);
        if let Some(names) = names.filter(|_| excess > 0) {
            let most = self.widths()[names].saturating_sub(excess).max(NAME);
            let cells: Vec<&str> = self.rows.iter().map(|row| row[names].as_str()).collect();
            let short = abbreviated(&cells, most);
            for (row, name) in self.rows.iter_mut().zip(short) {
                row[names] = name;
            }
        }
    }

    /// Letters of a line.
    pub fn width(&self) -> usize {
        self.widths().iter().sum::<usize>() + GAP.len() * self.columns.len().saturating_sub(1)
    }

    /// The headings and then each row, their cells padded to the width of their columns.
    pub fn lines(&self) -> impl Iterator<Item = Vec<String>> {
        let widths = self.widths();
        let headings = self.columns.iter().map(|column| column.heading.clone()).collect();
        std::iter::once(headings).chain(self.rows.iter().cloned()).map(move |row| {
            let cells = row.into_iter().zip(&self.columns).zip(&widths);
            let padded = |((cell, column), &width): ((String, &Column), &usize)| {
                let padding = " ".repeat(width - letters(&cell));
                if column.align == Align::Right { padding + &cell } else { cell + &padding }
            };
            cells.map(padded).collect()
        })
    }

    fn widths(&self) -> Vec<usize> {
        let cells = |i: usize| self.rows.iter().map(move |row| letters(&row[i]));
        let width = |(i, column): (usize, &Column)| cells(i).fold(letters(&column.heading), usize::max);
        self.columns.iter().enumerate().map(width).collect()
    }
}

/// Letters of a text, as a terminal shows them.
pub(super) fn letters(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid() -> Grid {
        let column = |heading: &str, align, spare| Column { heading: heading.to_owned(), align, spare };
        let columns = vec![
            column("name", Align::Names, 0),
            column("more", Align::Right, 1),
            column("most", Align::Right, 2),
            column("what", Align::Right, 0),
        ];
        let row = |name: &str| vec![name.to_owned(), "12".to_owned(), "345".to_owned(), "6".to_owned()];
        Grid::new(columns, vec![row("smaller-network-0.5"), row("smaller-network-0.25")])
    }

    fn text(width: usize) -> Vec<String> {
        let mut grid = grid();
        grid.fit(width);
        grid.lines().map(|cells| cells.join(GAP)).collect()
    }

    #[test]
    fn nothing_in_a_cell_commands_the_terminal() {
        let column = |heading: &str| Column { heading: heading.to_owned(), align: Align::Right, spare: 0 };
        let row = vec!["\u{1b}[31mred".to_owned(), "two\nlines".to_owned()];
        let lines: Vec<String> = Grid::new(vec![column("a\tb"), column("c")], vec![row])
            .lines()
            .map(|cells| cells.join(GAP))
            .collect();
        assert_eq!(lines, ["         a\\tb           c", "\\u{1b}[31mred  two\\nlines"]);
    }

    #[test]
    fn columns_go_before_names_and_names_stay_distinct() {
        assert_eq!(text(usize::MAX)[1], "smaller-network-0.5     12   345     6");
        assert_eq!(text(32)[0], "name                  more  what");
        assert_eq!(text(20), ["name            what", "smalle…ork-0.5     6", "smalle…rk-0.25     6"]);
    }
}
