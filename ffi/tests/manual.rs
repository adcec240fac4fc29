//! ffi/man holds what this makes of include/swarmbus.h: a page of section 3 for each group of calls.
//!
//! `SWARMBUS_BLESS=1 cargo test -p swarmbus-ffi --test manual` writes the pages anew.
mod programs;

use programs::{is_here, root};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::process::Command;

/// A page: its name, what it is about, and the sources whose items are on it.
const PAGES: &[(&str, &str, &[&str])] = &[
    (
        "swarmbus",
        "a message bus in shared memory for the processes of one host",
        &["version", "error", "text", "options"],
    ),
    ("swarmbus_bus", "make, open, end a bus; declare mailboxes and queues", &["bus"]),
    ("swarmbus_agent", "take part in a bus; roles, tags and status", &["agent", "role", "status"]),
    ("swarmbus_send", "send messages: copies, in place, in batches", &["send", "loan", "batch"]),
    ("swarmbus_receive", "receive messages, from one queue or from many", &["receive", "sources", "descriptor"]),
    ("swarmbus_message", "what a message in flight says, and how it ends", &["message", "heading"]),
    ("swarmbus_call", "questions and answers, whole or in parts", &["call"]),
    ("swarmbus_queue", "close, purge, redrive and tap queues; reap the dead", &["queue"]),
    ("swarmbus_topic", "publish in topics and subscribe to them", &["topic", "subscription"]),
    ("swarmbus_lock", "named locks with fencing tokens", &["lock"]),
    (
        "swarmbus_observe",
        "look at a bus: snapshots, counters, latencies",
        &["observe", "info", "rows", "snapshot", "row"],
    ),
];

const DATE: &str = "November 22, 2026";

/// Something that the header declares, with the comment above it.
struct Item {
    comment: Vec<String>,
    text: String,
    name: String,
}

impl Item {
    fn is_function(&self) -> bool {
        self.text.contains('(') && !self.text.starts_with("typedef") && !self.text.starts_with('#')
    }
}

/// The items of the header, in its order.
fn items(header: &str) -> Vec<Item> {
    let mut items = Vec::new();
    let (mut comment, mut text, mut inside) = (Vec::new(), String::new(), false);
    for line in header.lines() {
        let trimmed = line.trim();
        if text.is_empty() && line.starts_with("/**") {
            comment = Vec::new();
            inside = true;
        } else if text.is_empty() && inside {
            match trimmed == "*/" {
                true => inside = false,
                false => comment.push(trimmed.trim_start_matches('*').trim().to_owned()),
            }
        } else if trimmed.is_empty() || (text.is_empty() && !is_begun(line)) {
            continue;
        } else {
            text.push_str(line);
            text.push('\n');
            let is_whole = match text.starts_with("typedef struct") && text.contains('{') {
                true => line.starts_with('}'),
                false => text.starts_with('#') || trimmed.ends_with(';'),
            };
            if is_whole {
                let name = name_of(&text);
                if text.starts_with("#define") || !comment.is_empty() || text.contains('{') {
                    items.push(Item { comment: std::mem::take(&mut comment), text: text.trim_end().to_owned(), name });
                }
                text.clear();
            }
        }
    }
    items
}

fn is_begun(line: &str) -> bool {
    ["#define SWARMBUS_", "typedef ", "int32_t ", "uint32_t ", "const char "]
        .iter()
        .any(|begin| line.starts_with(begin))
}

fn name_of(text: &str) -> String {
    let before = match (text.starts_with("#define"), text.starts_with("typedef")) {
        (true, _) => text.split_whitespace().nth(1).unwrap_or(""),
        (_, true) if text.contains("(*") => {
            text.split("(*").nth(1).and_then(|rest| rest.split(')').next()).unwrap_or("")
        }
        (_, true) => text.trim_end().trim_end_matches(';').rsplit([' ', '}']).next().unwrap_or(""),
        _ => text.split('(').next().and_then(|before| before.rsplit([' ', '*']).next()).unwrap_or(""),
    };
    before.trim().to_owned()
}

/// The names that a source makes.
fn names_in(source: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(root().join(format!("ffi/src/{source}.rs"))).expect("a source");
    let words = text.lines().filter_map(|line| {
        let line = line.trim();
        let rest = [
            "pub const ",
            "pub struct ",
            "pub enum ",
            "pub type ",
            "pub unsafe extern \"C\" fn ",
            "pub extern \"C\" fn ",
        ]
        .iter()
        .find_map(|begin| line.strip_prefix(begin))?;
        rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().map(str::to_owned)
    });
    words.filter(|word| word.to_ascii_lowercase().starts_with("swarmbus_")).collect()
}

/// Text for mdoc: nothing in it is taken for a macro.
fn plain(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('`', "").replace('…', "...");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}

fn paragraphs(page: &mut String, comment: &[String]) {
    let mut is_first = true;
    for line in comment {
        match line.strip_prefix("# ") {
            Some(heading) => {
                let _ = writeln!(page, ".Pp\n.Em {heading} :");
                is_first = true;
            }
            None if line.is_empty() => is_first = false,
            None => {
                if !std::mem::replace(&mut is_first, true) {
                    page.push_str(".Pp\n");
                }
                for sentence in plain(line).split(". ").map(str::to_owned).collect::<Vec<_>>().join(".\n").lines() {
                    let _ = writeln!(page, "{}", plain(sentence));
                }
            }
        }
    }
}

fn synopsis(page: &mut String, function: &Item) {
    let flat = function.text.split_whitespace().collect::<Vec<_>>().join(" ").replace("( ", "(");
    let (before, after) = flat.split_once('(').expect("a function");
    let kind = before.trim_end_matches(function.name.as_str()).trim();
    let _ = writeln!(page, ".Ft \"{kind}\"\n.Fo {}", function.name);
    for argument in after.trim_end_matches(");").split(", ") {
        let _ = writeln!(page, ".Fa \"{argument}\"");
    }
    page.push_str(".Fc\n");
}

/// The fields of a struct with what is said about each; of other types the declaration.
fn fields(page: &mut String, text: &str) {
    if !text.contains('{') {
        let _ = writeln!(page, ".Bd -literal\n{}\n.Ed", plain(text));
        return;
    }
    page.push_str(".Bl -tag -width Ds\n");
    let mut comment = Vec::new();
    for line in text.lines().map(str::trim) {
        match line.strip_suffix(';').filter(|_| !line.starts_with(['*', '/', '}'])) {
            Some(field) => {
                let _ = writeln!(page, ".It Vt \"{field}\"");
                paragraphs(page, &std::mem::take(&mut comment));
            }
            None if line.starts_with("* ") => comment.push(line[2..].to_owned()),
            None => {}
        }
    }
    page.push_str(".El\n");
}

fn page(index: usize, items: &[Item]) -> String {
    let (name, about, sources) = PAGES[index];
    let names: BTreeSet<String> = sources.iter().flat_map(|source| names_in(source)).collect();
    let mine: Vec<&Item> = items.iter().filter(|item| names.contains(&item.name)).collect();
    let functions: Vec<&Item> = mine.iter().copied().filter(|item| item.is_function()).collect();
    let mut page = format!(
        ".\\\" Made from include/swarmbus.h: SWARMBUS_BLESS=1 cargo test -p swarmbus-ffi --test manual\n\
         .Dd {DATE}\n.Dt {} 3\n.Os\n.Sh NAME\n",
        name.to_uppercase()
    );
    let listed: Vec<&str> = std::iter::once(name)
        .filter(|name| functions.iter().all(|function| function.name != *name))
        .chain(functions.iter().map(|function| function.name.as_str()))
        .collect();
    for (at, listed_name) in listed.iter().enumerate() {
        let _ = writeln!(page, ".Nm {listed_name}{}", if at + 1 < listed.len() { " ," } else { "" });
    }
    let _ = writeln!(page, ".Nd {about}\n.Sh SYNOPSIS\n.In swarmbus.h");
    functions.iter().for_each(|function| synopsis(&mut page, function));
    page.push_str(".Sh DESCRIPTION\nCompile and link with\n.Ql pkg-config --cflags --libs swarmbus .\n");
    if name == "swarmbus" {
        page.push_str(INTRODUCTION);
    }
    for function in &functions {
        let _ = writeln!(page, ".Ss {}", function.name);
        paragraphs(&mut page, &function.comment);
    }
    let types: Vec<&&Item> = mine.iter().filter(|item| !item.is_function() && !item.text.starts_with('#')).collect();
    if !types.is_empty() {
        page.push_str(".Sh TYPES\n");
    }
    for item in types {
        let _ = writeln!(page, ".Ss {}", item.name);
        paragraphs(&mut page, &item.comment);
        fields(&mut page, &item.text);
    }
    let constants: Vec<&&Item> = mine.iter().filter(|item| item.text.starts_with("#define")).collect();
    if !constants.is_empty() {
        page.push_str(".Sh CONSTANTS\n.Bl -tag -width Ds\n");
        for constant in constants {
            let value = constant.text.split_whitespace().nth(2).unwrap_or("");
            let _ = writeln!(page, ".It Dv {} No = {value}", constant.name);
            paragraphs(&mut page, &constant.comment);
        }
        page.push_str(".El\n");
    }
    let codes = if name == "swarmbus" { "The constants above\nlist them." } else { ".Xr swarmbus 3\nlists them." };
    let _ = write!(
        page,
        ".Sh RETURN VALUES\nEach call that returns\n.Vt int32_t\nreturns\n.Dv SWARMBUS_OK\n(0) or a negative code.\n{codes}\n\
         The text of what was wrong and what to do is that of\n.Fn swarmbus_last_error .\n.Sh SEE ALSO\n"
    );
    let mut others: Vec<&str> = PAGES.iter().map(|(other, ..)| *other).filter(|other| *other != name).collect();
    others.sort_unstable();
    for (at, other) in others.iter().enumerate() {
        let _ = writeln!(page, ".Xr {other} 3{}", if at + 1 < others.len() { " ," } else { "" });
    }
    page
}

const INTRODUCTION: &str = ".Pp
Agents, which are processes and threads of one host, send each other messages through memory that all of them have mapped.
A message that was received and not released when its receiver dies is delivered again.
.Pp
Every call checks what it is given: a handle that is NULL, closed, of another kind or of another thread is an error with a
text and never a crash.
.Pp
Options may be NULL.
Else set the struct to zero and struct_size to its size; zero in a field means its default.
Times are in nanoseconds, sizes in bytes.
Names are 1 to 63 of A-Z a-z 0-9 . _ - and may be written BUS/NAME.
.Pp
A bus, an observer and a snapshot may be used by any thread; an agent and what it has by the thread that made the agent.
A child of a fork has no agents of its parent's.
No call may be made in a signal handler.
";

#[test]
fn the_pages_are_those_that_the_header_makes() {
    let header = fs::read_to_string(root().join("include/swarmbus.h")).expect("the header");
    let items = items(&header);
    let folder = root().join("ffi/man");
    let bless = std::env::var_os("SWARMBUS_BLESS").is_some_and(|value| value == "1");
    let mut whole = String::new();
    for (index, (name, ..)) in PAGES.iter().enumerate() {
        let made = page(index, &items);
        let path = folder.join(format!("{name}.3"));
        if bless {
            fs::create_dir_all(&folder).expect("ffi/man");
            fs::write(&path, &made).expect("the page can be written");
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            made == committed,
            "{} is not what include/swarmbus.h makes: run SWARMBUS_BLESS=1 cargo test -p swarmbus-ffi --test manual",
            path.display()
        );
        whole.push_str(&made);
    }
    for item in items.iter().filter(|item| item.name != "SWARMBUS_H") {
        let shown = [format!(".Fo {}\n", item.name), format!(".Ss {}\n", item.name), format!(".It Dv {} ", item.name)];
        assert!(shown.iter().any(|shown| whole.contains(shown)), "{} is on no page", item.name);
    }
    assert!(whole.matches(".Fo ").count() > 100, "functions are on the pages");
}

#[test]
fn mandoc_and_man_accept_the_pages() {
    for (name, ..) in PAGES {
        let path = root().join(format!("ffi/man/{name}.3"));
        let mut checks = vec![("mandoc", vec!["-Tlint", "-Wwarning"]), ("man", vec!["--warnings", "-l"])];
        checks.retain(|(command, _)| {
            *command == "mandoc" && mandoc_is_here() || *command != "mandoc" && is_here(command)
        });
        for (command, options) in checks {
            let mut run = Command::new(command);
            let output = run.args(options).arg(&path).env("MANPAGER", "cat").env("MANWIDTH", "80").output();
            let output = output.expect("it runs");
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            let said = if command == "mandoc" { said + &String::from_utf8_lossy(&output.stdout) } else { said };
            assert!(output.status.success() && said.trim().is_empty(), "{command} {name}: {said}");
        }
    }
}

/// mandoc has no option that only says its version.
fn mandoc_is_here() -> bool {
    Command::new("mandoc").args(["-Tlint", "/dev/null"]).output().is_ok()
}
