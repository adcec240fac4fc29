//! Checks of what pools have to do with each other, with their queues and with a zygote.

use super::check::Checker;
use super::problem::suggest;
use super::schema::{self, Span};
use super::{AGENTS_MAX, CommandPlan, GroupPlan, PoolPlan};
use crate::ready::Ready;
use crate::scale;
use crate::zygote::{PythonCommand, is_python};
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;
use toml::Spanned;

impl Checker {
    /// Everybody waits for somebody there is, and nobody for himself, not even by way of others.
    pub(super) fn dependencies(&mut self, known: &[&str]) {
        let waits = std::mem::take(&mut self.waits);
        for (who, on) in &waits {
            if !known.contains(&on.as_ref().as_str()) {
                self.say(
                    on.span(),
                    format!("there is no pool `{}` to depend on", on.as_ref()),
                    suggest(on.as_ref(), known),
                );
                continue;
            }
            let mut reached = vec![on.as_ref().as_str()];
            let mut at = 0;
            while let Some(name) = reached.get(at).copied() {
                at += 1;
                let next = waits.iter().filter(|(from, _)| from == name).map(|(_, on)| on.as_ref().as_str());
                let fresh: Vec<&str> = next.filter(|name| !reached.contains(name)).collect();
                reached.extend(fresh);
            }
            if reached.contains(&who.as_str()) {
                let message = format!("`{who}` would wait for itself: {} depends on it", on.as_ref());
                self.say(on.span(), message, "take one of the dependencies out");
            }
        }
    }

    pub(super) fn groups(
        &mut self,
        raw: BTreeMap<Spanned<String>, schema::Group>,
        pools: &[PoolPlan],
    ) -> Vec<GroupPlan> {
        let known: Vec<&str> = pools.iter().map(|pool| pool.name.as_str()).collect();
        let mut taken: Vec<String> = Vec::new();
        let mut groups = Vec::new();
        for (name, group) in raw {
            for pool in &group.pools {
                if !known.contains(&pool.as_ref().as_str()) {
                    self.say(
                        pool.span(),
                        format!("there is no pool `{}`", pool.as_ref()),
                        suggest(pool.as_ref(), &known),
                    );
                } else if taken.contains(pool.as_ref()) {
                    self.say(
                        pool.span(),
                        format!("the pool `{}` is in a group already", pool.as_ref()),
                        "one is enough",
                    );
                }
                taken.push(pool.as_ref().clone());
            }
            let pools = group.pools.into_iter().map(Spanned::into_inner).collect();
            groups.push(GroupPlan { name: name.into_inner(), pools, strategy: group.strategy });
        }
        groups
    }

    pub(super) fn scale(
        &mut self,
        raw: schema::Scale,
        size: u32,
        size_at: &Range<usize>,
        queues: &[String],
    ) -> Option<scale::Plan> {
        let (min, max) = (raw.min.as_ref().0, raw.max.as_ref().0);
        let known: Vec<&str> = queues.iter().map(String::as_str).collect();
        if min == 0 || max < min || max > AGENTS_MAX {
            self.say(
                raw.max.span(),
                format!("from {min} to {max} agents is not possible"),
                format!("1 <= min <= max <= {AGENTS_MAX}"),
            );
        } else if size < min || size > max {
            self.say(
                size_at.clone(),
                format!("a size of {size} is not between {min} and {max}"),
                "it is the size at the start",
            );
        }
        if !queues.contains(raw.queue.as_ref()) {
            let message = format!("there is no queue `{}` in [bus]", raw.queue.as_ref());
            self.say(raw.queue.span(), message, suggest(raw.queue.as_ref(), &known));
        }
        if let Some(depth) = raw.depth.as_ref().filter(|depth| depth.as_ref().0 == 0) {
            self.say(depth.span(), "a depth of 0 is not possible", "10 is usual");
        }
        let or = |span: Option<Span>, usual| span.map_or(Duration::from_secs(usual), |span| span.0);
        Some(scale::Plan {
            min,
            max,
            queue: raw.queue.into_inner(),
            depth: raw.depth.map_or(10, |count| count.as_ref().0),
            age: or(raw.age, 1),
            idle: or(raw.idle, 30),
            spare: raw.spare.map_or(0, |count| count.as_ref().0),
        })
    }

    pub(super) fn preload(&mut self, raw: Vec<Spanned<String>>, plan: &CommandPlan) -> Vec<String> {
        let words: Vec<String> = plan.words.iter().map(ToString::to_string).collect();
        if let (Some(first), Some((program, args))) = (raw.first(), words.split_first()) {
            if !is_python(program) || PythonCommand::parse(args).is_none() {
                let hint = "command = [\"python3\", \"worker.py\"] or [\"python3\", \"-m\", \"worker\"]";
                self.say(first.span(), "only a script or a module of Python can be preloaded for", hint);
            }
            if plan.ready == Ready::Notify {
                self.say(
                    first.span(),
                    "an agent that a zygote forks has no NOTIFY_SOCKET",
                    "choose another way in `ready`",
                );
            }
        }
        let is_module = |name: &str| {
            name.split('.').all(|part| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '_'))
        };
        for name in raw.iter().filter(|name| !is_module(name.as_ref())) {
            self.say(name.span(), format!("`{}` cannot name a module", name.as_ref()), "write it as after `import`");
        }
        raw.into_iter().map(Spanned::into_inner).collect()
    }
}
