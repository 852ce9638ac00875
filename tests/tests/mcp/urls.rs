//! Where a token may be sent: to the organization's MCP server, or with `--url` to one of its hosts.

use ac_cred_tests::{mcp_sim::McpSim, tunnel_proxy::TunnelProxy, world::World};

use crate::client::{Client, error, text};
use crate::{log_in, logged_in};

#[test]
fn another_url_has_to_be_on_a_host_of_the_organization() {
    let (world, mcp) = logged_in();
    for bad in [
        "https://evil.example",
        "https://127.0.0.1.evil.example/mcp",
        "https://mcp.appcircle.io",
        "http://evil.example",
        "http://localhost:1",
        "evil",
        "ftp://127.0.0.1",
        "http://user:pass@127.0.0.1",
    ] {
        let output = world.ac_cred(["mcp", "acme", "--url", bad]).run();
        output.refused(2).says("--url");
    }
    assert!(mcp.seen().is_empty());
}

#[test]
fn another_url_on_a_host_of_the_organization_is_taken_for_this_run() {
    let (world, first) = logged_in();
    let second = McpSim::start();
    let mut client = Client::start(&world, &["acme", "--url", &second.url()]);
    client.initialize();
    assert_eq!(text(&client.hello(1)), "hello, call 1");
    assert!(first.seen().is_empty());
}

#[test]
fn https_is_verified_with_the_organizations_own_authority() {
    let world = World::new();
    let config = world.sim().server_config().expect("it speaks TLS");
    let mcp = McpSim::start_with(config);
    log_in(&world, "acme", &mcp.url());
    let mut client = Client::start(&world, &["acme"]);
    client.initialize();
    assert_eq!(text(&client.hello(1)), "hello, call 1");
}

#[test]
fn the_proxy_of_the_organization_is_gone_through_and_sees_nothing_but_a_tunnel() {
    let world = World::new();
    let config = world.sim().server_config().expect("it speaks TLS");
    let (mcp, proxy) = (McpSim::start_with(config), TunnelProxy::start());
    let account = world.account("acme");
    let login = world.login_with("acme", account.key);
    let said = ["--store", "memory", "--mcp-url", &mcp.url(), "--proxy"];
    login.args(said).args([proxy.url()]).run().succeeded();
    let exchanges = proxy.asked();
    assert!(!exchanges.is_empty());
    let mut client = Client::start(&world, &["acme"]);
    client.initialize();
    assert_eq!(text(&client.hello(1)), "hello, call 1");
    let authority = mcp.url();
    let authority = authority.trim_start_matches("https://");
    let tunnel = format!(
        "CONNECT {} HTTP/1.1\r\n",
        authority.trim_end_matches("/mcp")
    );
    let asked = proxy.asked();
    assert!(!asked.is_empty(), "the proxy was gone around");
    assert!(asked.iter().all(|line| *line == tunnel), "{asked:?}");
}

#[test]
fn a_server_of_another_authority_is_not_sent_a_token() {
    let (world, stranger) = (World::new(), World::new());
    let config = stranger.sim().server_config().expect("it speaks TLS");
    let mcp = McpSim::start_with(config);
    log_in(&world, "acme", &mcp.url());
    let mut client = Client::start(&world, &["acme"]);
    client.initialize();
    let answer = client.hello(1);
    assert!(error(&answer).contains("could not be reached"), "{answer}");
    assert!(mcp.seen().is_empty());
}

#[test]
fn an_installation_without_an_mcp_server_is_not_taken_for_the_cloud() {
    let world = World::new();
    world.login("acme");
    let mut client = Client::start(&world, &["acme"]);
    client.initialize();
    let answer = client.hello(1);
    assert_eq!(
        error(&answer),
        "acme is not in Appcircle's cloud, and its MCP server is not known; \
         run: ac-cred login acme --from acme --mcp-url URL"
    );
    let mcp = McpSim::start();
    let fix = ["login", "acme", "--from", "acme", "--mcp-url", &mcp.url()];
    world.ac_cred(fix).run().succeeded();
    assert_eq!(
        text(&client.hello(2)),
        "hello, call 1",
        "no restart is needed"
    );
}

#[test]
fn a_session_ends_with_a_move_to_another_server() {
    let (world, first) = logged_in();
    let second = McpSim::start();
    let mut client = Client::start(&world, &["acme"]);
    client.initialize();
    assert_eq!(text(&client.hello(1)), "hello, call 1");
    let seen = first.seen_of("tools/call").len();
    let fix = [
        "login",
        "acme",
        "--from",
        "acme",
        "--mcp-url",
        &second.url(),
    ];
    world.ac_cred(fix).run().succeeded();
    assert_eq!(text(&client.hello(2)), "hello, call 1");
    assert_eq!(second.seen_of("tools/call").len(), 1);
    assert_eq!(first.seen_of("tools/call").len(), seen);
}
