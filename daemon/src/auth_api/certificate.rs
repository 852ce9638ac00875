//! Who signed a certificate, and until when: as much of DER and X.509 as tells that.
//!
//! It is read for people after the certificate has been verified, and nothing is decided by it.

use ac_cred_proto::text::visible;
use ac_cred_proto::time::Timestamp;

/// The tags that are met on the way.
const INTEGER: u8 = 0x02;
const OBJECT: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const VERSION: u8 = 0xa0;

/// What a name is called by, the best first: its common name, its organization.
const NAMES: [&[u8]; 2] = [&[0x55, 0x04, 0x03], &[0x55, 0x04, 0x0a]];

/// The longest name that is told, in characters.
const LONGEST_NAME: usize = 64;

/// What a certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Who signed it, where it says so in words.
    pub signer: Option<String>,
    /// When it ends.
    pub ends: Timestamp,
}

/// Reads a certificate in DER; nothing where it is none.
#[must_use]
pub fn read(der: &[u8]) -> Option<Certificate> {
    let certificate = Der(der).of(SEQUENCE)?;
    let mut fields = Der(Der(certificate).of(SEQUENCE)?);
    // The first version says no version.
    if fields.0.first() == Some(&VERSION) {
        fields.of(VERSION)?;
    }
    fields.of(INTEGER)?;
    fields.of(SEQUENCE)?;
    let signer = fields.of(SEQUENCE)?;
    let mut validity = Der(fields.of(SEQUENCE)?);
    validity.any()?;
    Some(Certificate {
        signer: NAMES.iter().find_map(|name| named(signer, name)),
        ends: time(validity.any()?)?,
    })
}

/// The value of a name's attribute, fit for a terminal.
fn named(name: &[u8], wanted: &[u8]) -> Option<String> {
    let mut sets = Der(name);
    while let Some(set) = sets.of(SET) {
        let mut attribute = Der(Der(set).of(SEQUENCE)?);
        if attribute.of(OBJECT)? == wanted {
            let (_, value) = attribute.any()?;
            let text = visible(std::str::from_utf8(value).ok()?);
            return Some(text.chars().take(LONGEST_NAME).collect());
        }
    }
    None
}

/// A time as certificates write it: `991231235959Z`, or with the century.
fn time((tag, value): (u8, &[u8])) -> Option<Timestamp> {
    let text = std::str::from_utf8(value).ok()?.strip_suffix('Z')?;
    let whole = match tag {
        UTC_TIME if text.as_bytes().first()? < &b'5' => format!("20{text}"),
        UTC_TIME => format!("19{text}"),
        GENERALIZED_TIME => text.to_owned(),
        _ => return None,
    };
    let part = |start: usize, end: usize| whole.get(start..end);
    let day = [part(0, 4)?, part(4, 6)?, part(6, 8)?].join("-");
    let hour = [part(8, 10)?, part(10, 12)?, part(12, 14)?].join(":");
    format!("{day}T{hour}Z").parse().ok()
}

/// Values one after the other.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// The next value, which has to be of this kind.
    fn of(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (found, value) = self.any()?;
        (found == tag).then_some(value)
    }

    /// The next tag with its value.
    fn any(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = if first < 0x80 {
            (usize::from(first), rest)
        } else {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            // No certificate needs more.
            let is_short = (1..=3).contains(&digits.len());
            let value = |sum: usize, &digit: &u8| sum << 8 | usize::from(digit);
            (is_short.then(|| digits.iter().fold(0, value))?, rest)
        };
        let (value, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, value))
    }
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;

    use super::*;

    /// Both were made by openssl, of the first version; the second ends in another century of UTC
    /// time, and its signer has no common name.
    const NAMED: &str = "\
-----BEGIN CERTIFICATE-----
MIIBSDCB8AIBATAKBggqhkjOPQQDAjAxMRcwFQYDVQQDDA5FeGFtcGxlIFJvb3Qg
MTEWMBQGA1UECgwNRXhhbXBsZSBUcnVzdDAeFw0yNjAxMDEwMDAwMDBaFw00OTEy
MzEyMzU5NTlaMDExFzAVBgNVBAMMDkV4YW1wbGUgUm9vdCAxMRYwFAYDVQQKDA1F
eGFtcGxlIFRydXN0MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaA16uUYElQp0
0/FFb7TV4A4nRtksVM/hxbp3yYpwaF+btM1CbmuQUbfpyPxymdKm5dhfht/HjOFn
FCbzOMTZTDAKBggqhkjOPQQDAgNHADBEAiAXDyGdjgGevjwbFnxqsi0pWrF9q1Ma
h4U5cjhHsCZzWQIgHd+UJkvslHLayiKfmOs5PL4iNYZDahAvS63q6VB10wY=
-----END CERTIFICATE-----
";
    const UNNAMED: &str = "\
-----BEGIN CERTIFICATE-----
MIIBGTCBwAIBATAKBggqhkjOPQQDAjAYMRYwFAYDVQQKDA1FeGFtcGxlIFRydXN0
MCAXDTI2MDEwMTAwMDAwMFoYDzIwNTUwNjAxMTIwMDAwWjAYMRYwFAYDVQQKDA1F
eGFtcGxlIFRydXN0MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEP8g1UMAeHCzq
gFurgc2gcajIM9PZJB2gpH2jpZHI1KpTljv/pYYL0m0x+H7fLFQcnO4yGWR82zen
jgnU1NqoSjAKBggqhkjOPQQDAgNIADBFAiBDEf0VUaGOUi9+WGRqhiEUYuaG+31o
L7w/X9i0m2U+/AIhAICCoGbT2aMBrzXmh3dLqEThiYTRSYu3kLazDCN/aGQz
-----END CERTIFICATE-----
";

    fn der(pem: &str) -> Vec<u8> {
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        der.to_vec()
    }

    #[test]
    fn a_certificate_says_who_signed_it_and_when_it_ends() {
        for (pem, signer, ends) in [
            (NAMED, "Example Root 1", "2049-12-31T23:59:59Z"),
            (UNNAMED, "Example Trust", "2055-06-01T12:00:00Z"),
        ] {
            let read = read(&der(pem)).unwrap();
            assert_eq!(read.signer.as_deref(), Some(signer));
            assert_eq!(read.ends.to_string(), ends);
        }
    }

    #[test]
    fn what_is_cut_or_changed_is_read_without_harm() {
        let whole = der(NAMED);
        for end in 0..whole.len() {
            assert_eq!(read(&whole[..end]), None, "{end}");
        }
        for at in 0..whole.len() {
            for value in [0, 0x7f, 0x80, 0x84, 0xff] {
                let mut changed = whole.clone();
                changed[at] = value;
                // It may be another certificate then; a name stays fit for a terminal.
                let signer = read(&changed).and_then(|read| read.signer);
                assert!(signer.is_none_or(|name| !name.contains(char::is_control)));
            }
        }
    }
}
