//! Mistakes that people make in a topology. `swarmbus up` is shown each of them in the tests of the command.

/// A topology without a mistake.
pub const GOOD: &str = r#"[bus]
name = "demo"
queues = ["files"]
[coordinator]
command = ["sh", "-c", "exit 0"]
[pool.worker]
command = ["sh"]
size = 100
"#;

/// A mistake in the good topology.
pub struct Mistake {
    /// What is replaced: its last occurrence, since some words stand in the coordinator's table as well.
    from: &'static str,
    /// By what.
    pub to: &'static str,
    /// The line that the error must name.
    pub line: usize,
    /// What it must say.
    pub words: &'static [&'static str],
}

impl Mistake {
    /// The whole topology.
    pub fn text(&self) -> String {
        let at = GOOD.rfind(self.from).expect("it stands in the good topology");
        format!("{}{}{}", &GOOD[..at], self.to, &GOOD[at + self.from.len()..])
    }
}

const fn mistake(from: &'static str, to: &'static str, line: usize, words: &'static [&'static str]) -> Mistake {
    Mistake { from, to, line, words }
}

/// Mistakes, a kind each.
pub const BAD: &[Mistake] = &[
    mistake("command = [\"sh\"]", "comand = [\"sh\"]", 7, &["unknown key `comand`", "did you mean `command`?"]),
    mistake("[pool.worker]", "[[pool]]", 6, &["expected a table", "[pool.NAME]"]),
    mistake("[pool.worker]", "[pol.worker]", 6, &["unknown key `pol`", "did you mean `pool`?"]),
    mistake("[bus]", "[buss]", 1, &["unknown key `buss`", "did you mean `bus`?"]),
    mistake("name = \"demo\"\n", "", 1, &["missing key `name`"]),
    mistake("command = [\"sh\"]\n", "", 6, &["missing key `command`", "worker.py"]),
    mistake("size = 100\n", "", 6, &["missing key `size`", "size = 10"]),
    mistake("size = 100", "size = \"many\"", 8, &["\"many\"", "a whole number such as 100"]),
    mistake("size = 100", "size = 0", 8, &["not 0"]),
    mistake("size = 100", "size = -3", 8, &["-3 is out of range"]),
    mistake("size = 100", "size = 1.5", 8, &["1.5", "a whole number"]),
    mistake("size = 100", "size = 100000", 8, &["not 100000"]),
    mistake("command = [\"sh\"]", "command = \"sh worker.sh\"", 7, &["a list of words", "[\"sh\", \"worker.sh\"]"]),
    mistake("command = [\"sh\"]", "command = []", 7, &["the command is empty"]),
    mistake("command = [\"sh\"]", "command = [\"sh\", 3]", 7, &["integer `3`", "a text in quotes"]),
    mistake("command = [\"sh\"]", "command = [\"bahs\"]", 7, &["`bahs` is not in PATH"]),
    mistake(
        "command = [\"sh\"]",
        "command = [\"./no/such/file\"]",
        7,
        &["cannot run `./no/such/file`", "No such file"],
    ),
    mistake("command = [\"sh\"]", "command = [\"/etc/passwd\"]", 7, &["not executable", "chmod +x"]),
    mistake("command = [\"sh\"]", "command = [\"sh\", \"${NO_SUCH_ONE}\"]", 7, &["NO_SUCH_ONE is not set", ":-"]),
    mistake("command = [\"sh\"]", "command = [\"sh\", \"${A\"]", 7, &["without a closing `}`"]),
    mistake("name = \"demo\"", "name = \"my bus\"", 2, &["`my bus` cannot name the bus", "letters, digits"]),
    mistake("name = \"demo\"", "name = 3", 2, &["integer `3`"]),
    mistake("[pool.worker]", "[pool.\"a/b\"]", 6, &["`a/b` cannot name a pool"]),
    mistake("queues = [\"files\"]", "queues = [\"files\", \"files\"]", 3, &["`files` is there twice"]),
    mistake("queues = [\"files\"]", "queues = [\"worker-7\"]", 6, &["`worker-7` would name both a queue and"]),
    mistake(
        "[pool.worker]",
        "[pool.worker]\nrestart = \"on-fail\"",
        7,
        &["unknown value `on-fail`", "did you mean `on-failure`?"],
    ),
    mistake(
        "[pool.worker]",
        "[pool.worker]\nrestart = { fist = \"1s\" }",
        7,
        &["unknown key `fist`", "did you mean `first`?"],
    ),
    mistake("[pool.worker]", "[pool.worker]\nrestart = { failures = 0 }", 7, &["0 failures"]),
    mistake("[pool.worker]", "[drain]\ngrace = 10\n[pool.worker]", 7, &["integer `10`", "\"10s\""]),
    mistake("[pool.worker]", "[drain]\ngrace = \"10 parsecs\"\n[pool.worker]", 7, &["10 parsecs", "\"250ms\""]),
    mistake("name = \"demo\"", "name = \"demo\"\nheap = \"lots\"", 3, &["\"lots\" is no size", "\"256MiB\""]),
    mistake("name = \"demo\"", "name = \"demo\"\nagents = 50", 3, &["50 is too little", "leave it out"]),
    mistake("[pool.worker]", "[env]\nSWARMBUS = \"x\"\n[pool.worker]", 7, &["SWARMBUS is set by the supervisor"]),
    mistake("size = 100", "size = 100\nsize = 3", 9, &["duplicate key"]),
    mistake("[pool.worker]", "[pool.worker", 6, &["swarm.toml:6"]),
    mistake(
        "size = 100",
        "size = 100\ndepends_on = [\"workers\"]",
        9,
        &["no pool `workers`", "did you mean `worker`?"],
    ),
    mistake("size = 100", "size = 100\ndepends_on = [\"coordinater\"]", 9, &["did you mean `coordinator`?"]),
    mistake("size = 100", "size = 100\ndepends_on = [\"worker\"]", 9, &["`worker` would wait for itself"]),
    mistake(
        "size = 100",
        "size = 100\nscale = { min = 2, max = 50, queue = \"files\" }",
        8,
        &["100 is not between 2 and 50"],
    ),
    mistake(
        "size = 100",
        "size = 100\nscale = { min = 2, max = 200, queue = \"file\" }",
        9,
        &["no queue `file`", "did you mean `files`?"],
    ),
    mistake("size = 100", "size = 100\nscale = { min = 9, max = 2, queue = \"files\" }", 9, &["from 9 to 2"]),
    mistake(
        "size = 100",
        "size = 100\npreload = [\"numpy\"]",
        9,
        &["only a script or a module of Python", "worker.py"],
    ),
    mistake("size = 100", "size = 100\npreload = [\"a b\"]", 9, &["`a b` cannot name a module"]),
    mistake("size = 100", "size = 100\nready = \"buss\"", 9, &["unknown value `buss`", "did you mean `bus`?"]),
    mistake("size = 100", "size = 100\nready = { log = \"\" }", 9, &["no text to wait for"]),
    mistake(
        "[pool.worker]",
        "[group.g]\npools = [\"wroker\"]\nstrategy = \"one-for-all\"\n[pool.worker]",
        7,
        &["did you mean `worker`?"],
    ),
    mistake(
        "[pool.worker]",
        "[group.g]\npools = []\nstrategy = \"one-for-al\"\n[pool.worker]",
        8,
        &["did you mean `one-for-all`?"],
    ),
    mistake("name = \"demo\"", "name = demo", 2, &["in quotes"]),
    mistake("queues = [\"files\"]", "queues = \"files\"", 3, &["text \"files\"", "a list"]),
    mistake(
        "size = 100",
        "size = 100\nhealth = { stal = \"5s\" }",
        9,
        &["unknown key `stal`", "did you mean `stall`?"],
    ),
    mistake("size = 100", "size = 100\nprocess = { nice = 40 }", 9, &["40", "19"]),
    mistake("size = 100", "size = 100\nprocess = { cpus = \"three\" }", 9, &["three"]),
    mistake("size = 100", "size = 100\nenv = { LEVEL = 3 }", 9, &["integer `3`", "a text in quotes"]),
    mistake(
        "[pool.worker]",
        "[hooks.stalld]\ncommand = [\"sh\"]\n[pool.worker]",
        6,
        &["stalld", "did you mean `stalled`?"],
    ),
    mistake("[pool.worker]", "[metrics]\nlisten = \"everywhere\"\n[pool.worker]", 7, &["everywhere", "127.0.0.1:9464"]),
    mistake("[pool.worker]", "[health]\noverflow = \"120%\"\n[pool.worker]", 7, &["120"]),
    mistake("[pool.worker]", "[log]\nsize = \"4 apples\"\n[pool.worker]", 7, &["4 apples"]),
    mistake("[pool.worker]", "[coordinator]\ncommand = [\"sh\"]\n[pool.worker]", 6, &["duplicate key", "keep one"]),
];
