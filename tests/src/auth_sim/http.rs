//! HTTP/1.1 without meaning: reads requests, writes answers, and decodes forms strictly.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::{self, Read},
};

use serde_json::Value;

/// Bytes a request's head may have; more is refused with 431.
const MAX_HEAD: usize = 64 * 1024;

/// Bytes a request's body may have; more is refused with 413.
const MAX_BODY: usize = 1024 * 1024;

/// A request, complete with its body.
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    /// Names in lower case; repeated headers joined by a comma.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// The target without its query.
    pub(crate) fn path(&self) -> &str {
        self.target
            .split_once('?')
            .map_or(&*self.target, |(path, _)| path)
    }

    /// Whether the body is declared to be a form.
    pub(crate) fn is_form(&self) -> bool {
        let declared = self.headers.get("content-type").map_or("", |value| {
            value.split_once(';').map_or(&**value, |(kind, _)| kind)
        });
        declared
            .trim()
            .eq_ignore_ascii_case("application/x-www-form-urlencoded")
    }
}

/// Why there is no request.
pub(crate) enum Unreadable {
    /// The connection ended or failed before a whole request had come.
    Gone,
    /// What came is no request; this is what to say.
    Refused(Answer),
}

impl From<io::Error> for Unreadable {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

/// Reads one request.
pub(crate) fn read_request(from: &mut impl Read) -> Result<Request, Unreadable> {
    let (head, mut body) = read_head(from)?;
    let mut request = parse_head(&head)?;
    let length = body_length(&request)?;
    while body.len() < length {
        let mut chunk = [0; 4096];
        match from.read(&mut chunk)? {
            0 => return Err(Unreadable::Gone),
            read => body.extend_from_slice(chunk.get(..read).unwrap_or_default()),
        }
    }
    body.truncate(length);
    request.body = body;
    Ok(request)
}

/// The head up to its empty line, and what was read beyond it.
fn read_head(from: &mut impl Read) -> Result<(String, Vec<u8>), Unreadable> {
    let mut read = Vec::new();
    loop {
        if let Some(end) = find(&read, b"\r\n\r\n") {
            let rest = read.split_off(end + 4);
            read.truncate(end);
            let head = String::from_utf8(read).map_err(|_| refused(400, "head is not text"))?;
            return Ok((head, rest));
        }
        if read.len() > MAX_HEAD {
            return Err(refused(431, "head is too long"));
        }
        let mut chunk = [0; 4096];
        match from.read(&mut chunk)? {
            0 => return Err(Unreadable::Gone),
            length => read.extend_from_slice(chunk.get(..length).unwrap_or_default()),
        }
    }
}

fn parse_head(head: &str) -> Result<Request, Unreadable> {
    let mut lines = head.split("\r\n");
    let first: Vec<&str> = lines.next().unwrap_or_default().split(' ').collect();
    let &[method, target, "HTTP/1.1" | "HTTP/1.0"] = first.as_slice() else {
        return Err(refused(400, "no HTTP/1.1 request line"));
    };
    let mut headers = BTreeMap::new();
    for line in lines {
        let (name, value) = line
            .split_once(':')
            .ok_or_else(|| refused(400, "header without a colon"))?;
        headers
            .entry(name.to_ascii_lowercase())
            .and_modify(|known: &mut String| {
                known.push_str(", ");
                known.push_str(value.trim());
            })
            .or_insert_with(|| value.trim().to_owned());
    }
    Ok(Request {
        method: method.to_owned(),
        target: target.to_owned(),
        headers,
        body: Vec::new(),
    })
}

fn body_length(request: &Request) -> Result<usize, Unreadable> {
    if request.headers.contains_key("transfer-encoding") {
        return Err(refused(411, "body needs a Content-Length"));
    }
    let Some(declared) = request.headers.get("content-length") else {
        return Ok(0);
    };
    match declared.parse() {
        Ok(length) if length <= MAX_BODY => Ok(length),
        Ok(_) => Err(refused(413, "body is too long")),
        Err(_) => Err(refused(400, "Content-Length is no number")),
    }
}

fn refused(status: u16, what: &str) -> Unreadable {
    Unreadable::Refused(Answer::error(status, "invalid_request", what))
}

fn find(within: &[u8], what: &[u8]) -> Option<usize> {
    within.windows(what.len()).position(|window| window == what)
}

/// A whole answer, before it becomes bytes.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Headers besides the ones that every answer has.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// An answer of JSON.
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::new(status, "application/json", body.to_string())
    }

    /// An error in the form of OAuth 2.0, which is the form of Appcircle's clients' test doubles.
    pub(crate) fn error(status: u16, error: &str, description: &str) -> Self {
        let body = serde_json::json!({ "error": error, "error_description": description });
        Self::json(status, &body)
    }

    /// An answer with a content type.
    pub(crate) fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: vec![("Content-Type".to_owned(), content_type.to_owned())],
            body: body.into(),
        }
    }

    /// The same answer with one more header.
    pub(crate) fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Head and body in one buffer, so that they leave in one write and no peer's delayed
    /// acknowledgement comes between them.
    pub(crate) fn bytes(&self, date: Option<&str>) -> Vec<u8> {
        let mut bytes = if self.has_body() {
            self.head(&format!("Content-Length: {}", self.body.len()), date)
        } else {
            self.head("", date)
        };
        if self.has_body() {
            bytes.extend_from_slice(&self.body);
        }
        bytes
    }

    /// The head with its empty line; `framing` is the header line that tells the body's length, or
    /// nothing.
    pub(crate) fn head(&self, framing: &str, date: Option<&str>) -> Vec<u8> {
        let mut head = self.open_head(date);
        if !framing.is_empty() {
            head.push_str(framing);
            head.push_str("\r\n");
        }
        head.push_str("\r\n");
        head.into_bytes()
    }

    /// The head without the line that tells the body's length and without its end.
    pub(crate) fn open_head(&self, date: Option<&str>) -> String {
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        let date = date.map(|date| ("Date", date));
        let own = self.headers.iter().map(|(name, value)| (&**name, &**value));
        let headers = date.into_iter().chain(own).chain([("Connection", "close")]);
        for (name, value) in headers {
            write!(head, "{name}: {value}\r\n").expect("a String takes every write");
        }
        head
    }

    /// RFC 9110 gives 1xx, 204 and 304 no body.
    fn has_body(&self) -> bool {
        !matches!(self.status, 100..=199 | 204 | 304)
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        411 => "Length Required",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Simulated",
    }
}

/// Decodes `application/x-www-form-urlencoded`, or says what is wrong with it.
///
/// As strict as a server may be: `+` is a space, `%` needs two hexadecimal digits, names come once.
pub(crate) fn decode_form(body: &[u8]) -> Result<BTreeMap<String, String>, &'static str> {
    let body = str::from_utf8(body).map_err(|_| "body is not text")?;
    let mut form = BTreeMap::new();
    for field in body.split('&').filter(|field| !field.is_empty()) {
        let (name, value) = field.split_once('=').ok_or("field without a value")?;
        let earlier = form.insert(decode_component(name)?, decode_component(value)?);
        if earlier.is_some() {
            return Err("field given twice");
        }
    }
    Ok(form)
}

fn decode_component(encoded: &str) -> Result<String, &'static str> {
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut bytes = encoded.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let high = hex_digit(bytes.next())?;
                let low = hex_digit(bytes.next())?;
                high * 16 + low
            }
            other => other,
        });
    }
    String::from_utf8(decoded).map_err(|_| "value is not UTF-8")
}

fn hex_digit(byte: Option<u8>) -> Result<u8, &'static str> {
    byte.and_then(|byte| char::from(byte).to_digit(16))
        .and_then(|digit| u8::try_from(digit).ok())
        .ok_or("percent sign without two hexadecimal digits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_whole_even_in_single_bytes() {
        let text = b"POST /auth/v3/token?x=1 HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nx-a: 2\r\n\
            Content-Length: 3\r\n\r\na=b";
        let request = read(&mut SingleBytes(text)).unwrap();
        assert_eq!(request.method, "POST");
        assert_eq!(request.path(), "/auth/v3/token");
        assert_eq!(request.headers["x-a"], "1, 2");
        assert_eq!(request.body, b"a=b");
    }

    #[test]
    fn what_is_no_request_is_refused_with_its_own_status() {
        let table: [(&str, u16); 6] = [
            ("GET / HTTP/2\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\nContent-Length: 1048577\r\n\r\n", 413),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 411),
            (&"x".repeat(80_000), 431),
        ];
        for (text, status) in table {
            let refusal = read(&mut text.as_bytes()).err().unwrap();
            assert_eq!(refusal, Some(status), "{text:.40}");
        }
    }

    #[test]
    fn a_request_cut_anywhere_is_no_request() {
        let text = b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\na=b";
        for length in 0..text.len() {
            assert_eq!(read(&mut &text[..length]).err(), Some(None), "{length}");
        }
    }

    #[test]
    fn a_form_is_decoded_strictly() {
        let form = decode_form(b"a=x+y&b=%2B%2F%3d&c=").unwrap();
        assert_eq!(form["a"], "x y");
        assert_eq!(form["b"], "+/=");
        assert_eq!(form["c"], "");
        for wrong in ["a", "a=%2", "a=%zz", "a=%ff", "a=1&a=2"] {
            assert!(decode_form(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_answer_tells_its_length_and_date() {
        let answer = Answer::new(200, "text/plain", "hey").with_header("X-A", "1");
        let text = String::from_utf8(answer.bytes(Some("now"))).unwrap();
        assert_eq!(
            text,
            "HTTP/1.1 200 OK\r\nDate: now\r\nContent-Type: text/plain\r\nX-A: 1\r\n\
             Connection: close\r\nContent-Length: 3\r\n\r\nhey"
        );
    }

    #[test]
    fn an_answer_without_content_has_neither_body_nor_length() {
        let text = String::from_utf8(Answer::new(204, "text/plain", "hey").bytes(None)).unwrap();
        assert!(text.ends_with("Connection: close\r\n\r\n"));
        assert!(!text.contains("Content-Length"));
    }

    fn read(from: &mut impl Read) -> Result<Request, Option<u16>> {
        read_request(from).map_err(|unreadable| match unreadable {
            Unreadable::Gone => None,
            Unreadable::Refused(answer) => Some(answer.status),
        })
    }

    struct SingleBytes<'a>(&'a [u8]);

    impl Read for SingleBytes<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            self.0.read(&mut into[..1])
        }
    }
}
