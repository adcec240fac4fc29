//! `[hooks.EVENT]`: what runs, and what is told, when something happens.

use super::check::Checker;
use super::problem::suggest;
use super::schema::Words;
use super::template::Template;
use crate::event::KINDS;
use crate::hooks;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use swarmbus_core::check_name;
use toml::Spanned;

/// What follows an event.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hook {
    /// A list of words; no shell takes part. The event comes as JSON on its standard input.
    #[schemars(with = "Option<Words>")]
    pub command: Option<Spanned<Words>>,
    /// The topic to which the event is published, as JSON.
    #[schemars(with = "Option<String>")]
    pub topic: Option<Spanned<String>>,
}

impl Checker {
    pub(super) fn hooks(
        &mut self,
        raw: BTreeMap<Spanned<String>, Hook>,
        shared_env: &[(String, Template)],
    ) -> BTreeMap<String, hooks::Hook> {
        let mut hooks = BTreeMap::new();
        for (kind, hook) in raw {
            if !KINDS.contains(&kind.as_ref().as_str()) {
                let message = format!("there is no event `{}`", kind.as_ref());
                self.say(kind.span(), message, suggest(kind.as_ref(), &KINDS));
            }
            if hook.command.is_none() && hook.topic.is_none() {
                self.say(kind.span(), "a hook that does nothing", "give it a command, a topic, or both");
            }
            let words = hook.command.and_then(|command| self.hook_words(&command));
            if let Some(topic) = &hook.topic
                && check_name(topic.as_ref()).is_err()
            {
                self.say(
                    topic.span(),
                    format!("`{}` cannot name a topic", topic.as_ref()),
                    "letters, digits, `.`, `_` and `-`, at most 63",
                );
            }
            let topic = hook.topic.map(Spanned::into_inner);
            hooks.insert(kind.into_inner(), hooks::Hook { words, shared_env: shared_env.to_vec(), topic });
        }
        hooks
    }

    fn hook_words(&mut self, command: &Spanned<Words>) -> Option<Vec<Template>> {
        if command.as_ref().0.is_empty() {
            self.say(command.span(), "the command is empty", "name a program, such as [\"./page.sh\"]");
        }
        let mut words = Vec::new();
        for word in &command.as_ref().0 {
            match word.as_ref().template() {
                Ok(template) => words.push(template),
                Err(fault) => self.say(word.span(), fault.to_string(), fault.hint()),
            }
        }
        Some(words)
    }
}

/// A hook in plain words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Plain {
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<String>,
}

impl Plain {
    pub(super) fn of(hook: &hooks::Hook) -> Plain {
        let command = hook.words.as_ref().map(|words| words.iter().map(ToString::to_string).collect());
        Plain { command, topic: hook.topic.clone() }
    }
}
