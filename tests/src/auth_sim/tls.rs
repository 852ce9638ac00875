//! TLS: a certificate authority made for one simulator, its leaf, and the ways a server's TLS can be
//! wrong.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
};

/// The names by which a client on this machine may reach the simulator.
const HERE: [&str; 4] = ["127.0.0.1", "::1", "localhost", "auth-sim.example"];

/// How a simulator speaks to who connects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tls {
    /// HTTPS with a certificate that the simulator's authority signed.
    #[default]
    Good,
    /// Plain HTTP: the URL begins with `http://`.
    Plain,
    /// The certificate ran out in 2001.
    Expired,
    /// The certificate begins to be valid in the year 3000.
    NotYetValid,
    /// The certificate is for `elsewhere.example` alone.
    WrongHost,
    /// The certificate is signed by its own key, not by the authority.
    SelfSigned,
    /// The server chooses TLS 1.1, whatever was offered.
    Old,
    /// The server answers the first bytes with text that is no TLS.
    Garbage,
    /// The connection is accepted, and nothing is ever said.
    Silent,
}

impl Tls {
    /// Every way in which HTTPS fails.
    pub const BROKEN: [Self; 7] = [
        Self::Expired,
        Self::NotYetValid,
        Self::WrongHost,
        Self::SelfSigned,
        Self::Old,
        Self::Garbage,
        Self::Silent,
    ];

    /// The scheme of URLs, `http` or `https`.
    #[must_use]
    pub fn scheme(self) -> &'static str {
        if self == Self::Plain { "http" } else { "https" }
    }
}

/// What an accepted connection meets.
#[derive(Clone)]
pub(super) enum Door {
    /// A TLS handshake.
    Tls(Arc<ServerConfig>),
    /// HTTP at once.
    Plain,
    /// These bytes, after the first bytes of the client, and the end.
    Bytes(Vec<u8>),
    /// Nothing.
    Silent,
}

/// A certificate authority whose key never leaves this process.
pub(super) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    /// Makes a new authority, trusted by nobody yet.
    pub(super) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = new_key();
        // A name of its own, so that a client finds no issuer where it trusts another simulator.
        let name = key.public_key_raw().iter().rev().take(4);
        let name = data_encoding::HEXLOWER.encode(&name.copied().collect::<Vec<u8>>());
        params
            .distinguished_name
            .push(DnType::CommonName, format!("Auth API simulator {name}"));
        let issuer = CertifiedIssuer::self_signed(params, key)
            .expect("a certificate authority of constants can be signed");
        Self { issuer }
    }

    /// The authority's certificate, for a client's `--ca-file`.
    pub(super) fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// What connections meet from now on.
    pub(super) fn door(&self, tls: Tls) -> Door {
        match tls {
            Tls::Good => self.https(&leaf(&HERE)),
            Tls::WrongHost => self.https(&leaf(&["elsewhere.example"])),
            Tls::Expired => {
                let mut params = leaf(&HERE);
                params.not_before = date_time_ymd(2000, 1, 1);
                params.not_after = date_time_ymd(2001, 1, 1);
                self.https(&params)
            }
            Tls::NotYetValid => {
                let mut params = leaf(&HERE);
                params.not_before = date_time_ymd(3000, 1, 1);
                self.https(&params)
            }
            Tls::SelfSigned => {
                let key = new_key();
                let certificate = leaf(&HERE)
                    .self_signed(&key)
                    .expect("a leaf of constants can be signed");
                Door::Tls(server_config(certificate.der().clone(), &key))
            }
            Tls::Plain => Door::Plain,
            Tls::Old => Door::Bytes(server_hello_of_tls_1_1()),
            Tls::Garbage => Door::Bytes(b"220 this is not TLS\r\n".to_vec()),
            Tls::Silent => Door::Silent,
        }
    }

    fn https(&self, params: &CertificateParams) -> Door {
        let key = new_key();
        let certificate = params
            .signed_by(&key, &self.issuer)
            .expect("a leaf of constants can be signed");
        Door::Tls(server_config(certificate.der().clone(), &key))
    }
}

/// The parameters of a leaf; rustls refuses a leaf that says it is an authority.
fn leaf(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("constant names are valid");
    params.is_ca = IsCa::ExplicitNoCa;
    params.use_authority_key_identifier_extension = true;
    params
        .distinguished_name
        .push(DnType::CommonName, "Auth API simulator, server");
    params
}

fn new_key() -> KeyPair {
    KeyPair::generate().expect("the system gives random bytes")
}

fn server_config(certificate: CertificateDer<'static>, key: &KeyPair) -> Arc<ServerConfig> {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring knows TLS 1.2 and 1.3")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("the key belongs to the certificate");
    // A ticket is sent after the handshake and can meet a client that has closed already.
    config.send_tls13_tickets = 0;
    Arc::new(config)
}

/// A record with a `ServerHello` that says TLS 1.1 and one of its cipher suites.
fn server_hello_of_tls_1_1() -> Vec<u8> {
    let mut hello = vec![0x16, 3, 2, 0, 42, 2, 0, 0, 38, 3, 2];
    hello.extend([7; 32]);
    hello.extend([0, 0xC0, 0x14, 0]);
    hello
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_of_tls_can_be_made() {
        let authority = Authority::new();
        assert!(authority.pem().starts_with("-----BEGIN CERTIFICATE-----"));
        for tls in Tls::BROKEN.into_iter().chain([Tls::Good, Tls::Plain]) {
            let door = authority.door(tls);
            let handshakes = matches!(door, Door::Tls(_));
            let expected = !matches!(tls, Tls::Plain | Tls::Old | Tls::Garbage | Tls::Silent);
            assert_eq!(handshakes, expected, "{tls:?}");
        }
    }

    #[test]
    fn the_old_server_hello_declares_its_own_length() {
        let hello = server_hello_of_tls_1_1();
        assert_eq!(hello.len(), 5 + usize::from(hello[4]));
        assert_eq!(hello.len(), 9 + usize::from(hello[8]));
    }

    #[test]
    fn two_authorities_differ() {
        assert_ne!(Authority::new().pem(), Authority::new().pem());
    }
}
