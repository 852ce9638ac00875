//! The seeds of the MCP bridge's fuzz targets, met without libFuzzer.

#[path = "../../../fuzz/subjects/event_stream.rs"]
mod event_stream;
#[path = "../../../fuzz/subjects/mcp_message.rs"]
mod mcp_message;
#[path = "../../../fuzz/seeds/meeting.rs"]
mod meeting;

use meeting::meet;

#[test]
fn events_are_the_same_however_they_come_in() {
    meet("event_stream", event_stream::run);
}

#[test]
fn messages_pass_the_bridge_without_the_token() {
    meet("mcp_message", mcp_message::run);
}
