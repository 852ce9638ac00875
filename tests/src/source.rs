//! The workspace's files as text to be judged: program, comments, strings and tests told apart.
//!
//! It reads Rust only as far as that needs: it knows where a literal or a comment ends and which
//! braces belong together, and nothing of grammar.

use std::{
    fs, io,
    ops::Range,
    path::{Path, PathBuf},
};

/// Directories that hold nothing which a person wrote for this project.
const FOREIGN_DIRECTORIES: [&str; 4] = ["target", ".git", "node_modules", "out"];

/// A Rust file.
#[derive(Clone, Debug)]
pub struct Source {
    /// Relative to the workspace, with `/` between its parts.
    pub path: String,
    /// The whole text.
    pub text: String,
    /// The text with comments, strings and characters made blank.
    pub code: String,
    /// The code with tests made blank.
    pub program: String,
    /// The code with everything but tests made blank.
    pub tests: String,
}

impl Source {
    /// Reads a text as the Rust file at `path`.
    #[must_use]
    pub fn new(path: &str, text: String) -> Self {
        let code = without_opaque(&text);
        let inside: Vec<Range<usize>> = if is_test_file(path) {
            vec![Range {
                start: 0,
                end: code.len(),
            }]
        } else {
            test_items(&code)
        };
        Self {
            path: path.to_owned(),
            program: blanked(&code, &inside),
            tests: blanked(&code, &outside(&inside, code.len())),
            text,
            code,
        }
    }

    /// The number of lines that are no part of a test.
    #[must_use]
    pub fn program_length(&self) -> usize {
        let total = self.text.lines().count();
        if is_test_file(&self.path) {
            return 0;
        }
        let tests = test_items(&self.code);
        let inside = |range: &Range<usize>| {
            let lines = self.code.get(range.clone()).unwrap_or_default();
            lines.lines().count()
        };
        total - tests.iter().map(inside).sum::<usize>()
    }
}

/// The directory of the workspace.
#[must_use]
pub fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests).to_owned()
}

/// Every file of the workspace, relative to it, in a fixed order.
///
/// # Errors
/// If a directory cannot be read.
pub fn files() -> io::Result<Vec<PathBuf>> {
    let root = root();
    let mut found = Vec::new();
    let mut open = vec![root.clone()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let path = entry.path();
            let is_foreign = FOREIGN_DIRECTORIES.iter().any(|name| path.ends_with(name));
            if entry.file_type()?.is_dir() {
                open.extend((!is_foreign).then_some(path));
            } else {
                found.extend(path.strip_prefix(&root).ok().map(Path::to_owned));
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Every Rust file of the workspace.
///
/// # Errors
/// If one cannot be read.
pub fn rust_files() -> io::Result<Vec<Source>> {
    let is_rust = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "rs");
    let read = |path: PathBuf| {
        let text = fs::read_to_string(root().join(&path))?;
        let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
        Ok(Source::new(&parts.join("/"), text))
    };
    files()?.into_iter().filter(is_rust).map(read).collect()
}

/// The words of a code, each with the number of its line.
pub fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    code.lines().zip(1..).flat_map(|(line, number)| {
        line.split(|letter| !is_word_letter(letter))
            .filter(|word| !word.is_empty())
            .map(move |word| (number, word))
    })
}

/// The numbers of the lines that hold `needle`.
pub fn lines_with<'a>(text: &'a str, needle: &'a str) -> impl Iterator<Item = usize> {
    let numbered = text.lines().zip(1..);
    numbered.filter_map(move |(line, number)| line.contains(needle).then_some(number))
}

/// The blocks behind each `header`, with their braces; the header includes what is before `{`.
#[must_use]
pub fn blocks<'a>(code: &'a str, header: &str) -> Vec<&'a str> {
    let starts = code.match_indices(header).map(|(at, _)| at + header.len());
    let block = |start| code.get(start..item_end(code.as_bytes(), start));
    starts.filter_map(block).collect()
}

/// The rows of the table in a Markdown text whose first column has this heading, in their cells.
#[must_use]
pub fn table(markdown: &str, heading: &str) -> Vec<Vec<String>> {
    let first = format!("| {heading} |");
    let lines = markdown
        .lines()
        .skip_while(|line| !line.starts_with(&first));
    let rows = lines.take_while(|line| line.starts_with('|')).skip(2);
    let cells = |row: &str| {
        let cells = row.trim_matches('|').split('|');
        cells.map(|cell| cell.trim().to_owned()).collect()
    };
    rows.map(cells).collect()
}

/// What stands between backticks.
pub fn quoted(markdown: &str) -> impl Iterator<Item = &str> {
    markdown.split('`').skip(1).step_by(2)
}

/// Whether everything in the file is a test or serves one.
fn is_test_file(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    let in_crate = parts.get(1..).unwrap_or_default();
    in_crate
        .iter()
        .any(|&part| part == "tests" || part == "tests.rs")
}

/// The items behind `#[cfg(test)]` and its like, with the attribute.
fn test_items(code: &str) -> Vec<Range<usize>> {
    let mut items: Vec<Range<usize>> = Vec::new();
    for mark in ["#[cfg(test)]", "#[cfg(all(test"] {
        for (start, _) in code.match_indices(mark) {
            let end = item_end(code.as_bytes(), start + mark.len());
            items.push(start..end);
        }
    }
    items.sort_by_key(|item| item.start);
    items
}

/// Where the item that begins at `start` ends: at its `;`, or at the brace that closes its first.
fn item_end(code: &[u8], start: usize) -> usize {
    let mut depth = 0_usize;
    for (at, &byte) in code.iter().enumerate().skip(start) {
        match byte {
            b';' if depth == 0 => return at + 1,
            b'{' => depth += 1,
            b'}' if depth <= 1 => return at + 1,
            b'}' => depth -= 1,
            _ => {}
        }
    }
    code.len()
}

/// What is between the ranges.
fn outside(ranges: &[Range<usize>], length: usize) -> Vec<Range<usize>> {
    let ends = ranges.iter().map(|range| range.end);
    let starts = ranges.iter().map(|range| range.start);
    let pairs = [0].into_iter().chain(ends).zip(starts.chain([length]));
    pairs.map(|(start, end)| start..end).collect()
}

/// The text with these ranges of bytes made blank; lines stay lines.
fn blanked(text: &str, ranges: &[Range<usize>]) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for range in ranges {
        let inside = bytes.get_mut(range.clone()).unwrap_or_default();
        for byte in inside.iter_mut().filter(|byte| **byte != b'\n') {
            *byte = b' ';
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn without_opaque(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut opaque = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let end = opaque_end(bytes, at);
        if let Some(end) = end {
            opaque.push(at..end);
        }
        at = end.unwrap_or_else(|| at + word_length(bytes, at).max(1));
    }
    blanked(text, &opaque)
}

/// Where the comment, string or character that begins at `at` ends, if one begins there.
fn opaque_end(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = bytes.get(at..)?;
    let prefix = rest.get(..word_length(bytes, at))?;
    let behind = rest.get(prefix.len()..)?;
    let length = match (prefix, behind) {
        (b"", [b'/', b'/', ..]) => position(rest, b"\n").unwrap_or(rest.len()),
        (b"", [b'/', b'*', ..]) => comment_length(rest),
        (b"" | b"b" | b"c", [b'"', ..]) => prefix.len() + literal_length(behind, b'"'),
        (b"r" | b"br" | b"cr", [b'"' | b'#', ..]) => prefix.len() + raw_length(behind)?,
        (b"" | b"b", [b'\'', ..]) => prefix.len() + character_length(behind)?,
        _ => return None,
    };
    Some(at + length)
}

fn word_length(bytes: &[u8], at: usize) -> usize {
    let letters = bytes.iter().skip(at);
    letters
        .take_while(|byte| is_word_letter(char::from(**byte)))
        .count()
}

fn is_word_letter(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

fn position(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes
        .windows(needle.len())
        .position(|window| window == needle)
}

fn comment_length(bytes: &[u8]) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    loop {
        match bytes.get(at..at + 2) {
            Some(b"/*") => depth += 1,
            Some(b"*/") => depth -= 1,
            Some(_) => {
                at += 1;
                continue;
            }
            None => return bytes.len(),
        }
        at += 2;
        if depth == 0 {
            return at;
        }
    }
}

/// The length of a literal with escapes, its quotes included.
fn literal_length(bytes: &[u8], quote: u8) -> usize {
    let mut is_escaped = false;
    for (at, &byte) in bytes.iter().enumerate().skip(1) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            _ if byte == quote => return at + 1,
            _ => {}
        }
    }
    bytes.len()
}

/// The length of `#"…"#`; none for a raw identifier.
fn raw_length(bytes: &[u8]) -> Option<usize> {
    let hashes = bytes.iter().take_while(|&&byte| byte == b'#').count();
    let body = bytes.get(hashes..)?.strip_prefix(b"\"")?;
    let end = [b"\"".as_slice(), &b"#".repeat(hashes)].concat();
    Some(hashes + 1 + position(body, &end)? + end.len())
}

/// The length of `'x'`; none for a lifetime.
fn character_length(bytes: &[u8]) -> Option<usize> {
    let text = str::from_utf8(bytes.get(..bytes.len().min(5))?);
    let whole = match &text {
        Ok(text) => text,
        Err(error) => str::from_utf8(bytes.get(..error.valid_up_to())?).ok()?,
    };
    let mut letters = whole.chars().skip(1);
    match (letters.next()?, letters.next()?) {
        ('\\', _) => Some(literal_length(bytes, b'\'')),
        (letter, '\'') => Some(letter.len_utf8() + 2),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_strings_and_characters_are_no_code() {
        for (text, code) in [
            ("a // b\nc", "a     \nc"),
            ("a /* b /* c */ d */ e", "a                   e"),
            (r#"f("b \" c") d"#, "f(        ) d"),
            ("f(r#\"b \" c\"#) d", "f(          ) d"),
            (
                "f(b\"b\", 'c', '\\'', b'{') d",
                "f(    ,    ,     ,     ) d",
            ),
            ("f<'a>('ä') r#type", "f<'a>(    ) r#type"),
            ("for_b'a", "for_b'a"),
        ] {
            assert_eq!(Source::new("a/src/b.rs", text.to_owned()).code, code);
        }
    }

    #[test]
    fn tests_are_told_apart_from_the_program() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() { \"}\" }\n}\nfn c() {}\n";
        let source = Source::new("a/src/b.rs", text.to_owned());
        let names = |code| {
            words(code)
                .map(|(_, word)| word.to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(names(&source.program), ["fn", "a", "fn", "c"]);
        assert_eq!(
            names(&source.tests),
            ["cfg", "test", "mod", "tests", "fn", "b"]
        );
        assert_eq!(source.program_length(), 2);
        let source = Source::new(
            "a/src/b.rs",
            "#[cfg(test)]\nmod tests;\nfn a() {}".to_owned(),
        );
        assert_eq!(names(&source.program), ["fn", "a"]);
    }

    #[test]
    fn a_file_of_tests_is_known_by_its_path() {
        assert!(is_test_file("client/tests/cli.rs"));
        assert!(is_test_file("daemon/src/policy/slot/tests.rs"));
        assert!(!is_test_file("tests/src/https.rs"));
        assert!(is_test_file("tests/tests/tidy.rs"));
    }

    #[test]
    fn a_block_ends_with_its_own_brace() {
        let code = "impl A { fn b() { {} } } impl A { fn c() {} }";
        let found = blocks(code, "impl A ");
        assert_eq!(found, ["{ fn b() { {} } }", "{ fn c() {} }"]);
    }

    #[test]
    fn a_table_is_read_in_cells() {
        let text = "x\n\n| a | b |\n| --- | --- |\n| 1 | `two` |\n\n| c | d |\n";
        assert_eq!(table(text, "a"), [["1", "`two`"]]);
        assert!(table(text, "z").is_empty());
        assert_eq!(quoted("a `b` c `d`").collect::<Vec<_>>(), ["b", "d"]);
    }
}
