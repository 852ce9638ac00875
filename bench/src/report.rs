//! The tables of `docs/speed.md`.

use std::fmt::Display;

/// A page of tables.
#[derive(Debug, Default)]
pub(crate) struct Page(String);

impl Page {
    /// A heading, with what stands below it.
    pub(crate) fn section(&mut self, title: &str, words: &str) {
        let marks = if self.0.is_empty() { "#" } else { "\n##" };
        self.0 += &[marks, " ", title, "\n\n", words, "\n"].concat();
    }

    /// A table; its first row is the head.
    pub(crate) fn table<C: Display>(&mut self, rows: &[Vec<C>]) {
        for (place, row) in rows.iter().enumerate() {
            let cells: Vec<String> = row.iter().map(ToString::to_string).collect();
            if place == 0 {
                self.0.push('\n');
            }
            self.0 += &["| ", &cells.join(" | "), " |\n"].concat();
            if place == 0 {
                self.0 += &["|", &" --- |".repeat(cells.len()), "\n"].concat();
            }
        }
    }

    /// The page as text.
    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

/// Cells of a row.
pub(crate) fn row<const N: usize>(cells: [&dyn Display; N]) -> Vec<String> {
    cells.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_a_head() {
        let mut page = Page::default();
        page.section("Speed", "Words.");
        page.table(&[row([&"what", &"figure"]), row([&"a", &1])]);
        assert_eq!(
            page.text(),
            "# Speed\n\nWords.\n\n| what | figure |\n| --- | --- |\n| a | 1 |\n"
        );
    }
}
