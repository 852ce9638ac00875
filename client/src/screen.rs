//! How lines look on a terminal: colours, the signs that it can show, and its width.

/// What a terminal, a pipe or a file takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    /// Whether colours are shown.
    pub(crate) colour: bool,
    /// Whether signs beyond ASCII are shown.
    pub(crate) blocks: bool,
    /// How many columns there are; where nobody looks there are as many as are needed.
    pub(crate) width: Option<usize>,
}

/// A colour of the terminal's own sixteen, which suit its background.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paint {
    /// Whatever text has.
    Plain,
    /// What is meant.
    Bold,
    /// What is well.
    Green,
    /// What is soon to change; yellow cannot be read on a light background.
    Magenta,
    /// What failed.
    Red,
}

impl Paint {
    fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Bold => Some("1"),
            Self::Green => Some("32"),
            Self::Magenta => Some("35"),
            Self::Red => Some("31"),
        }
    }
}

impl Look {
    /// The text in a colour, where colours are shown.
    pub(crate) fn painted(self, text: &str, paint: Paint) -> String {
        match paint.code() {
            Some(code) if self.colour && !text.is_empty() => {
                format!("\u{1b}[{code}m{text}\u{1b}[0m")
            }
            Some(_) | None => text.to_owned(),
        }
    }

    /// The text in lines that fit behind an indent; a word that is too long stays whole.
    pub(crate) fn wrapped(self, text: &str, indent: usize) -> Vec<String> {
        let room = self
            .width
            .map_or(usize::MAX, |width| width.saturating_sub(indent));
        let mut lines: Vec<String> = Vec::new();
        for word in text.split(' ') {
            match lines.last_mut() {
                Some(line) if length(line) + 1 + length(word) <= room => {
                    line.push(' ');
                    line.push_str(word);
                }
                Some(_) | None => lines.push(word.to_owned()),
            }
        }
        let margin = " ".repeat(indent);
        lines.iter().map(|line| format!("{margin}{line}")).collect()
    }

    /// How much of a whole is left, as a bar of this many columns; something is never shown as
    /// nothing.
    pub(crate) fn bar(self, part: u64, whole: u64, columns: usize) -> (String, String) {
        let all = u64::try_from(columns).unwrap_or(u64::MAX);
        let exact = part.saturating_mul(all).div_ceil(whole.max(1));
        let full = usize::try_from(exact).unwrap_or(columns).min(columns);
        let (left, gone) = if self.blocks {
            ("█", "░")
        } else {
            ("#", ".")
        };
        (left.repeat(full), gone.repeat(columns - full))
    }
}

/// The columns that a text takes.
pub(crate) fn length(text: &str) -> usize {
    text.chars().count()
}

/// The text in as many columns, with a mark where it was cut.
pub(crate) fn cut(text: &str, columns: usize) -> String {
    if length(text) <= columns {
        return text.to_owned();
    }
    let kept: String = text.chars().take(columns.saturating_sub(2)).collect();
    format!("{kept}..")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Look = Look {
        colour: false,
        blocks: false,
        width: Some(20),
    };

    #[test]
    fn a_bar_shows_what_is_left_and_something_is_never_nothing() {
        let bar = |part, whole| {
            let (left, gone) = PLAIN.bar(part, whole, 10);
            left + &gone
        };
        assert_eq!(bar(3_600, 3_600), "##########");
        assert_eq!(bar(1_800, 3_600), "#####.....");
        assert_eq!(bar(1, 3_600), "#.........");
        assert_eq!(bar(0, 3_600), "..........");
        assert_eq!(bar(9, 0), "##########");
        assert_eq!(bar(u64::MAX, 1), "##########");
    }

    #[test]
    fn lines_fit_and_a_long_word_stays_whole() {
        assert_eq!(
            PLAIN.wrapped("one two three four five", 4),
            ["    one two three", "    four five"]
        );
        let long = "x".repeat(40);
        assert_eq!(PLAIN.wrapped(&long, 0), [long.as_str()]);
        let endless = Look {
            width: None,
            ..PLAIN
        };
        assert_eq!(endless.wrapped("one two three four five", 2).len(), 1);
    }

    #[test]
    fn a_cut_is_marked() {
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdefg", 6), "abcd..");
    }

    #[test]
    fn colour_is_left_out_where_it_is_not_wanted() {
        assert_eq!(PLAIN.painted("x", Paint::Red), "x");
        let colour = Look {
            colour: true,
            ..PLAIN
        };
        assert_eq!(colour.painted("x", Paint::Red), "\u{1b}[31mx\u{1b}[0m");
        assert_eq!(colour.painted("x", Paint::Plain), "x");
    }
}
