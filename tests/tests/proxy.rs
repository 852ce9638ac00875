//! The proxy of an organization: an exchange goes through it, and it sees nothing but a tunnel.

#![cfg(unix)]

use std::io::{BufRead as _, BufReader, Write as _, copy};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use ac_cred_tests::world::World;

/// A proxy that opens one tunnel, and where it tells its first line.
fn proxy() -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port of loopback is free");
    let url = format!(
        "http://{}",
        listener.local_addr().expect("a listener has an address")
    );
    let (tell, told) = channel();
    thread::spawn(move || {
        let (client, _) = listener.accept().expect("the daemon connects");
        let mut lines = BufReader::new(client.try_clone().expect("a descriptor is left"));
        let mut first = String::new();
        lines.read_line(&mut first).expect("the daemon asks");
        let mut line = first.clone();
        while line != "\r\n" {
            line.clear();
            lines.read_line(&mut line).expect("the daemon asks");
        }
        let target = first
            .split(' ')
            .nth(1)
            .expect("a request names its target")
            .to_owned();
        tell.send(first).expect("the test waits");
        tunnel(client, &target);
    });
    (url, told)
}

fn tunnel(mut client: TcpStream, target: &str) {
    let server = TcpStream::connect(target).expect("the simulator listens");
    client
        .write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
        .expect("the daemon reads");
    let (mut from, mut to) = (
        client.try_clone().expect("a descriptor is left"),
        server.try_clone().expect("a descriptor is left"),
    );
    thread::spawn(move || {
        // Either side may end the tunnel at any time.
        copy(&mut from, &mut to).ok();
        to.shutdown(Shutdown::Write).ok();
    });
    copy(&mut &server, &mut client).ok();
    client.shutdown(Shutdown::Write).ok();
}

#[test]
fn an_exchange_goes_through_the_proxy_of_its_organization() {
    let world = World::new();
    let account = world.account("acme");
    let (url, told) = proxy();
    let login = world.login_with("acme", &account.key);
    let said = ["--store", "memory", "--proxy", &url];
    login.args(said).run().succeeded();
    let first = told.recv().unwrap();
    assert_eq!(
        first,
        format!("CONNECT 127.0.0.1:{} HTTP/1.1\r\n", world.sim().port())
    );
    assert_eq!(world.sim().exchange_count(), 1);
    world.get("acme");
}
