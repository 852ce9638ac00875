//! One table of the messages that cross the socket: every variant, every value of every choice, and
//! every field that may be left out, both with and without.

use std::iter::successors;

use ac_cred_proto::argv::Argv;
use ac_cred_proto::message::{
    Asked, Audit, Audited, ChangePassphrase, Check, Checked, DaemonStatus, Destination,
    DestinationOf, Done, End, Event, EventKind, Get, LastExchange, Lease, List, Lock, LoggedIn,
    Login, LoginNeeds, Logout, Move, Name, OrganizationStatus, Outcome, PassphraseNeed, Reject,
    Rename, Restart, SaidSettings, Server, Status, Step, Stop, TokenStatus, Unlock, Use, Warning,
    Watch,
};
use ac_cred_proto::secret::{Credential, Passphrase, SessionToken};
use ac_cred_proto::settings::{EndpointVersion, Kind, Store};
use ac_cred_proto::time::Timestamp;
use ac_cred_proto::{Denial, ErrorCode, Org, Request, Response};

/// The alias that most messages name.
pub(crate) const ALIAS: &str = "acme";

/// The session token of the table; like every secret, and like nothing else in the table, it
/// holds the word `marker`.
pub(crate) const TOKEN: &str = "eyJ.marker-token.x_~+/==";

/// The credential of the table; it has the characters that JSON writes with a backslash.
const CREDENTIAL: &str = r#"marker-"key\+/="#;

/// The passphrase of the table.
pub(crate) const PASSPHRASE: &str = "marker pass phrase, größer";

/// The path of a file with an identity.
const IDENTITY: &str = "/home/me/.config/age/key.txt";

/// The organization's id at Appcircle.
const GUID: &str = "7a3f0000-0000-4000-8000-000000000001";

/// A message and what is special about it.
pub(crate) struct Sample<M> {
    /// What a failing test calls it.
    pub(crate) name: String,
    /// The message.
    pub(crate) message: M,
}

/// Every request of the table, those of a variant one after the other.
pub(crate) fn requests() -> Vec<Sample<Request>> {
    [
        gets(),
        logins(),
        logouts(),
        vec![sample(
            "rename",
            Request::Rename(Rename {
                old: alias(),
                new: org("Acme-2.b_c"),
            }),
        )],
        vec![sample(
            "use",
            Request::Use(Use {
                organization: alias(),
            }),
        )],
        rejects(),
        vec![sample("list", Request::List(List {}))],
        statuses(),
        unlocks(),
        vec![sample("stop", Request::Stop(Stop {}))],
        locks(),
        destinations_asked(),
        passphrase_changes(),
        watches(),
        audits(),
        moves(),
        checks(),
        vec![sample("restart", Request::Restart(Restart {}))],
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Every response of the table, those of a variant one after the other.
pub(crate) fn responses() -> Vec<Sample<Response>> {
    [
        leases(),
        logged_ins(),
        login_needs(),
        vec![sample("done", Response::Done(Done {}))],
        vec![sample(
            "name",
            Response::Name(Name {
                organization: alias(),
            }),
        )],
        daemons(),
        organizations(),
        vec![sample("end", Response::End(End {}))],
        denials(),
        destinations(),
        events(),
        auditeds(),
        findings(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Every need of a passphrase; a new one does not compile before it follows another.
pub(crate) fn passphrase_needs() -> Vec<PassphraseNeed> {
    let next = |need: &PassphraseNeed| match need {
        PassphraseNeed::Nothing => Some(PassphraseNeed::Existing),
        PassphraseNeed::Existing => Some(PassphraseNeed::New),
        PassphraseNeed::New => None,
    };
    successors(Some(PassphraseNeed::Nothing), next).collect()
}

/// Every warning; a new one does not compile before it follows another.
pub(crate) fn warnings() -> Vec<Warning> {
    let next = |warning: &Warning| match warning {
        Warning::CredentialRefused => Some(Warning::CredentialExpires),
        Warning::CredentialExpires => None,
    };
    successors(Some(Warning::CredentialRefused), next).collect()
}

fn sample<M>(name: impl Into<String>, message: M) -> Sample<M> {
    Sample {
        name: name.into(),
        message,
    }
}

fn org(name: &str) -> Org {
    Org::parse(name).expect("the table holds aliases")
}

fn alias() -> Org {
    org(ALIAS)
}

fn token() -> SessionToken {
    SessionToken::parse(TOKEN).expect("the table holds a token")
}

fn credential() -> Credential {
    Credential::parse(CREDENTIAL).expect("the table holds a credential")
}

fn passphrase() -> Passphrase {
    Passphrase::parse(PASSPHRASE).expect("the table holds a passphrase")
}

fn command() -> Argv {
    let words = ["/usr/bin/pass", "show", "größe/acme key", ""];
    Argv::new(words).expect("the table holds a command")
}

/// A time of today, which takes five bytes.
fn time() -> Timestamp {
    Timestamp::from_unix(1_790_002_799)
}

fn gets() -> Vec<Sample<Request>> {
    let get = |organization, min_ttl, refresh, wait_ms| {
        Request::Get(Get {
            organization,
            min_ttl,
            refresh,
            wait_ms,
        })
    };
    vec![
        sample("get with the defaults", get(None, None, false, 8_000)),
        sample("get by alias", get(Some(alias()), None, false, 250)),
        sample("get by GUID", get(Some(org(GUID)), None, false, 251)),
        sample("get with a demand", get(None, Some(300), false, 65_535)),
        sample("get of a new token", get(None, None, true, 65_536)),
        sample(
            "get with the longest of all",
            get(Some(org(&"a".repeat(64))), Some(u32::MAX), true, 3_600_000),
        ),
    ]
}

fn logins() -> Vec<Sample<Request>> {
    let login = |credential, from, settings, make_default| {
        Request::Login(Box::new(Login {
            organization: alias(),
            credential,
            from,
            settings,
            make_default,
            wait_ms: 8_000,
            command: None,
        }))
    };
    let mut samples = vec![
        sample(
            "login that asks what it would need",
            login(None, None, nothing_said(), false),
        ),
        sample(
            "login with a credential and all settings",
            login(Some(credential()), None, all_said(), true),
        ),
        sample(
            "login with another organization's credential",
            login(None, Some(org("b")), nothing_said(), false),
        ),
        sample(
            "login with a command",
            Request::Login(Box::new(Login {
                organization: alias(),
                credential: None,
                from: None,
                settings: nothing_said(),
                make_default: false,
                wait_ms: 8_000,
                command: Some(command()),
            })),
        ),
    ];
    samples.extend(choices_said().into_iter().map(|(name, settings)| {
        let message = login(None, None, settings, false);
        sample(format!("login that says {name}"), message)
    }));
    samples
}

/// Settings that say one choice each, until every choice is said.
fn choices_said() -> Vec<(String, SaidSettings)> {
    let kinds = Kind::ALL.iter().map(|&kind| {
        let said = SaidSettings {
            kind: Some(kind),
            ..nothing_said()
        };
        (kind.to_string(), said)
    });
    let stores = Store::ALL.iter().map(|&store| {
        let said = SaidSettings {
            store: Some(store),
            ..nothing_said()
        };
        (store.to_string(), said)
    });
    let versions = EndpointVersion::ALL.iter().map(|&version| {
        let said = SaidSettings {
            endpoint_version: Some(version),
            allow_http: Some(false),
            ..nothing_said()
        };
        (version.to_string(), said)
    });
    kinds.chain(stores).chain(versions).collect()
}

fn nothing_said() -> SaidSettings {
    SaidSettings {
        kind: None,
        store: None,
        auth_url: None,
        api_url: None,
        mcp_url: None,
        name: None,
        organization_id: None,
        sub_organization: None,
        endpoint_version: None,
        ca_file: None,
        proxy: None,
        allow_http: None,
        expires: None,
    }
}

fn all_said() -> SaidSettings {
    let text = |text: &str| Some(text.to_owned());
    SaidSettings {
        kind: Some(Kind::ApiKey),
        store: Some(Store::File),
        auth_url: text("https://auth.example.com"),
        api_url: text("https://api.example.com"),
        mcp_url: text("https://mcp.example.com/mcp"),
        name: text("größe"),
        organization_id: text(GUID),
        sub_organization: text("7a3f0000-0000-4000-8000-000000000002"),
        endpoint_version: Some(EndpointVersion::V1),
        ca_file: text("/etc/ssl/example.pem"),
        proxy: text("http://proxy.example.com:3128"),
        allow_http: Some(true),
        expires: Some(time()),
    }
}

fn logouts() -> Vec<Sample<Request>> {
    let logout = |organization, all| Request::Logout(Logout { organization, all });
    vec![
        sample("logout of the default", logout(None, false)),
        sample("logout of one", logout(Some(alias()), false)),
        sample("logout of all", logout(None, true)),
    ]
}

fn rejects() -> Vec<Sample<Request>> {
    let reject = |organization, token| {
        Request::Reject(Reject {
            organization,
            token,
            wait_ms: 8_000,
        })
    };
    vec![
        sample("reject of the token that is held", reject(None, None)),
        sample("reject of a token", reject(Some(alias()), Some(token()))),
    ]
}

fn statuses() -> Vec<Sample<Request>> {
    let status = |organization| Request::Status(Status { organization });
    vec![
        sample("status of all", status(None)),
        sample("status of one", status(Some(alias()))),
    ]
}

fn locks() -> Vec<Sample<Request>> {
    let lock = |forget_memory| Request::Lock(Lock { forget_memory });
    vec![
        sample("lock that loses nothing", lock(false)),
        sample("lock that may lose what rests in memory", lock(true)),
    ]
}

fn watches() -> Vec<Sample<Request>> {
    let watch = |organization| Request::Watch(Watch { organization });
    vec![
        sample("watch of all organizations", watch(None)),
        sample("watch of one", watch(Some(alias()))),
    ]
}

fn audits() -> Vec<Sample<Request>> {
    let audit = |organization| Request::Audit(Audit { organization });
    vec![
        sample("audit of all organizations", audit(None)),
        sample("audit of one", audit(Some(alias()))),
    ]
}

fn moves() -> Vec<Sample<Request>> {
    let moved = |organization, to, command| {
        Request::Move(Move {
            organization,
            to,
            command,
            wait_ms: 8_000,
        })
    };
    vec![
        sample("move of the default", moved(None, Store::Keyring, None)),
        sample(
            "move to a command",
            moved(Some(alias()), Store::Command, Some(command())),
        ),
    ]
}

fn checks() -> Vec<Sample<Request>> {
    let check = |organization, wait_ms| {
        Request::Check(Check {
            organization,
            wait_ms,
        })
    };
    vec![
        sample("check of all organizations", check(None, 8_000)),
        sample("check of one", check(Some(alias()), 20_000)),
    ]
}

fn unlocks() -> Vec<Sample<Request>> {
    let unlock = |passphrase, create, identity: Option<&str>| {
        Request::Unlock(Unlock {
            passphrase,
            create,
            identity: identity.map(str::to_owned),
        })
    };
    let passphrase = || Some(passphrase());
    vec![
        sample("unlock with what is at hand", unlock(None, false, None)),
        sample(
            "unlock with a passphrase",
            unlock(passphrase(), false, None),
        ),
        sample("unlock of a new store", unlock(passphrase(), true, None)),
        sample(
            "unlock with an identity",
            unlock(None, false, Some(IDENTITY)),
        ),
    ]
}

fn passphrase_changes() -> Vec<Sample<Request>> {
    let change = |passphrase, identity: Option<&str>| {
        Request::ChangePassphrase(ChangePassphrase {
            passphrase,
            identity: identity.map(str::to_owned),
        })
    };
    vec![
        sample("whether the store is open", change(None, None)),
        sample("a new passphrase", change(Some(passphrase()), None)),
        sample("an identity from now on", change(None, Some(IDENTITY))),
    ]
}

fn destinations_asked() -> Vec<Sample<Request>> {
    let asked = |organization| Request::Destination(DestinationOf { organization });
    vec![
        sample("destination of the default", asked(None)),
        sample("destination of one", asked(Some(alias()))),
    ]
}

fn leases() -> Vec<Sample<Response>> {
    let lease = |organization_id: Option<&str>, expires_at, expires_in, warning| {
        Response::Lease(Box::new(Lease {
            organization: alias(),
            organization_id: organization_id.map(str::to_owned),
            access_token: token(),
            expires_at,
            expires_in,
            api_url: "https://api.appcircle.io".to_owned(),
            warning,
            credential_expires_at: warning.map(|_| time()),
        }))
    };
    let mut samples = vec![
        sample("lease", lease(Some(GUID), time(), 3_540, None)),
        sample(
            "lease of an opaque token at the beginning of time",
            lease(None, Timestamp::from_unix(0), 0, None),
        ),
        sample(
            "lease until the end of time",
            lease(None, Timestamp::from_unix(u64::MAX), u32::MAX, None),
        ),
    ];
    samples.extend(warnings().into_iter().map(|warning| {
        let message = lease(Some(GUID), time(), 30, Some(warning));
        sample(format!("lease with the warning {warning:?}"), message)
    }));
    samples
}

fn logged_ins() -> Vec<Sample<Response>> {
    let logged_in = |store, organization_id: Option<&str>, why_not: Option<&str>| {
        Response::LoggedIn(LoggedIn {
            organization: alias(),
            organization_id: organization_id.map(str::to_owned),
            store,
            api_url: "https://api.appcircle.io".to_owned(),
            expires_in: 3_600,
            settings_not_saved: why_not.map(str::to_owned),
        })
    };
    vec![
        sample("login kept", logged_in(Store::File, Some(GUID), None)),
        sample(
            "login in memory only",
            logged_in(Store::Memory, None, Some("the home is read-only")),
        ),
    ]
}

fn login_needs() -> Vec<Sample<Response>> {
    let needs = |kind, passphrase| {
        let message = Response::LoginNeeds(LoginNeeds { kind, passphrase });
        sample(
            format!("login that needs {kind} and {passphrase:?}"),
            message,
        )
    };
    Kind::ALL
        .iter()
        .flat_map(|&kind| {
            passphrase_needs()
                .into_iter()
                .map(move |need| needs(kind, need))
        })
        .collect()
}

fn daemons() -> Vec<Sample<Response>> {
    let daemon = |pid, uptime, locked| {
        Response::Daemon(DaemonStatus {
            version: "0.1.0".to_owned(),
            pid,
            socket: "/run/user/1000/ac-cred/v1.sock".to_owned(),
            uptime,
            locked,
        })
    };
    vec![
        sample("daemon just started", daemon(1, 0, true)),
        sample("daemon of old", daemon(u32::MAX, u64::MAX, false)),
    ]
}

fn organizations() -> Vec<Sample<Response>> {
    let mut samples = vec![
        sample("organization without a token", status_of(None, None)),
        sample(
            "organization with a token",
            status_of(
                Some(TokenStatus {
                    expires_at: time(),
                    expires_in: 3_540,
                    lifetime: 3_600,
                }),
                None,
            ),
        ),
    ];
    let failures = ErrorCode::ALL.iter().map(|&code| Outcome::Failed(code));
    samples.extend([Outcome::Ok].into_iter().chain(failures).map(|outcome| {
        let exchange = LastExchange {
            at: time(),
            outcome,
        };
        let name = format!("organization whose exchange ended {}", outcome.as_str());
        sample(name, status_of(None, Some(exchange)))
    }));
    let every_kind = Kind::ALL.iter().flat_map(|&kind| {
        let of_store = move |&store| (kind, store);
        Store::ALL.iter().map(of_store)
    });
    samples.extend(every_kind.map(|(kind, store)| {
        let message = Response::Organization(Box::new(OrganizationStatus {
            kind,
            store,
            ..bare_status()
        }));
        sample(format!("organization with {kind} in {store}"), message)
    }));
    samples
}

fn status_of(token: Option<TokenStatus>, last_exchange: Option<LastExchange>) -> Response {
    Response::Organization(Box::new(OrganizationStatus {
        organization_id: Some(GUID.to_owned()),
        default: true,
        token,
        last_error: last_exchange.and_then(error_of),
        last_exchange,
        credential_expires_at: Some(time()),
        ..bare_status()
    }))
}

/// The words that go with an exchange that failed.
fn error_of(exchange: LastExchange) -> Option<Denial> {
    match exchange.outcome {
        Outcome::Ok => None,
        Outcome::Failed(code) => Some(Denial::new(code, "why").hint("ac-cred login acme")),
    }
}

fn bare_status() -> OrganizationStatus {
    OrganizationStatus {
        organization: alias(),
        organization_id: None,
        default: false,
        kind: Kind::PersonalAccessKey,
        store: Store::File,
        auth_url: "https://auth.appcircle.io".to_owned(),
        api_url: "https://api.appcircle.io".to_owned(),
        token: None,
        last_exchange: None,
        last_error: None,
        credential_expires_at: None,
    }
}

fn destinations() -> Vec<Sample<Response>> {
    let text = |text: &str| Some(text.to_owned());
    let destination = |auth_url: &str, mcp_url, ca_file, proxy| {
        Response::Destination(Box::new(Destination {
            organization: alias(),
            auth_url: auth_url.to_owned(),
            api_url: auth_url.replace("auth", "api"),
            mcp_url,
            ca_file,
            proxy,
        }))
    };
    vec![
        sample(
            "destination in the cloud",
            destination(
                "https://auth.appcircle.io",
                text("https://mcp.appcircle.io"),
                None,
                None,
            ),
        ),
        sample(
            "destination behind a proxy and a private CA, without an MCP server",
            destination(
                "https://auth.example.com",
                None,
                text("/etc/ssl/corp.pem"),
                text("http://proxy.example.com:3128"),
            ),
        ),
    ]
}

fn denials() -> Vec<Sample<Response>> {
    let denial = |error| Denial::new(error, "why it was refused, in a \"sentence\"");
    let mut samples: Vec<_> = ErrorCode::ALL
        .iter()
        .map(|&code| sample(format!("denial {code}"), Response::Denied(denial(code))))
        .collect();
    let unlock = "ac-cred unlock";
    samples.extend([
        sample(
            "denial with a hint",
            Response::Denied(denial(ErrorCode::Locked).hint(unlock)),
        ),
        sample(
            "denial with a time",
            Response::Denied(denial(ErrorCode::RateLimited).retry_after(Some(30))),
        ),
        sample(
            "denial with both",
            Response::Denied(
                denial(ErrorCode::AuthApiUnreachable)
                    .hint(unlock)
                    .retry_after(Some(u32::MAX)),
            ),
        ),
    ]);
    samples
}

fn findings() -> Vec<Sample<Response>> {
    let found = |server: Server, ahead, problem: Option<Denial>, step| {
        let is_shown = problem.is_none();
        Response::Checked(Box::new(Checked {
            server,
            organization: alias(),
            others: 3,
            host: format!("{}.appcircle.io", server.as_str()),
            ahead,
            problem,
            step,
            signer: is_shown.then(|| "Größte CA".to_owned()),
            certificate_ends: is_shown.then(time),
        }))
    };
    let why = "api.appcircle.io could not be reached (connection refused)";
    let problem = Denial::new(ErrorCode::AuthApiUnreachable, why);
    let mut samples: Vec<_> = Server::ALL
        .iter()
        .map(|&server| {
            sample(
                format!("finding of {server:?}"),
                found(server, Some(-2), None, None),
            )
        })
        .collect();
    for step in [None]
        .into_iter()
        .chain(Step::ALL.iter().copied().map(Some))
    {
        samples.push(sample(
            format!("finding of a server that is not there, {step:?}"),
            found(Server::Api, None, Some(problem.clone()), step),
        ));
    }
    samples
}

fn events() -> Vec<Sample<Response>> {
    let whole = Event {
        expires_at: Some(time()),
        expires_in: Some(3_540),
        ..Event::new(EventKind::Renewed, Some(alias()))
    };
    let why = Event {
        error: Some(ErrorCode::CredentialRefused),
        message: Some("auth.appcircle.io refused the credential (401)".to_owned()),
        hint: Some("ac-cred login acme-prod".to_owned()),
        ..Event::new(EventKind::LoginNeeded, Some(alias()))
    };
    let bare = EventKind::ALL.iter().map(|&kind| {
        let message = Response::Event(Box::new(Event::new(kind, None)));
        sample(format!("event {kind:?}"), message)
    });
    [
        sample("event with a life", Response::Event(Box::new(whole))),
        sample("event with a reason", Response::Event(Box::new(why))),
    ]
    .into_iter()
    .chain(bare)
    .collect()
}

fn auditeds() -> Vec<Sample<Response>> {
    let audited = |request, organization: Option<Org>, outcome| Audited {
        at: time(),
        request,
        organization,
        outcome,
        times: 1,
        uid: None,
        pid: None,
        program: None,
    };
    let whole = Audited {
        times: 3,
        uid: Some(1_000),
        pid: Some(4_242),
        program: Some("/usr/bin/bash".to_owned()),
        ..audited(Asked::Get, Some(alias()), Outcome::Ok)
    };
    let failed = Outcome::Failed(ErrorCode::CredentialRefused);
    let bare = Asked::ALL.iter().map(|&request| {
        let message = Response::Audited(Box::new(audited(request, None, failed)));
        sample(format!("audited {request:?}"), message)
    });
    [sample(
        "audited with all",
        Response::Audited(Box::new(whole)),
    )]
    .into_iter()
    .chain(bare)
    .collect()
}
