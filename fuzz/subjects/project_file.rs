//! The file by which a directory chooses an organization: it names one alias and nothing else, and
//! what is wrong is told by its line.

use ac_cred_proto::Org;
use ac_cred_proto::project_file::{parse, text};

/// The file's bytes.
pub(crate) fn run(data: &[u8]) {
    let Ok(content) = std::str::from_utf8(data) else {
        return;
    };
    match parse(content) {
        Ok(organization) => {
            assert!(Org::parse(organization.as_str()).is_ok());
            assert_eq!(parse(&text(&organization)), Ok(organization));
        }
        Err(error) => assert!((1..=content.matches('\n').count() + 1).contains(&error.line)),
    }
}
