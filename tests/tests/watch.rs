//! `watch`: an editor hears of every change over the real socket, in both encodings.

#![cfg(unix)]

use ac_cred_proto::{
    Request, Response,
    message::{Event, EventKind, Watch},
};
use ac_cred_tests::world::{Connection, World};

fn watch(mut connection: Connection) -> Connection {
    connection.send(&Request::Watch(Watch { organization: None }));
    connection
}

fn hears(connection: &mut Connection) -> Option<Event> {
    let response = connection.receive().expect("something is told");
    if let Response::Event(event) = response {
        return Some(*event);
    }
    assert!(matches!(response, Response::End(_)), "{response:?}");
    None
}

#[test]
fn an_editor_hears_of_tokens_locks_and_the_end() {
    let world = World::new();
    world.login("acme");
    let mut watchers = [watch(world.connect()), watch(world.connect_json())];
    let everybody_hears = |watchers: &mut [Connection; 2], kind, organization: Option<&str>| {
        for watcher in watchers {
            let event = hears(watcher).expect("more is told");
            let of = event.organization.map(|org| org.to_string());
            assert_eq!((event.event, of.as_deref()), (kind, organization));
        }
    };
    everybody_hears(&mut watchers, EventKind::Renewed, Some("acme"));
    everybody_hears(&mut watchers, EventKind::Watching, None);
    world.login("other");
    everybody_hears(&mut watchers, EventKind::Renewed, Some("other"));
    let get = world.ac_cred(["get", "acme", "--refresh"]);
    get.run().succeeded();
    everybody_hears(&mut watchers, EventKind::Renewed, Some("acme"));
    world.ac_cred(["logout", "other"]).run().succeeded();
    everybody_hears(&mut watchers, EventKind::LoggedOut, Some("other"));
    world.ac_cred(["lock", "--yes"]).run().succeeded();
    everybody_hears(&mut watchers, EventKind::Locked, None);
    world.ac_cred(["unlock"]).run().succeeded();
    everybody_hears(&mut watchers, EventKind::Unlocked, None);
    world.stop();
    for watcher in &mut watchers {
        assert_eq!(hears(watcher), None);
    }
}
