//! What a server's certificate says: it is read from any bytes without harm, and its signer's name is
//! short and fit for a terminal.

use ac_credd::auth_api::certificate;

/// The bytes are the certificate.
pub(crate) fn run(data: &[u8]) {
    let read = certificate::read(data);
    if let Some(signer) = read.as_ref().and_then(|read| read.signer.as_ref()) {
        assert!(signer.chars().count() <= 64 && !signer.contains(char::is_control));
    }
    assert_eq!(read, certificate::read(data));
}
