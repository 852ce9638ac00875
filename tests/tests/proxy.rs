//! The proxy of an organization: an exchange goes through it, and it sees nothing but a tunnel.

#![cfg(unix)]

use ac_cred_tests::tunnel_proxy::TunnelProxy;
use ac_cred_tests::world::World;

#[test]
fn an_exchange_goes_through_the_proxy_of_its_organization() {
    let world = World::new();
    let account = world.account("acme");
    let proxy = TunnelProxy::start();
    let login = world.login_with("acme", &account.key);
    let said = ["--store", "memory", "--proxy", proxy.url()];
    login.args(said).run().succeeded();
    assert_eq!(
        proxy.asked(),
        [format!(
            "CONNECT 127.0.0.1:{} HTTP/1.1\r\n",
            world.sim().port()
        )]
    );
    assert_eq!(world.sim().exchange_count(), 1);
    world.get("acme");
}
