//! A stream of events from an MCP server: however its bytes come in, the same events are read, and
//! nothing of it is larger than what came in or steers a header.

use ac_cred_mcp::event_stream::{Decoder, Event, Malformed};

/// The first byte is the length of the pieces in which the others come in.
pub(crate) fn run(data: &[u8]) {
    let Some((size, stream)) = data.split_first() else {
        return;
    };
    let whole = read(stream.chunks(stream.len().max(1)));
    let pieces = read(stream.chunks(usize::from(*size).max(1)));
    assert_eq!(whole, pieces);
    let (events, last_id, _) = whole;
    let length: usize = events
        .iter()
        .map(|event| event.kind.len() + event.data.len())
        .sum();
    assert!(length <= stream.len(), "more is read than came in");
    for event in &events {
        assert!(!event.kind.contains(['\n', '\r']) && !event.data.contains('\r'));
    }
    if let Some(id) = last_id {
        assert!(!id.is_empty() && id.bytes().all(|byte| byte.is_ascii_graphic()));
    }
}

/// The events, the id of the last one, and why the stream could not be read to its end.
fn read<'a>(
    pieces: impl Iterator<Item = &'a [u8]>,
) -> (Vec<Event>, Option<String>, Option<Malformed>) {
    let (mut decoder, mut events) = (Decoder::default(), Vec::new());
    let mut fed = pieces.map(|piece| decoder.feed(piece, &mut events));
    let why = fed.find_map(Result::err);
    (events, decoder.last_id().map(str::to_owned), why)
}
