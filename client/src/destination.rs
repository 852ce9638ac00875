//! Whether a token may go where its caller is about to send it.
//!
//! Claude Code runs a project's headers helper and names the server that the headers are for; a
//! project that names a server of its own must not get the token.

use std::env;

use ac_cred_proto::message::{Destination, DestinationOf};
use ac_cred_proto::{Denial, ErrorCode, Org, Request, Response};

use crate::call::{Call, beside_the_question};

/// The variable by which Claude Code names the server.
const VARIABLE: &str = "CLAUDE_CODE_MCP_SERVER_URL";

/// Where an organization's tokens may be sent.
pub(crate) fn of(call: &Call, organization: Option<&Org>) -> Result<Destination, Denial> {
    let response = call.answer(|_| {
        Request::Destination(DestinationOf {
            organization: organization.cloned(),
        })
    })?;
    let Response::Destination(destination) = response else {
        return Err(beside_the_question());
    };
    Ok(*destination)
}

/// Refuses a caller who names a server that is none of the organization's.
pub(crate) fn verify(call: &Call, organization: Option<&Org>) -> Result<(), Denial> {
    let Some(said) = env::var_os(VARIABLE).filter(|said| !said.is_empty()) else {
        return Ok(());
    };
    let destination = of(call, organization)?;
    if is_of(&destination, &said.to_string_lossy()) {
        Ok(())
    } else {
        Err(foreign(&destination))
    }
}

/// The addresses of an organization.
fn addresses(destination: &Destination) -> impl Iterator<Item = &str> {
    destination
        .mcp_url
        .as_deref()
        .into_iter()
        .chain([&*destination.api_url, &*destination.auth_url])
}

fn is_of(destination: &Destination, url: &str) -> bool {
    Origin::of(url).is_some_and(|said| {
        addresses(destination).any(|own| Origin::of(own).as_ref() == Some(&said))
    })
}

fn foreign(destination: &Destination) -> Denial {
    let organization = &destination.organization;
    let own = addresses(destination).collect::<Vec<_>>().join(", ");
    Denial::new(
        ErrorCode::NotApproved,
        format!("{VARIABLE} names a server that is none of {organization}'s ({own})"),
    )
    .hint(format!(
        "ac-cred login {organization} --from {organization} --mcp-url URL"
    ))
}

/// Who is reached at a URL: scheme, host and port.
#[derive(Debug, PartialEq, Eq)]
struct Origin {
    scheme: String,
    host: String,
    port: u16,
}

impl Origin {
    /// Only what every reader of URLs takes for the same host; anything else has none.
    fn of(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let scheme = scheme.to_ascii_lowercase();
        let usual_port = match &*scheme {
            "https" => 443,
            "http" => 80,
            _ => return None,
        };
        let authority = rest.split(['/', '?', '#']).next()?;
        let end_of_host = authority.rfind(']').map_or(0, |bracket| bracket + 1);
        let (host, port) = match authority.get(end_of_host..)?.find(':') {
            Some(colon) => authority.split_at(end_of_host + colon),
            None => (authority, ""),
        };
        let port = match port.strip_prefix(':') {
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().ok()?
            }
            Some(_) => return None,
            None => usual_port,
        };
        is_host(host).then(|| Self {
            scheme,
            host: host.to_ascii_lowercase(),
            port,
        })
    }
}

/// Whether it is a name, or an address in the usual form.
fn is_host(host: &str) -> bool {
    let bracketed = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let (name, marks) = match bracketed {
        Some(address) => (address, ":."),
        None => (host, ".-"),
    };
    !name.is_empty()
        && name
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || marks.contains(letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn destination() -> Destination {
        Destination {
            organization: Org::parse("acme").unwrap(),
            auth_url: "http://[::1]:8080".to_owned(),
            api_url: "https://api.example.com:8443/base".to_owned(),
            mcp_url: Some("https://mcp.example.com".to_owned()),
            ca_file: None,
            proxy: None,
        }
    }

    #[test]
    fn a_server_of_the_organization_is_one_however_its_address_is_written() {
        for url in [
            "https://mcp.example.com",
            "https://mcp.example.com/",
            "https://mcp.example.com/mcp?x=1#y",
            "HTTPS://MCP.Example.COM:443/mcp",
            "https://api.example.com:8443",
            "http://[::1]:8080/",
        ] {
            assert!(is_of(&destination(), url), "{url}");
        }
    }

    #[test]
    fn any_other_server_is_none() {
        for url in [
            "",
            "https://evil.example",
            "https://mcp.example.com.evil.example/",
            "https://evil.example/mcp.example.com",
            "https://mcp.example.com@evil.example/",
            "https://mcp.example.com:443@evil.example/",
            r"https://evil.example\@mcp.example.com/",
            r"https://mcp.example.com\@evil.example/",
            "https://evil.example#@mcp.example.com",
            "https://evil.example?@mcp.example.com",
            "http://mcp.example.com",
            "https://mcp.example.com:8443",
            "https://mcp.example.com:",
            "https://mcp.example.com:+443",
            "https://mcp.example.com:99999",
            "https://api.example.com",
            "https:mcp.example.com",
            "https:///mcp.example.com",
            "//mcp.example.com",
            "mcp.example.com",
            " https://mcp.example.com",
            "https://mcp.example.com\t.evil.example",
            "https://mcp.example.com%2eevil.example",
            "https://mcp。example.com",
            "https://mcp.example.com.",
            "ftp://mcp.example.com",
            "http://[::1]",
            "http://[::1]x:8080",
            "http://[::1]@evil.example:8080",
        ] {
            assert!(!is_of(&destination(), url), "{url}");
        }
    }

    #[test]
    fn what_is_foreign_is_refused_without_its_address() {
        let denial = foreign(&destination());
        assert_eq!(denial.error, ErrorCode::NotApproved);
        assert_eq!(
            denial.to_string(),
            "CLAUDE_CODE_MCP_SERVER_URL names a server that is none of acme's \
             (https://mcp.example.com, https://api.example.com:8443/base, http://[::1]:8080); \
             run: ac-cred login acme --from acme --mcp-url URL"
        );
    }
}
