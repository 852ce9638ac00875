//! What reaches the real daemon, and the real client, that no honest peer sends: both say so or end
//! the connection, and the daemon serves on.

use std::{io::Write, net::Shutdown, os::unix::net::UnixListener, thread};

use ac_cred_proto::{
    ErrorCode, Org, Request, Response, WIRE_VERSION,
    frame::{Encoding, HEADER_LENGTH, MAX_LENGTH},
    message::Get,
};
use ac_cred_tests::world::{Connection, World};

const ENCODINGS: [Encoding; 2] = [Encoding::Binary, Encoding::Json];

#[test]
fn a_request_of_a_future_wire_version_is_refused_by_its_number() {
    let world = World::new();
    world.login("acme");
    let mut frame = request(Encoding::Binary);
    frame[HEADER_LENGTH] = WIRE_VERSION + 1;
    let mut connection = world.connect();
    connection.send_bytes(&frame).unwrap();
    let Some(Response::Denied(denial)) = connection.receive() else {
        panic!("it is not refused");
    };
    assert_eq!(denial.error, ErrorCode::Usage);
    let theirs = format!("wire version {}", WIRE_VERSION + 1);
    let ours = format!("version {WIRE_VERSION}");
    assert!(
        denial.message.contains(&theirs) && denial.message.contains(&ours),
        "{denial}"
    );
    assert_eq!(connection.rest().unwrap(), b"");
    world.get("acme");
}

#[test]
fn a_daemon_of_a_future_wire_version_is_told_to_the_person() {
    let world = World::new();
    let listener = UnixListener::bind(world.socket()).unwrap();
    let mut frame = request(Encoding::Binary);
    frame[HEADER_LENGTH] = WIRE_VERSION + 1;
    thread::scope(|scope| {
        scope.spawn(|| {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(&frame).unwrap();
            // It is closed by the client.
            std::io::copy(&mut stream, &mut std::io::sink()).ok();
        });
        let output = world.ac_cred(["get", "acme", "--no-start"]).run();
        output
            .refused(7)
            .says(&format!("wire version {}", WIRE_VERSION + 1));
    });
}

#[test]
fn a_request_that_ends_at_any_byte_ends_the_connection_alone() {
    let (world, daemon) = served();
    for encoding in ENCODINGS {
        let whole = request(encoding);
        for length in 0..whole.len() {
            let mut connection = world.connect();
            let answered = after(&mut connection, &whole[..length]);
            assert_eq!(answered, b"", "{encoding:?}, {length} bytes");
        }
    }
    serves_on(&world, daemon);
}

#[test]
fn a_request_that_is_wrong_at_any_byte_is_answered_or_ends_the_connection() {
    let (world, daemon) = served();
    for encoding in ENCODINGS {
        let whole = request(encoding);
        for position in 0..whole.len() {
            for wrong in [0x00, 0x01, 0x7f, 0x80, 0xff] {
                let mut bytes = whole.clone();
                bytes[position] = wrong;
                after(&mut world.connect(), &bytes);
            }
        }
    }
    world.get("acme");
    assert_eq!(world.daemon_pid(), daemon);
}

#[test]
fn a_request_that_is_too_long_is_refused_before_it_is_held() {
    let (world, daemon) = served();
    let longest = u32::try_from(MAX_LENGTH).unwrap();
    for length in [longest + 1, longest * 2, 0x00ff_ffff] {
        let mut connection = world.connect();
        connection.send_bytes(&length.to_be_bytes()).unwrap();
        is_refused(&mut connection, "longer than");
    }
    for length in [0_u32, 1] {
        let mut connection = world.connect();
        connection.send_bytes(&length.to_be_bytes()).unwrap();
        is_refused(&mut connection, "empty");
    }
    let mut connection = world.connect_json();
    let line = format!("{{\"get\":{{\"organization\":\"{}", "a".repeat(MAX_LENGTH));
    // The daemon may stop reading before all of it is sent.
    connection
        .send_bytes(line.get(..MAX_LENGTH).unwrap().as_bytes())
        .ok();
    is_refused(&mut connection, "longer than");
    serves_on(&world, daemon);
}

#[test]
fn what_is_neither_a_frame_nor_json_ends_the_connection() {
    let (world, daemon) = served();
    for stranger in [
        "GET / HTTP/1.1\r\n\r\n",
        "\u{16}\u{3}\u{1}",
        "\n{}\n",
        "[]\n",
        "hello",
    ] {
        let mut connection = world.connect();
        connection.send_bytes(stranger.as_bytes()).unwrap();
        is_refused(&mut connection, "neither frames nor JSON lines");
    }
    serves_on(&world, daemon);
}

/// A world with a token, and the id of its daemon.
fn served() -> (World, Option<u32>) {
    let world = World::new();
    world.login("acme");
    let daemon = world.daemon_pid();
    (world, daemon)
}

fn serves_on(world: &World, daemon: Option<u32>) {
    world.get("acme");
    assert_eq!(world.daemon_pid(), daemon);
    assert_eq!(world.sim().exchange_count(), 1);
}

/// A whole request, which asks for a token.
fn request(encoding: Encoding) -> Vec<u8> {
    let get = Request::Get(Get {
        organization: Org::parse("acme").ok(),
        min_ttl: None,
        refresh: false,
        wait_ms: 8_000,
    });
    encoding.encode(&get).expect("it fits a frame").to_vec()
}

/// What the daemon answers to these bytes and no others before it closes the connection.
fn after(connection: &mut Connection, bytes: &[u8]) -> Vec<u8> {
    // The daemon may be quicker in closing it.
    connection.send_bytes(bytes).ok();
    connection.stream().shutdown(Shutdown::Write).ok();
    connection.rest().unwrap_or_default()
}

#[track_caller]
fn is_refused(connection: &mut Connection, why: &str) {
    let response = connection.receive();
    let is_right = matches!(&response, Some(Response::Denied(denial))
        if denial.error == ErrorCode::Usage && denial.message.contains(why));
    assert!(is_right, "{response:?}");
    assert_eq!(connection.rest().unwrap_or_default(), b"");
}
