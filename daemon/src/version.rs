//! Which version of the daemon this is.

/// The name and the version of this program, in one piece so that a test can find it in the file.
const IDENTITY: &str = concat!("ac-credd ", env!("CARGO_PKG_VERSION"));

/// The version of this program.
#[must_use]
pub fn number() -> &'static str {
    std::hint::black_box(IDENTITY)
        .strip_prefix("ac-credd ")
        .unwrap_or_default()
}

/// Whether a version is not older than this program's.
#[must_use]
pub fn is_not_older(other: &str) -> bool {
    let parse = semver::Version::parse;
    match (parse(other), parse(number())) {
        (Ok(other), Ok(own)) => other >= own,
        (Ok(_) | Err(_), _) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_and_newer_versions_are_not_older() {
        assert!(is_not_older(number()));
        assert!(is_not_older("999.0.0"));
        assert!(is_not_older("999.0.0-beta.1"));
        for older in ["0.0.1", "0.0.1-beta", "", "new", "999", "999.0"] {
            assert!(!is_not_older(older), "{older}");
        }
    }
}
