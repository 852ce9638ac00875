//! What other programs print for the daemon: the item of a keyring, the first line of a command, and
//! what either complains of; each credential is one, and nothing told gives one away.

use ac_cred_proto::secret::Credential;
use ac_cred_proto::text::visible;
use ac_credd::child::shown;
use ac_credd::credential_store::{command, keyring};

/// Standard output, then behind the first zero byte standard error.
pub(crate) fn run(data: &[u8]) {
    let mut streams = data.splitn(2, |byte| *byte == 0);
    let output = streams.next().unwrap_or_default();
    let complaint = streams.next().unwrap_or_default();
    if let Ok(record) = keyring::read(output) {
        assert!(Credential::parse(record.credential.expose()).is_ok());
        assert_eq!(record.binding.difference(&record.binding), None);
    }
    match command::first_line(output) {
        Ok(credential) => assert!(Credential::parse(credential.expose()).is_ok()),
        Err(why) => assert_eq!(visible(&why), why),
    }
    let told = shown(complaint, output);
    assert_eq!(visible(&told), told, "a complaint can steer a terminal");
    let printed = String::from_utf8_lossy(output);
    let mut lines = printed
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty());
    assert!(
        !lines.any(|line| told.contains(line)),
        "a complaint gives away what was printed"
    );
}
