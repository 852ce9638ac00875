//! The contract of the simulator: each behaviour of the real Auth API that it imitates, with the
//! source of that knowledge, so that drift is noticed.
//!
//! Sections are those of the project's page about Appcircle's auth; MOCK, INFER and UNKNOWN mark
//! what the public record does not prove.

use ac_cred_tests::{
    auth_sim::AuthSim,
    https::{self, Answer},
};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

const ACME: &str = "7a3f1c2e-0000-4000-8000-000000000001";
const SUB: &str = "5b5b5b5b-0000-4000-8000-000000000002";
const FOREIGN: &str = "9c9c9c9c-0000-4000-8000-000000000003";

/// Base64, as the documented sample of a credential (1.8, Encoding).
const SECRET: &str = "a+b/c8fQ==";

/// 1.1 (DOC): the current form.
#[test]
fn v3_exchanges_a_personal_access_key() {
    let sim = with_key();
    let answer = post(&sim, "/auth/v3/token", &[("personalAccessKey", SECRET)]);
    assert_eq!(answer.status, 200);
    assert_eq!(organization(&answer), ACME);
}

/// 1.1 (DOC, on one page only): the scope is optional and changes nothing here.
#[test]
fn v3_takes_a_scope() {
    let sim = with_key();
    let form = [
        ("personalAccessKey", SECRET),
        ("scope", "openid,profile,email"),
    ];
    assert_eq!(post(&sim, "/auth/v3/token", &form).status, 200);
}

/// 1.1 (DOC, unproven): a root organization's key asks for a sub-organization.
#[test]
fn v3_gives_a_token_for_a_sub_organization() {
    let sim = with_key();
    let form = [("personalAccessKey", SECRET), ("subOrganization", SUB)];
    assert_eq!(organization(&post(&sim, "/auth/v3/token", &form)), SUB);
}

/// 1.2 (INFER): an unknown field is ignored, and the token is silently for the root organization.
#[test]
fn v3_ignores_the_field_name_of_the_older_clients() {
    let sim = with_key();
    let form = [("personalAccessKey", SECRET), ("subOrganizationId", SUB)];
    assert_eq!(organization(&post(&sim, "/auth/v3/token", &form)), ACME);
}

/// 1.2 (DOC and CODE): both names of the field are in use, and one client sends it empty.
#[test]
fn v2_takes_either_name_of_the_sub_organization_field() {
    let sim = with_token();
    for (field, value, expected) in [
        ("subOrganization", SUB, SUB),
        ("subOrganizationId", SUB, SUB),
        ("subOrganizationId", "", ACME),
    ] {
        let answer = post(&sim, "/auth/v2/token", &[("pat", SECRET), (field, value)]);
        assert_eq!(organization(&answer), expected, "{field}={value}");
    }
}

/// 1.2 (UNKNOWN): today's kind of credential is taken by v2 as well.
#[test]
fn v2_exchanges_a_personal_access_key() {
    let sim = with_key();
    let answer = post(&sim, "/auth/v2/token", &[("personalAccessKey", SECRET)]);
    assert_eq!(organization(&answer), ACME);
}

/// 1.3 (CODE): the official CLI up to 2.7.3.
#[test]
fn v1_exchanges_a_personal_access_token() {
    let sim = with_token();
    let answer = post(&sim, "/auth/v1/token", &[("pat", SECRET)]);
    assert_eq!(organization(&answer), ACME);
}

/// 1.3 (CODE): the fastlane plugins send a key with hyphens in the field's name.
#[test]
fn v1_exchanges_a_personal_access_key_by_its_hyphenated_name() {
    let sim = with_key();
    let answer = post(&sim, "/auth/v1/token", &[("personal-access-key", SECRET)]);
    assert_eq!(organization(&answer), ACME);
}

/// 1.4 (DOC and CODE): the organization is optional to the clients.
#[test]
fn an_api_key_is_exchanged_with_or_without_its_organization() {
    let sim = with_api_key();
    let form = [("name", "ci"), ("secret", SECRET)];
    assert_eq!(
        organization(&post(&sim, "/auth/v1/api-key/token", &form)),
        ACME
    );
    let form = [("name", "ci"), ("secret", SECRET), ("organizationId", SUB)];
    assert_eq!(
        organization(&post(&sim, "/auth/v1/api-key/token", &form)),
        SUB
    );
}

/// 1.6 (`access_token` DOC and CODE; the others MOCK).
#[test]
fn a_success_has_a_token_its_type_and_its_lifetime() {
    let sim = with_key();
    sim.set_lifetime(14_400);
    let answer = exchange(&sim);
    let body = answer.json();
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["expires_in"], 14_400);
    assert!(body["access_token"].is_string());
    assert!(body.get("refresh_token").is_none());
    assert_eq!(answer.headers["content-type"], "application/json");
}

/// 2 (`exp`, `email` and `currentOrganizationId` CODE; `iat` INFER).
#[test]
fn the_token_is_a_jwt_with_the_claims_that_clients_read() {
    let sim = with_key();
    sim.set_clock_offset(-1_000_000);
    let before = sim.now();
    let claims = claims(&exchange(&sim));
    let issued_at = claims["iat"].as_i64().unwrap();
    assert!((before..=sim.now()).contains(&issued_at));
    assert_eq!(claims["exp"], issued_at + 3600);
    assert_eq!(claims["currentOrganizationId"], ACME);
    assert!(claims["email"].as_str().unwrap().contains('@'));
}

/// 1.7 (CODE): the official CLI reads the sentence from `error`.
#[test]
fn an_organization_id_that_is_no_guid_is_400() {
    let sim = with_api_key();
    let form = [
        ("name", "ci"),
        ("secret", SECRET),
        ("organizationId", "acme"),
    ];
    let answer = post(&sim, "/auth/v1/api-key/token", &form);
    assert_refusal(&answer, 400, "invalid_request");
    assert!(
        answer
            .text()
            .contains("organizationId must be a valid GUID")
    );
}

/// 1.7 (CODE): a wrong name is refused as a wrong secret is.
#[test]
fn an_unknown_api_key_is_401() {
    let sim = with_api_key();
    for form in [
        [("name", "ci"), ("secret", "wrong")],
        [("name", "other"), ("secret", SECRET)],
    ] {
        let answer = post(&sim, "/auth/v1/api-key/token", &form);
        assert_refusal(&answer, 401, "invalid_grant");
    }
}

/// 1.7 (CODE for API keys; INFER for sub-organizations of the other kinds).
#[test]
fn an_organization_without_access_is_403() {
    let sim = with_api_key();
    let form = [
        ("name", "ci"),
        ("secret", SECRET),
        ("organizationId", FOREIGN),
    ];
    let answer = post(&sim, "/auth/v1/api-key/token", &form);
    assert_refusal(&answer, 403, "access_denied");
    let sim = with_key();
    let form = [("personalAccessKey", SECRET), ("subOrganization", FOREIGN)];
    assert_refusal(&post(&sim, "/auth/v3/token", &form), 403, "access_denied");
}

/// 1.7 (MOCK): the body of the refusal.
#[test]
fn an_unknown_or_revoked_credential_is_401() {
    let sim = with_key();
    let answer = post(&sim, "/auth/v3/token", &[("personalAccessKey", "wrong")]);
    assert_refusal(&answer, 401, "invalid_grant");
    sim.revoke(SECRET);
    assert_refusal(&exchange(&sim), 401, "invalid_grant");
    sim.restore(SECRET);
    assert_eq!(exchange(&sim).status, 200);
}

/// 9.8 (UNKNOWN): nobody may rely on one kind being taken for another.
#[test]
fn a_credential_of_another_kind_is_401() {
    let sim = with_token();
    assert_refusal(&exchange(&sim), 401, "invalid_grant");
}

/// 1.8, Encoding (INFER from the form's definition): the `+` of base64 must be encoded.
#[test]
fn a_plus_that_is_not_encoded_is_a_space_and_refused() {
    let sim = with_key();
    let url = format!("{}/auth/v3/token", sim.url());
    let kind = "application/x-www-form-urlencoded";
    let body = format!("personalAccessKey={SECRET}");
    let answer = https::post_raw(&url, Some(&sim.ca_pem()), kind, &body).unwrap();
    assert_refusal(&answer, 401, "invalid_grant");
    assert_eq!(sim.exchanges()[0].form["personalAccessKey"], "a b/c8fQ==");
}

/// 1 (DOC): the body is a form, whose definition is kept to.
#[test]
fn what_is_no_form_is_400() {
    let sim = with_key();
    let url = format!("{}/auth/v3/token", sim.url());
    let form = "application/x-www-form-urlencoded";
    for (kind, body) in [
        ("application/json", r#"{"personalAccessKey":"a+b/c8fQ=="}"#),
        (form, "personalAccessKey=%zz"),
        (form, "personalAccessKey=a&personalAccessKey=b"),
        (form, "personalAccessKey"),
        (form, ""),
    ] {
        let answer = https::post_raw(&url, Some(&sim.ca_pem()), kind, body).unwrap();
        assert_refusal(&answer, 400, "invalid_request");
    }
}

/// 2 (UNKNOWN, assumed): tokens outlive the credential, and several live at once (9.11).
#[test]
fn a_token_outlives_its_credential_and_its_successor() {
    let sim = with_key();
    let (first, second) = (token(&exchange(&sim)), token(&exchange(&sim)));
    sim.revoke(SECRET);
    for token in [first, second] {
        assert_eq!(call(&sim, "/build/v2/profiles", &token).status, 200);
    }
}

/// 6 (DOC and CODE): the calls by which clients try a token out.
#[test]
fn the_api_takes_a_live_token_of_its_own() {
    let sim = with_key();
    let token = token(&exchange(&sim));
    for path in ["/distribution/v2/profiles", "/build/v2/profiles"] {
        let answer = call(&sim, path, &token);
        assert_eq!(answer.status, 200);
        assert!(answer.json().is_array());
    }
    let page = call(
        &sim,
        "/identity/v1/organizations?page=1&perPage=200",
        &token,
    )
    .json();
    assert_eq!(page["data"][0]["id"], ACME);
    assert_eq!(page["data"][0]["name"], "acme");
    assert_eq!(page["total"], 1);
    let path = "/auth/realms/appcircle/protocol/openid-connect/userinfo";
    assert_eq!(
        call(&sim, path, &token).json()["currentOrganizationId"],
        ACME
    );
}

/// 3 (CODE): every client sends `Bearer`; whether a bare token is taken is UNKNOWN, so it is not.
#[test]
fn the_api_refuses_every_other_token() {
    let sim = with_key();
    let old = token(&exchange(&sim));
    sim.set_clock_offset(3601);
    let revoked = token(&exchange(&sim));
    assert!(sim.revoke_token(&revoked));
    assert!(!sim.revoke_token("unknown"));
    for token in [&*old, &revoked, "unknown", ""] {
        assert_eq!(call(&sim, "/build/v2/profiles", token).status, 401);
    }
    let live = token(&exchange(&sim));
    let url = format!("{}/build/v2/profiles", sim.url());
    let bare = [("Authorization", &*live)];
    assert_eq!(
        https::get(&url, Some(&sim.ca_pem()), &bare).unwrap().status,
        401
    );
    assert_eq!(call(&sim, "/build/v2/profiles", &live).status, 200);
}

/// 1 (DOC): there are four forms and no more.
#[test]
fn every_other_path_and_method_is_404() {
    let sim = with_key();
    for path in [
        "/auth/v4/token",
        "/auth/v3/token/",
        "/",
        "/auth/v3/api-key/token",
    ] {
        let answer = post(&sim, path, &[("personalAccessKey", SECRET)]);
        assert_refusal(&answer, 404, "not_found");
    }
    let url = format!("{}/auth/v3/token", sim.url());
    let answer = https::get(&url, Some(&sim.ca_pem()), &[]).unwrap();
    assert_refusal(&answer, 404, "not_found");
    assert_eq!(sim.exchange_count(), 0);
    assert_eq!(sim.api_calls().len(), 5);
}

/// The `Date` header is HTTP's, and the server's clock is the only one it tells.
#[test]
fn answers_tell_the_date_by_the_servers_clock() {
    let sim = with_key();
    sim.set_clock_offset(-sim.now());
    let date = exchange(&sim).headers["date"].clone();
    assert!(date.starts_with("Thu, 01 Jan 1970 00:0"), "{date}");
    sim.omit_date();
    assert!(!exchange(&sim).headers.contains_key("date"));
}

fn with_key() -> AuthSim {
    let sim = AuthSim::start();
    sim.add_personal_access_key(SECRET, ACME)
        .named("acme")
        .with_sub_organization(SUB);
    sim
}

fn with_token() -> AuthSim {
    let sim = AuthSim::start();
    sim.add_personal_access_token(SECRET, ACME)
        .with_sub_organization(SUB);
    sim
}

fn with_api_key() -> AuthSim {
    let sim = AuthSim::start();
    sim.add_api_key("ci", SECRET, &[ACME, SUB]);
    sim
}

fn exchange(sim: &AuthSim) -> Answer {
    post(sim, "/auth/v3/token", &[("personalAccessKey", SECRET)])
}

fn post(sim: &AuthSim, path: &str, form: &[(&str, &str)]) -> Answer {
    let url = format!("{}{path}", sim.url());
    https::post_form(&url, Some(&sim.ca_pem()), form).expect("the simulator answers")
}

fn call(sim: &AuthSim, path: &str, token: &str) -> Answer {
    let url = format!("{}{path}", sim.url());
    let header = format!("Bearer {token}");
    https::get(&url, Some(&sim.ca_pem()), &[("Authorization", &header)])
        .expect("the simulator answers")
}

fn token(answer: &Answer) -> String {
    let body = answer.json();
    let token = body["access_token"].as_str();
    token.expect("a success has a token").to_owned()
}

fn claims(answer: &Answer) -> Value {
    let token = token(answer);
    let payload = token.split('.').nth(1).expect("a JWT has a payload");
    let payload = BASE64URL_NOPAD.decode(payload.as_bytes());
    serde_json::from_slice(&payload.expect("the payload is base64url")).expect("it holds JSON")
}

fn organization(answer: &Answer) -> Value {
    match answer.status {
        200 => claims(answer)["currentOrganizationId"].clone(),
        status => json!(status),
    }
}

fn assert_refusal(answer: &Answer, status: u16, error: &str) {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(answer.json()["error"], error);
    assert!(answer.json()["error_description"].is_string());
}
