//! Names and addresses that people write.

use crate::error::{Error, Result};
use crate::layout::NAME_MAX;

/// Checks a name: 1 to 63 of `A-Z a-z 0-9 . _ -`, not `.` or `..`.
pub fn check_name(name: &str) -> Result<()> {
    let reason = match name {
        "" => "it is empty",
        "." | ".." => "it is a folder's name",
        _ if name.starts_with('@') => "it names a role, which agents take and others send to",
        _ if name.len() > NAME_MAX => "it is too long",
        _ if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)) => {
            "it has a character that names may not have"
        }
        _ => return Ok(()),
    };
    Err(Error::InvalidName { name: name.chars().take(80).collect(), reason })
}

/// Checks the name of a mailbox, a queue, or a role: roles are `@` and a name of up to 62 characters.
pub(crate) fn check_queue_name(name: &str) -> Result<()> {
    check_name(name.strip_prefix('@').filter(|_| name.len() <= NAME_MAX).unwrap_or(name))
}

/// The queue of a role, `@role`; the role may be written with or without its `@`.
#[cfg(not(loom))]
pub(crate) fn queue_of_role(role: &str) -> Result<String> {
    let queue = format!("@{}", role.strip_prefix('@').unwrap_or(role));
    match check_queue_name(&queue) {
        Ok(()) => Ok(queue),
        Err(_) if queue.len() > NAME_MAX => {
            Err(Error::InvalidName { name: role.chars().take(80).collect(), reason: "it is too long for a role" })
        }
        Err(error) => Err(error),
    }
}

/// Whether a name is one that a pattern means: `*` stands for any characters, also none, `?` for one, everything else for itself.
///
/// Takes at most as many steps as the product of both lengths, whatever the pattern: only the last `*` is ever tried again, since what came before it
/// has matched in the shortest way.
#[cfg(not(loom))]
pub fn name_matches(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut at, mut of) = (0, 0);
    // The last star, and where in the name what follows it was tried.
    let mut star = None;
    while of < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at + 1, of));
                at += 1;
            }
            Some(byte) if *byte == b'?' || *byte == name[of] => (at, of) = (at + 1, of + 1),
            _ => {
                let Some((after, tried)) = star else { return false };
                star = Some((after, tried + 1));
                (at, of) = (after, tried + 1);
            }
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

/// An address, `[bus/]name`, where the name may be a role's, `@role`; topics are written `topic:name`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Address {
    /// The bus, if the address names one.
    pub bus: Option<String>,
    /// The mailbox, the queue, or the role with its `@`.
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
        check_queue_name(name)?;
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
    check_queue_name(&name).is_ok().then_some(name)
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
        assert_eq!(Address::parse("demo/@tester").unwrap().name, "@tester");
        let (longest, role) = ("x".repeat(63), format!("@{}", "x".repeat(62)));
        assert!(Address::parse(&longest).is_ok() && Address::parse(&role).is_ok());
        assert_eq!(queue_of_role("tester").unwrap(), queue_of_role("@tester").unwrap());
        assert!(check_name("@tester").is_err(), "neither an agent nor a bus");
        for wrong in ["", "@", "@@x", "a b", &"x".repeat(63)] {
            assert!(matches!(queue_of_role(wrong), Err(Error::InvalidName { .. })), "{wrong:?}");
        }
        for wrong in [
            "",
            "/bob",
            "demo/",
            "a/b/c",
            "b b",
            "ü",
            "..",
            "a\0b",
            &"x".repeat(64),
            "topic:news",
            "@",
            "@@x",
            "x@y",
            "@b/x",
        ] {
            assert!(matches!(Address::parse(wrong), Err(Error::InvalidName { .. })), "{wrong:?}");
        }
    }

    #[test]
    fn patterns_mean_the_names_that_they_should() {
        for (pattern, name, meant) in [
            ("*", "", true),
            ("*", "bob", true),
            ("", "", true),
            ("", "b", false),
            ("?", "", false),
            ("b?b", "bob", true),
            ("b?b", "bb", false),
            ("b*b", "bb", true),
            ("b*b", "bobby", false),
            ("*ob*", "bobby", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("@*", "@tester", true),
            ("@*", "tester", false),
            ("**?", "x", true),
            ("worker-?", "worker-12", false),
        ] {
            assert_eq!(name_matches(pattern, name), meant, "'{pattern}' and '{name}'");
        }
        // What takes other matchers for ever.
        let (hostile, name) = ("*a".repeat(10_000) + "b", "a".repeat(20_000));
        assert!(!name_matches(&hostile, &name));
        assert!(name_matches(&"*".repeat(100_000), &name));
    }

    /// The definition of a pattern, word for word; takes time without end for some.
    fn matches_by_definition(pattern: &[u8], name: &[u8]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some((b'*', rest)) => (0..=name.len()).any(|skip| matches_by_definition(rest, &name[skip..])),
            Some((b'?', rest)) => !name.is_empty() && matches_by_definition(rest, &name[1..]),
            Some((byte, rest)) => name.first() == Some(byte) && matches_by_definition(rest, &name[1..]),
        }
    }

    proptest::proptest! {
        #[test]
        fn patterns_mean_what_their_definition_says(pattern in "[ab*?]{0,8}", name in "[ab]{0,10}") {
            let defined = matches_by_definition(pattern.as_bytes(), name.as_bytes());
            proptest::prop_assert_eq!(name_matches(&pattern, &name), defined);
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
