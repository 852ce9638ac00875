//! Edits of TOML that keep every other byte; the only file of the bridge that names `toml_edit`.

use serde_json::Value as Json;
use toml_edit::{Array, DocumentMut, Item, Table, Value};

use super::client::Entry;

/// The text with the entry of this name among the servers.
///
/// # Errors
///
/// Why the text cannot be used.
pub(super) fn merge(
    text: &str,
    servers: &str,
    name: &str,
    entry: &Entry,
) -> Result<String, String> {
    let mut document = parse(text)?;
    let table = table(entry)?;
    if document.get(servers).is_none() {
        let mut holder = Table::new();
        holder.set_implicit(true);
        document.insert(servers, Item::Table(holder));
    }
    let holder = document.get_mut(servers).and_then(Item::as_table_mut);
    let holder = holder.ok_or_else(|| format!("{servers} is no table"))?;
    let is_same = |known: &Item| {
        let known = known.as_table_like();
        known.is_some_and(|known| {
            known.len() == table.len()
                && table.iter().all(|(name, value)| {
                    let known = known.get(name).map(ToString::to_string);
                    known.is_some_and(|known| known.trim() == value.to_string().trim())
                })
        })
    };
    if holder.get(name).is_some_and(is_same) {
        return Ok(text.to_owned());
    }
    let mut table = table;
    if let Some(Item::Table(known)) = holder.get(name) {
        // It stays where it is, under the comment that stands above it.
        *table.decor_mut() = known.decor().clone();
        table.set_position(known.position());
    }
    holder.insert(name, Item::Table(table));
    Ok(document.to_string())
}

/// The text without the entry of this name.
///
/// # Errors
///
/// Why the text cannot be used.
pub(super) fn without(text: &str, servers: &str, name: &str) -> Result<String, String> {
    let mut document = parse(text)?;
    if let Some(holder) = document.get_mut(servers).and_then(Item::as_table_like_mut) {
        holder.remove(name);
    }
    Ok(document.to_string())
}

/// The entry of this name, as it stands in the text.
///
/// # Errors
///
/// Why the text cannot be used.
pub(super) fn found(text: &str, servers: &str, name: &str) -> Result<Option<String>, String> {
    let document = parse(text)?;
    let holder = document.get(servers).and_then(Item::as_table_like);
    let known = holder.and_then(|holder| holder.get(name));
    Ok(known.map(ToString::to_string))
}

fn parse(text: &str) -> Result<DocumentMut, String> {
    text.parse::<DocumentMut>().map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        let before = text.get(..start).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        format!("line {line} is no TOML")
    })
}

fn table(entry: &Entry) -> Result<Table, String> {
    let mut table = Table::new();
    for (name, value) in &entry.0 {
        table.insert(name, Item::Value(value_of(value)?));
    }
    Ok(table)
}

/// A value as far as an entry has such.
fn value_of(json: &Json) -> Result<Value, String> {
    match json {
        Json::String(text) => Ok(text.as_str().into()),
        Json::Array(values) => {
            let values: Result<Array, String> = values.iter().map(value_of).collect();
            Ok(Value::Array(values?))
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Object(_) => {
            Err("the entry cannot be written as TOML".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const COMMENTED: &str = "# mine\nmodel = \"o\" # odd\n\n[mcp_servers.other]\ncommand = \"x\"\n\n\
                             # last\n[tui]\nz = [1,2 ,3]\n";

    fn entry(organization: &str) -> Entry {
        Entry(vec![
            ("command", json!("/x/ac-cred")),
            ("args", json!(["mcp", organization])),
        ])
    }

    fn merged(text: &str) -> Result<String, String> {
        merge(text, "mcp_servers", "appcircle", &entry("acme"))
    }

    #[test]
    fn everything_else_stays_as_it_is() {
        let after = merged(COMMENTED).unwrap();
        let ours =
            "[mcp_servers.appcircle]\ncommand = \"/x/ac-cred\"\nargs = [\"mcp\", \"acme\"]\n";
        assert!(after.contains(ours), "{after}");
        assert_eq!(merged(&after).unwrap(), after, "twice is once");
        let back = without(&after, "mcp_servers", "appcircle").unwrap();
        let words = |text: &str| text.split_whitespace().collect::<String>();
        assert_eq!(words(&back), words(COMMENTED));
        assert!(found(&after, "mcp_servers", "appcircle").unwrap().is_some());
        assert!(
            found(COMMENTED, "mcp_servers", "appcircle")
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn an_entry_that_differs_is_replaced_in_its_place() {
        let before =
            merged("[a]\nb = 1\n\n# ours\n[mcp_servers.appcircle]\nurl = \"x\"\n\n[c]\n").unwrap();
        let after = merge(&before, "mcp_servers", "appcircle", &entry("other")).unwrap();
        assert_eq!(after, before.replace("acme", "other"));
        assert!(after.find("# ours") < after.find("[c]"), "{after}");
        assert!(!after.contains("url"), "{after}");
    }

    #[test]
    fn what_is_no_toml_is_refused_without_its_text() {
        assert_eq!(
            merged("a = 1\nb = marker\n").unwrap_err(),
            "line 2 is no TOML"
        );
        assert!(merged("mcp_servers = 1\n").is_err());
        assert!(merged("mcp_servers = {}\n").is_err());
    }
}
