//! What may be secret in a message: nothing that prints shows it, and no answer has a place for a
//! credential.

use std::fmt::Debug;

use ac_cred_proto::frame::{Encoding, FrameError};
use ac_cred_proto::message::{
    Asked, Audited, Checked, DaemonStatus, Destination, Done, End, Event, EventKind, LastExchange,
    Lease, LoggedIn, LoginNeeds, Name, OrganizationStatus, Outcome, PassphraseNeed, Server, Step,
    TokenStatus, Warning,
};
use ac_cred_proto::secret::SessionToken;
use ac_cred_proto::settings::{Kind, Store};
use ac_cred_proto::time::Timestamp;
use ac_cred_proto::{Denial, ErrorCode, Org, Response};

use crate::cases;
use crate::samples;

/// A part of every secret in the table, and of nothing else in it.
const MARKER: &str = "marker";

fn printed(message: &impl Debug) -> String {
    format!("{message:?} {message:#?}")
}

#[test]
fn no_message_prints_a_secret() {
    let requests = samples::requests();
    let responses = samples::responses();
    let all = (requests.iter().map(|sample| printed(&sample.message)))
        .chain(responses.iter().map(|sample| printed(&sample.message)));
    for printed in all {
        assert!(!printed.contains(MARKER), "{printed}");
    }
}

#[test]
fn every_secret_of_the_table_would_be_found() {
    let written = |wanted: fn(&str) -> bool| {
        let mut lines = cases()
            .into_iter()
            .filter(|case| case.encoding == Encoding::Json)
            .map(|case| String::from_utf8_lossy(&case.payload).into_owned());
        lines.any(|line| wanted(&line) && line.contains(MARKER))
    };
    assert!(written(|line| line.starts_with(r#"{"login":"#)));
    assert!(written(|line| line.starts_with(r#"{"unlock":"#)));
    assert!(written(|line| line.starts_with(r#"{"change_passphrase":"#)));
    assert!(written(|line| line.starts_with(r#"{"reject":"#)));
    assert!(written(|line| line.starts_with(r#"{"lease":"#)));
}

#[test]
fn no_error_repeats_what_was_read() {
    for case in cases() {
        let spoiled = [&case.payload, b"}".as_slice()].concat();
        assert_eq!(case.read(&spoiled), Err(FrameError::Malformed));
    }
    for error in [
        FrameError::Foreign,
        FrameError::TooLong,
        FrameError::Empty,
        FrameError::Version(2),
        FrameError::Malformed,
    ] {
        assert_eq!(printed(&error).matches('"').count(), 0, "{error}");
    }
}

/// What an answer may be made of; a credential and a passphrase are not.
trait Harmless {}

impl Harmless for Org {}
impl Harmless for SessionToken {}
impl Harmless for Timestamp {}
impl Harmless for String {}
impl Harmless for u32 {}
impl Harmless for u64 {}
impl Harmless for bool {}
impl Harmless for Kind {}
impl Harmless for Store {}
impl Harmless for Warning {}
impl Harmless for Outcome {}
impl Harmless for PassphraseNeed {}
impl Harmless for ErrorCode {}
impl Harmless for EventKind {}
impl Harmless for Asked {}
impl Harmless for Server {}
impl Harmless for Step {}
impl Harmless for i32 {}
impl<T: Harmless> Harmless for Option<T> {}

/// Takes an answer apart down to its fields.
///
/// A variant, a field or a type that is new does not compile before it has its place here.
fn fields(response: &Response) -> Vec<&dyn Harmless> {
    match response {
        Response::Lease(lease) => fields_of_lease(lease),
        Response::LoggedIn(LoggedIn {
            organization,
            organization_id,
            store,
            api_url,
            expires_in,
            settings_not_saved,
        }) => vec![
            organization,
            organization_id,
            store,
            api_url,
            expires_in,
            settings_not_saved,
        ],
        Response::LoginNeeds(LoginNeeds { kind, passphrase }) => vec![kind, passphrase],
        Response::Done(Done {}) | Response::End(End {}) => Vec::new(),
        Response::Name(Name { organization }) => vec![organization],
        Response::Daemon(DaemonStatus {
            version,
            pid,
            socket,
            uptime,
            locked,
        }) => vec![version, pid, socket, uptime, locked],
        Response::Organization(organization) => fields_of_organization(organization),
        Response::Denied(denial) => fields_of_denial(denial),
        Response::Destination(destination) => fields_of_destination(destination),
        Response::Event(event) => fields_of_event(event),
        Response::Audited(audited) => fields_of_audited(audited),
        Response::Checked(checked) => fields_of_checked(checked),
    }
}

fn fields_of_denial(denial: &Denial) -> Vec<&dyn Harmless> {
    let Denial {
        error,
        message,
        hint,
        retry_after,
    } = denial;
    vec![error, message, hint, retry_after]
}

fn fields_of_destination(destination: &Destination) -> Vec<&dyn Harmless> {
    let Destination {
        organization,
        auth_url,
        api_url,
        mcp_url,
        ca_file,
        proxy,
    } = destination;
    vec![organization, auth_url, api_url, mcp_url, ca_file, proxy]
}

fn fields_of_audited(audited: &Audited) -> Vec<&dyn Harmless> {
    let Audited {
        at,
        request,
        organization,
        outcome,
        times,
        uid,
        pid,
        program,
    } = audited;
    vec![at, request, organization, outcome, times, uid, pid, program]
}

fn fields_of_event(event: &Event) -> Vec<&dyn Harmless> {
    let Event {
        event,
        organization,
        expires_at,
        expires_in,
        error,
        message,
        hint,
    } = event;
    vec![
        event,
        organization,
        expires_at,
        expires_in,
        error,
        message,
        hint,
    ]
}

fn fields_of_checked(checked: &Checked) -> Vec<&dyn Harmless> {
    let Checked {
        server,
        organization,
        others,
        host,
        ahead,
        problem,
        step,
        signer,
        certificate_ends,
    } = checked;
    let mut fields: Vec<&dyn Harmless> = vec![server, organization, others, host, ahead];
    fields.extend::<[&dyn Harmless; 3]>([step, signer, certificate_ends]);
    fields.extend(problem.iter().flat_map(fields_of_denial));
    fields
}

fn fields_of_lease(lease: &Lease) -> Vec<&dyn Harmless> {
    let Lease {
        organization,
        organization_id,
        access_token,
        expires_at,
        expires_in,
        api_url,
        warning,
        credential_expires_at,
    } = lease;
    vec![
        organization,
        organization_id,
        access_token,
        expires_at,
        expires_in,
        api_url,
        warning,
        credential_expires_at,
    ]
}

fn fields_of_organization(status: &OrganizationStatus) -> Vec<&dyn Harmless> {
    let OrganizationStatus {
        organization,
        organization_id,
        default,
        kind,
        store,
        auth_url,
        api_url,
        token,
        last_exchange,
        last_error,
        credential_expires_at,
    } = status;
    let mut fields: Vec<&dyn Harmless> = vec![
        organization,
        organization_id,
        default,
        kind,
        store,
        auth_url,
        api_url,
        credential_expires_at,
    ];
    if let Some(TokenStatus {
        expires_at,
        expires_in,
        lifetime,
    }) = token
    {
        let harmless: [&dyn Harmless; 3] = [expires_at, expires_in, lifetime];
        fields.extend(harmless);
    }
    if let Some(LastExchange { at, outcome }) = last_exchange {
        let harmless: [&dyn Harmless; 2] = [at, outcome];
        fields.extend(harmless);
    }
    fields.extend(last_error.iter().flat_map(fields_of_denial));
    fields
}

#[test]
fn no_answer_has_a_place_for_a_credential() {
    let most = samples::responses()
        .iter()
        .map(|sample| fields(&sample.message).len())
        .max();
    assert_eq!(most, Some(14));
}
