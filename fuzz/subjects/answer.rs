//! Answers of the Auth API: a token is usable and of the right organization, and what is told of
//! anything else is plain text that gives nothing of the credential away.

use ac_cred_proto::ErrorCode;
use ac_cred_proto::secret::Credential;
use ac_cred_proto::settings::{OrgSettings, Store};
use ac_cred_proto::text::is_visible;
use ac_cred_proto::time::Timestamp;
use ac_credd::auth_api::answer::Answer;
use ac_credd::auth_api::target::Target;
use ac_credd::policy::freshness::LONGEST_LIFE;
use ac_credd::policy::slot::{Failure, Grant};
use zeroize::Zeroizing;

const STATUSES: [u16; 9] = [200, 200, 200, 400, 401, 403, 429, 302, 500];

const CREDENTIAL: &str = "Zq7kWv9tXr2mBn4c";
const ASKED: &str = "7a3f0000-0000-4000-8000-00000000000a";

/// A byte for the status, one for what is known of the organization, the lines `Date` and
/// `Retry-After`, and the body.
pub(crate) fn run(data: &[u8]) {
    let [status, known, rest @ ..] = data else {
        return;
    };
    let mut lines = rest.splitn(3, |&byte| byte == b'\n');
    let mut header = || {
        lines
            .next()
            .and_then(|line| String::from_utf8(line.to_vec()).ok())
    };
    let (sent_at, retry_after) = (header(), header());
    let answer = Answer {
        status: STATUSES[usize::from(*status) % STATUSES.len()],
        date: sent_at,
        retry_after,
        body: Zeroizing::new(lines.next().unwrap_or_default().to_vec()),
        wall: Timestamp::from_unix(1_790_000_000),
    };
    let mut settings = OrgSettings::new(Store::Memory);
    match known % 3 {
        0 => settings.organization_id = Some(ASKED.into()),
        1 => settings.pinned_organization = Some(ASKED.into()),
        _ => {}
    }
    let target = Target::new(&settings, None).expect("the settings are right");
    let credential = Credential::parse(CREDENTIAL).expect("it is a credential");
    match answer.read(&target, &credential) {
        Ok(grant) => is_usable(&grant, &settings),
        Err(failure) => is_told(&failure, answer.status),
    }
}

fn is_usable(grant: &Grant, settings: &OrgSettings) {
    assert!(grant.life.0 > 0 && grant.life <= LONGEST_LIFE);
    let token = grant.token.expose();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    assert!(!token.is_empty() && token.bytes().all(is_plain));
    assert_ne!(token, CREDENTIAL);
    let got = grant.organization_id.as_deref();
    if let Some(asked) = settings.asked_organization() {
        assert!(got.is_some_and(|got| got.eq_ignore_ascii_case(asked)));
    }
    if let (Some(pinned), Some(got)) = (settings.known_organization(), got) {
        assert!(got.eq_ignore_ascii_case(pinned));
    }
}

fn is_told(failure: &Failure, status: u16) {
    let denial = failure.denial();
    assert!(denial.message.chars().all(is_visible));
    assert!(denial.message.len() < 2_048);
    assert!(!denial.message.contains(CREDENTIAL));
    if denial.error == ErrorCode::CredentialRefused {
        assert!([400, 401, 403].contains(&status), "{status}");
        assert!(matches!(failure, Failure::Refused(_)));
    } else {
        assert!(matches!(failure, Failure::Transient(..)));
    }
}
