//! A connection as its peer sees it, over a pipe in memory and with a clock that stands still until
//! everybody waits; the test plays the broker.

use std::sync::Arc;

use ac_cred_proto::message::{Done, End, Event, EventKind, Get, Lease, List, Name, Stop, Watch};
use ac_cred_proto::secret::SessionToken;
use ac_cred_proto::time::Timestamp;
use ac_cred_proto::{Org, WIRE_VERSION};
use tokio::io::DuplexStream;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::*;
use crate::audit::{Audit, Caller};
use crate::clock::SystemClock;
use crate::places::Places;

const SECOND: Duration = Duration::from_secs(1);

const BOTH: [Encoding; 2] = [Encoding::Binary, Encoding::Json];

/// A peer, the connection that serves it, and the broker behind that.
struct Peer {
    stream: DuplexStream,
    encoding: Encoding,
    calls: mpsc::Receiver<Call>,
    shutdown: watch::Sender<Course>,
    served: JoinHandle<()>,
}

impl Peer {
    fn new(encoding: Encoding) -> Self {
        Self::with_buffer(encoding, MAX_LENGTH)
    }

    fn with_buffer(encoding: Encoding, bytes: usize) -> Self {
        let (stream, far_end) = tokio::io::duplex(bytes);
        let (sender, calls) = mpsc::channel(8);
        let (shutdown, ends) = watch::channel(Course::On);
        Self {
            stream,
            encoding,
            calls,
            shutdown,
            served: tokio::spawn(served(far_end, sender, ends)),
        }
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    async fn ask(&mut self, request: &Request) {
        let bytes = self.encoding.encode(request).unwrap();
        self.send(&bytes).await;
    }

    /// The next request that reaches the broker.
    async fn call(&mut self) -> Call {
        self.calls
            .recv()
            .await
            .expect("a request reaches the broker")
    }

    /// Lets the broker answer the next request.
    async fn is_answered(&mut self, answer: Answer) -> Request {
        let call = self.call().await;
        call.reply
            .send(answer)
            .expect("the connection waits for its answer");
        call.request
    }

    async fn reads(&mut self) -> Response {
        let mut payload = Vec::new();
        match self.encoding {
            Encoding::Binary => {
                let length = self.stream.read_u32().await.expect("an answer comes");
                payload.resize(usize::try_from(length).unwrap(), 0);
                self.stream.read_exact(&mut payload).await.unwrap();
            }
            Encoding::Json => loop {
                match self.stream.read_u8().await.expect("an answer comes") {
                    b'\n' => break,
                    byte => payload.push(byte),
                }
            },
        }
        self.encoding.decode(&payload).expect("it is a response")
    }

    async fn reads_denial(&mut self) -> Denial {
        let response = self.reads().await;
        let Response::Denied(denial) = response else {
            panic!("{response:?}");
        };
        denial
    }

    /// Waits until the connection is closed, and says how long that took and what came before it.
    async fn is_closed(&mut self) -> (Duration, Vec<u8>) {
        let (began, mut rest) = (now(), Vec::new());
        self.stream.read_to_end(&mut rest).await.unwrap();
        let waited = now() - began;
        self.stream.shutdown().await.ok();
        (&mut self.served).await.unwrap();
        (waited, rest)
    }
}

/// Serves a connection for which there is always a place.
async fn served(stream: DuplexStream, calls: mpsc::Sender<Call>, ends: watch::Receiver<Course>) {
    let place = Places::new(1).take().unwrap();
    let audit = Arc::new(Audit::new(Arc::new(SystemClock)));
    let page = audit.page(Caller::default());
    serve((stream, Unanswered::default()), calls, ends, &place, &page).await;
}

#[expect(
    clippy::disallowed_methods,
    reason = "the clock that the test itself holds still"
)]
fn now() -> Instant {
    Instant::now()
}

fn get(organization: &str) -> Request {
    Request::Get(Get {
        organization: Some(Org::parse(organization).unwrap()),
        min_ttl: None,
        refresh: false,
        wait_ms: 8_000,
    })
}

fn list() -> Request {
    Request::List(List {})
}

fn done() -> Answer {
    Answer::One(Response::Done(Done {}))
}

fn lease(token: &str) -> Answer {
    Answer::One(Response::Lease(Box::new(Lease {
        organization: Org::parse("acme").unwrap(),
        organization_id: None,
        access_token: SessionToken::parse(token).unwrap(),
        expires_at: Timestamp::from_unix(1_790_000_000),
        expires_in: 3_600,
        api_url: "https://api.example.com".to_owned(),
        warning: None,
        credential_expires_at: None,
    })))
}

fn names(count: usize) -> Answer {
    let name = |number| {
        let organization = Org::parse(&format!("org-{number}")).unwrap();
        Response::Name(Name { organization })
    };
    let names = (0..count).map(name);
    Answer::Many(names.chain([Response::End(End {})]).collect())
}

fn token_of(response: &Response) -> &str {
    let Response::Lease(lease) = response else {
        panic!("{response:?}");
    };
    lease.access_token.expose()
}

fn organization_of(request: &Request) -> &str {
    let Request::Get(get) = request else {
        panic!("{request:?}");
    };
    get.organization.as_ref().map_or("", Org::as_str)
}

#[tokio::test(start_paused = true)]
async fn a_request_is_answered_in_its_own_encoding() {
    for encoding in BOTH {
        let mut peer = Peer::new(encoding);
        peer.ask(&get("acme")).await;
        let request = peer.is_answered(lease("marker")).await;
        assert_eq!(organization_of(&request), "acme", "{encoding:?}");
        assert_eq!(token_of(&peer.reads().await), "marker", "{encoding:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_json_connection_needs_nothing_but_a_line() {
    let mut peer = Peer::new(Encoding::Json);
    for line in [
        "{\"get\":{}}\n",
        "{ \"get\" : { } }\r\n",
        "{\"list\":{}}   \n",
    ] {
        peer.send(line.as_bytes()).await;
        peer.is_answered(done()).await;
        assert!(matches!(peer.reads().await, Response::Done(_)), "{line:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn requests_may_follow_one_another() {
    for encoding in BOTH {
        let mut peer = Peer::new(encoding);
        for number in 0..5 {
            peer.ask(&get("acme")).await;
            peer.is_answered(lease(&format!("token-{number}"))).await;
            assert_eq!(token_of(&peer.reads().await), format!("token-{number}"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn requests_sent_ahead_are_answered_in_their_order() {
    for encoding in BOTH {
        let mut peer = Peer::new(encoding);
        let together: Vec<u8> = ["a", "b", "c"]
            .iter()
            .flat_map(|name| encoding.encode(&get(name)).unwrap().to_vec())
            .collect();
        peer.send(&together).await;
        for name in ["a", "b", "c"] {
            let request = peer.is_answered(lease(name)).await;
            assert_eq!(organization_of(&request), name, "{encoding:?}");
        }
        for name in ["a", "b", "c"] {
            assert_eq!(token_of(&peer.reads().await), name, "{encoding:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_sent_ahead_waits_for_the_answer_before_it() {
    let mut peer = Peer::new(Encoding::Binary);
    peer.ask(&get("a")).await;
    peer.ask(&get("b")).await;
    let first = peer.call().await;
    tokio::task::yield_now().await;
    assert!(
        peer.calls.try_recv().is_err(),
        "the second is not asked yet"
    );
    first.reply.send(lease("a")).unwrap();
    assert_eq!(organization_of(&peer.is_answered(lease("b")).await), "b");
}

#[tokio::test(start_paused = true)]
async fn a_request_is_understood_wherever_it_is_torn() {
    for encoding in BOTH {
        let whole = encoding.encode(&get("acme")).unwrap();
        for at in 1..whole.len() {
            let mut peer = Peer::new(encoding);
            peer.send(&whole[..at]).await;
            tokio::task::yield_now().await;
            peer.send(&whole[at..]).await;
            let request = peer.is_answered(done()).await;
            assert_eq!(
                organization_of(&request),
                "acme",
                "{encoding:?} torn at {at}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn half_a_request_is_waited_for_no_longer_than_its_time() {
    for encoding in BOTH {
        let whole = encoding.encode(&get("acme")).unwrap();
        for at in 1..whole.len() {
            let mut peer = Peer::new(encoding);
            peer.send(&whole[..at]).await;
            let (waited, told) = peer.is_closed().await;
            assert_eq!(waited, WHOLE_REQUEST, "{encoding:?} cut at {at}");
            assert!(told.is_empty(), "{encoding:?} cut at {at}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_says_nothing_is_closed() {
    let mut peer = Peer::new(Encoding::Binary);
    assert_eq!(peer.is_closed().await, (FIRST_BYTE, Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_asked_before_may_be_silent_longer() {
    let mut peer = Peer::new(Encoding::Json);
    for _ in 0..3 {
        peer.ask(&list()).await;
        peer.is_answered(done()).await;
        peer.reads().await;
        tokio::time::advance(BETWEEN_REQUESTS.saturating_sub(SECOND)).await;
    }
    assert!(BETWEEN_REQUESTS > FIRST_BYTE);
    assert_eq!(peer.is_closed().await, (SECOND, Vec::new()));
}

/// A peer sends a request a byte a second: it is gone in time, and the broker hears nothing.
async fn check_dripping(encoding: Encoding) {
    let mut peer = Peer::new(encoding);
    let request = get("an-organization-with-a-long-name");
    let whole = encoding.encode(&request).unwrap();
    let began = now();
    let mut clock = tokio::time::interval(SECOND);
    for byte in whole.iter() {
        clock.tick().await;
        if peer.stream.write_all(&[*byte]).await.is_err() {
            break;
        }
    }
    assert!(peer.served.is_finished(), "{encoding:?}");
    assert!(now() - began <= 10 * SECOND, "{encoding:?}");
    assert!(peer.calls.try_recv().is_err(), "{encoding:?}");
}

#[tokio::test(start_paused = true)]
async fn a_byte_a_second_does_not_keep_a_connection() {
    for encoding in BOTH {
        check_dripping(encoding).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_never_reads_is_dropped() {
    for encoding in BOTH {
        for answer in [names(1_000), lease(&"a".repeat(16_384))] {
            let mut peer = Peer::with_buffer(encoding, 64);
            peer.ask(&list()).await;
            peer.is_answered(answer).await;
            let began = now();
            (&mut peer.served).await.unwrap();
            assert_eq!(now() - began, PIECE_OF_ANSWER, "{encoding:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_reads_slowly_has_a_long_sequence_whole() {
    for encoding in BOTH {
        let mut peer = Peer::with_buffer(encoding, 64);
        peer.ask(&list()).await;
        peer.is_answered(names(2_000)).await;
        let mut clock = tokio::time::interval(Duration::from_millis(10));
        for number in 0..2_000 {
            clock.tick().await;
            assert!(
                matches!(peer.reads().await, Response::Name(name)
                    if name.organization.as_str() == format!("org-{number}")),
                "{encoding:?} {number}"
            );
        }
        assert!(matches!(peer.reads().await, Response::End(_)));
    }
}

/// A peer asks for a sequence and, before it has read that, for something else.
async fn check_sequence(encoding: Encoding, count: usize) {
    let mut peer = Peer::new(encoding);
    peer.ask(&list()).await;
    peer.ask(&get("acme")).await;
    peer.is_answered(names(count)).await;
    for number in 0..count {
        let response = peer.reads().await;
        let is_next = matches!(&response, Response::Name(name)
            if name.organization.as_str() == format!("org-{number}"));
        assert!(is_next, "{encoding:?}: {response:?}");
    }
    assert!(matches!(peer.reads().await, Response::End(_)));
    peer.is_answered(lease("next")).await;
    assert_eq!(token_of(&peer.reads().await), "next", "{encoding:?}");
}

#[tokio::test(start_paused = true)]
async fn a_sequence_is_answered_whole_and_the_next_request_after_it() {
    for encoding in BOTH {
        for count in [0, 1, 10_000] {
            check_sequence(encoding, count).await;
        }
    }
}

/// A peer sends what is no request: it is told so and sent away at once.
async fn check_wrong(encoding: Encoding, bytes: &[u8], told: &str) {
    let mut peer = Peer::with_buffer(encoding, 2 * MAX_LENGTH);
    peer.send(bytes).await;
    let denial = peer.reads_denial().await;
    let begin: Vec<u8> = bytes.iter().copied().take(40).collect();
    assert_eq!(denial.error, ErrorCode::Usage, "{begin:?}");
    assert!(denial.message.contains(told), "{begin:?}: {denial}");
    let (waited, rest) = peer.is_closed().await;
    assert_eq!((waited, rest), (Duration::ZERO, Vec::new()), "{begin:?}");
    assert!(
        peer.calls.try_recv().is_err(),
        "the broker hears nothing of {begin:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_claims_too_much_is_refused_before_it_is_read() {
    for length in [65_537_u32, 0x00ff_ffff] {
        check_wrong(Encoding::Binary, &length.to_be_bytes(), "longer than 65536").await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_frame_of_the_greatest_length_is_read() {
    let header = 65_536_u32.to_be_bytes();
    let frame = [header.as_slice(), &[WIRE_VERSION], &vec![0xff; 65_535]].concat();
    check_wrong(Encoding::Binary, &frame, "cannot be understood").await;
}

#[tokio::test(start_paused = true)]
async fn an_empty_frame_is_refused() {
    check_wrong(Encoding::Binary, &[0, 0, 0, 0], "empty").await;
    check_wrong(Encoding::Binary, &[0, 0, 0, 1, WIRE_VERSION], "empty").await;
}

#[tokio::test(start_paused = true)]
async fn a_frame_of_another_version_is_refused_with_both_versions() {
    for version in [0, WIRE_VERSION + 1, 255] {
        let mut frame = Encoding::Binary.encode(&get("acme")).unwrap();
        frame[HEADER_LENGTH] = version;
        let told = format!("wire version {version}, this is version {WIRE_VERSION}");
        check_wrong(Encoding::Binary, &frame, &told).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_frame_with_something_behind_its_message_is_refused() {
    let mut frame = Encoding::Binary.encode(&get("acme")).unwrap().to_vec();
    frame.push(0);
    let length = u32::try_from(frame.len() - HEADER_LENGTH).unwrap();
    frame[..HEADER_LENGTH].copy_from_slice(&length.to_be_bytes());
    check_wrong(Encoding::Binary, &frame, "cannot be understood").await;
}

#[tokio::test(start_paused = true)]
async fn a_line_that_is_no_request_is_refused() {
    for line in [
        "{}\n",
        "{nonsense}\n",
        "{\"get\":{}} {\"get\":{}}\n",
        "{\"get\":{\"wait\":1}}\n",
        "{\"get\":{\"organization\":\"../x\"}}\n",
        "{\"fetch\":{}}\n",
        "{\"get\":{\"wait_ms\":-1}}\n",
    ] {
        check_wrong(Encoding::Json, line.as_bytes(), "cannot be understood").await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_line_has_a_greatest_length() {
    let line = |length: usize| {
        let mut line = b"{\"list\":{}}".to_vec();
        line.resize(length - 1, b' ');
        line.push(b'\n');
        line
    };
    let mut peer = Peer::with_buffer(Encoding::Json, 2 * MAX_LENGTH);
    peer.send(&line(MAX_LENGTH)).await;
    peer.is_answered(done()).await;
    assert!(matches!(peer.reads().await, Response::Done(_)));
    check_wrong(Encoding::Json, &line(MAX_LENGTH + 1), "longer than 65536").await;
    check_wrong(Encoding::Json, &vec![b'{'; MAX_LENGTH], "longer than 65536").await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_begins_with_another_byte_is_sent_away() {
    for first in (1..=255).filter(|byte| *byte != b'{') {
        check_wrong(Encoding::Binary, &[first], "neither frames nor JSON").await;
    }
    check_wrong(
        Encoding::Binary,
        b"GET / HTTP/1.1\r\n\r\n",
        "neither frames nor JSON",
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_follows_a_good_request_has_to_be_one_too() {
    for (encoding, wrong) in [(Encoding::Json, "[]\n"), (Encoding::Binary, "\u{1}")] {
        let mut peer = Peer::new(encoding);
        peer.ask(&list()).await;
        peer.send(wrong.as_bytes()).await;
        peer.is_answered(done()).await;
        assert!(matches!(peer.reads().await, Response::Done(_)));
        assert_eq!(peer.reads_denial().await.error, ErrorCode::Usage);
        assert_eq!(peer.is_closed().await.1, b"");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_too_long_for_a_frame_ends_the_connection_with_a_reason() {
    for encoding in BOTH {
        let mut peer = Peer::new(encoding);
        peer.ask(&get("acme")).await;
        let denial = Denial::new(ErrorCode::Internal, "x".repeat(70_000));
        peer.is_answered(Answer::One(Response::Denied(denial)))
            .await;
        assert!(
            peer.reads_denial()
                .await
                .message
                .contains("longer than 65536")
        );
        assert_eq!(peer.is_closed().await, (Duration::ZERO, Vec::new()));
    }
}

/// A peer that was told what it did wrong goes on sending: how long, and for how many bytes, it can.
async fn check_going_on(pieces: usize, every: Duration) -> (Duration, usize) {
    let mut peer = Peer::with_buffer(Encoding::Binary, pieces);
    peer.send(b"x").await;
    peer.reads_denial().await;
    let (began, mut sent) = (now(), 0);
    let mut clock = tokio::time::interval(every);
    loop {
        clock.tick().await;
        match peer.stream.write(&vec![b'x'; pieces]).await {
            Ok(length) => sent += length,
            Err(_) => return (now() - began, sent),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_did_wrong_is_heard_out_for_a_limited_time_and_length() {
    let (patience, most) = HEARD_OUT;
    let (slowly, _) = check_going_on(200, Duration::from_millis(1)).await;
    assert!(slowly <= patience + SECOND, "{slowly:?}");
    let (_, flood) = check_going_on(65_536, Duration::from_micros(1)).await;
    assert!(
        flood <= usize::try_from(most).unwrap() + 2 * 65_536,
        "{flood}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_daemon_closes_connections_that_have_their_answers_and_hears_the_others() {
    for encoding in BOTH {
        let mut silent = Peer::new(encoding);
        tokio::task::yield_now().await;
        silent.shutdown.send_replace(Course::Ending);
        assert_eq!(silent.is_closed().await, (FIRST_BYTE, Vec::new()));
        let mut late = Peer::new(encoding);
        late.shutdown.send_replace(Course::Ending);
        tokio::task::yield_now().await;
        late.ask(&Request::Stop(Stop {})).await;
        late.is_answered(done()).await;
        assert!(matches!(late.reads().await, Response::Done(_)));
        let mut between = Peer::new(encoding);
        between.ask(&Request::Stop(Stop {})).await;
        between.is_answered(done()).await;
        between.shutdown.send_replace(Course::Ending);
        assert!(matches!(between.reads().await, Response::Done(_)));
        assert_eq!(between.is_closed().await, (Duration::ZERO, Vec::new()));
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_under_way_is_given_although_the_daemon_ends() {
    for encoding in BOTH {
        let mut peer = Peer::new(encoding);
        peer.ask(&get("acme")).await;
        let call = peer.call().await;
        peer.shutdown.send_replace(Course::Ending);
        tokio::time::advance(Duration::from_secs(20)).await;
        assert!(!peer.served.is_finished());
        call.reply.send(lease("last")).unwrap();
        assert_eq!(token_of(&peer.reads().await), "last");
        assert_eq!(peer.is_closed().await, (Duration::ZERO, Vec::new()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_has_begun_is_answered_although_the_daemon_ends() {
    let mut peer = Peer::new(Encoding::Json);
    peer.send(b"{\"list\"").await;
    tokio::task::yield_now().await;
    peer.shutdown.send_replace(Course::Ending);
    peer.send(b":{}}\n").await;
    peer.is_answered(done()).await;
    assert!(matches!(peer.reads().await, Response::Done(_)));
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_leaves_before_its_answer_harms_nobody() {
    for encoding in BOTH {
        let mut peer = Peer::new(encoding);
        peer.ask(&get("acme")).await;
        let call = peer.call().await;
        drop(std::mem::replace(&mut peer.stream, tokio::io::duplex(1).0));
        call.reply
            .send(lease("late"))
            .expect("the connection still waits");
        (&mut peer.served).await.expect("it ends without a panic");
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_has_said_everything_may_close_its_sending_side() {
    let (mut near, far_end) = tokio::io::duplex(MAX_LENGTH);
    let (sender, mut calls) = mpsc::channel(1);
    let (_shutdown, ends) = watch::channel(Course::On);
    let served = tokio::spawn(served(far_end, sender, ends));
    near.write_all(b"{\"list\":{}}\n").await.unwrap();
    near.shutdown().await.unwrap();
    let call = calls.recv().await.unwrap();
    call.reply.send(names(1)).unwrap();
    let mut told = String::new();
    near.read_to_string(&mut told).await.unwrap();
    assert_eq!(
        told,
        "{\"name\":{\"organization\":\"org-0\"}}\n{\"end\":{}}\n"
    );
    served.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_closes_between_requests_is_gone_at_once() {
    let mut peer = Peer::new(Encoding::Binary);
    peer.ask(&list()).await;
    peer.is_answered(done()).await;
    peer.reads().await;
    peer.stream.shutdown().await.unwrap();
    assert_eq!(peer.is_closed().await, (Duration::ZERO, Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn without_a_broker_a_caller_is_told_that_the_daemon_ends() {
    let mut before = Peer::new(Encoding::Json);
    before.calls.close();
    before.ask(&get("acme")).await;
    assert_eq!(
        before.reads_denial().await.error,
        ErrorCode::DaemonUnreachable
    );
    let mut during = Peer::new(Encoding::Binary);
    during.ask(&get("acme")).await;
    let call = during.call().await;
    during.calls.close();
    drop(call);
    assert_eq!(
        during.reads_denial().await.error,
        ErrorCode::DaemonUnreachable
    );
}

#[tokio::test(start_paused = true)]
async fn a_caller_whose_request_is_lost_is_told_so_and_may_ask_again() {
    let mut peer = Peer::new(Encoding::Binary);
    peer.ask(&get("acme")).await;
    drop(peer.call().await);
    assert_eq!(peer.reads_denial().await.error, ErrorCode::Internal);
    peer.ask(&list()).await;
    peer.is_answered(done()).await;
    assert!(matches!(peer.reads().await, Response::Done(_)));
}

fn told() -> Response {
    Response::Event(Box::new(Event::new(EventKind::Locked, None)))
}

/// A peer that watches, and where the broker tells it something.
async fn watching(buffer: usize) -> (Peer, mpsc::Sender<Response>) {
    let mut peer = Peer::with_buffer(Encoding::Json, buffer);
    let watch = Request::Watch(Watch { organization: None });
    peer.ask(&watch).await;
    let (events, then) = mpsc::channel(4);
    peer.is_answered(Answer::Watch(vec![told()], then)).await;
    (peer, events)
}

#[tokio::test(start_paused = true)]
async fn a_watcher_may_be_silent_and_is_told_whenever_something_comes() {
    let (mut peer, events) = watching(MAX_LENGTH).await;
    assert!(matches!(peer.reads().await, Response::Event(_)));
    for _ in 0..3 {
        tokio::time::advance(SECOND * 3_600).await;
        events.send(told()).await.unwrap();
        assert!(matches!(peer.reads().await, Response::Event(_)));
    }
    drop(events);
    assert!(matches!(peer.reads().await, Response::End(_)));
    peer.ask(&list()).await;
    peer.is_answered(names(0)).await;
    assert!(matches!(peer.reads().await, Response::End(_)));
}

#[tokio::test(start_paused = true)]
async fn a_watch_ends_when_its_peer_leaves() {
    let (mut peer, events) = watching(MAX_LENGTH).await;
    peer.reads().await;
    peer.stream.shutdown().await.unwrap();
    events.closed().await;
    peer.is_closed().await;
}

#[tokio::test(start_paused = true)]
async fn a_watch_ends_with_the_daemon() {
    let (mut peer, _events) = watching(MAX_LENGTH).await;
    peer.reads().await;
    peer.shutdown.send_replace(Course::Ending);
    assert!(matches!(peer.reads().await, Response::End(_)));
    peer.is_closed().await;
}

#[tokio::test(start_paused = true)]
async fn a_watcher_that_does_not_read_is_dropped() {
    let (mut peer, events) = watching(16).await;
    let (began, telling) = (now(), async { while events.send(told()).await.is_ok() {} });
    telling.await;
    assert!(now() - began <= PIECE_OF_ANSWER);
    peer.is_closed().await;
}
