//! How a genuine answer is spoiled: bodies that are changed, and heads that do not fit them.

use serde_json::{Map, Value};

use super::{fault::Step, http::Answer};

/// A genuine answer and what its head needs.
pub(super) struct Sheet<'a> {
    pub(super) answer: &'a Answer,
    pub(super) date: Option<&'a str>,
}

impl Sheet<'_> {
    /// The body's length in bytes.
    pub(super) fn length(&self) -> usize {
        self.answer.body.len()
    }

    /// The whole answer.
    pub(super) fn whole(&self) -> Vec<u8> {
        self.answer.bytes(self.date)
    }

    /// The head alone.
    pub(super) fn head(&self) -> Vec<u8> {
        self.head_of(self.length())
    }

    /// The head and half the body.
    pub(super) fn half(&self) -> Vec<u8> {
        [self.head(), first_half(&self.answer.body)].concat()
    }

    /// The whole body behind a head that declares another length.
    pub(super) fn declared_as(&self, length: usize) -> Vec<Step> {
        vec![Step::Send(
            [&*self.head_of(length), &self.answer.body].concat(),
        )]
    }

    fn head_of(&self, length: usize) -> Vec<u8> {
        let framing = format!("Content-Length: {length}");
        self.answer.head(&framing, self.date)
    }
}

/// The whole body behind a head that says it comes in chunks, and a chunk of no length.
pub(super) fn not_chunked(sheet: &Sheet<'_>) -> Vec<Step> {
    let head = sheet.answer.head("Transfer-Encoding: chunked", sheet.date);
    vec![Step::Send([&*head, b"zz\r\n", &sheet.answer.body].concat())]
}

/// Replaces or removes a field of a successful answer; a refusal stays as it is.
pub(super) fn with_field(mut answer: Answer, name: &str, value: Option<&Value>) -> Answer {
    if answer.status != 200 {
        return answer;
    }
    let mut fields: Map<String, Value> = serde_json::from_slice(&answer.body).unwrap_or_default();
    match value {
        Some(value) => fields.insert(name.to_owned(), value.clone()),
        None => fields.remove(name),
    };
    answer.body = Value::Object(fields).to_string().into_bytes();
    answer
}

/// Puts text behind the opening brace of a JSON object.
pub(super) fn with_prefix(body: &[u8], prefix: &str) -> Vec<u8> {
    let rest = body.strip_prefix(b"{").unwrap_or(body);
    [b"{", prefix.as_bytes(), rest].concat()
}

pub(super) fn first_half(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().take(bytes.len() / 2).copied().collect()
}

/// The text in UTF-16, little end first, behind its byte order mark.
pub(super) fn utf16(body: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(body);
    let units = [0xFEFF].into_iter().chain(text.encode_utf16());
    units.flat_map(u16::to_le_bytes).collect()
}

/// An answer whose body is padded with a field to `length` bytes, or just a little longer than the
/// genuine one if that is more.
pub(super) fn padded(sheet: &Sheet<'_>, length: u64) -> Vec<Step> {
    const CHUNK: u64 = 64 * 1024;
    let open = br#"{"padding":""#;
    let close = with_prefix(&sheet.answer.body, "").split_off(1);
    let close = [b"\",", &*close].concat();
    let fixed = u64::try_from(open.len() + close.len()).unwrap_or(u64::MAX);
    let padding = length.saturating_sub(fixed);
    let framing = format!("Content-Length: {}", fixed + padding);
    let head = sheet.answer.head(&framing, sheet.date);
    let letters = |n: u64| "a".repeat(usize::try_from(n).unwrap_or(0));
    vec![
        Step::Send([&*head, open].concat()),
        Step::Repeat(letters(CHUNK).into_bytes(), Some(padding / CHUNK)),
        Step::Send([letters(padding % CHUNK).as_bytes(), &close].concat()),
    ]
}

/// A gzip stream of one fixed Huffman block that repeats a letter 65,536 times 258 times.
pub(super) fn gzip_bomb() -> Answer {
    let mut bits = Bits::default();
    // The final block (1), of fixed Huffman codes (01, least significant bit first).
    bits.push(&[1, 1, 0]);
    // The literal 'a' (0x61): its code is 0x30 + 0x61 in 8 bits.
    bits.push(&[1, 0, 0, 1, 0, 0, 0, 1]);
    for _ in 0..65_536 {
        // Length 258 is symbol 285, whose code is 11000101; distance 1 is 00000.
        bits.push(&[1, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0]);
    }
    // The end of the block is 0000000.
    bits.push(&[0; 7]);
    let header = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 0xFF];
    let body = [&header[..], &bits.bytes, &[0; 8]].concat();
    Answer::new(200, "application/json", body).with_header("Content-Encoding", "gzip")
}

/// Packs bits into bytes, the first into the lowest place, as deflate does.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    used: u8,
}

impl Bits {
    fn push(&mut self, bits: &[u8]) {
        for bit in bits {
            if self.used == 0 {
                self.bytes.push(0);
            }
            if let Some(last) = self.bytes.last_mut() {
                *last |= bit << self.used;
            }
            self.used = (self.used + 1) % 8;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_padded_body_has_exactly_the_length_it_declares_and_is_json() {
        for length in [0, 100, 262_145, 10_000_000] {
            let text = String::from_utf8(played(&padded_to(length))).unwrap();
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            assert!(
                head.ends_with(&format!("Content-Length: {}", body.len())),
                "{head}"
            );
            assert!(length < 100 || body.len() == usize::try_from(length).unwrap());
            let value: Value = serde_json::from_str(body).unwrap();
            assert_eq!(value["access_token"], "genuine");
        }
    }

    #[test]
    fn a_petabyte_is_planned_without_being_held() {
        let held: usize = padded_to(1 << 50).iter().map(step_length).sum();
        assert!(held < 200_000, "{held}");
    }

    #[test]
    fn the_gzip_bomb_is_small_and_says_what_it_is() {
        let bomb = gzip_bomb();
        assert!(bomb.headers.iter().any(|(_, value)| value == "gzip"));
        // A header of 10 bytes, 3 + 8 + 65,536 * 13 + 7 bits, a trailer of 8 bytes.
        let length = 10 + (18 + 65_536 * 13_usize).div_ceil(8) + 8;
        assert_eq!(bomb.body.len(), length);
        assert!(length < 110_000);
    }

    #[test]
    fn utf16_begins_with_its_mark() {
        assert_eq!(utf16(b"{}"), [0xFF, 0xFE, b'{', 0, b'}', 0]);
    }

    fn padded_to(length: u64) -> Vec<Step> {
        let answer = Answer::json(200, &json!({ "access_token": "genuine" }));
        let sheet = Sheet {
            answer: &answer,
            date: None,
        };
        padded(&sheet, length)
    }

    fn played(steps: &[Step]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for step in steps {
            match step {
                Step::Send(more) => bytes.extend(more),
                Step::Repeat(more, times) => {
                    (0..times.unwrap()).for_each(|_| bytes.extend(more));
                }
                Step::Drip(..) | Step::Hang | Step::Cut | Step::Reset => {}
            }
        }
        bytes
    }

    fn step_length(step: &Step) -> usize {
        match step {
            Step::Send(bytes) | Step::Repeat(bytes, _) | Step::Drip(bytes, _) => bytes.len(),
            Step::Hang | Step::Cut | Step::Reset => 0,
        }
    }
}
