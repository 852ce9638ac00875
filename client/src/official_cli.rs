//! Appcircle's own command line, `@appcircle/cli`, which reads its token from a file only.

use std::ffi::OsString;
use std::path::Path;

use crate::cli::Program;

/// How it is called.
const NAME: &str = "appcircle";

/// Whether the program to be run is it.
pub(crate) fn is_meant(said: Option<Program>, words: &[OsString]) -> bool {
    let path = words.first().map(Path::new);
    let name = path.and_then(|path| {
        if cfg!(windows) {
            path.file_stem()
        } else {
            path.file_name()
        }
    });
    said == Some(Program::AppcircleCli) || name.is_some_and(|name| name == NAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_known_by_its_name_wherever_it_is() {
        let is = |said, word: &str| is_meant(said, &[word.into(), "build".into()]);
        for word in ["appcircle", "/usr/local/bin/appcircle", "./appcircle"] {
            assert!(is(None, word), "{word}");
        }
        for word in ["appcircle-mcp", "node", "appcircle/x", "sh"] {
            assert!(!is(None, word), "{word}");
        }
        assert!(is(Some(Program::AppcircleCli), "npx"));
    }
}
