//! The trace that a message belongs to, as a W3C trace context: 26 bytes behind its payload, of which a bit of its header tells. Messages without one have neither.

use super::header::Meta;
use crate::error::{Error, Result};
use std::fmt;
use std::str::FromStr;

/// Which trace something belongs to, and under which span of it: what OpenTelemetry and others write as a `traceparent`.
///
/// ```
/// use swarmbus_core::TraceContext;
///
/// let text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
/// let trace: TraceContext = text.parse()?;
/// assert!(trace.is_sampled());
/// assert_eq!(trace.to_string(), text);
/// # Ok::<(), swarmbus_core::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TraceContext {
    trace_id: [u8; 16],
    parent_id: [u8; 8],
    flags: u8,
}

impl TraceContext {
    /// The length of its text.
    pub const TEXT_BYTES: usize = 55;

    /// What it takes behind a payload: `version:8`, which is 0, `flags:8`, trace id, parent id.
    pub(crate) const BYTES: usize = 2 + 16 + 8;

    /// Of these ids, in the order of their text.
    ///
    /// # Errors
    /// `InvalidArgument` if an id is all zeros, which is the id of nothing.
    pub fn new(trace_id: [u8; 16], parent_id: [u8; 8], flags: u8) -> Result<TraceContext> {
        let what = match (trace_id == [0; 16], parent_id == [0; 8]) {
            (true, _) => "a trace id of nothing but zeros is no trace",
            (_, true) => "a parent id of nothing but zeros is no span",
            _ => return Ok(TraceContext { trace_id, parent_id, flags }),
        };
        Err(Error::InvalidArgument { what: what.into() })
    }

    /// The trace.
    pub fn trace_id(&self) -> [u8; 16] {
        self.trace_id
    }

    /// The span of it that sent the message.
    pub fn parent_id(&self) -> [u8; 8] {
        self.parent_id
    }

    /// Bit 0: it is sampled.
    pub fn flags(&self) -> u8 {
        self.flags
    }

    /// Whether somebody records it.
    pub fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    pub(crate) fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[1] = self.flags;
        bytes[2..18].copy_from_slice(&self.trace_id);
        bytes[18..].copy_from_slice(&self.parent_id);
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<TraceContext> {
        let (&[0, flags], ids) = bytes.split_first_chunk()? else { return None };
        let (&trace_id, parent_id) = ids.split_first_chunk()?;
        TraceContext::new(trace_id, parent_id.try_into().ok()?, flags).ok()
    }

    /// The one behind the payload of a chunk, all of whose bytes these are. Whatever does not fit or makes no sense is none: it is of no account for the message.
    pub(crate) fn behind(meta: Meta, bytes: &[u8]) -> Option<TraceContext> {
        let behind = bytes.get(meta.length()..).filter(|_| meta.is_traced())?;
        Self::from_bytes(behind.get(..Self::BYTES)?)
    }
}

/// The flag of a trace that is sampled, of which every version of the format speaks.
const SAMPLED: u8 = 1;

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (trace_id, parent_id) = (u128::from_be_bytes(self.trace_id), u64::from_be_bytes(self.parent_id));
        write!(f, "00-{trace_id:032x}-{parent_id:016x}-{:02x}", self.flags)
    }
}

impl FromStr for TraceContext {
    type Err = Error;

    /// Reads a `traceparent`. Of a version of the format that is not known yet what every version has is read.
    fn from_str(text: &str) -> Result<TraceContext> {
        read(text).map_err(|why| {
            let shown: String = text.chars().take(TraceContext::TEXT_BYTES + 5).collect();
            let what = format!(
                "{shown:?} is no traceparent: {why}; it is 00-TRACE-PARENT-FLAGS, of 32, 16 and 2 hexadecimal digits"
            );
            Error::InvalidArgument { what }
        })
    }
}

fn read(text: &str) -> std::result::Result<TraceContext, String> {
    let mut parts = text.split('-');
    let version = number::<1>("the version", parts.next())?[0];
    let trace_id = number("the trace id", parts.next())?;
    let parent_id = number("the parent id", parts.next())?;
    let flags = number::<1>("the flag byte", parts.next())?[0];
    let flags = match (version, parts.next()) {
        (0xff, _) => return Err("there is no version ff".into()),
        (0, Some(_)) => return Err("something follows its flags".into()),
        (0, None) => flags,
        _ => flags & SAMPLED,
    };
    TraceContext::new(trace_id, parent_id, flags).map_err(|error| match error {
        Error::InvalidArgument { what } => what,
        other => other.to_string(),
    })
}

/// A part of a text: the `N` bytes that its digits say. The format knows no capitals.
fn number<const N: usize>(name: &str, digits: Option<&str>) -> std::result::Result<[u8; N], String> {
    let wrong = || format!("{name} is not {} of the digits 0-9 and a-f", 2 * N);
    let digits = digits.filter(|digits| digits.len() == 2 * N).ok_or_else(wrong)?;
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
        *byte = pair.iter().try_fold(0, |byte, digit| {
            let value = match digit {
                b'0'..=b'9' => digit - b'0',
                b'a'..=b'f' => digit - b'a' + 10,
                _ => return Err(wrong()),
            };
            Ok(byte << 4 | value)
        })?;
    }
    Ok(bytes)
}

#[cfg(feature = "serde")]
impl serde::Serialize for TraceContext {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{ContentType, Lane};

    const TEXT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_text_goes_there_and_back() {
        let trace: TraceContext = TEXT.parse().unwrap();
        assert_eq!((trace.trace_id()[0], trace.parent_id()[7], trace.flags()), (0x0a, 0x31, 1));
        assert_eq!((trace.to_string().as_str(), TEXT.len()), (TEXT, TraceContext::TEXT_BYTES));
        assert_eq!(TraceContext::from_bytes(&trace.to_bytes()), Some(trace));
        assert_eq!(TraceContext::new(trace.trace_id(), trace.parent_id(), 1).unwrap(), trace);
    }

    #[test]
    fn of_a_later_version_what_all_versions_have_is_read() {
        for later in
            [TEXT.replace("00-0", "01-0").replace("-01", "-ff"), TEXT.replace("00-0", "cc-0") + "-more-to-come"]
        {
            assert_eq!(later.parse::<TraceContext>().unwrap().to_string(), TEXT);
        }
    }

    #[test]
    fn a_wrong_text_is_told_what_is_wrong_with_it() {
        let wrong = [
            ("", "the version is not 2 of"),
            ("00", "the trace id is not 32 of"),
            (&TEXT[..54], "the flag byte is not 2 of"),
            (&TEXT.to_uppercase(), "the trace id is not 32 of the digits 0-9 and a-f"),
            (&TEXT.replace("-b7", "-g7"), "the parent id is not 16 of"),
            (&TEXT.replace("00-", "ff-"), "there is no version ff"),
            (&format!("{TEXT}-"), "something follows its flags"),
            (&format!("00-{:032}-b7ad6b7169203331-01", 0), "a trace id of nothing but zeros"),
            (&format!("00-0af7651916cd43dd8448eb211c80319c-{:016}-01", 0), "a parent id of nothing but zeros"),
            ("00-é", "the trace id is not 32 of"),
        ];
        for (text, why) in wrong {
            let said = text.parse::<TraceContext>().unwrap_err().to_string();
            assert!(said.contains(why) && said.contains("is no traceparent"), "{text}: {said}");
        }
    }

    #[test]
    fn what_is_no_trace_context_is_none() {
        let trace: TraceContext = TEXT.parse().unwrap();
        let bytes = [&b"1234"[..], &trace.to_bytes()].concat();
        let meta = Meta::new(4, Lane::Normal, ContentType::Json).traced();
        assert_eq!((meta.content(), meta.length(), meta.lane()), (ContentType::Json, 4, Lane::Normal));
        assert_eq!(TraceContext::behind(meta, &bytes), Some(trace));
        assert_eq!(TraceContext::behind(Meta::new(4, Lane::Normal, ContentType::Json), &bytes), None);
        assert!(meta.within(30).is_traced() && !meta.within(29).is_traced() && meta.within(29).length() == 4);
        for length in [5, 29, 30, 31, u32::MAX as usize] {
            let longer = Meta::new(length, Lane::Normal, ContentType::Json).traced();
            assert_eq!(TraceContext::behind(longer, &bytes), None);
        }
        for (at, byte) in [(4, 1), (4, 0xff)] {
            let mut other = bytes.clone();
            other[at] = byte;
            assert_eq!(TraceContext::behind(meta, &other), None);
        }
        assert_eq!(TraceContext::behind(meta, &[0; 64]), None);
    }
}
