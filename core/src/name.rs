//! Names and addresses that people write.

use crate::error::{Error, Result};
use crate::layout::NAME_MAX;

/// Checks a name: 1 to 63 of `A-Z a-z 0-9 . _ -`, not `.` or `..`.
pub fn check_name(name: &str) -> Result<()> {
    let reason = match name {
        "" => "it is empty",
        "." | ".." => "it is a folder's name",
        _ if name.len() > NAME_MAX => "it is too long",
        _ if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)) => {
            "it has a character that names may not have"
        }
        _ => return Ok(()),
    };
    Err(Error::InvalidName { name: name.chars().take(80).collect(), reason })
}

/// An address, `[bus/]name`; topics are written `topic:name`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Address {
    /// The bus, if the address names one.
    pub bus: Option<String>,
    /// The mailbox or queue.
    pub name: String,
}

impl Address {
    /// Parses and checks.
    ///
    /// # Errors
    /// [`Error::InvalidName`], which says what part is wrong.
    pub fn parse(text: &str) -> Result<Address> {
        let (bus, name) = match text.split_once('/') {
            Some((bus, name)) => (Some(bus), name),
            None => (None, text),
        };
        if let Some(bus) = bus {
            check_name(bus)?;
        }
        if name.starts_with("topic:") {
            return Err(Error::InvalidName { name: name.into(), reason: "topics are not supported by this version" });
        }
        check_name(name)?;
        Ok(Address { bus: bus.map(str::to_owned), name: name.to_owned() })
    }
}

/// A name as the segment keeps it: zero-padded words.
#[cfg(not(loom))]
pub(crate) fn to_words(name: &str) -> [u64; 8] {
    let mut bytes = [0u8; 64];
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    std::array::from_fn(|word| u64::from_ne_bytes(bytes[word * 8..][..8].try_into().unwrap_or_default()))
}

/// The reverse of [`to_words`]; `None` if the words hold no valid name.
#[cfg(not(loom))]
pub(crate) fn from_words(words: &[u64; 8]) -> Option<String> {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).take_while(|byte| *byte != 0).collect();
    let name = String::from_utf8(bytes).ok()?;
    check_name(&name).is_ok().then_some(name)
}

/// FNV-1a (Fowler, Noll, Vo), 64 bits: names are short, and a bad distribution only costs probes.
#[cfg(not(loom))]
pub(crate) const fn hash(name: &str) -> u64 {
    hash_on(HASH_OF_NOTHING, name.as_bytes())
}

/// The hash of nothing.
#[cfg(not(loom))]
pub(crate) const HASH_OF_NOTHING: u64 = 0xcbf2_9ce4_8422_2325;

/// The hash of what `hash` is the hash of, and `bytes` after it.
#[cfg(not(loom))]
pub(crate) const fn hash_on(mut hash: u64, bytes: &[u8]) -> u64 {
    let mut at = 0;
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u64).wrapping_mul(0x100_0000_01b3);
        at += 1;
    }
    hash
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_a_name_or_a_bus_and_a_name() {
        assert_eq!(Address::parse("demo/bob").unwrap(), Address { bus: Some("demo".into()), name: "bob".into() });
        assert_eq!(Address::parse("bob").unwrap().bus, None);
        let longest = "x".repeat(63);
        assert!(Address::parse(&longest).is_ok());
        for wrong in ["", "/bob", "demo/", "a/b/c", "b b", "ü", "..", "a\0b", &"x".repeat(64), "topic:news"] {
            assert!(matches!(Address::parse(wrong), Err(Error::InvalidName { .. })), "{wrong:?}");
        }
    }

    #[test]
    fn names_survive_the_segment() {
        let name = "x".repeat(63);
        assert_eq!(from_words(&to_words(&name)), Some(name));
        assert_eq!(from_words(&[u64::MAX; 8]), None);
        assert_eq!(from_words(&[0; 8]), None);
    }
}
