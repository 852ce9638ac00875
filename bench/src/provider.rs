//! A provider of identities, just enough for `oidc-agent` to have a token: whatever it is asked, it answers
//! with all that is ever looked for.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;

use crate::subject::TOKEN_LENGTH;

/// Serves on a port of this machine until the process ends, and returns the issuer's URL.
pub(crate) fn start() -> io::Result<String> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let url = format!("http://{}/", listener.local_addr()?);
    let body = serde_json::json!({
        "issuer": url,
        "authorization_endpoint": format!("{url}authorize"),
        "token_endpoint": format!("{url}token"),
        "scopes_supported": ["openid"],
        "grant_types_supported": ["refresh_token"],
        "response_types_supported": ["code"],
        "access_token": "x".repeat(TOKEN_LENGTH),
        "token_type": "Bearer",
        "expires_in": 86_400,
        "refresh_token": "refresh",
    });
    let body = body.to_string();
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // One who leaves early asks again.
            serve(stream, &answer).ok();
        }
    });
    Ok(url)
}

/// Reads one request to its end and answers it.
fn serve(stream: TcpStream, answer: &str) -> io::Result<()> {
    let mut request = BufReader::new(stream);
    let (mut line, mut length) = (String::new(), 0);
    while request.read_line(&mut line)? > 2 {
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
        line.clear();
    }
    request.read_exact(&mut vec![0; length])?;
    request.get_mut().write_all(answer.as_bytes())
}
