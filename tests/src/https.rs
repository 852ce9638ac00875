//! A small blocking client of HTTP/1.1, for asking the simulator what a program would ask it.

use std::{
    collections::BTreeMap,
    io::{self, Read, Write},
    net::TcpStream,
    sync::Arc,
    time::Duration,
};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use serde_json::Value;

/// How long a read or a write may take, so that no test waits for ever.
const PATIENCE: Duration = Duration::from_secs(30);

/// An answer, complete with its body.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Such as 200.
    pub status: u16,
    /// Names in lower case; repeated headers joined by a comma.
    pub headers: BTreeMap<String, String>,
    /// The body as it came.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; null if it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// Gets a URL such as `https://127.0.0.1:49152/path`, with headers of names and values.
///
/// `ca_pem` is the only authority that is trusted; HTTPS needs one.
///
/// # Errors
/// If the connection, TLS or the answer fails.
pub fn get(url: &str, ca_pem: Option<&str>, headers: &[(&str, &str)]) -> io::Result<Answer> {
    let url = Url::parse(url)?;
    let mut request = format!("GET {} HTTP/1.1\r\nHost: {}\r\n", url.path, url.authority);
    for (name, value) in headers {
        request.extend([name, ": ", value, "\r\n"]);
    }
    request.push_str("Connection: close\r\n\r\n");
    parse(&send(&url, ca_pem, request.as_bytes())?)
}

/// Posts fields of names and values as a form, with every value percent-encoded.
///
/// # Errors
/// If the connection, TLS or the answer fails.
pub fn post_form(url: &str, ca_pem: Option<&str>, fields: &[(&str, &str)]) -> io::Result<Answer> {
    let encode = |text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let fields = fields
        .iter()
        .map(|&(name, value)| format!("{}={}", encode(name), encode(value)));
    let body = fields.collect::<Vec<_>>().join("&");
    post_raw(url, ca_pem, "application/x-www-form-urlencoded", &body)
}

/// Posts a body as it is.
///
/// # Errors
/// If the connection, TLS or the answer fails.
pub fn post_raw(
    url: &str,
    ca_pem: Option<&str>,
    content_type: &str,
    body: &str,
) -> io::Result<Answer> {
    let url = Url::parse(url)?;
    let request = format!(
        "POST {} HTTP/1.1\r\nHost: {}\r\nAccept: application/json\r\n\
         Content-Type: {content_type}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        url.path,
        url.authority,
        body.len()
    );
    parse(&send(&url, ca_pem, request.as_bytes())?)
}

struct Url<'a> {
    secure: bool,
    /// Host and port.
    authority: &'a str,
    host: &'a str,
    path: &'a str,
}

impl<'a> Url<'a> {
    fn parse(url: &'a str) -> io::Result<Self> {
        let wrong = || io::Error::new(io::ErrorKind::InvalidInput, "not scheme://host:port/path");
        let (scheme, rest) = url.split_once("://").ok_or_else(wrong)?;
        let end = rest.find('/').ok_or_else(wrong)?;
        let (authority, path) = rest.split_at(end);
        let (host, _) = authority.rsplit_once(':').ok_or_else(wrong)?;
        Ok(Self {
            secure: scheme == "https",
            authority,
            host: host.trim_start_matches('[').trim_end_matches(']'),
            path,
        })
    }
}

/// Sends a request and reads until the server ends the connection.
fn send(url: &Url<'_>, ca_pem: Option<&str>, request: &[u8]) -> io::Result<Vec<u8>> {
    let stream = TcpStream::connect(url.authority)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    if !url.secure {
        return converse(stream, request);
    }
    let name = ServerName::try_from(url.host.to_owned()).map_err(io::Error::other)?;
    let config = client_config(ca_pem.unwrap_or_default())?;
    let connection = ClientConnection::new(config, name).map_err(io::Error::other)?;
    converse(StreamOwned::new(connection, stream), request)
}

fn converse(mut stream: impl Read + Write, request: &[u8]) -> io::Result<Vec<u8>> {
    stream.write_all(request)?;
    stream.flush()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer)
}

fn client_config(ca_pem: &str) -> io::Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(ca_pem.as_bytes()) {
        let certificate = certificate.map_err(io::Error::other)?;
        roots.add(certificate).map_err(io::Error::other)?;
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn parse(bytes: &[u8]) -> io::Result<Answer> {
    let wrong = |what| io::Error::new(io::ErrorKind::InvalidData, what);
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    let (head, rest) = bytes.split_at(end.ok_or_else(|| wrong("no end of the head"))?);
    let body = rest.strip_prefix(b"\r\n\r\n").unwrap_or_default().to_vec();
    let head = str::from_utf8(head).map_err(|_| wrong("a head that is no text"))?;
    let mut lines = head.split("\r\n");
    let status = lines
        .next()
        .and_then(|line| line.strip_prefix("HTTP/1.1 "))
        .and_then(|line| line.get(..3)?.parse().ok())
        .ok_or_else(|| wrong("no status line"))?;
    let mut headers = BTreeMap::<String, String>::new();
    for line in lines {
        let (name, value) = line
            .split_once(": ")
            .ok_or_else(|| wrong("a broken header"))?;
        headers
            .entry(name.to_ascii_lowercase())
            .and_modify(|known| known.extend([", ", value]))
            .or_insert_with(|| value.to_owned());
    }
    let declared = headers.get("content-length");
    if declared.is_some_and(|length| *length != body.len().to_string()) {
        return Err(wrong("a body of another length than declared"));
    }
    Ok(Answer {
        status,
        headers,
        body,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_falls_into_its_parts() {
        let url = Url::parse("https://[::1]:8443/a/b?c=d").unwrap();
        assert!(url.secure);
        assert_eq!(url.authority, "[::1]:8443");
        assert_eq!(url.host, "::1");
        assert_eq!(url.path, "/a/b?c=d");
        for wrong in ["127.0.0.1:1/", "http://127.0.0.1:1", "http://127.0.0.1/"] {
            assert!(Url::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_answer_is_read_with_its_headers_and_body() {
        let answer = parse(b"HTTP/1.1 200 OK\r\nA: 1\r\na: 2\r\n\r\n{\"b\":3}").unwrap();
        assert_eq!(answer.status, 200);
        assert_eq!(answer.headers["a"], "1, 2");
        assert_eq!(answer.json()["b"], 3);
        assert_eq!(answer.text(), "{\"b\":3}");
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        for wrong in [
            "",
            "HTTP/1.1 200 OK\r\n",
            "220 hello\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc",
        ] {
            assert!(parse(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
