//! A message as the verbs print it.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Serialize;
use std::borrow::Cow;
use swarmbus_core::{ContentType, Message, Peeked, Sample, TraceContext, schema_of};

/// A message as JSON: the payload is `data` if it is UTF-8 (and no archive), else `data_base64`.
#[derive(Default, Serialize)]
pub struct Record<'a> {
    id: u64,
    sender: Option<String>,
    /// Where it was taken; of a copy that a tap made, the queue that was tapped.
    #[serde(skip_serializing_if = "Option::is_none")]
    queue: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lane: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deliveries: Option<u32>,
    correlation: u64,
    content: String,
    /// Of an answer: whether more parts follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    more_follows: Option<bool>,
    /// In a topic: its place there, and how many messages before it were missed.
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    missed: Option<u64>,
    /// Of a dead letter: the queue to which it was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<String>,
    /// The trace that it belongs to, if its sender named one.
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<TraceContext>,
    /// Of an archive: the id of its schema, in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    schema: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_base64: Option<String>,
}

impl<'a> Record<'a> {
    fn with_payload(mut self, content: ContentType, payload: &'a [u8]) -> Self {
        self.schema = schema_of(content, payload).map(hexadecimal);
        match std::str::from_utf8(payload) {
            Ok(text) if content != ContentType::Rkyv => self.data = Some(text),
            _ => self.data_base64 = Some(BASE64_STANDARD.encode(payload)),
        }
        self
    }
}

impl<'a> From<&'a Message<'_>> for Record<'a> {
    fn from(message: &'a Message<'_>) -> Self {
        let record = Self {
            id: message.id().0,
            sender: message.sender(),
            queue: Some(message.tapped().unwrap_or_else(|| message.queue())),
            lane: Some(message.lane().to_string()),
            deliveries: Some(message.deliveries()),
            correlation: message.correlation(),
            content: message.content().to_string(),
            traceparent: message.trace(),
            ..Self::default()
        };
        record.with_payload(message.content(), message.data())
    }
}

impl<'a> From<&'a Peeked> for Record<'a> {
    fn from(message: &'a Peeked) -> Self {
        let record = Self {
            id: message.id,
            sender: message.sender.clone(),
            lane: Some(message.lane.to_owned()),
            deliveries: Some(message.deliveries),
            correlation: message.correlation,
            content: message.content.to_string(),
            traceparent: message.trace,
            origin: message.origin.clone(),
            ..Self::default()
        };
        record.with_payload(message.content, &message.data)
    }
}

impl<'a> From<&'a Sample<'_>> for Record<'a> {
    fn from(sample: &'a Sample<'_>) -> Self {
        let record = Self {
            id: sample.id().0,
            sender: sample.sender(),
            correlation: sample.correlation(),
            content: sample.content().to_string(),
            traceparent: sample.trace(),
            position: Some(sample.position()),
            missed: Some(sample.missed()),
            ..Self::default()
        };
        record.with_payload(sample.content(), sample.data())
    }
}

impl<'a> Record<'a> {
    /// An answer to a call, or a part of one.
    pub fn of_answer(answer: &'a Message<'_>) -> Self {
        Self { more_follows: Some(answer.more_follows()), queue: None, deliveries: None, ..Self::from(answer) }
    }
}

fn hexadecimal(schema: u64) -> String {
    format!("{schema:016x}")
}

/// What an archive is, for people: its schema and length.
fn archive(payload: &[u8]) -> String {
    let schema = schema_of(ContentType::Rkyv, payload).map_or_else(|| "without a schema".to_owned(), hexadecimal);
    format!("rkyv {schema}, {} bytes", payload.len())
}

/// A payload for a terminal: JSON is laid out, an archive is named, the rest is as it is.
pub fn shown(content: ContentType, payload: &[u8]) -> Cow<'_, [u8]> {
    match content {
        ContentType::Rkyv => archive(payload).into_bytes().into(),
        ContentType::Json if is_json(payload).is_ok() => lay_out(&String::from_utf8_lossy(payload)).into_bytes().into(),
        _ => payload.into(),
    }
}

/// Whether a payload is JSON.
pub fn is_json(payload: &[u8]) -> serde_json::Result<()> {
    serde_json::from_slice::<serde::de::IgnoredAny>(payload).map(drop)
}

/// JSON over several lines. Text in, text out: keys keep their order and numbers their digits.
fn lay_out(json: &str) -> String {
    let mut out = String::new();
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    let mut characters = json.chars().peekable();
    while let Some(character) = characters.next() {
        if in_text {
            in_text = escaped || character != '"';
            escaped = !escaped && character == '\\';
            match character.is_control() {
                // JSON escapes the others itself.
                true => out.push_str(&format!("\\u{:04x}", u32::from(character))),
                false => out.push(character),
            }
            continue;
        }
        match character {
            '"' => {
                in_text = true;
                out.push(character);
            }
            '{' | '[' => {
                out.push(character);
                while characters.next_if(|next| next.is_ascii_whitespace()).is_some() {}
                match characters.next_if(|next| matches!(next, '}' | ']')) {
                    Some(end) => out.push(end),
                    None => {
                        depth += 1;
                        new_line(&mut out, depth);
                    }
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut out, depth);
                out.push(character);
            }
            ',' => {
                out.push(character);
                new_line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            space if space.is_ascii_whitespace() => {}
            other => out.push(other),
        }
    }
    out
}

fn new_line(out: &mut String, depth: usize) {
    out.push('\n');
    // However deep it is, there is something to see, and not much more than came in.
    out.extend(std::iter::repeat_n("  ", depth.min(40)));
}

/// What a table shows of a payload.
pub fn summary(content: ContentType, payload: &[u8], width: usize) -> String {
    match content {
        ContentType::Rkyv => preview(archive(payload).as_bytes(), width),
        _ => preview(payload, width),
    }
}

/// A text of somebody else, with nothing in it that a terminal obeys.
pub fn harmless(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character.is_control() {
            true => shown.extend(character.escape_default()),
            false => shown.push(character),
        }
    }
    shown
}

/// The start of a payload in at most `width` columns, with nothing in it that a terminal obeys.
pub fn preview(payload: &[u8], width: usize) -> String {
    // A character has at most four bytes: more than that never shows.
    let head = &payload[..payload.len().min(width * 4)];
    let mut text = String::new();
    let mut columns = 0;
    for character in String::from_utf8_lossy(head).chars() {
        let shown = harmless(character.encode_utf8(&mut [0; 4]));
        columns += shown.chars().count();
        if columns > width {
            text.push('…');
            return text;
        }
        text.push_str(&shown);
    }
    if head.len() < payload.len() {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preview_is_short_and_harmless() {
        assert_eq!(preview(b"hello", 10), "hello");
        assert_eq!(preview(b"two\nlines\x1b[31m", 40), "two\\nlines\\u{1b}[31m");
        assert_eq!(preview(b"0123456789abc", 10), "0123456789…");
        assert_eq!(preview(&[0xff, b'a'], 10), "\u{fffd}a");
        assert_eq!(preview(&[b'x'; 1000], 4), "xxxx…");
    }

    #[test]
    fn json_is_laid_out_as_it_is() {
        let json = br#"{"b":[1.000,{},[ ]], "a" : "x\\\"{,}:[", "big":123456789012345678901234567890}"#;
        let expected = "{\n  \"b\": [\n    1.000,\n    {},\n    []\n  ],\n  \"a\": \"x\\\\\\\"{,}:[\",\n  \"big\": 123456789012345678901234567890\n}";
        assert_eq!(String::from_utf8_lossy(&shown(ContentType::Json, json)), expected);
        assert_eq!(&*shown(ContentType::Json, b" 1 "), b"1");
        assert_eq!(&*shown(ContentType::Json, "\"\u{9b}31m\"".as_bytes()), b"\"\\u009b31m\"");
        for not in [&b"{"[..], b"", b"\xff", b"{} x"] {
            assert_eq!(&*shown(ContentType::Json, not), not);
        }
        let deep = "[".repeat(5000) + &"]".repeat(5000);
        assert!(shown(ContentType::Json, deep.as_bytes()).len() < deep.len() * 100);
    }

    #[test]
    fn an_archive_is_named_not_shown() {
        let payload = [&[0, 1, 2][..], &0x1234_u64.to_ne_bytes()].concat();
        assert_eq!(&*shown(ContentType::Rkyv, &payload), b"rkyv 0000000000001234, 11 bytes");
        assert_eq!(summary(ContentType::Rkyv, b"short", 80), "rkyv without a schema, 5 bytes");
        assert_eq!(&*shown(ContentType::Bytes, &payload), &payload);
    }
}
