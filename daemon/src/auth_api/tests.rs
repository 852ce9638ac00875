//! Exchanges with a server on this machine that says what a test tells it to say.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use ac_cred_proto::settings::{OrgSettings, Store};
use ac_cred_proto::time::Timestamp;

use super::*;
use crate::clock::Now;
use crate::policy::{Moment, Span};

const CREDENTIAL: &str = "pak-7f3a9c2e0b1d4e5f";
const TOKEN: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n\
                     {\"access_token\":\"eyJ.eyJ.x\",\"expires_in\":3600}";

/// A clock that goes on by what a test adds.
#[derive(Default)]
struct SetClock(AtomicU64);

impl Clock for SetClock {
    fn now(&self) -> Now {
        Now {
            moment: Moment(self.0.load(Ordering::Relaxed)),
            wall: Timestamp::from_unix(1_790_000_000),
        }
    }
}

/// A server for one connection.
struct Server {
    url: String,
    request: JoinHandle<String>,
}

impl Server {
    /// A server that reads a request and then does what `answer` does.
    fn new(answer: impl FnOnce(TcpStream) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let request = std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let request = read_request(&stream);
            answer(stream);
            request
        });
        Self { url, request }
    }

    fn saying(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        // One who has read enough may be gone before the end.
        Self::new(move |mut stream| drop(stream.write_all(&answer)))
    }
}

fn read_request(stream: &TcpStream) -> String {
    let mut reader = BufReader::new(stream);
    let (mut request, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        request.push_str(&line);
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    request + &String::from_utf8(body).unwrap()
}

fn target(change: impl FnOnce(&mut OrgSettings)) -> Arc<Target> {
    let mut settings = OrgSettings::new(Store::Memory);
    settings.allow_http = true;
    change(&mut settings);
    Arc::new(Target::new(&settings, None).unwrap())
}

async fn exchange_at(url: &str, clock: Arc<SetClock>) -> Result<Grant, Failure> {
    exchange_with(target(|settings| settings.auth_url = url.into()), clock).await
}

async fn exchange_with(target: Arc<Target>, clock: Arc<SetClock>) -> Result<Grant, Failure> {
    // Another test may have been first.
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    let credential = Credential::parse(CREDENTIAL).unwrap();
    HttpsAuthApi::new(clock).exchange(target, credential).await
}

async fn exchange(server: &Server) -> Result<Grant, Failure> {
    exchange_at(&server.url, Arc::default()).await
}

/// What is told of a failure that may pass.
fn transient(result: Result<Grant, Failure>) -> (ErrorCode, String) {
    match result {
        Err(Failure::Transient(denial, _)) => (denial.error, denial.message),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_exchange_is_one_post_of_a_form() {
    let server = Server::saying(TOKEN);
    let grant = exchange(&server).await.unwrap();
    assert_eq!(grant.token.expose(), "eyJ.eyJ.x");
    assert_eq!(grant.life, Span::seconds(3_600));
    let request = server.request.join().unwrap();
    let lower = request.to_lowercase();
    assert!(
        request.starts_with("POST /auth/v3/token HTTP/1.1\r\n"),
        "{request}"
    );
    assert!(
        lower.contains("\r\ncontent-type: application/x-www-form-urlencoded\r\n"),
        "{request}"
    );
    assert!(
        lower.contains("\r\naccept: application/json\r\n"),
        "{request}"
    );
    assert!(lower.contains("\r\nuser-agent: ac-cred/"), "{request}");
    assert!(
        request.ends_with(&format!("\r\n\r\npersonalAccessKey={CREDENTIAL}")),
        "{request}"
    );
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    for status in [
        "301 Moved",
        "302 Found",
        "303 See",
        "307 Temporary",
        "308 Permanent",
    ] {
        let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
        elsewhere.set_nonblocking(true).unwrap();
        let location = format!("http://{}/auth/v3/token", elsewhere.local_addr().unwrap());
        let answer =
            format!("HTTP/1.1 {status}\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
        let (error, _) = transient(exchange(&Server::saying(answer)).await);
        assert_eq!(error, ErrorCode::AuthApiBadAnswer, "{status}");
        assert!(elsewhere.accept().is_err(), "{status} was followed");
    }
}

#[tokio::test]
async fn the_servers_time_and_its_wish_to_be_left_alone_are_read() {
    let answer = "HTTP/1.1 503 No\r\nDate: Mon, 21 Sep 2026 14:13:20 GMT\r\n\
                  Retry-After: Mon, 21 Sep 2026 14:15:20 GMT\r\nContent-Length: 0\r\n\r\n";
    let result = exchange(&Server::saying(answer)).await;
    assert!(
        matches!(result, Err(Failure::Transient(_, Some(pause))) if pause == Span::seconds(120)),
        "{result:?}"
    );
}

#[tokio::test]
async fn a_body_is_read_up_to_its_limit() {
    let body = |length: usize| {
        let token = "{\"access_token\":\"eyJ.eyJ.x\",\"expires_in\":3600}";
        let rest = " ".repeat(length - token.len());
        format!("HTTP/1.1 200 OK\r\n\r\n{token}{rest}")
    };
    assert!(exchange(&Server::saying(body(MAX_BODY))).await.is_ok());
    for length in [MAX_BODY + 1, 50 * MAX_BODY] {
        let (error, message) = transient(exchange(&Server::saying(body(length))).await);
        assert_eq!(error, ErrorCode::AuthApiBadAnswer);
        assert!(message.contains("more than 262144 bytes"), "{message}");
    }
}

#[tokio::test]
async fn a_connection_that_breaks_is_told_without_the_credential() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("http://{}", taken.local_addr().unwrap());
    drop(taken);
    let mut told = vec![transient(exchange_at(&nobody, Arc::default()).await)];
    for answer in [
        "",
        "HTTP/1.1 200 OK\r\nContent-Le",
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"access_token\":\"eyJ",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n",
        "\u{0}\u{1}\u{2}",
    ] {
        told.push(transient(exchange(&Server::saying(answer)).await));
    }
    let echo = format!("HTTP/1.1 {CREDENTIAL} {CREDENTIAL}\r\n{CREDENTIAL}\r\n\r\n");
    told.push(transient(exchange(&Server::saying(echo)).await));
    for (error, message) in told {
        assert_eq!(error, ErrorCode::AuthApiUnreachable, "{message}");
        assert!(message.starts_with("127.0.0.1:"), "{message}");
        assert!(
            !message.contains(CREDENTIAL) && !message.contains("/auth/"),
            "{message}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_exchange_ends_by_its_deadline() {
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let server = Server::new(move |stream| {
        ended.recv().unwrap_err();
        drop(stream);
    });
    let (error, message) = transient(exchange(&server).await);
    assert_eq!(error, ErrorCode::AuthApiUnreachable);
    assert!(message.contains("within 30 seconds"), "{message}");
    drop(end);
}

#[tokio::test]
async fn a_token_that_the_machine_slept_over_is_not_taken_for_a_new_one() {
    for (ms, is_taken) in [(30_000, true), (30_001, false), (28_800_000, false)] {
        let clock = Arc::new(SetClock::default());
        let sleeper = Arc::clone(&clock);
        let server = Server::new(move |mut stream| {
            sleeper.0.fetch_add(ms, Ordering::Relaxed);
            stream.write_all(TOKEN.as_bytes()).unwrap();
        });
        let result = exchange_at(&server.url, clock).await;
        assert_eq!(result.is_ok(), is_taken, "after {ms} ms");
        if !is_taken {
            assert_eq!(transient(result).0, ErrorCode::AuthApiUnreachable);
        }
    }
}

#[tokio::test]
async fn a_server_without_tls_is_not_sent_what_was_meant_for_one_with_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let heard = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut bytes = vec![0; 4_096];
        let length = stream.read(&mut bytes).unwrap();
        drop(stream.write_all(TOKEN.as_bytes()));
        bytes.truncate(length);
        bytes
    });
    let target = target(|settings| {
        settings.auth_url = url.into();
        settings.allow_http = false;
    });
    transient(exchange_with(target, Arc::default()).await);
    let heard = heard.join().unwrap();
    assert!(
        !heard
            .windows(8)
            .any(|piece| CREDENTIAL.as_bytes().windows(8).any(|s| s == piece))
    );
}

#[tokio::test]
async fn a_ca_file_without_certificates_is_told_and_nothing_is_sent() {
    for pem in [
        "",
        "nonsense",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ] {
        let mut settings = OrgSettings::new(Store::Memory);
        settings.auth_url = "https://127.0.0.1:1".into();
        let target = Target::new(&settings, Some(pem.as_bytes().to_vec())).unwrap();
        let result = exchange_with(Arc::new(target), Arc::default()).await;
        assert!(
            matches!(&result, Err(Failure::Here(denial))
                if denial.error == ErrorCode::StoreUnreadable),
            "{pem:?}: {result:?}"
        );
    }
}
