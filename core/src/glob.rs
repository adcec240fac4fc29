//! Names of locks, which may be patterns: whether two of them have a name in common.
//!
//! `?` is one character and `*` any number of them, `/` excepted; `**` is any number of any characters, and `**/` at the start of a segment any number of
//! whole segments, also none. `[…]` is taken for one character other than `/`, whichever it lists, and for itself: files are called `[id].tsx`. So
//! two patterns may be said to meet that do not (`[a]` and `b`), never the other way round.

/// A step of a pattern.
#[derive(Clone, Copy, Debug)]
enum Token {
    /// This character.
    Char(char),
    /// One character of a segment.
    One,
    /// Any characters of a segment.
    Star,
    /// Any characters.
    Deep,
    /// What follows, or what follows that.
    Maybe,
    /// Any characters and a `/` behind them.
    Dirs,
    /// One character of a segment and on to what is so many steps behind; or an opening bracket.
    Class(usize),
}

/// A set of characters by which a pattern moves on.
#[derive(Clone, Copy)]
enum Set {
    Exactly(char),
    Segment,
    Any,
}

impl Set {
    fn meets(self, other: Set) -> bool {
        match (self, other) {
            (Set::Exactly(one), Set::Exactly(other)) => one == other,
            (Set::Exactly(one), Set::Segment) | (Set::Segment, Set::Exactly(one)) => one != '/',
            _ => true,
        }
    }
}

/// Whether a name is more than itself.
pub fn is_pattern(name: &str) -> bool {
    name.contains(['*', '?', '['])
}

/// Whether two names begin alike, as far as both are plain text. If not, they have no name in common.
pub fn begin_alike(one: &str, other: &str) -> bool {
    let plain = |name: &str| name.find(['*', '?', '[']).unwrap_or(name.len());
    let both = plain(one).min(plain(other));
    one.as_bytes()[..both] == other.as_bytes()[..both]
}

/// A name, ready to be compared.
#[derive(Clone, Debug)]
pub struct Pattern(Vec<Token>);

impl Pattern {
    /// Any text is one.
    pub fn new(name: &str) -> Pattern {
        let text: Vec<char> = name.chars().collect();
        let mut tokens = Vec::with_capacity(text.len());
        let mut at = 0;
        while let Some(next) = text.get(at) {
            let starts_segment = at == 0 || text[at - 1] == '/';
            at += 1;
            match (next, &text[at..]) {
                ('?', _) => tokens.push(Token::One),
                ('*', ['*', '/', ..]) if starts_segment => {
                    tokens.extend([Token::Maybe, Token::Dirs]);
                    at += 2;
                }
                ('*', ['*', ..]) => {
                    tokens.push(Token::Deep);
                    at += 1;
                }
                ('*', _) => tokens.push(Token::Star),
                ('[', rest) => match rest.iter().take_while(|next| **next != '/').position(|next| *next == ']') {
                    Some(length) => {
                        tokens.push(Token::Class(length + 2));
                        tokens.extend(rest[..=length].iter().map(|next| Token::Char(*next)));
                        at += length + 1;
                    }
                    None => tokens.push(Token::Char('[')),
                },
                (next, _) => tokens.push(Token::Char(*next)),
            }
        }
        Pattern(tokens)
    }

    /// Whether there is a name that both stand for. Takes as many steps as the product of their lengths at most.
    pub fn meets(&self, other: &Pattern) -> bool {
        // Both read one name, character by character. A pair of places is reached from pairs that are not behind it in either pattern, so one
        // pass in order finds all of them.
        let width = other.0.len() + 1;
        let mut reached = vec![false; (self.0.len() + 1) * width];
        reached[0] = true;
        for here in 0..=self.0.len() {
            for there in 0..width {
                if !reached[here * width + there] {
                    continue;
                }
                self.skips(here).for_each(|next| reached[next * width + there] = true);
                other.skips(there).for_each(|next| reached[here * width + next] = true);
                for (set, next) in self.moves(here) {
                    for (_, after) in other.moves(there).filter(|(other, _)| set.meets(*other)) {
                        reached[next * width + after] = true;
                    }
                }
            }
        }
        reached.last() == Some(&true)
    }

    /// Where one gets without a character.
    fn skips(&self, at: usize) -> impl Iterator<Item = usize> {
        let targets = match self.0.get(at) {
            Some(Token::Star | Token::Deep) => [Some(at + 1), None],
            Some(Token::Maybe) => [Some(at + 1), Some(at + 2)],
            _ => [None, None],
        };
        targets.into_iter().flatten()
    }

    /// Where one gets with a character.
    fn moves(&self, at: usize) -> impl Iterator<Item = (Set, usize)> {
        let moves = match self.0.get(at) {
            Some(Token::Char(one)) => [Some((Set::Exactly(*one), at + 1)), None],
            Some(Token::One) => [Some((Set::Segment, at + 1)), None],
            Some(Token::Star) => [Some((Set::Segment, at)), None],
            Some(Token::Deep) => [Some((Set::Any, at)), None],
            Some(Token::Dirs) => [Some((Set::Any, at)), Some((Set::Exactly('/'), at + 1))],
            Some(Token::Class(steps)) => [Some((Set::Segment, at + steps)), Some((Set::Exactly('['), at + 1))],
            Some(Token::Maybe) | None => [None, None],
        };
        moves.into_iter().flatten()
    }
}

/// Whether there is a name that both names stand for.
pub fn intersects(one: &str, other: &str) -> bool {
    if is_pattern(one) || is_pattern(other) {
        begin_alike(one, other) && Pattern::new(one).meets(&Pattern::new(other))
    } else {
        one == other
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn patterns_meet_where_a_file_could_be() {
        let meet = [
            ("src/operators/*.rs", "src/operators/add.rs"),
            ("src/operators/*.rs", "src/**"),
            ("src/**", "**/add.rs"),
            ("src/**/mod.rs", "src/mod.rs"),
            ("src/**/mod.rs", "src/a/b/mod.rs"),
            ("**/mod.rs", "mod.rs"),
            ("**", ""),
            ("a*", "*b"),
            ("?", "ü"),
            ("a?c", "a[xyz]c"),
            ("pages/[id].tsx", "pages/[id].tsx"),
            ("pages/[id].tsx", "pages/????.tsx"),
            ("pages/[id].tsx", "pages/i.tsx"),
            ("a[", "a["),
            ("a[b/]", "a[b/]"),
        ];
        let apart = [
            ("src/operators/*.rs", "src/operators/deep/add.rs"),
            ("src/operators/*.rs", "src/operators/add.py"),
            ("src/*", "src"),
            ("src/**", "lib/**"),
            ("src/**/b", "src/xb"),
            ("?", "/"),
            ("?", ""),
            ("[/]", "x"),
            ("a", "b"),
            ("a[", "ab"),
        ];
        for (one, other) in meet {
            assert!(intersects(one, other) && intersects(other, one), "{one} and {other}");
        }
        for (one, other) in apart {
            assert!(!intersects(one, other) && !intersects(other, one), "{one} and {other}");
        }
    }

    #[test]
    fn hostile_patterns_take_no_longer_than_the_product_of_their_lengths() {
        let many = |text: &str| text.repeat(255 / text.len());
        let hostile = [many("*a"), many("**"), many("?*"), many("**/"), many("[a]"), many("*"), many("[*]*b")];
        for one in &hostile {
            for other in &hostile {
                // Would not end before the sun does, were it exponential.
                std::hint::black_box(intersects(&format!("{one}x"), &format!("{other}y")));
            }
        }
    }

    /// The plain and slow definition: one pattern, one name.
    fn matches(pattern: &[char], name: &[char], starts_segment: bool) -> bool {
        let in_segment = || name.iter().position(|next| *next == '/').unwrap_or(name.len());
        match pattern {
            [] => name.is_empty(),
            ['*', '*', '/', rest @ ..] if starts_segment => {
                let behind = name.iter().enumerate().filter(|(_, next)| **next == '/').map(|(at, _)| at + 1);
                std::iter::once(0).chain(behind).any(|at| matches(rest, &name[at..], true))
            }
            ['*', '*', rest @ ..] => (0..=name.len()).any(|at| matches(rest, &name[at..], false)),
            ['*', rest @ ..] => (0..=in_segment()).any(|at| matches(rest, &name[at..], false)),
            ['?', rest @ ..] => in_segment() > 0 && matches(rest, &name[1..], false),
            [one, rest @ ..] => name.first() == Some(one) && matches(rest, &name[1..], *one == '/'),
        }
    }

    fn names_up_to(length: usize) -> Vec<Vec<char>> {
        let mut all = vec![Vec::new()];
        let mut last = all.clone();
        for _ in 0..length {
            last = last.iter().flat_map(|name| ['a', 'b', '/'].map(|next| [&name[..], &[next]].concat())).collect();
            all.extend(last.iter().cloned());
        }
        all
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn patterns_meet_if_a_name_matches_both(one in "[ab/*?]{0,4}", other in "[ab/*?]{0,4}") {
            let (left, right): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
            // What two patterns have in common, they have in common in a name no longer than both.
            let common = names_up_to(left.len() + right.len());
            let brute = common.iter().find(|name| matches(&left, name, true) && matches(&right, name, true));
            prop_assert_eq!(intersects(&one, &other), brute.is_some(), "{:?} and {:?}: {:?}", one, other, brute);
        }
    }
}
