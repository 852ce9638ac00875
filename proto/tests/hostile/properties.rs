//! What holds for every message and for any bytes at all.

use std::fmt::Debug;

use ac_cred_proto::argv::Argv;
use ac_cred_proto::frame::{Encoding, HEADER_LENGTH, MAX_LENGTH, payload_length};
use ac_cred_proto::message::{
    Asked, Audit, Audited, ChangePassphrase, Check, Checked, DaemonStatus, Destination,
    DestinationOf, Done, End, Event, EventKind, Get, LastExchange, Lease, List, Lock, LoggedIn,
    Login, LoginNeeds, Logout, Move, Name, OrganizationStatus, Outcome, Reject, Rename, Restart,
    SaidSettings, Server, Status, Step, Stop, TokenStatus, Unlock, Use, Watch,
};
use ac_cred_proto::secret::{Credential, Passphrase, SessionToken};
use ac_cred_proto::settings::{EndpointVersion, Kind, Store};
use ac_cred_proto::time::Timestamp;
use ac_cred_proto::{Denial, ErrorCode, Org, Request, Response, WIRE_VERSION};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{BOTH, payload, read, samples};

fn org() -> impl Strategy<Value = Org> + Clone {
    "[A-Za-z0-9][A-Za-z0-9._-]{0,63}".prop_map(|text| Org::parse(&text).expect("an alias"))
}

fn token() -> impl Strategy<Value = SessionToken> {
    "[A-Za-z0-9._~+/=-]{1,300}".prop_map(|text| SessionToken::parse(&text).expect("a token"))
}

fn credential() -> impl Strategy<Value = Credential> {
    "[!-~]{1,300}".prop_map(|text| Credential::parse(&text).expect("a credential"))
}

fn passphrase() -> impl Strategy<Value = Passphrase> {
    "\\PC{1,60}".prop_map(|text| Passphrase::parse(&text).expect("a passphrase"))
}

/// Any text, control characters included.
fn text() -> impl Strategy<Value = String> + Clone {
    vec(any::<char>(), 0..40).prop_map(String::from_iter)
}

fn texts<const COUNT: usize>() -> impl Strategy<Value = [Option<String>; COUNT]> {
    proptest::array::uniform(option::of(text()))
}

fn kind() -> impl Strategy<Value = Kind> {
    select(Kind::ALL)
}

fn store() -> impl Strategy<Value = Store> {
    select(Store::ALL)
}

fn time() -> impl Strategy<Value = Timestamp> {
    any::<u64>().prop_map(Timestamp::from_unix)
}

fn settings() -> impl Strategy<Value = SaidSettings> {
    let choices = (
        option::of(kind()),
        option::of(store()),
        option::of(select(EndpointVersion::ALL)),
        any::<Option<bool>>(),
        option::of(time()),
    );
    (choices, texts::<8>()).prop_map(
        |((kind, store, endpoint_version, allow_http, expires), texts)| {
            let [
                auth_url,
                api_url,
                mcp_url,
                name,
                organization_id,
                sub_organization,
                ca_file,
                proxy,
            ] = texts;
            SaidSettings {
                kind,
                store,
                auth_url,
                api_url,
                mcp_url,
                name,
                organization_id,
                sub_organization,
                endpoint_version,
                ca_file,
                proxy,
                allow_http,
                expires,
            }
        },
    )
}

fn command() -> impl Strategy<Value = Option<Argv>> {
    let visible = |(program, rest): (String, String)| {
        let words = [program, rest].map(|word| word.replace(char::is_control, ""));
        Argv::new(words.iter().map(String::as_str)).ok()
    };
    (text(), text()).prop_map(visible)
}

fn moved() -> impl Strategy<Value = Request> {
    (option::of(org()), store(), command(), any::<u32>()).prop_map(
        |(organization, to, command, wait_ms)| {
            Request::Move(Move {
                organization,
                to,
                command,
                wait_ms,
            })
        },
    )
}

fn login() -> impl Strategy<Value = Request> {
    let secret = option::of(credential());
    (
        org(),
        secret,
        option::of(org()),
        settings(),
        any::<bool>(),
        any::<u32>(),
        command(),
    )
        .prop_map(
            |(organization, credential, from, settings, make_default, wait_ms, command)| {
                Request::Login(Box::new(Login {
                    organization,
                    credential,
                    from,
                    settings,
                    make_default,
                    wait_ms,
                    command,
                }))
            },
        )
}

fn get() -> impl Strategy<Value = Request> {
    let rest = (any::<Option<u32>>(), any::<bool>(), any::<u32>());
    (option::of(org()), rest).prop_map(|(organization, (min_ttl, refresh, wait_ms))| {
        Request::Get(Get {
            organization,
            min_ttl,
            refresh,
            wait_ms,
        })
    })
}

fn reject() -> impl Strategy<Value = Request> {
    (option::of(org()), option::of(token()), any::<u32>()).prop_map(
        |(organization, token, wait_ms)| {
            Request::Reject(Reject {
                organization,
                token,
                wait_ms,
            })
        },
    )
}

fn request() -> impl Strategy<Value = Request> {
    let named = option::of(org());
    prop_oneof![
        get(),
        login(),
        (named.clone(), any::<bool>())
            .prop_map(|(organization, all)| Request::Logout(Logout { organization, all })),
        (org(), org()).prop_map(|(old, new)| Request::Rename(Rename { old, new })),
        org().prop_map(|organization| Request::Use(Use { organization })),
        reject(),
        Just(Request::List(List {})),
        named
            .clone()
            .prop_map(|organization| Request::Destination(DestinationOf { organization })),
        named.prop_map(|organization| Request::Status(Status { organization })),
        (option::of(passphrase()), any::<bool>(), option::of(text())).prop_map(
            |(passphrase, create, identity)| Request::Unlock(Unlock {
                passphrase,
                create,
                identity
            })
        ),
        (option::of(passphrase()), option::of(text())).prop_map(|(passphrase, identity)| {
            Request::ChangePassphrase(ChangePassphrase {
                passphrase,
                identity,
            })
        }),
        Just(Request::Stop(Stop {})),
        Just(Request::Restart(Restart {})),
        any::<bool>().prop_map(|forget_memory| Request::Lock(Lock { forget_memory })),
        option::of(org()).prop_map(|organization| Request::Watch(Watch { organization })),
        option::of(org()).prop_map(|organization| Request::Audit(Audit { organization })),
        moved(),
        (option::of(org()), any::<u32>()).prop_map(|(organization, wait_ms)| {
            Request::Check(Check {
                organization,
                wait_ms,
            })
        }),
    ]
}

fn lease() -> impl Strategy<Value = Response> {
    let id = option::of(text());
    let warning = option::of(select(samples::warnings()));
    let told = (warning, option::of(time()));
    (org(), id, token(), time(), any::<u32>(), text(), told).prop_map(
        |(
            organization,
            organization_id,
            access_token,
            expires_at,
            expires_in,
            api_url,
            (warning, credential_expires_at),
        )| {
            Response::Lease(Box::new(Lease {
                organization,
                organization_id,
                access_token,
                expires_at,
                expires_in,
                api_url,
                warning,
                credential_expires_at,
            }))
        },
    )
}

fn logged_in() -> impl Strategy<Value = Response> {
    (org(), texts::<2>(), store(), text(), any::<u32>()).prop_map(
        |(organization, texts, store, api_url, expires_in)| {
            let [organization_id, settings_not_saved] = texts;
            Response::LoggedIn(LoggedIn {
                organization,
                organization_id,
                store,
                api_url,
                expires_in,
                settings_not_saved,
            })
        },
    )
}

fn daemon() -> impl Strategy<Value = Response> {
    (text(), any::<u32>(), text(), any::<u64>(), any::<bool>()).prop_map(
        |(version, pid, socket, uptime, locked)| {
            Response::Daemon(DaemonStatus {
                version,
                pid,
                socket,
                uptime,
                locked,
            })
        },
    )
}

fn exchange() -> impl Strategy<Value = LastExchange> {
    let outcome = outcome();
    (time(), outcome).prop_map(|(at, outcome)| LastExchange { at, outcome })
}

fn organization() -> impl Strategy<Value = Response> {
    let token =
        (time(), any::<u32>(), any::<u32>()).prop_map(|(expires_at, expires_in, lifetime)| {
            TokenStatus {
                expires_at,
                expires_in,
                lifetime,
            }
        });
    let life = (
        option::of(token),
        option::of(exchange()),
        option::of(denial()),
        option::of(time()),
    );
    let known = (any::<bool>(), kind(), store());
    (org(), option::of(text()), known, text(), text(), life).prop_map(
        |(organization, organization_id, (default, kind, store), auth_url, api_url, life)| {
            Response::Organization(Box::new(OrganizationStatus {
                organization,
                organization_id,
                default,
                kind,
                store,
                auth_url,
                api_url,
                token: life.0,
                last_exchange: life.1,
                last_error: life.2,
                credential_expires_at: life.3,
            }))
        },
    )
}

fn destination() -> impl Strategy<Value = Response> {
    (org(), text(), text(), texts::<3>()).prop_map(|(organization, auth_url, api_url, texts)| {
        let [mcp_url, ca_file, proxy] = texts;
        Response::Destination(Box::new(Destination {
            organization,
            auth_url,
            api_url,
            mcp_url,
            ca_file,
            proxy,
        }))
    })
}

fn denial() -> impl Strategy<Value = Denial> {
    let hint = option::of(text());
    (select(ErrorCode::ALL), text(), hint, any::<Option<u32>>()).prop_map(
        |(error, message, hint, retry_after)| Denial {
            error,
            message,
            hint,
            retry_after,
        },
    )
}

fn event() -> impl Strategy<Value = Response> {
    let life = (option::of(time()), any::<Option<u32>>());
    let error = option::of(select(ErrorCode::ALL));
    let kind = select(EventKind::ALL);
    (kind, option::of(org()), life, error, texts::<2>()).prop_map(
        |(event, organization, (expires_at, expires_in), error, [message, hint])| {
            Response::Event(Box::new(Event {
                event,
                organization,
                expires_at,
                expires_in,
                error,
                message,
                hint,
            }))
        },
    )
}

fn outcome() -> impl Strategy<Value = Outcome> {
    let failed = select(ErrorCode::ALL).prop_map(Outcome::Failed);
    prop_oneof![Just(Outcome::Ok), failed]
}

fn audited() -> impl Strategy<Value = Response> {
    let what = (select(Asked::ALL), option::of(org()), outcome());
    let who = any::<(Option<u32>, Option<u32>)>();
    (time(), what, any::<u32>(), who, texts::<1>()).prop_map(
        |(at, (request, organization, outcome), times, (uid, pid), [program])| {
            Response::Audited(Box::new(Audited {
                at,
                request,
                organization,
                outcome,
                times,
                uid,
                pid,
                program,
            }))
        },
    )
}

fn checked() -> impl Strategy<Value = Response> {
    let counts = (any::<u32>(), any::<Option<i32>>());
    let problem = (option::of(denial()), option::of(select(Step::ALL)));
    let certificate = (option::of(text()), option::of(time()));
    (
        select(Server::ALL),
        org(),
        text(),
        counts,
        problem,
        certificate,
    )
        .prop_map(
            |(server, organization, host, (others, ahead), (problem, step), (signer, ends))| {
                Response::Checked(Box::new(Checked {
                    server,
                    organization,
                    others,
                    host,
                    ahead,
                    problem,
                    step,
                    signer,
                    certificate_ends: ends,
                }))
            },
        )
}

fn response() -> impl Strategy<Value = Response> {
    let needs = (kind(), select(samples::passphrase_needs()));
    prop_oneof![
        lease(),
        logged_in(),
        needs.prop_map(|(kind, passphrase)| Response::LoginNeeds(LoginNeeds { kind, passphrase })),
        Just(Response::Done(Done {})),
        org().prop_map(|organization| Response::Name(Name { organization })),
        daemon(),
        organization(),
        Just(Response::End(End {})),
        denial().prop_map(Response::Denied),
        destination(),
        event(),
        audited(),
        checked(),
    ]
}

/// Written and read, a message is the same in what it prints and in what both encodings write.
fn survives<M>(message: &M) -> Result<(), TestCaseError>
where
    M: Serialize + DeserializeOwned + Debug,
{
    for encoding in BOTH {
        let bytes = encoding.encode(message).expect("it fits a frame");
        let payload = payload(encoding, message);
        match encoding {
            Encoding::Binary => {
                let header = *bytes.first_chunk::<HEADER_LENGTH>().expect("a header");
                prop_assert_eq!(payload_length(header), Ok(payload.len()));
                prop_assert_eq!(payload[0], WIRE_VERSION);
            }
            Encoding::Json => {
                let feed = bytes.iter().position(|&byte| byte == b'\n');
                prop_assert_eq!(feed, Some(payload.len()));
            }
        }
        let read: M = encoding.decode(&payload).expect("what was written is read");
        prop_assert_eq!(format!("{read:?}"), format!("{message:?}"));
        for encoding in BOTH {
            let again = encoding.encode(&read).expect("it fits a frame");
            let first = encoding.encode(message).expect("it fits a frame");
            prop_assert_eq!(&*again, &*first);
        }
    }
    Ok(())
}

/// Neither decoder panics on the bytes, as they are and as the body of a frame of this version.
fn is_no_danger(bytes: &[u8]) {
    let body = [&[WIRE_VERSION], bytes].concat();
    for encoding in BOTH {
        for bytes in [bytes, &body] {
            // Whether it is a message by chance does not matter.
            let _request = read::<Request>(encoding, bytes);
            let _response = read::<Response>(encoding, bytes);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_request_survives_both_encodings(message in request()) {
        survives(&message)?;
    }

    #[test]
    fn every_response_survives_both_encodings(message in response()) {
        survives(&message)?;
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in vec(any::<u8>(), 0..600)) {
        is_no_danger(&bytes);
    }

    #[test]
    fn any_small_numbers_are_read_without_a_panic(bytes in vec(0_u8..20, 0..60)) {
        is_no_danger(&bytes);
    }

    #[test]
    fn any_text_is_read_without_a_panic(text in r#"\{"(get|login|use|lease|denied)":[\[\]{}:,"\\a-z0-9]{0,60}"#) {
        is_no_danger(text.as_bytes());
    }

    #[test]
    fn any_header_names_a_length_that_fits_or_is_refused(header in any::<[u8; HEADER_LENGTH]>()) {
        if let Ok(length) = payload_length(header) {
            prop_assert!((2..=MAX_LENGTH).contains(&length));
        }
    }
}
