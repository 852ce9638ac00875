//! What is known, as a table for people.

use ac_cred_proto::message::{DaemonStatus, LastExchange, OrganizationStatus, Outcome};
use ac_cred_proto::time::Timestamp;

use crate::failure::visible;
use crate::words::span;

const BOLD: &str = "\u{1b}[1m";
const RED: &str = "\u{1b}[31m";
const PLAIN: &str = "\u{1b}[0m";

const TITLES: [&str; COLUMNS] = [
    "  ORGANIZATION",
    "TOKEN",
    "STORE",
    "LAST EXCHANGE",
    "AUTH API",
];
const COLUMNS: usize = 5;

/// Whether the default organization and failures stand out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// For a pipe, a file or a person who wants no colour.
    Plain,
    /// For a terminal.
    Colour,
}

/// What is known at a moment.
pub(crate) struct Table<'a> {
    /// The organizations, a row each.
    pub(crate) organizations: &'a [OrganizationStatus],
    /// The daemon, when one runs.
    pub(crate) daemon: Option<&'a DaemonStatus>,
    /// The moment.
    pub(crate) at: Timestamp,
}

impl Table<'_> {
    /// The lines, without line feeds.
    pub(crate) fn lines(&self, style: Style) -> Vec<String> {
        let mut lines = Vec::new();
        if self.organizations.is_empty() {
            lines.push("no organization is known here; run: ac-cred login ORG".to_owned());
        } else {
            self.rows(style, &mut lines);
        }
        lines.push(self.daemon_line());
        if self.daemon.is_some_and(|daemon| daemon.locked) {
            lines.push("credentials are locked; run: ac-cred unlock".to_owned());
        }
        lines
    }

    fn rows(&self, style: Style, lines: &mut Vec<String>) {
        let rows: Vec<_> = self
            .organizations
            .iter()
            .map(|known| (self.cells(known), colour_of(known)))
            .collect();
        let mut widths = TITLES.map(width);
        for (cells, _) in &rows {
            for (widest, cell) in widths.iter_mut().zip(cells) {
                *widest = width(cell).max(*widest);
            }
        }
        lines.push(padded(&TITLES, &widths));
        for (cells, colour) in &rows {
            let line = padded(cells, &widths);
            lines.push(match (style, colour) {
                (Style::Colour, Some(colour)) => format!("{colour}{line}{PLAIN}"),
                (Style::Colour, None) | (Style::Plain, _) => line,
            });
        }
    }

    fn cells(&self, known: &OrganizationStatus) -> [String; COLUMNS] {
        let mark = if known.default { '*' } else { ' ' };
        let life = known.token.map(|token| span(token.expires_in.into()));
        let exchange = known.last_exchange.map(|exchange| self.ago(exchange));
        [
            format!("{mark} {}", known.organization),
            life.unwrap_or_else(|| "none".to_owned()),
            known.store.to_string(),
            exchange.unwrap_or_else(|| "none".to_owned()),
            visible(host(&known.auth_url)),
        ]
    }

    /// How an exchange ended, and how long ago.
    fn ago(&self, exchange: LastExchange) -> String {
        let outcome = exchange.outcome.as_str().replace('_', " ");
        let seconds = self.at.as_unix().saturating_sub(exchange.at.as_unix());
        format!("{outcome}, {} ago", span(seconds))
    }

    fn daemon_line(&self) -> String {
        match self.daemon {
            None => "no daemon is running".to_owned(),
            Some(daemon) => visible(&format!(
                "daemon {}, pid {}, for {}, at {}",
                daemon.version,
                daemon.pid,
                span(daemon.uptime),
                daemon.socket
            )),
        }
    }
}

fn colour_of(known: &OrganizationStatus) -> Option<&'static str> {
    match known.last_exchange.map(|exchange| exchange.outcome) {
        Some(Outcome::Failed(_)) => Some(RED),
        Some(Outcome::Ok) | None => known.default.then_some(BOLD),
    }
}

/// The host of a URL, with its port.
fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

fn width(cell: &str) -> usize {
    cell.chars().count()
}

fn padded<T: AsRef<str>>(cells: &[T; COLUMNS], widths: &[usize; COLUMNS]) -> String {
    let cells = cells.iter().zip(widths);
    let line: Vec<_> = cells
        .map(|(cell, width)| format!("{:width$}", cell.as_ref()))
        .collect();
    line.join("  ").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use ac_cred_proto::message::TokenStatus;
    use ac_cred_proto::settings::{Kind, Store};
    use ac_cred_proto::{ErrorCode, Org};

    use super::*;

    const AT: u64 = 1_790_000_000;

    fn acme() -> OrganizationStatus {
        OrganizationStatus {
            organization: Org::parse("acme").unwrap(),
            organization_id: None,
            default: true,
            kind: Kind::PersonalAccessKey,
            store: Store::File,
            auth_url: "https://auth.appcircle.io".to_owned(),
            api_url: "https://api.appcircle.io".to_owned(),
            token: Some(TokenStatus {
                expires_at: Timestamp::from_unix(AT + 3540),
                expires_in: 3540,
            }),
            last_exchange: Some(LastExchange {
                at: Timestamp::from_unix(AT - 60),
                outcome: Outcome::Ok,
            }),
        }
    }

    fn other() -> OrganizationStatus {
        OrganizationStatus {
            organization: Org::parse("a-longer-name").unwrap(),
            default: false,
            store: Store::Memory,
            auth_url: "http://auth.example.com:8443/base".to_owned(),
            token: None,
            last_exchange: Some(LastExchange {
                at: Timestamp::from_unix(AT - 7_200),
                outcome: Outcome::Failed(ErrorCode::CredentialRefused),
            }),
            ..acme()
        }
    }

    fn lines(organizations: &[OrganizationStatus], daemon: Option<&DaemonStatus>) -> Vec<String> {
        table(organizations, daemon).lines(Style::Plain)
    }

    fn table<'a>(
        organizations: &'a [OrganizationStatus],
        daemon: Option<&'a DaemonStatus>,
    ) -> Table<'a> {
        Table {
            organizations,
            daemon,
            at: Timestamp::from_unix(AT),
        }
    }

    #[test]
    fn a_table_has_a_row_for_each_organization_and_a_line_for_the_daemon() {
        let daemon = DaemonStatus {
            version: "0.1.0".to_owned(),
            pid: 4711,
            socket: "/run/user/1000/ac-cred/v1.sock".to_owned(),
            uptime: 10_800,
            locked: true,
        };
        assert_eq!(
            lines(&[acme(), other()], Some(&daemon)),
            [
                "  ORGANIZATION   TOKEN   STORE   LAST EXCHANGE                AUTH API",
                "* acme           59 min  file    ok, 1 min ago                auth.appcircle.io",
                "  a-longer-name  none    memory  credential refused, 2 h ago  auth.example.com:8443",
                "daemon 0.1.0, pid 4711, for 3 h, at /run/user/1000/ac-cred/v1.sock",
                "credentials are locked; run: ac-cred unlock",
            ]
        );
    }

    #[test]
    fn what_is_missing_is_said() {
        assert_eq!(
            lines(&[], None),
            [
                "no organization is known here; run: ac-cred login ORG",
                "no daemon is running",
            ]
        );
    }

    #[test]
    fn the_default_and_a_failure_stand_out_only_where_colour_is_wanted() {
        let organizations = [acme(), other()];
        let coloured = table(&organizations, None).lines(Style::Colour);
        assert!(coloured[1].starts_with("\u{1b}[1m* acme"), "{coloured:?}");
        assert!(
            coloured[2].starts_with("\u{1b}[31m  a-longer"),
            "{coloured:?}"
        );
        assert!(!lines(&organizations, None).concat().contains('\u{1b}'));
    }

    #[test]
    fn a_servers_address_cannot_steer_a_terminal() {
        let hostile = OrganizationStatus {
            auth_url: "https://a\u{1b}[2Jb/".to_owned(),
            ..acme()
        };
        assert!(!lines(&[hostile], None).concat().contains('\u{1b}'));
    }
}
