//! The MCP clients: where each keeps its configuration, and how it writes down a server.

use std::env;
use std::path::PathBuf;

use ac_cred::bridge::McpClient;
use ac_cred_proto::{Denial, ErrorCode};
use serde_json::{Value, json};

use super::{NAME, json_text, toml_text};

/// What a client is told of a server: names and values in their order.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry(pub(super) Vec<(&'static str, Value)>);

/// How and where a client keeps its servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form {
    client: McpClient,
    language: Language,
    /// The name of the object that holds the servers.
    servers: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Language {
    /// JSON that may have comments.
    Json,
    Toml,
}

/// The name of a client as it is typed.
pub(super) fn name(client: McpClient) -> &'static str {
    match client {
        McpClient::Claude => "claude",
        McpClient::Codex => "codex",
        McpClient::Gemini => "gemini",
        McpClient::Cursor => "cursor",
        McpClient::Vscode => "vscode",
        McpClient::Windsurf => "windsurf",
        McpClient::Zed => "zed",
        McpClient::Copilot => "copilot",
    }
}

impl Entry {
    /// The entry as a value, whatever the order of its names.
    pub(super) fn value(&self) -> Value {
        let fields = self.0.iter();
        Value::Object(
            fields
                .map(|(name, value)| ((*name).to_owned(), value.clone()))
                .collect(),
        )
    }

    /// The bridge, for an organization or whichever is meant.
    pub(super) fn bridge(client: McpClient, program: &str, organization: Option<String>) -> Self {
        let words: Vec<String> = ["mcp".to_owned()].into_iter().chain(organization).collect();
        let command = [("command", json!(program)), ("args", json!(words))];
        let (first, last) = match client {
            McpClient::Claude | McpClient::Vscode => (Some(("type", json!("stdio"))), None),
            McpClient::Copilot => (
                Some(("type", json!("local"))),
                Some(("tools", json!(["*"]))),
            ),
            McpClient::Zed => (Some(("source", json!("custom"))), Some(("env", json!({})))),
            McpClient::Codex | McpClient::Gemini | McpClient::Cursor | McpClient::Windsurf => {
                (None, None)
            }
        };
        Self(first.into_iter().chain(command).chain(last).collect())
    }

    /// The server itself, and the command that prints its headers.
    pub(super) fn helper(
        client: McpClient,
        program: &str,
        organization: Option<String>,
        url: Option<String>,
    ) -> Result<Self, Denial> {
        let refused = |why: String| Denial::new(ErrorCode::Usage, why);
        let typed = name(client);
        let setting = match client {
            McpClient::Claude => "headersHelper",
            McpClient::Codex => "http_headers_helper",
            McpClient::Gemini
            | McpClient::Cursor
            | McpClient::Vscode
            | McpClient::Windsurf
            | McpClient::Zed
            | McpClient::Copilot => {
                let why = format!("{typed} cannot run a command for its headers");
                return Err(refused(why).hint(format!("ac-cred setup {typed} --bridge")));
            }
        };
        let Some((organization, url)) = organization.zip(url) else {
            let why = "a helper needs an organization whose MCP server is known".to_owned();
            return Err(refused(why).hint(format!("ac-cred setup {typed} --bridge")));
        };
        let program = quoted(program);
        let command = format!("{program} get {organization} --format headers");
        let kind = (client == McpClient::Claude).then(|| ("type", json!("http")));
        let rest = [("url", json!(url)), (setting, json!(command))];
        Ok(Self(kind.into_iter().chain(rest).collect()))
    }
}

/// A path as a POSIX shell takes it for one word.
fn quoted(path: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+".contains(&byte);
    if path.bytes().all(is_plain) {
        path.to_owned()
    } else {
        format!("'{}'", path.replace('\'', "'\\''"))
    }
}

impl Form {
    pub(super) fn of(client: McpClient) -> Self {
        let (language, servers) = match client {
            McpClient::Codex => (Language::Toml, "mcp_servers"),
            McpClient::Vscode => (Language::Json, "servers"),
            McpClient::Zed => (Language::Json, "context_servers"),
            McpClient::Claude
            | McpClient::Gemini
            | McpClient::Cursor
            | McpClient::Windsurf
            | McpClient::Copilot => (Language::Json, "mcpServers"),
        };
        Self {
            client,
            language,
            servers,
        }
    }

    /// The client's file for all projects of the user.
    pub(super) fn file(self) -> Result<PathBuf, Denial> {
        let home = || {
            let home = env::home_dir().filter(|home| home.is_absolute());
            home.ok_or_else(|| Denial::new(ErrorCode::Usage, "HOME is no absolute path"))
        };
        let said = |name: &str| {
            let said = env::var_os(name).map(PathBuf::from);
            said.filter(|path| path.is_absolute())
        };
        let configuration = || match said("XDG_CONFIG_HOME") {
            Some(said) if cfg!(unix) => Ok(said),
            _ => home().map(|home| {
                home.join(if cfg!(windows) {
                    "AppData/Roaming"
                } else {
                    ".config"
                })
            }),
        };
        let said_or = |name: &str, usual: &str| match said(name) {
            Some(said) => Ok(said),
            None => home().map(|home| home.join(usual)),
        };
        Ok(match self.client {
            McpClient::Claude => said_or("CLAUDE_CONFIG_DIR", "")?.join(".claude.json"),
            McpClient::Codex => said_or("CODEX_HOME", ".codex")?.join("config.toml"),
            McpClient::Gemini => said_or("GEMINI_CLI_HOME", "")?.join(".gemini/settings.json"),
            McpClient::Cursor => home()?.join(".cursor/mcp.json"),
            McpClient::Vscode if cfg!(target_os = "macos") => {
                home()?.join("Library/Application Support/Code/User/mcp.json")
            }
            McpClient::Vscode => configuration()?.join("Code/User/mcp.json"),
            McpClient::Windsurf => home()?.join(".codeium/windsurf/mcp_config.json"),
            McpClient::Zed if cfg!(target_os = "macos") => {
                home()?.join(".config/zed/settings.json")
            }
            McpClient::Zed if cfg!(windows) => configuration()?.join("Zed/settings.json"),
            McpClient::Zed => configuration()?.join("zed/settings.json"),
            McpClient::Copilot => said_or("COPILOT_HOME", ".copilot")?.join("mcp-config.json"),
        })
    }

    /// A file's text with the entry in it.
    pub(super) fn merge(self, text: &str, entry: &Entry) -> Result<String, Denial> {
        match self.language {
            Language::Json => json_text::merge(text, self.servers, NAME, entry),
            Language::Toml => toml_text::merge(text, self.servers, NAME, entry),
        }
        .map_err(|why| self.unreadable(&why))
    }

    /// A file's text without the entry.
    pub(super) fn without(self, text: &str) -> Result<String, Denial> {
        match self.language {
            Language::Json => json_text::without(text, self.servers, NAME),
            Language::Toml => toml_text::without(text, self.servers, NAME),
        }
        .map_err(|why| self.unreadable(&why))
    }

    /// The entry in a file's text, as it stands there.
    pub(super) fn found(self, text: &str) -> Result<Option<String>, Denial> {
        match self.language {
            Language::Json => json_text::found(text, self.servers, NAME),
            Language::Toml => toml_text::found(text, self.servers, NAME),
        }
        .map_err(|why| self.unreadable(&why))
    }

    /// Whether two texts are the same but for the entry.
    pub(super) fn differs_in_entry_only(self, one: &str, other: &str) -> bool {
        let rest = |text| self.without(text).ok();
        let rest_of_other = rest(other);
        rest(one).is_some_and(|one| {
            let same = |other: &str| words(&one) == words(other);
            rest_of_other.is_some_and(|other| same(&other) || same(&self.emptied(&other)))
        })
    }

    /// Whether a text holds the entry and nothing else.
    pub(super) fn is_ours_alone(self, text: &str) -> bool {
        let rest = self.without(text).map(|rest| words(&self.emptied(&rest)));
        rest.is_ok_and(|rest| rest.is_empty() || rest == "{}")
    }

    /// A text without the object of the servers, where that is empty.
    fn emptied(self, text: &str) -> String {
        match self.language {
            Language::Json => json_text::without_empty(text, self.servers),
            Language::Toml => Ok(text.to_owned()),
        }
        .unwrap_or_else(|_| text.to_owned())
    }

    fn unreadable(self, why: &str) -> Denial {
        let shown = self.file().map(|file| file.display().to_string());
        let shown = shown.unwrap_or_default();
        Denial::new(ErrorCode::Usage, format!("{shown} is not touched: {why}"))
    }
}

/// A text without what stands between its words, which an edit may have moved.
fn words(text: &str) -> String {
    text.split_whitespace().collect()
}
