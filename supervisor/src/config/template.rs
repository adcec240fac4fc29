//! `${VAR}` and `${VAR:-default}` in commands and environment values.
//!
//! Only `${` starts a reference, so shell words such as `$1` pass through; `$${` writes a literal `${`.

use std::fmt;

/// A text with references to variables, parsed once and expanded for each agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Variable { name: String, default: Option<Template> },
}

/// What is wrong with a template, or with the variables it asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A `${` without its `}`.
    Unclosed,
    /// Something between the braces that is no variable name.
    BadName(String),
    /// A variable that is not set and has no default.
    Unset(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Unclosed => write!(f, "`${{` without a closing `}}`"),
            Fault::BadName(name) => write!(f, "`${{{name}}}` does not name a variable"),
            Fault::Unset(name) => write!(f, "the variable {name} is not set"),
        }
    }
}

impl Fault {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Fault::Unclosed => "close it, or write `$${` for a literal `${`".into(),
            Fault::BadName(_) => "write ${NAME} or ${NAME:-default}, or `$${` for a literal `${`".into(),
            Fault::Unset(name) => format!("set it, here in [env] or outside, or give a default: ${{{name}:-…}}"),
        }
    }
}

impl Template {
    /// Parses a text.
    pub fn parse(text: &str) -> Result<Template, Fault> {
        let mut rest = text;
        let template = Template::parse_until(&mut rest, false)?;
        debug_assert!(rest.is_empty());
        Ok(template)
    }

    /// Reads parts up to the end of the text or, inside a default, up to the brace that closes it.
    fn parse_until(rest: &mut &str, inside: bool) -> Result<Template, Fault> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        loop {
            if let Some(after) = rest.strip_prefix("$${") {
                plain.push_str("${");
                *rest = after;
            } else if let Some(after) = rest.strip_prefix("${") {
                if !plain.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut plain)));
                }
                *rest = after;
                parts.push(Template::parse_variable(rest)?);
            } else if inside && rest.starts_with('}') {
                *rest = &rest[1..];
                break;
            } else if let Some(c) = rest.chars().next() {
                plain.push(c);
                *rest = &rest[c.len_utf8()..];
            } else if inside {
                return Err(Fault::Unclosed);
            } else {
                break;
            }
        }
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Template { parts })
    }

    fn parse_variable(rest: &mut &str) -> Result<Part, Fault> {
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).ok_or(Fault::Unclosed)?;
        let name = rest[..end].to_owned();
        let after = &rest[end..];
        let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if starts_well && let Some(after) = after.strip_prefix('}') {
            *rest = after;
            return Ok(Part::Variable { name, default: None });
        }
        if starts_well && let Some(after) = after.strip_prefix(":-") {
            *rest = after;
            let default = Template::parse_until(rest, true)?;
            return Ok(Part::Variable { name, default: Some(default) });
        }
        let close = rest.find('}').ok_or(Fault::Unclosed)?;
        Err(Fault::BadName(rest[..close].to_owned()))
    }

    /// The text with its variables filled in. As in a shell, `:-` also replaces a variable that is set but empty.
    pub fn expand(&self, lookup: &dyn Fn(&str) -> Option<String>) -> Result<String, Fault> {
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Variable { name, default } => match (lookup(name), default) {
                    (Some(value), None) => out.push_str(&value),
                    (Some(value), Some(_)) if !value.is_empty() => out.push_str(&value),
                    (_, Some(default)) => out.push_str(&default.expand(lookup)?),
                    (None, None) => return Err(Fault::Unset(name.clone())),
                },
            }
        }
        Ok(out)
    }
}

impl fmt::Display for Template {
    /// As it is written in a file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.parts {
            match part {
                Part::Text(text) => f.write_str(&text.replace("${", "$${"))?,
                Part::Variable { name, default: None } => write!(f, "${{{name}}}")?,
                Part::Variable { name, default: Some(default) } => write!(f, "${{{name}:-{default}}}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand(text: &str) -> Result<String, Fault> {
        Template::parse(text)?.expand(&|name| match name {
            "A" => Some("one".into()),
            "EMPTY" => Some(String::new()),
            _ => None,
        })
    }

    #[test]
    fn plain_text_and_shell_words_pass_through() {
        assert_eq!(expand("echo $1 $HOME {x}").unwrap(), "echo $1 $HOME {x}");
    }

    #[test]
    fn variables_are_filled_in() {
        assert_eq!(expand("<${A}>").unwrap(), "<one>");
        assert_eq!(expand("${B:-two}").unwrap(), "two");
        assert_eq!(expand("${EMPTY:-two}${EMPTY}").unwrap(), "two");
        assert_eq!(expand("${B:-<${A}>}!").unwrap(), "<one>!");
        assert_eq!(expand("${B:-}").unwrap(), "");
    }

    #[test]
    fn a_doubled_dollar_is_literal() {
        assert_eq!(expand("$${A} ${A}").unwrap(), "${A} one");
    }

    #[test]
    fn what_is_shown_means_the_same() {
        for text in ["echo $1 {x}", "<${A}>", "${B:-<${A}>}!", "$${A} ${A}", "${B:-}"] {
            assert_eq!(Template::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn faults_are_named() {
        assert_eq!(expand("${B}"), Err(Fault::Unset("B".into())));
        assert_eq!(expand("${A"), Err(Fault::Unclosed));
        assert_eq!(expand("${A:-x"), Err(Fault::Unclosed));
        assert_eq!(expand("${1x}"), Err(Fault::BadName("1x".into())));
        assert_eq!(expand("${}"), Err(Fault::BadName(String::new())));
        assert_eq!(expand("${a b}"), Err(Fault::BadName("a b".into())));
    }
}
