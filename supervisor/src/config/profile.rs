//! Profiles: tables in `[env]`, each laid over the rest of the file when it is asked for.
//!
//! Spans stay those of the text, so that a mistake in a profile is shown where it was made.

use super::problem::{Problem, suggest};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The names of the profiles of a file, in order.
pub fn names(root: &DeTable<'_>) -> Vec<String> {
    let Some(DeValue::Table(env)) = value(root, "env") else { return Vec::new() };
    let is_profile = |entry: &(&Spanned<_>, &Spanned<DeValue<'_>>)| matches!(entry.1.as_ref(), DeValue::Table(_));
    let mut found: Vec<_> = env.iter().filter(is_profile).collect();
    found.sort_by_key(|(key, _)| key.span().start);
    found.into_iter().map(|(key, _): (&Spanned<toml::de::DeString<'_>>, _)| key.as_ref().to_string()).collect()
}

/// The file as it is under a profile, or under none: no profile is left in it.
pub fn under<'i>(root: &Spanned<DeTable<'i>>, profile: Option<&str>) -> Spanned<DeTable<'i>> {
    let mut table = root.as_ref().clone();
    let mut chosen = None;
    if let Some(key) = table.keys().find(|key| key.as_ref() == "env").cloned()
        && let Some(DeValue::Table(env)) = table.get_mut(&key).map(Spanned::as_mut)
    {
        let is_profile = |value: &DeValue<'_>| matches!(value, DeValue::Table(_));
        let keys: Vec<_> =
            env.iter().filter(|(_, value)| is_profile(value.as_ref())).map(|(key, _)| key.clone()).collect();
        for key in keys {
            let value = env.remove(&key);
            if profile == Some(key.as_ref().as_ref()) {
                chosen = value;
            }
        }
    }
    if let Some(DeValue::Table(chosen)) = chosen.map(Spanned::into_inner) {
        lay_over(&mut table, chosen);
    }
    Spanned::new(root.span(), table)
}

/// What is wrong with asking for a profile that is not there.
pub fn unknown(wanted: &str, names: &[String]) -> String {
    if names.is_empty() {
        return format!("there is no profile `{wanted}`: the file has none; one is a table [env.{wanted}]");
    }
    let known: Vec<&str> = names.iter().map(String::as_str).collect();
    format!("there is no profile `{wanted}`; {}", suggest(wanted, &known))
}

/// Problems of a profile that is not in use are told with its name, since its table alone may look well.
pub fn of_profile(mut problem: Problem, profile: &str) -> Problem {
    problem.message = format!("{} (profile {profile})", problem.message);
    problem
}

/// Tables are merged key by key; anything else is replaced.
fn lay_over<'i>(base: &mut DeTable<'i>, over: DeTable<'i>) {
    for (key, value) in over {
        match (base.get_mut(&key).map(Spanned::as_mut), value) {
            (Some(DeValue::Table(below)), value) if matches!(value.as_ref(), DeValue::Table(_)) => {
                if let DeValue::Table(above) = value.into_inner() {
                    lay_over(below, above);
                }
            }
            (_, value) => {
                // An equal key is taken out first: the map would keep the old one, and with it the wrong place.
                base.remove(&key);
                base.insert(key, value);
            }
        }
    }
}

fn value<'a, 'i>(table: &'a DeTable<'i>, wanted: &str) -> Option<&'a DeValue<'i>> {
    table.iter().find(|(key, _)| key.as_ref() == wanted).map(|(_, value)| value.as_ref())
}
