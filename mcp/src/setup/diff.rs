//! The difference between two texts of which one is an edit of the other in one place.

use ac_cred_proto::text::is_visible;

/// How many lines are shown around the change.
const CONTEXT: usize = 3;

/// The longest line that is shown whole, in characters.
const LONGEST_LINE: usize = 160;

/// The change as people read it from `diff -u`.
pub(super) fn unified(name: &str, before: &str, after: &str) -> String {
    let old: Vec<&str> = before.lines().collect();
    let new: Vec<&str> = after.lines().collect();
    let same = |(one, other): &(&&str, &&str)| one == other;
    let head = old.iter().zip(&new).take_while(same).count();
    let shorter = old.len().min(new.len()) - head;
    let tail = old.iter().rev().zip(new.iter().rev()).take(shorter);
    let tail = tail.take_while(same).count();
    let first = head.saturating_sub(CONTEXT);
    let last = |lines: &[&str]| (lines.len() - tail + CONTEXT).min(lines.len());
    let count = |lines: &[&str]| last(lines) - first;
    let start = |lines: &[&str]| if lines.is_empty() { 0 } else { first + 1 };
    let mut text = format!(
        "--- {name}\n+++ {name}\n@@ -{},{} +{},{} @@\n",
        start(&old),
        count(&old),
        start(&new),
        count(&new)
    );
    let mut show = |mark: char, lines: Option<&[&str]>| {
        for line in lines.unwrap_or_default() {
            text.push(mark);
            text.extend(shown(line));
            text.push('\n');
        }
    };
    show(' ', old.get(first..head));
    show('-', old.get(head..old.len() - tail));
    show('+', new.get(head..new.len() - tail));
    show(' ', old.get(old.len() - tail..last(&old)));
    text
}

/// A line as far as it fits, without what could steer a terminal.
fn shown(line: &str) -> impl Iterator<Item = char> {
    let is_shown = |&letter: &char| is_visible(letter) || letter == '\t';
    line.chars().filter(is_shown).take(LONGEST_LINE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_shown_with_what_stands_around_it() {
        let before = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";
        let after = "1\n2\n3\n4\nfive\nmore\n6\n7\n8\n9\n";
        assert_eq!(
            unified("f", before, after),
            "--- f\n+++ f\n@@ -2,7 +2,8 @@\n 2\n 3\n 4\n-5\n+five\n+more\n 6\n 7\n 8\n"
        );
        assert_eq!(
            unified("f", "", "1\n"),
            "--- f\n+++ f\n@@ -0,0 +1,1 @@\n+1\n"
        );
        assert_eq!(
            unified("f", "1\n", ""),
            "--- f\n+++ f\n@@ -1,1 +0,0 @@\n-1\n"
        );
        assert_eq!(
            unified("f", "1\n1\n", "1\n1\n1\n"),
            "--- f\n+++ f\n@@ -1,2 +1,3 @@\n 1\n 1\n+1\n"
        );
    }

    #[test]
    fn a_line_cannot_steer_a_terminal_or_fill_it() {
        let text = unified("f", "", &format!("\ta\u{1b}[2Jb{}\n", "x".repeat(500)));
        assert!(text.contains("+\ta[2Jbx"), "{text:?}");
        assert!(text.len() < 250);
    }
}
