//! The simulator as a tool: what it records, what it lets go wrong, and that it ends cleanly.

use std::{
    io::{self, ErrorKind, Read},
    net::TcpStream,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use ac_cred_tests::{
    auth_sim::{AuthSim, Fault, Options, Tls, rows},
    https::{self, Answer},
};
use serde_json::json;

const ACME: &str = "7a3f1c2e-0000-4000-8000-000000000001";
const OTHER: &str = "5b5b5b5b-0000-4000-8000-000000000002";
const LONG: Duration = Duration::from_secs(30);

#[test]
fn an_exchange_is_on_record_with_all_that_was_sent() {
    let sim = started(Tls::Good);
    let token = exchange(&sim, "acme+key").unwrap().json()["access_token"].clone();
    let [exchange] = &*sim.exchanges() else {
        panic!("{:?}", sim.exchanges());
    };
    assert_eq!(exchange.number, 1);
    assert_eq!(exchange.path, "/auth/v3/token");
    assert_eq!(exchange.raw_body, "personalAccessKey=acme%2Bkey");
    assert_eq!(exchange.form["personalAccessKey"], "acme+key");
    assert_eq!(exchange.headers["accept"], "application/json");
    assert_eq!(exchange.credential.as_deref(), Some("acme"));
    assert_eq!(exchange.status, Some(200));
    assert_eq!(exchange.token.as_deref(), token.as_str());
    assert!(exchange.answered);
    let [issued] = &*sim.issued_tokens() else {
        panic!("{:?}", sim.issued_tokens());
    };
    assert!(issued.token.ends_with(".marker-acme-1"));
    assert_eq!(issued.organization_id, ACME);
}

#[test]
fn tokens_count_up_across_organizations_and_carry_their_labels() {
    let sim = started(Tls::Good);
    for secret in ["acme+key", "other", "acme+key"] {
        exchange(&sim, secret).unwrap();
    }
    let tokens = sim.issued_tokens();
    let markers: Vec<&str> = tokens
        .iter()
        .map(|issued| issued.token.rsplit('.').next().unwrap())
        .collect();
    assert_eq!(
        markers,
        ["marker-acme-1", "marker-5b5b5b5b-2", "marker-acme-3"]
    );
    assert_eq!(sim.exchange_count_for("acme+key"), 2);
}

#[test]
fn each_broken_tls_is_refused_by_a_client_and_can_be_mended() {
    let sim = started(Tls::Good);
    for (tls, complaint) in [
        (Tls::Expired, "certificate expired"),
        (Tls::NotYetValid, "not valid yet"),
        (Tls::WrongHost, "not valid for"),
        (Tls::SelfSigned, "UnknownIssuer"),
        (Tls::Old, "ServerDoesNotSupportTls12Or13"),
        (Tls::Garbage, "corrupt"),
    ] {
        sim.set_tls(tls);
        let error = exchange(&sim, "acme+key").unwrap_err().to_string();
        assert!(error.contains(complaint), "{tls:?}: {error}");
    }
    assert_eq!(sim.exchange_count(), 0);
    sim.set_tls(Tls::Good);
    assert_eq!(exchange(&sim, "acme+key").unwrap().status, 200);
    assert_eq!(sim.connections(), Tls::BROKEN.len());
}

#[test]
fn a_silent_server_accepts_and_says_nothing() {
    let sim = started(Tls::Silent);
    let mut stream = TcpStream::connect(("127.0.0.1", sim.port())).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_millis(50)))
        .unwrap();
    let error = stream.read(&mut [0]).unwrap_err();
    assert!(matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut
    ));
    drop(sim);
    stream.set_read_timeout(Some(LONG)).unwrap();
    assert!(matches!(stream.read(&mut [0]), Ok(0) | Err(_)));
}

#[test]
fn another_authority_is_not_trusted() {
    let (sim, stranger) = (started(Tls::Good), started(Tls::Good));
    let url = format!("{}/auth/v3/token", sim.url());
    let error = https::get(&url, Some(&stranger.ca_pem()), &[]).unwrap_err();
    assert!(error.to_string().contains("UnknownIssuer"), "{error}");
}

#[test]
fn plain_http_needs_no_authority() {
    let sim = started(Tls::Plain);
    assert!(sim.url().starts_with("http://127.0.0.1:"));
    let url = format!("{}/auth/v3/token", sim.url());
    let answer = https::post_form(&url, None, &[("personalAccessKey", "other")]).unwrap();
    assert_eq!(answer.status, 200);
}

#[test]
fn localhost_is_a_name_of_the_server() {
    let sim = started(Tls::Good);
    let url = format!("https://localhost:{}/", sim.port());
    assert_eq!(
        https::get(&url, Some(&sim.ca_pem()), &[]).unwrap().status,
        404
    );
}

#[test]
fn a_closed_port_refuses_and_opens_again() {
    let sim = started(Tls::Plain);
    sim.refuse_connections();
    let error = exchange(&sim, "other").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    sim.listen_again();
    assert_eq!(exchange(&sim, "other").unwrap().status, 200);
    assert_eq!(sim.connections(), 1);
}

#[test]
fn each_status_row_arrives_with_its_status() {
    let sim = started(Tls::Plain);
    for fault in rows::transient_statuses("http://elsewhere.example/") {
        sim.fail_next(1, fault.clone());
        let answer = exchange(&sim, "other").unwrap();
        let recorded = sim.exchanges().pop().unwrap().status;
        assert_eq!(recorded, Some(answer.status), "{fault:?}");
        let redirected = answer.headers.contains_key("location");
        assert_eq!(
            redirected,
            (301..=308).contains(&answer.status),
            "{fault:?}"
        );
        assert!(fault.name().contains(&answer.status.to_string()));
    }
    assert!(sim.issued_tokens().is_empty());
}

#[test]
fn each_body_row_arrives_whole() {
    let sim = started(Tls::Good);
    let small = |fault: &Fault| !fault.name().contains("536870912");
    let bodies = rows::unusable_bodies().into_iter().filter(small);
    let bodies: Vec<Fault> = bodies.chain(rows::doubtful_bodies()).collect();
    for fault in bodies.into_iter().chain(rows::odd_lifetimes()) {
        sim.fail_next(1, fault.clone());
        let answer = exchange(&sim, "other").unwrap();
        assert_eq!(answer.status, 200, "{fault:?}");
    }
}

#[test]
fn a_broken_connection_never_gives_a_client_a_whole_answer() {
    for tls in [Tls::Plain, Tls::Good] {
        let sim = started(tls);
        for fault in rows::broken_connections() {
            sim.fail_next(1, fault.clone());
            let answer = exchange(&sim, "other");
            let broken_chunks = |answer: &Answer| answer.headers.contains_key("transfer-encoding");
            let broken = answer.as_ref().map_or(true, broken_chunks);
            assert!(broken, "{tls:?} {fault:?}: {answer:?}");
        }
        assert_eq!(exchange(&sim, "other").unwrap().status, 200);
    }
}

#[test]
fn a_reset_is_a_reset_and_a_close_is_a_close() {
    let sim = started(Tls::Plain);
    sim.fail_next(1, Fault::reset_before_answer());
    let error = exchange(&sim, "other").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    sim.fail_next(1, Fault::close_before_answer());
    let error = exchange(&sim, "other").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
}

#[test]
fn a_dripping_answer_comes_whole_in_the_end() {
    let sim = started(Tls::Good);
    for fault in [
        Fault::drip_headers(Duration::from_micros(10)),
        Fault::drip_body(Duration::from_micros(10)),
    ] {
        sim.fail_next(1, fault);
        assert_eq!(
            exchange(&sim, "other").unwrap().json()["token_type"],
            "Bearer"
        );
    }
}

#[test]
fn a_huge_body_is_streamed_to_a_client_that_reads_it() {
    let sim = started(Tls::Plain);
    sim.fail_next(1, Fault::huge_body(20_000_000));
    assert_eq!(exchange(&sim, "other").unwrap().body.len(), 20_000_000);
}

#[test]
fn a_token_for_another_organization_claims_it() {
    let sim = started(Tls::Good);
    sim.fail_next(1, Fault::other_organization(OTHER));
    exchange(&sim, "acme+key").unwrap();
    assert_eq!(sim.issued_tokens()[0].organization_id, OTHER);
}

#[test]
fn faults_for_one_organization_spare_the_other() {
    let sim = started(Tls::Good);
    sim.only_organization(ACME).fail_always(Fault::status(503));
    sim.only_credential("acme+key")
        .slow_by(Duration::from_millis(1));
    assert_eq!(exchange(&sim, "acme+key").unwrap().status, 503);
    assert_eq!(exchange(&sim, "other").unwrap().status, 200);
    sim.heal();
    assert_eq!(exchange(&sim, "acme+key").unwrap().status, 200);
}

#[test]
fn a_gate_holds_answers_while_others_pass() {
    let sim = started(Tls::Good);
    let gate = sim.hold_credential("acme+key");
    thread::scope(|threads| {
        let held = [(), ()].map(|()| threads.spawn(|| exchange(&sim, "acme+key").unwrap()));
        assert!(gate.wait_for(2, LONG));
        assert_eq!(exchange(&sim, "other").unwrap().status, 200);
        assert!(sim.wait_for_answers(1, LONG));
        assert!(!sim.wait_for_answers(2, Duration::ZERO));
        gate.release();
        for answer in held {
            assert_eq!(answer.join().unwrap().status, 200);
        }
    });
    assert_eq!(sim.most_at_once_for("acme+key"), 2);
    assert_eq!(sim.most_at_once_for("other"), 1);
}

#[test]
fn exchanges_one_after_another_are_never_counted_as_two_at_once() {
    let sim = started(Tls::Plain);
    for _ in 0..200 {
        exchange(&sim, "other").unwrap();
    }
    assert_eq!(sim.most_at_once_for("other"), 1);
}

#[test]
fn hundreds_of_exchanges_at_once_are_all_answered() {
    let sim = started(Tls::Good);
    let gate = sim.hold();
    thread::scope(|threads| {
        let clients: Vec<_> = (0..300)
            .map(|_| threads.spawn(|| exchange(&sim, "other").unwrap().status))
            .collect();
        assert!(gate.wait_for(300, LONG));
        gate.release();
        assert!(
            clients
                .into_iter()
                .all(|client| client.join().unwrap() == 200)
        );
    });
    assert!(sim.wait_for_exchanges(300, Duration::ZERO));
    assert!(sim.wait_for_exchanges_of("other", 300, Duration::ZERO));
    assert!(!sim.wait_for_exchanges_of("acme+key", 1, Duration::ZERO));
    assert_eq!(sim.connections(), 300);
}

#[test]
fn the_end_releases_all_that_hang_or_are_held() {
    let secrets: Vec<String> = (0..rows::endless_connections().len() + 2)
        .map(|n| format!("secret {n}"))
        .collect();
    let sim = AuthSim::start();
    for (n, secret) in secrets.iter().enumerate() {
        sim.add_personal_access_key(secret, ACME);
        if let Some(fault) = rows::endless_connections().get(n) {
            sim.only_credential(secret).fail_always(fault.clone());
        }
    }
    let (held, slow) = (&secrets[secrets.len() - 1], &secrets[secrets.len() - 2]);
    let gate = sim.hold_credential(held);
    sim.only_credential(slow).slow_by(Duration::from_hours(1));
    let (url, ca) = (format!("{}/auth/v3/token", sim.url()), sim.ca_pem());
    thread::scope(|threads| {
        let post = |secret| https::post_form(&url, Some(&ca), &[("personalAccessKey", secret)]);
        let clients: Vec<_> = secrets
            .iter()
            .map(|secret| threads.spawn(move || post(secret)))
            .collect();
        assert!(sim.wait_for_exchanges(secrets.len(), LONG));
        assert!(gate.wait_for(1, LONG));
        drop(sim);
        assert_eq!(gate.held(), 0);
        assert!(
            clients
                .into_iter()
                .all(|client| client.join().unwrap().is_err())
        );
    });
}

#[test]
fn an_ended_simulator_refuses_connections() {
    let sim = started(Tls::Good);
    let port = sim.port();
    drop(sim);
    let error = TcpStream::connect(("127.0.0.1", port)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn the_observer_hears_of_everything_and_learns_no_secret() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ear = Arc::clone(&heard);
    let sim = AuthSim::start_with(Options {
        observer: Some(Arc::new(move |line: &str| {
            ear.lock().unwrap().push(line.to_owned());
        })),
        ..Options::default()
    });
    sim.add_personal_access_key("acme+key", ACME).named("acme");
    let token = exchange(&sim, "acme+key").unwrap().json()["access_token"].clone();
    let token = token.as_str().unwrap();
    sim.fail_next(1, Fault::access_token(json!(null)));
    exchange(&sim, "acme+key").unwrap();
    exchange(&sim, "wrong").unwrap();
    let url = format!("{}/build/v2/profiles?access_token={token}", sim.url());
    let header = format!("Bearer {token}");
    https::get(&url, Some(&sim.ca_pem()), &[("Authorization", &header)]).unwrap();
    let heard = heard.lock().unwrap();
    assert_eq!(
        *heard,
        [
            "exchange 1: POST /auth/v3/token by acme -> 200, token acme-1",
            "exchange 2: POST /auth/v3/token by acme -> 200, token acme-2 [access_token null]",
            "exchange 3: POST /auth/v3/token by unknown credential -> 401",
            "call: GET /build/v2/profiles with token 1 -> 200",
        ]
    );
}

fn started(tls: Tls) -> AuthSim {
    let sim = AuthSim::start_with(Options {
        tls,
        ..Options::default()
    });
    sim.add_personal_access_key("acme+key", ACME).named("acme");
    sim.add_personal_access_key("other", OTHER);
    sim
}

fn exchange(sim: &AuthSim, secret: &str) -> io::Result<Answer> {
    let url = format!("{}/auth/v3/token", sim.url());
    https::post_form(&url, Some(&sim.ca_pem()), &[("personalAccessKey", secret)])
}
