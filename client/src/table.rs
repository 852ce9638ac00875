//! What is known, as a table for people that is as wide as their terminal.

use ac_cred_proto::message::{
    DaemonStatus, LastExchange, OrganizationStatus, Outcome, TokenStatus,
};
use ac_cred_proto::time::Timestamp;

use crate::failure::visible;
use crate::screen::{Look, Paint, cut, length};
use crate::words::{ends, span};

/// The columns in their order; those that are there at any width come first.
const TITLES: [&str; COLUMNS] = [
    "  ORGANIZATION",
    "TOKEN",
    "STORE",
    "LAST EXCHANGE",
    "AUTH API",
    "CREDENTIAL",
];
const COLUMNS: usize = 6;
/// How many columns are there at any width.
const LEAST: usize = 3;
/// The narrowest that a name is cut to.
const SHORTEST_NAME: usize = 12;
/// The columns between two columns.
const GAP: usize = 2;

/// A terminal that has this many columns or more shows a long bar, one that has less a short one.
const WIDE: usize = 100;
const LONG_BAR: usize = 20;
const SHORT_BAR: usize = 8;

/// What is known at a moment.
pub(crate) struct Table<'a> {
    /// The organizations, a row each.
    pub(crate) organizations: &'a [OrganizationStatus],
    /// The daemon, when one runs.
    pub(crate) daemon: Option<&'a DaemonStatus>,
    /// The moment.
    pub(crate) at: Timestamp,
}

/// One organization's cells, and how they are painted.
struct Row {
    cells: [String; COLUMNS],
    paints: [Paint; COLUMNS],
    /// The bar of the token's life, in front of its cell.
    bar: (String, String),
    error: Option<String>,
}

impl Table<'_> {
    /// The lines, without line feeds.
    pub(crate) fn lines(&self, look: Look) -> Vec<String> {
        let mut lines = Vec::new();
        if self.organizations.is_empty() {
            lines.push("no organization is known here; run: ac-cred login ORG".to_owned());
        } else {
            self.rows(look, &mut lines);
            let ends = self
                .organizations
                .iter()
                .filter_map(|known| self.end(known));
            lines.extend(ends.flat_map(|end| look.wrapped(&end, 0)));
        }
        lines.extend(self.daemon_lines(look));
        lines
    }

    fn rows(&self, look: Look, lines: &mut Vec<String>) {
        let bar = match look.width {
            Some(width) if width < WIDE => SHORT_BAR,
            Some(_) | None => LONG_BAR,
        };
        let rows: Vec<Row> = self
            .organizations
            .iter()
            .map(|known| self.row(known, look, bar))
            .collect();
        let mut widths = TITLES.map(length);
        for row in &rows {
            for (widest, cell) in widths.iter_mut().zip(&row.cells) {
                *widest = length(cell).max(*widest);
            }
        }
        widths[1] = widths[1].max(bar + 1 + widest_life(&rows));
        let shown = fitting(&mut widths, look.width);
        let titles: Vec<String> = TITLES
            .iter()
            .zip(&widths)
            .take(shown)
            .map(|(title, width)| format!("{title:width$}"))
            .collect();
        lines.push(joined(&titles));
        for row in &rows {
            lines.push(row.line(look, &widths, shown));
            if let Some(error) = &row.error {
                let wrapped = look.wrapped(error, 4);
                lines.extend(wrapped.iter().map(|line| look.painted(line, Paint::Red)));
            }
        }
    }

    fn row(&self, known: &OrganizationStatus, look: Look, bar: usize) -> Row {
        let mark = if known.default { '*' } else { ' ' };
        let (life, paint) = life(known.token);
        let (left, whole) = known
            .token
            .map_or((0, 1), |token| (token.expires_in, token.lifetime));
        let exchange = known.last_exchange.map(|exchange| self.ago(exchange));
        let failed = matches!(
            known.last_exchange.map(|exchange| exchange.outcome),
            Some(Outcome::Failed(_))
        );
        let name = if known.default {
            Paint::Bold
        } else {
            Paint::Plain
        };
        let outcome = if failed { Paint::Red } else { Paint::Plain };
        let plain = Paint::Plain;
        Row {
            cells: [
                format!("{mark} {}", known.organization),
                life,
                known.store.to_string(),
                exchange.unwrap_or_else(|| "none".to_owned()),
                visible(host(&known.auth_url)),
                known.kind.to_string(),
            ],
            paints: [name, paint, plain, outcome, plain, plain],
            bar: look.bar(left.into(), whole.into(), bar),
            error: known
                .last_error
                .as_ref()
                .map(|error| visible(&error.to_string())),
        }
    }

    /// When the credential of an organization ends, where that is known.
    fn end(&self, known: &OrganizationStatus) -> Option<String> {
        let end = known.credential_expires_at?;
        Some(format!(
            "the credential of {} {}",
            known.organization,
            ends(end, self.at)
        ))
    }

    /// How an exchange ended, and how long ago.
    fn ago(&self, exchange: LastExchange) -> String {
        let outcome = exchange.outcome.as_str().replace('_', " ");
        let seconds = self.at.as_unix().saturating_sub(exchange.at.as_unix());
        format!("{outcome}, {} ago", span(seconds))
    }

    fn daemon_lines(&self, look: Look) -> Vec<String> {
        let Some(daemon) = self.daemon else {
            return vec!["no daemon is running".to_owned()];
        };
        let version = visible(&daemon.version);
        let pid = daemon.pid;
        let mut lines = vec![
            format!("daemon {version}, pid {pid}, up {}", span(daemon.uptime)),
            format!("socket {}", visible(&daemon.socket)),
        ];
        if daemon.locked {
            let line = "credentials are locked; run: ac-cred unlock";
            lines.push(look.painted(line, Paint::Red));
        }
        if daemon.version != env!("CARGO_PKG_VERSION") {
            let line = concat!(
                "the daemon is of another version than this program, ",
                env!("CARGO_PKG_VERSION"),
                "; run: ac-cred daemon stop"
            );
            let wrapped = look.wrapped(line, 0);
            lines.extend(wrapped.iter().map(|line| look.painted(line, Paint::Red)));
        }
        lines
    }
}

impl Row {
    fn line(&self, look: Look, widths: &[usize; COLUMNS], shown: usize) -> String {
        let columns = self.cells.iter().zip(self.paints).zip(widths);
        let cells: Vec<String> = columns
            .take(shown)
            .enumerate()
            .map(|(column, ((cell, paint), &width))| {
                if column == 1 {
                    return self.token(look, width);
                }
                let cell = cut(cell, width);
                let margin = " ".repeat(width - length(&cell));
                look.painted(&cell, paint) + &margin
            })
            .collect();
        joined(&cells)
    }

    /// The bar and what is left in words.
    fn token(&self, look: Look, width: usize) -> String {
        let (left, gone) = &self.bar;
        let [_, life, ..] = &self.cells;
        let taken = length(left) + length(gone) + 1 + length(life);
        let margin = " ".repeat(width.saturating_sub(taken));
        let bar = look.painted(left, self.paints[1]);
        format!("{bar}{gone} {life}{margin}")
    }
}

/// The life that a token has left, in words, and the colour of its bar.
fn life(token: Option<TokenStatus>) -> (String, Paint) {
    match token {
        None => ("none".to_owned(), Paint::Plain),
        // What has less is renewed when it is asked for.
        Some(token) if token.expires_in < token.lifetime / 4 => {
            (span(token.expires_in.into()), Paint::Magenta)
        }
        Some(token) => (span(token.expires_in.into()), Paint::Green),
    }
}

fn widest_life(rows: &[Row]) -> usize {
    let lives = rows.iter().map(|row| length(&row.cells[1]));
    lives.max().unwrap_or_default()
}

/// How many columns fit; where not even the least do, names are cut.
fn fitting(widths: &mut [usize; COLUMNS], room: Option<usize>) -> usize {
    let Some(room) = room else {
        return COLUMNS;
    };
    let taken = |widths: &[usize; COLUMNS], shown: usize| {
        widths.iter().take(shown).sum::<usize>() + GAP * (shown - 1)
    };
    let fits = |&shown: &usize| taken(widths, shown) <= room;
    if let Some(shown) = (LEAST..=COLUMNS).rev().find(fits) {
        return shown;
    }
    let over = taken(widths, LEAST) - room;
    widths[0] = widths[0].saturating_sub(over).max(SHORTEST_NAME);
    LEAST
}

/// The host of a URL, with its port.
fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

fn joined(cells: &[String]) -> String {
    let line = cells.join(&" ".repeat(GAP));
    line.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use ac_cred_proto::settings::{Kind, Store};
    use ac_cred_proto::{Denial, ErrorCode, Org};

    use super::*;

    const AT: u64 = 1_790_000_000;
    const PIPE: Look = Look {
        colour: false,
        blocks: false,
        width: None,
    };

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
                expires_at: Timestamp::from_unix(AT + 1_740),
                expires_in: 1_740,
                lifetime: 3_600,
            }),
            last_exchange: Some(LastExchange {
                at: Timestamp::from_unix(AT - 60),
                outcome: Outcome::Ok,
            }),
            last_error: None,
            credential_expires_at: None,
        }
    }

    fn other() -> OrganizationStatus {
        let error = ErrorCode::CredentialRefused;
        OrganizationStatus {
            organization: Org::parse("a-longer-name").unwrap(),
            default: false,
            kind: Kind::ApiKey,
            store: Store::Memory,
            auth_url: "http://auth.example.com:8443/base".to_owned(),
            token: None,
            last_exchange: Some(LastExchange {
                at: Timestamp::from_unix(AT - 7_200),
                outcome: Outcome::Failed(error),
            }),
            last_error: Some(
                Denial::new(error, "auth.example.com refused the credential")
                    .hint("ac-cred login a-longer-name"),
            ),
            ..acme()
        }
    }

    fn daemon() -> DaemonStatus {
        DaemonStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: 4711,
            socket: "/run/user/1000/ac-cred/v1.sock".to_owned(),
            uptime: 10_800,
            locked: false,
        }
    }

    fn lines(organizations: &[OrganizationStatus], look: Look) -> Vec<String> {
        let table = Table {
            organizations,
            daemon: Some(&daemon()),
            at: Timestamp::from_unix(AT),
        };
        table.lines(look)
    }

    fn at(width: usize) -> Vec<String> {
        let look = Look {
            width: Some(width),
            ..PIPE
        };
        lines(&[acme(), other()], look)
    }

    #[test]
    fn a_table_has_a_row_for_each_organization_and_says_where_the_daemon_is() {
        assert_eq!(
            at(200),
            [
                "  ORGANIZATION   TOKEN                        STORE   LAST EXCHANGE                AUTH API               CREDENTIAL",
                "* acme           ##########.......... 29 min  file    ok, 1 min ago                auth.appcircle.io      personal-access-key",
                "  a-longer-name  .................... none    memory  credential refused, 2 h ago  auth.example.com:8443  api-key",
                "    auth.example.com refused the credential; run: ac-cred login a-longer-name",
                concat!("daemon ", env!("CARGO_PKG_VERSION"), ", pid 4711, up 3 h"),
                "socket /run/user/1000/ac-cred/v1.sock",
            ]
        );
    }

    #[test]
    fn the_end_of_a_credential_is_told_below_the_table() {
        let ending = OrganizationStatus {
            credential_expires_at: Some(Timestamp::from_unix(AT + 6 * 86_400)),
            ..acme()
        };
        let lines = lines(&[ending], PIPE);
        assert_eq!(
            lines[2],
            "the credential of acme expires on 2026-09-27, in 6 d"
        );
    }

    #[test]
    fn a_narrow_terminal_has_fewer_columns_and_a_shorter_bar() {
        assert_eq!(
            at(100)[..2],
            [
                "  ORGANIZATION   TOKEN                        STORE   LAST EXCHANGE",
                "* acme           ##########.......... 29 min  file    ok, 1 min ago",
            ]
        );
        assert_eq!(
            at(60)[..5],
            [
                "  ORGANIZATION   TOKEN            STORE",
                "* acme           ####.... 29 min  file",
                "  a-longer-name  ........ none    memory",
                "    auth.example.com refused the credential; run: ac-cred",
                "    login a-longer-name",
            ]
        );
        for width in 40..250 {
            for line in at(width) {
                assert!(length(&line) <= width, "{width}: {line}");
            }
        }
    }

    #[test]
    fn a_name_is_cut_before_a_row_is_broken() {
        let long = OrganizationStatus {
            organization: Org::parse(&"n".repeat(64)).unwrap(),
            ..acme()
        };
        let look = Look {
            width: Some(60),
            ..PIPE
        };
        let lines = lines(&[long], look);
        assert!(
            lines[1].contains("nn..  ####.... 29 min  file"),
            "{lines:?}"
        );
        assert!(length(&lines[1]) <= 60);
    }

    #[test]
    fn what_is_missing_or_wrong_is_said() {
        let table = |daemon| Table {
            organizations: &[],
            daemon,
            at: Timestamp::from_unix(AT),
        };
        let none = "no organization is known here; run: ac-cred login ORG";
        assert_eq!(table(None).lines(PIPE), [none, "no daemon is running"]);
        let odd = DaemonStatus {
            version: "9.9".to_owned(),
            locked: true,
            ..daemon()
        };
        let lines = table(Some(&odd)).lines(PIPE);
        assert_eq!(lines[3], "credentials are locked; run: ac-cred unlock");
        assert!(lines[4].contains("another version"), "{lines:?}");
    }

    #[test]
    fn colour_repeats_what_words_say_and_is_left_out_where_it_is_not_wanted() {
        let colour = Look {
            colour: true,
            blocks: true,
            width: Some(200),
        };
        let soon = OrganizationStatus {
            token: acme().token.map(|token| TokenStatus {
                expires_in: 600,
                ..token
            }),
            ..acme()
        };
        let painted = lines(&[acme(), soon, other()], colour);
        assert!(
            painted[1].starts_with("\u{1b}[1m* acme\u{1b}[0m "),
            "{painted:?}"
        );
        assert!(
            painted[1].contains("\u{1b}[32m██████████\u{1b}[0m░"),
            "{painted:?}"
        );
        assert!(
            painted[2].contains("\u{1b}[35m████\u{1b}[0m░"),
            "{painted:?}"
        );
        assert!(
            painted[3].contains("\u{1b}[31mcredential refused"),
            "{painted:?}"
        );
        assert!(!at(200).concat().contains('\u{1b}'));
        assert!(at(200).concat().is_ascii());
    }

    #[test]
    fn a_servers_text_cannot_steer_a_terminal() {
        let hostile = OrganizationStatus {
            auth_url: "https://a\u{1b}[2Jb/".to_owned(),
            last_error: Some(Denial::new(ErrorCode::AuthApiBadAnswer, "a\u{1b}[2J\r\nb")),
            ..acme()
        };
        assert!(
            !lines(&[hostile], PIPE)
                .concat()
                .contains(['\u{1b}', '\r', '\n'])
        );
    }
}
