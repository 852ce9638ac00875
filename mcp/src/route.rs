//! Where an organization's MCP server is, and that its token goes nowhere else.

use ac_cred_proto::message::Destination;
use ac_cred_proto::{Denial, ErrorCode};
use url::{Host, Url};

/// A checked way to an MCP server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    url: Url,
    host: String,
    ca_file: Option<String>,
    proxy: Option<String>,
}

impl Route {
    /// The way to the organization's MCP server, or to `asked`, which has to be on one of its hosts.
    ///
    /// # Errors
    ///
    /// A [`Denial`] where there is no MCP server, or a token must not be sent there.
    pub fn new(destination: &Destination, asked: Option<&str>) -> Result<Self, Denial> {
        let organization = &destination.organization;
        let url = match (asked, destination.mcp_url.as_deref()) {
            (Some(asked), _) => {
                let url = checked("--url", asked)?;
                if !is_of(destination, &url) {
                    let shown = shown_host(&url);
                    let message =
                        format!("{shown} is no host of {organization}, so --url cannot be used");
                    return Err(Denial::new(ErrorCode::Usage, message));
                }
                url
            }
            (None, Some(known)) => checked("mcp_url", known)?,
            (None, None) => {
                let message = format!(
                    "{organization} is not in Appcircle's cloud, and its MCP server is not known"
                );
                return Err(Denial::new(ErrorCode::Usage, message).hint(format!(
                    "ac-cred login {organization} --from {organization} --mcp-url URL"
                )));
            }
        };
        Ok(Self {
            host: shown_host(&url),
            ca_file: destination.ca_file.clone(),
            proxy: destination
                .proxy
                .clone()
                .filter(|_| url.scheme() == "https"),
            url,
        })
    }

    /// Where messages are posted.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The MCP server for people: its host, with the port where that is unusual.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The file with the only certificate authorities to trust.
    #[must_use]
    pub fn ca_file(&self) -> Option<&str> {
        self.ca_file.as_deref()
    }

    /// The proxy to go through; what is not encrypted stays on this machine and has none.
    #[must_use]
    pub fn proxy(&self) -> Option<&str> {
        self.proxy.as_deref()
    }
}

/// Checks a URL before anything is known of the organization.
///
/// # Errors
///
/// A [`Denial`] where it is none of an MCP server, or a token would be sent in clear text.
pub fn checked(name: &str, text: &str) -> Result<Url, Denial> {
    let refused = |why: &str| Denial::new(ErrorCode::Usage, format!("{name} {why}"));
    let no_url = || refused("is not a URL like https://mcp.example.com");
    let url = Url::parse(text).map_err(|_| no_url())?;
    let is_plain = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    match url.scheme() {
        "https" if is_plain && url.has_host() => Ok(url),
        "http" if is_plain && is_loopback(&url) => Ok(url),
        "http" => Err(refused(
            "is not https, and http sends the token in clear text; only this machine is reached so",
        )),
        _ => Err(no_url()),
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Whether a URL is on one of the organization's hosts.
fn is_of(destination: &Destination, url: &Url) -> bool {
    let known = [
        Some(destination.auth_url.as_str()),
        Some(destination.api_url.as_str()),
        destination.mcp_url.as_deref(),
    ];
    let known = known
        .into_iter()
        .flatten()
        .filter_map(|known| Url::parse(known).ok());
    known.into_iter().any(|known| known.host() == url.host())
}

fn shown_host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use ac_cred_proto::Org;

    use super::*;

    fn destination(mcp_url: Option<&str>) -> Destination {
        Destination {
            organization: Org::parse("acme").unwrap(),
            auth_url: "https://auth.example.com:8443/sso".to_owned(),
            api_url: "https://api.example.com".to_owned(),
            mcp_url: mcp_url.map(str::to_owned),
            ca_file: None,
            proxy: Some("http://proxy.example.com:3128".to_owned()),
        }
    }

    #[test]
    fn the_organizations_own_server_is_taken() {
        let known = destination(Some("https://mcp.example.com:9443/v1"));
        let route = Route::new(&known, None).unwrap();
        assert_eq!(route.url().as_str(), "https://mcp.example.com:9443/v1");
        assert_eq!(route.host(), "mcp.example.com:9443");
        assert_eq!(route.proxy(), Some("http://proxy.example.com:3128"));
        let denial = Route::new(&destination(None), None).unwrap_err();
        assert_eq!(
            denial.hint.as_deref(),
            Some("ac-cred login acme --from acme --mcp-url URL")
        );
    }

    #[test]
    fn another_url_has_to_be_on_a_host_of_the_organization() {
        let known = destination(Some("https://mcp.example.com"));
        for good in [
            "https://mcp.example.com/other",
            "https://API.example.com:1/mcp",
            "https://auth.example.com",
        ] {
            assert!(Route::new(&known, Some(good)).is_ok(), "{good}");
        }
        for bad in [
            "https://mcp.appcircle.io",
            "https://evil.example",
            "https://mcp.example.com.evil.example",
            "https://example.com",
            "https://mcp.example.com@evil.example/",
            "https://evil.example/mcp.example.com",
            "https://127.0.0.1",
        ] {
            let denial = Route::new(&known, Some(bad)).unwrap_err();
            assert_eq!(denial.error, ErrorCode::Usage, "{bad}");
        }
    }

    #[test]
    fn http_reaches_this_machine_only_and_without_a_proxy() {
        for good in [
            "http://127.0.0.1:8080",
            "http://[::1]/mcp",
            "http://localhost:1",
        ] {
            let route = Route::new(&destination(Some(good)), None).unwrap();
            assert_eq!(route.proxy(), None, "{good}");
        }
        for bad in [
            "http://mcp.example.com",
            "http://127.0.0.1.example.com",
            "http://localhost.example.com",
            "http://192.168.0.1",
        ] {
            let denial = Route::new(&destination(Some(bad)), None).unwrap_err();
            assert!(denial.message.contains("clear text"), "{bad}: {denial}");
        }
    }

    #[test]
    fn what_is_no_url_of_a_server_is_refused() {
        for bad in [
            "",
            "mcp.example.com",
            "ftp://mcp.example.com",
            "https://u:p@mcp.example.com",
            "https://mcp.example.com/?token=1",
            "https://mcp.example.com/#f",
            "file:///etc/passwd",
            "data:text/plain,x",
        ] {
            assert!(checked("--url", bad).is_err(), "{bad:?}");
        }
    }
}
