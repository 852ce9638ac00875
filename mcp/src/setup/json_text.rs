//! Edits of JSON, with or without comments, that keep every other byte; the only file that names
//! jsonc-parser.

use jsonc_parser::ParseOptions;
use jsonc_parser::cst::{CstInputValue, CstObject, CstObjectProp, CstRootNode};
use serde_json::Value;

use super::client::Entry;

/// What clients take: comments, and commas behind the last value.
const TAKEN: ParseOptions = ParseOptions {
    allow_comments: true,
    allow_loose_object_property_names: false,
    allow_trailing_commas: true,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

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
    let (root, object) = parse(if text.trim().is_empty() { "{}\n" } else { text })?;
    // The same name twice would hide one of both from the client, and nobody knows which.
    let holder = match only(&object, servers)? {
        Some(known) => known.object_value().ok_or_else(|| no_object(servers))?,
        None => object
            .object_value_or_create(servers)
            .ok_or_else(|| no_object(servers))?,
    };
    match only(&holder, name)? {
        Some(known)
            if known.value().and_then(|value| value.to_serde_value()) == Some(entry.value()) =>
        {
            return Ok(text.to_owned());
        }
        Some(known) => known.set_value(input(&entry.0)),
        None => {
            holder.append(name, input(&entry.0));
        }
    }
    Ok(root.to_string())
}

/// The text without the entry of this name.
///
/// # Errors
///
/// Why the text cannot be used.
pub(super) fn without(text: &str, servers: &str, name: &str) -> Result<String, String> {
    edit(text, servers, |holder| {
        let known = holder.object_value().and_then(|holder| holder.get(name));
        if let Some(known) = known {
            known.remove();
        }
    })
}

/// The text without the object of the servers, where that holds nothing.
///
/// # Errors
///
/// Why the text cannot be used.
pub(super) fn without_empty(text: &str, servers: &str) -> Result<String, String> {
    edit(text, servers, |holder| {
        let is_empty = holder
            .object_value()
            .is_some_and(|holder| holder.properties().is_empty());
        if is_empty {
            holder.remove();
        }
    })
}

/// The entry of this name, as it stands in the text.
///
/// # Errors
///
/// Why the text cannot be used.
pub(super) fn found(text: &str, servers: &str, name: &str) -> Result<Option<String>, String> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    let (_root, object) = parse(text)?;
    let holder = object.object_value(servers);
    let known = holder.and_then(|holder| holder.get(name));
    Ok(known.map(|known| known.to_string()))
}

fn edit(text: &str, servers: &str, change: impl FnOnce(CstObjectProp)) -> Result<String, String> {
    if text.trim().is_empty() {
        return Ok(text.to_owned());
    }
    let (root, object) = parse(text)?;
    if let Some(holder) = object.get(servers) {
        change(holder);
    }
    Ok(root.to_string())
}

fn parse(text: &str) -> Result<(CstRootNode, CstObject), String> {
    let root = CstRootNode::parse(text, &TAKEN).map_err(|error| {
        let (line, column) = (error.line_display(), error.column_display());
        format!("line {line}, column {column} is no JSON")
    })?;
    let object = root
        .object_value()
        .ok_or_else(|| "it holds no object".to_owned())?;
    Ok((root, object))
}

/// The value of this name; refused where there are several.
fn only(object: &CstObject, name: &str) -> Result<Option<CstObjectProp>, String> {
    let is_meant = |known: &CstObjectProp| known.decoded_name().as_deref() == Some(name);
    let mut known = object.properties().into_iter().filter(is_meant);
    match (known.next(), known.next()) {
        (_, Some(_)) => Err(format!("{name} stands in it twice")),
        (known, None) => Ok(known),
    }
}

fn no_object(name: &str) -> String {
    format!("{name} is no object")
}

fn input(fields: &[(&'static str, Value)]) -> CstInputValue {
    let field = |(name, value): &(&str, Value)| ((*name).to_owned(), input_of(value));
    CstInputValue::Object(fields.iter().map(field).collect())
}

fn input_of(value: &Value) -> CstInputValue {
    match value {
        Value::Null => CstInputValue::Null,
        Value::Bool(value) => CstInputValue::Bool(*value),
        Value::Number(value) => CstInputValue::Number(value.to_string()),
        Value::String(value) => CstInputValue::String(value.clone()),
        Value::Array(values) => CstInputValue::Array(values.iter().map(input_of).collect()),
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| (name.clone(), input_of(value));
            CstInputValue::Object(fields.iter().map(field).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry() -> Entry {
        Entry(vec![
            ("command", json!("/x/ac-cred")),
            ("args", json!(["mcp", "acme"])),
        ])
    }

    fn merged(text: &str) -> Result<String, String> {
        merge(text, "mcpServers", "appcircle", &entry())
    }

    const COMMENTED: &str = "// mine\n{\n\t\"z\": 1.50, /* odd */\n\t\"mcpServers\": {\n\t\t// other\n\t\t\
                             \"other\": { \"command\": \"x\" }, // end\n\t},\n\t\"a\": [1,2 ,3],\n}\n// last\n";

    #[test]
    fn everything_else_stays_as_it_is() {
        let after = merged(COMMENTED).unwrap();
        for kept in [
            "// mine\n{\n\t\"z\": 1.50, /* odd */\n",
            "// other\n",
            "{ \"command\": \"x\" }",
            "// end",
            "\"a\": [1,2 ,3],\n}\n// last\n",
        ] {
            assert!(after.contains(kept), "{kept} is lost: {after}");
        }
        assert!(after.contains("\"appcircle\": {"), "{after}");
        assert_eq!(merged(&after).unwrap(), after, "twice is once");
        let back = without(&after, "mcpServers", "appcircle").unwrap();
        let words = |text: &str| text.split_whitespace().collect::<String>();
        assert_eq!(words(&back), words(COMMENTED));
    }

    #[test]
    fn an_empty_file_and_one_without_servers_get_them() {
        for text in ["", " \n", "{}", "{\"mcpServers\":{}}"] {
            let after = merged(text).unwrap();
            let read: Value = serde_json::from_str(&after).unwrap();
            assert_eq!(
                read["mcpServers"]["appcircle"]["args"][1], "acme",
                "{text:?}"
            );
        }
    }

    #[test]
    fn an_entry_that_differs_is_replaced_in_its_place() {
        let text = r#"{"mcpServers":{"appcircle":{"url":"x","headers":{}},"b":{}}}"#;
        let read: Value = serde_json::from_str(&merged(text).unwrap()).unwrap();
        assert_eq!(read["mcpServers"]["appcircle"], entry().value());
        assert_eq!(read["mcpServers"]["b"], json!({}));
    }

    #[test]
    fn what_is_no_json_of_a_client_is_refused() {
        for bad in [
            "{",
            "[]",
            "1",
            "{\"a\":1,,}",
            "{a:1}",
            "{\"a\" 1}",
            "{'a':1}",
            "{\"mcpServers\":[]}",
            "{\"mcpServers\":null}",
            "{\"mcpServers\":{},\"mcpServers\":{}}",
            "{} {}",
            "{\"mcpServers\":{\"appcircle\":1,\"appcircle\":2}}",
        ] {
            assert!(merged(bad).is_err(), "{bad}");
        }
        assert_eq!(
            merged("{\n \"a\": marker }").unwrap_err(),
            "line 2, column 7 is no JSON"
        );
    }
}
