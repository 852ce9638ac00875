//! The records of the encrypted file, as they stand in it: each that is taken is a credential of a
//! well-formed alias.

use ac_cred_proto::Org;
use ac_cred_proto::secret::Credential;
use ac_credd::credential_store::file::contents::{self, Unusable};

/// The decrypted file.
pub(crate) fn run(data: &[u8]) {
    let mut last: Option<Org> = None;
    let read = contents::read(data, |org, record| {
        assert!(Org::parse(org.as_str()).is_ok());
        assert!(Credential::parse(record.credential.expose()).is_ok());
        assert_eq!(record.binding.difference(&record.binding), None);
        assert!(
            last.as_ref().is_none_or(|last| last < org),
            "an alias comes twice"
        );
        last = Some(org.clone());
        Ok(())
    });
    assert!(!matches!(read, Err(Unusable::Store(_))));
}
