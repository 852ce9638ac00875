//! Text from elsewhere, made safe for a terminal and a log.

/// The longest piece of foreign text that a message carries, in characters.
pub const MAX_FOREIGN_TEXT: usize = 200;

/// Whether a character may reach a terminal: no control character, no invisible or
/// direction-changing format character.
#[must_use]
pub fn is_visible(c: char) -> bool {
    !c.is_control()
        && !matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// The visible characters of `text`, at most [`MAX_FOREIGN_TEXT`] of them.
#[must_use]
pub fn visible(text: &str) -> String {
    text.chars()
        .filter(|&c| is_visible(c))
        .take(MAX_FOREIGN_TEXT)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_steer_a_terminal_is_dropped() {
        assert_eq!(
            visible("a\u{1b}[31mb\r\n\0c\u{202e}d\u{9b}e\u{7f}"),
            "a[31mbcde"
        );
        assert_eq!(visible("größe"), "größe");
    }

    #[test]
    fn a_long_text_is_cut() {
        assert_eq!(visible(&"ä".repeat(500)).chars().count(), MAX_FOREIGN_TEXT);
    }
}
