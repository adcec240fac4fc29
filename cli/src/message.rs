//! A message as the verbs print it.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Serialize;
use swarmbus_core::{Message, Peeked};

/// A message as JSON: the payload is `data` if it is UTF-8, else `data_base64`.
#[derive(Serialize)]
pub struct Record<'a> {
    id: u64,
    sender: Option<String>,
    lane: String,
    deliveries: u32,
    correlation: u64,
    content: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_base64: Option<String>,
}

impl<'a> Record<'a> {
    fn with_payload(mut self, payload: &'a [u8]) -> Self {
        match std::str::from_utf8(payload) {
            Ok(text) => self.data = Some(text),
            Err(_) => self.data_base64 = Some(BASE64_STANDARD.encode(payload)),
        }
        self
    }
}

impl<'a> From<&'a Message<'_>> for Record<'a> {
    fn from(message: &'a Message<'_>) -> Self {
        let record = Self {
            id: message.id().0,
            sender: message.sender(),
            lane: message.lane().to_string(),
            deliveries: message.deliveries(),
            correlation: message.correlation(),
            content: message.content().to_string(),
            data: None,
            data_base64: None,
        };
        record.with_payload(message.data())
    }
}

impl<'a> From<&'a Peeked> for Record<'a> {
    fn from(message: &'a Peeked) -> Self {
        let record = Self {
            id: message.id,
            sender: message.sender.clone(),
            lane: message.lane.to_owned(),
            deliveries: message.deliveries,
            correlation: message.correlation,
            content: message.content.to_string(),
            data: None,
            data_base64: None,
        };
        record.with_payload(&message.data)
    }
}

/// The start of a payload in at most `width` columns, with nothing in it that a terminal obeys.
pub fn preview(payload: &[u8], width: usize) -> String {
    // A character has at most four bytes: more than that never shows.
    let head = &payload[..payload.len().min(width * 4)];
    let mut text = String::new();
    let mut columns = 0;
    for character in String::from_utf8_lossy(head).chars() {
        let shown = if character.is_control() { character.escape_default().to_string() } else { character.to_string() };
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
}
