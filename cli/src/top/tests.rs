//! The dashboard on real buses: what a picture holds, what keys do with it, and what stands on a screen of either size.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use swarmbus_core::{Agent, AgentState, Bus, CreateOptions, LockMode, QueueOptions, SendOptions, Status, TopicOptions};

use super::draw::draw;
use super::history::History;
use super::look::Source;
use super::picture::Picture;
use super::problems::{Limits, groups};
use super::rows::{Alarm, Row};
use super::screen::{After, Screen, VIEWS, View};

const LIMITS: Limits = Limits { old: Duration::from_secs(10) };

/// A bus that is gone afterwards, also when the test fails.
struct Scratch {
    bus: Bus,
    source: Source,
    history: History,
}

impl Scratch {
    fn new(name: &str) -> Scratch {
        static BUSES: AtomicUsize = AtomicUsize::new(0);
        let name = format!("top-{name}-{}-{}", std::process::id(), BUSES.fetch_add(1, Ordering::Relaxed));
        let options = CreateOptions { agents: 256, heap: 64 << 20, limit: 8, ..CreateOptions::default() };
        let bus = Bus::create(&name, &options).unwrap();
        Scratch { bus, source: Source::bus(&name).unwrap(), history: History::default() }
    }

    fn agent(&self, name: &str) -> Agent {
        self.bus.attach(name).unwrap()
    }

    /// The picture as if so many seconds had passed since the first look.
    fn picture(&mut self, seconds: u64) -> Picture {
        let mut look = self.source.look();
        look.at = Duration::from_secs(seconds);
        Picture::of(look, &mut self.history, &LIMITS)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = self.bus.destroy();
    }
}

fn send(from: &Agent, to: &str, count: usize) {
    for _ in 0..count {
        from.send(to, b"work", &SendOptions::default()).unwrap();
    }
}

fn take(agent: &Agent, count: usize) {
    for _ in 0..count {
        agent.recv(Some(Duration::ZERO)).unwrap().release().unwrap();
    }
}

fn key(code: KeyCode) -> KeyEvent {
    KeyEvent::new(code, KeyModifiers::NONE)
}

fn press(screen: &mut Screen, picture: &Picture, keys: &[KeyCode]) -> After {
    keys.iter().map(|code| screen.key(key(*code), picture)).last().unwrap()
}

fn type_in(screen: &mut Screen, picture: &Picture, text: &str) {
    for letter in text.chars() {
        press(screen, picture, &[KeyCode::Char(letter)]);
    }
}

/// What stands on a screen of this size.
fn shown(screen: &mut Screen, picture: &Picture, width: u16, height: u16) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, screen, picture, true)).unwrap();
    let buffer = terminal.backend().buffer();
    let line = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
    (0..height).map(line).collect()
}

#[track_caller]
fn has(lines: &[String], wanted: &[&str]) {
    let found = lines.iter().any(|line| wanted.iter().all(|word| line.contains(word)));
    assert!(found, "no line with {wanted:?} in\n{}", lines.join("\n"));
}

/// Two agents that work, one that left, a full queue, a lock that somebody waits for, a topic.
fn with_all_of_it(test: impl FnOnce(&mut Scratch, &Agent)) {
    let mut scratch = Scratch::new("all");
    let (boss, worker) = (scratch.agent("boss"), scratch.agent("worker-2"));
    scratch.bus.declare("jobs", &QueueOptions::default()).unwrap();
    scratch.bus.declare_topic("news", &TopicOptions::default()).unwrap();
    let status = Status {
        state: AgentState::Blocked,
        done: 3,
        total: 7,
        task: "bind the book".into(),
        note: "glue is \x1b[31mout".into(),
        blockers: vec!["glue".into()],
        ..Status::default()
    };
    worker.set_status(&status).unwrap();
    let gone = scratch.agent("worker-1");
    gone.set_status(&Status { task: "gone fishing".into(), ..Status::default() }).unwrap();
    gone.close();
    send(&boss, "jobs", 8);
    send(&boss, "worker-2", 2);
    let held = boss.lock("src/*.rs", LockMode::Exclusive, None).unwrap();
    std::thread::scope(|scope| {
        let late = scratch.bus.join().unwrap();
        let waits = scope.spawn(move || late.lock("src/*.rs", LockMode::Shared, Some(Duration::from_secs(60))).is_ok());
        let observer = scratch.bus.observer().unwrap();
        while observer.locks().len() < 2 && !waits.is_finished() {
            std::thread::sleep(Duration::from_millis(5));
        }
        test(&mut scratch, &boss);
        held.release().unwrap();
        assert!(waits.join().unwrap());
    });
}

#[test]
fn rates_are_differences_and_outlive_who_leaves() {
    let mut scratch = Scratch::new("rates");
    let (alice, bob) = (scratch.agent("alice"), scratch.agent("bob"));
    send(&alice, "bob", 4);
    assert!(scratch.picture(0).bus.rates.is_none(), "one look tells no rate");
    send(&alice, "bob", 4);
    take(&bob, 6);
    let picture = scratch.picture(2);
    let of = |picture: &Picture, name: &str| picture.agents.iter().find(|row| row.name == name).unwrap().rates.unwrap();
    assert_eq!((of(&picture, "alice").sent, of(&picture, "bob").received), (2.0, 3.0));
    let queue = picture.queues.iter().find(|row| row.name == "bob").unwrap();
    assert_eq!((queue.rates.unwrap().sent, queue.rates.unwrap().received, queue.queued), (2.0, 3.0, 2));
    // Her counters go with her; she that comes begins at nothing, and both without a rate below zero.
    alice.close();
    let carol = scratch.agent("carol");
    send(&carol, "bob", 2);
    let picture = scratch.picture(4);
    assert_eq!((of(&picture, "carol").sent, picture.bus.rates.unwrap().sent), (1.0, 1.0));
    assert!(picture.agents.iter().all(|row| row.name != "alice"));
}

#[test]
fn the_first_message_tells_how_long_messages_wait() {
    let mut scratch = Scratch::new("ages");
    let (alice, bob) = (scratch.agent("alice"), scratch.agent("bob"));
    let mut oldest = |seconds| {
        let picture = scratch.picture(seconds);
        let row = picture.queues.into_iter().find(|row| row.name == "bob").unwrap();
        (row.oldest.map(|oldest| (oldest.ns / 1_000_000_000, oldest.at_least)), row.alarm)
    };
    send(&alice, "bob", 1);
    assert_eq!(oldest(0), (Some((0, true)), Alarm::None));
    send(&alice, "bob", 1);
    assert_eq!(oldest(3), (Some((3, true)), Alarm::None));
    take(&bob, 1);
    // The second one was seen first at 3.
    assert_eq!(oldest(5), (Some((2, false)), Alarm::None));
    assert_eq!(oldest(14), (Some((11, false)), Alarm::Warning));
    take(&bob, 1);
    assert_eq!(oldest(15), (None, Alarm::None));
}

#[test]
fn problems_come_first_and_lead_to_what_they_are_of() {
    with_all_of_it(|scratch, _| {
        scratch.picture(0);
        let picture = scratch.picture(11);
        let told: Vec<_> = picture.problems.iter().map(|one| (one.alarm.sign(), one.what, one.of.as_str())).collect();
        assert_eq!(told[0], ("!!", "full", "jobs"));
        for wanted in [("!", "blocked", "worker-2"), ("!", "old", "worker-2")] {
            assert!(told.contains(&wanted), "{told:?}");
        }
        let mut screen = Screen::new(View::Problems);
        press(&mut screen, &picture, &[KeyCode::Enter]);
        has(&shown(&mut screen, &picture, 80, 24), &["queue jobs"]);
        // Whoever is blocked or full has the sign in the list as well.
        let row = picture.agents.iter().find(|row| row.name == "worker-2").unwrap();
        assert_eq!((row.alarm(), row.state.as_str(), row.goals), (Alarm::Warning, "blocked", Some((3, 7))));
        let left = picture.agents.iter().find(|row| row.name == "worker-1").unwrap();
        assert_eq!((left.state.as_str(), left.pid), ("left", None));
    });
}

#[test]
fn many_problems_of_a_pool_are_one_line() {
    let mut scratch = Scratch::new("groups");
    let agents: Vec<Agent> = (1..=12).map(|number| scratch.agent(&format!("worker-{number}"))).collect();
    agents.iter().for_each(|agent| send(&agents[0], agent.name(), 8));
    let picture = scratch.picture(0);
    assert_eq!(picture.problems.len(), 12);
    let groups = groups(&picture.problems);
    assert_eq!(groups.iter().map(|(one, more)| (one.of.as_str(), *more)).collect::<Vec<_>>(), [("worker-1", 11)]);
    has(&shown(&mut Screen::new(View::Overview), &picture, 80, 24), &["!! full", "worker-1 and 11 more:"]);
}

#[test]
fn one_whose_process_is_gone_is_dead_before_anybody_reaps_it() {
    let mut scratch = Scratch::new("dead");
    let _agent = scratch.agent("victim");
    let mut look = scratch.source.look();
    assert!(look.gone.is_empty(), "we live");
    look.gone.insert(look.members[0].pid);
    let picture = Picture::of(look, &mut History::default(), &LIMITS);
    assert_eq!((picture.problems[0].what, picture.agents[0].state.as_str()), ("dead", "dead"));
    assert!(picture.problems[0].text.contains("swarmbus reap"), "{}", picture.problems[0].text);
}

#[test]
fn every_view_fits_every_terminal() {
    with_all_of_it(|scratch, _| {
        scratch.picture(0);
        let picture = scratch.picture(11);
        for (width, height) in [(80, 24), (200, 50), (40, 10), (10, 4), (1, 1)] {
            for view in VIEWS {
                let mut screen = Screen::new(view);
                shown(&mut screen, &picture, width, height);
                press(&mut screen, &picture, &[KeyCode::Enter]);
                shown(&mut screen, &picture, width, height);
                press(&mut screen, &picture, &[KeyCode::Char('?')]);
                shown(&mut screen, &picture, width, height);
            }
        }
        let overview = shown(&mut Screen::new(View::Overview), &picture, 80, 24);
        has(&overview, &[&picture.bus.name, "no supervisor"]);
        has(&overview, &["1 overview", "6 problems"]);
        has(&overview, &["!! full", "jobs:"]);
        let agents = shown(&mut Screen::new(View::Agents), &picture, 80, 24);
        has(&agents, &["!  worker-2", "blocked"]);
        let large = shown(&mut Screen::new(View::Agents), &picture, 200, 50);
        has(&large, &["worker-2", "3/7", "bind the book"]);
        let busy = shown(&mut Screen::new(View::Overview), &picture, 200, 50);
        has(&busy, &["Busiest agents", "Fullest queues"]);
        has(&shown(&mut Screen::new(View::Topics), &picture, 80, 24), &["news", "back-pressure"]);
    });
}

#[test]
fn pages_tell_all_and_play_no_tricks_on_the_terminal() {
    with_all_of_it(|scratch, _| {
        let picture = scratch.picture(0);
        let mut screen = Screen::new(View::Agents);
        press(&mut screen, &picture, &[KeyCode::Char('/')]);
        type_in(&mut screen, &picture, "WORKER-2");
        press(&mut screen, &picture, &[KeyCode::Enter, KeyCode::Enter]);
        let page = shown(&mut screen, &picture, 80, 24);
        has(&page, &["note", r"glue is \u{1b}[31mout"]);
        has(&page, &["blockers", "glue"]);
        has(&page, &["inbox", "2 wait"]);
        press(&mut screen, &picture, &[KeyCode::Esc, KeyCode::Char('5'), KeyCode::Enter]);
        let page = shown(&mut screen, &picture, 80, 24);
        has(&page, &["held by", "boss"]);
        has(&page, &["src/*.rs", "shared", "waiting"]);
        assert_eq!(press(&mut screen, &picture, &[KeyCode::Char('q')]), After::Quit);
    });
}

#[test]
fn keys_sort_filter_and_keep_the_bar_on_its_row() {
    let mut scratch = Scratch::new("keys");
    let agents: Vec<Agent> = [10, 2, 1].iter().map(|number| scratch.agent(&format!("worker-{number}"))).collect();
    send(&agents[0], "worker-2", 3);
    send(&agents[0], "worker-10", 1);
    let picture = scratch.picture(0);
    let names = |screen: &mut Screen, picture: &Picture| {
        let rows = screen.table().clone();
        rows.arrange(View::Agents, picture).iter().map(|row| row.key().to_owned()).collect::<Vec<_>>()
    };
    let mut screen = Screen::new(View::Agents);
    assert_eq!(names(&mut screen, &picture), ["worker-1", "worker-2", "worker-10"]);
    press(&mut screen, &picture, &[KeyCode::Down]);
    press(&mut screen, &picture, &[KeyCode::Right; 6]);
    assert_eq!(names(&mut screen, &picture), ["worker-2", "worker-10", "worker-1"], "by what waits");
    shown(&mut screen, &picture, 80, 24);
    assert_eq!((screen.table().at, screen.table().key.as_deref()), (0, Some("worker-2")));
    press(&mut screen, &picture, &[KeyCode::Char('r')]);
    shown(&mut screen, &picture, 80, 24);
    assert_eq!(screen.table().at, 2);
    press(&mut screen, &picture, &[KeyCode::Char('/')]);
    type_in(&mut screen, &picture, "q-10");
    assert_eq!(names(&mut screen, &picture), Vec::<String>::new());
    has(&shown(&mut screen, &picture, 80, 24), &["nothing that matches"]);
    press(&mut screen, &picture, &[KeyCode::Esc]);
    assert_eq!(names(&mut screen, &picture).len(), 3);
    let quit = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(screen.key(quit, &picture), After::Quit);
}

#[test]
fn without_colours_there_are_signs() {
    with_all_of_it(|scratch, _| {
        let picture = scratch.picture(0);
        let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
        terminal.draw(|frame| draw(frame, &mut Screen::new(View::Overview), &picture, false)).unwrap();
        let cells = &terminal.backend().buffer().content;
        assert!(cells.iter().all(|cell| cell.fg == ratatui::style::Color::Reset), "a colour in spite of NO_COLOR");
        assert!(cells.iter().any(|cell| cell.symbol() == "!"));
    });
}

#[test]
#[ignore = "measures: cargo test --release -p swarmbus-cli --bin swarmbus frame -- --ignored --nocapture"]
fn a_frame_of_2000_agents() {
    let name = format!("top-frame-{}", std::process::id());
    let bus = Bus::create(&name, &CreateOptions { agents: 4096, ..CreateOptions::default() }).unwrap();
    let mut scratch = Scratch { source: Source::bus(&name).unwrap(), bus, history: History::default() };
    let agents: Vec<Agent> = (1..=2000).map(|number| scratch.agent(&format!("worker-{number}"))).collect();
    for (number, agent) in agents.iter().enumerate() {
        let (state, total) = (AgentState::InProgress, 9);
        agent.set_status(&Status { state, total, task: format!("part {number}"), ..Status::default() }).unwrap();
        send(agent, &format!("worker-{}", 1 + number * 7 % 2000), 16);
    }
    let mut screen = Screen::new(View::Agents);
    let mut terminal = Terminal::new(TestBackend::new(200, 50)).unwrap();
    // Of the processor, so that it means the same on a busy machine.
    let now = || Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap());
    let mut times: Vec<[Duration; 3]> = (0..50)
        .map(|turn| {
            let begun = now();
            let mut look = scratch.source.look();
            look.at = Duration::from_secs(turn);
            let looked = now();
            let picture = Picture::of(look, &mut scratch.history, &LIMITS);
            let made = now();
            terminal.draw(|frame| draw(frame, &mut screen, &picture, true)).unwrap();
            [looked - begun, made - looked, now() - made]
        })
        .collect();
    times.sort_by_key(|parts| parts.iter().sum::<Duration>());
    for (what, parts) in [("median", times[25]), ("worst", times[49])] {
        let [look, picture, drawing] = parts;
        println!(
            "{what}: look {look:?}, picture {picture:?}, drawing {drawing:?}, all {:?}",
            parts.iter().sum::<Duration>()
        );
    }
}

#[test]
fn a_bus_that_was_made_again_is_found_again() {
    let mut scratch = Scratch::new("again");
    let name = scratch.bus.name().to_owned();
    scratch.bus.destroy().unwrap();
    assert_eq!(scratch.picture(0).problems[0].what, "destroyed");
    scratch.bus = Bus::create(&name, &CreateOptions::default()).unwrap();
    let _alice = scratch.agent("alice");
    let picture = scratch.picture(1);
    assert_eq!((picture.bus.state, picture.agents.len()), ("ready", 1));
}

#[test]
fn dead_letters_are_a_problem_at_once() {
    let mut scratch = Scratch::new("letters");
    let ann = scratch.agent("ann");
    let options =
        QueueOptions { max_deliveries: Some(1), dead_letters: Some("failed".into()), ..QueueOptions::default() };
    scratch.bus.declare("jobs", &options).unwrap();
    send(&ann, "jobs", 1);
    assert!(scratch.picture(0).problems.is_empty());
    drop(ann.receive("jobs", Some(Duration::ZERO)).unwrap());
    assert!(ann.receive("jobs", Some(Duration::ZERO)).is_err());
    let picture = scratch.picture(1);
    let [problem] = picture.problems.as_slice() else { panic!("{:?}", picture.problems) };
    assert_eq!((problem.what, problem.of.as_str(), problem.alarm), ("dead letters", "failed", Alarm::Warning));
    assert!(problem.text.starts_with("1 message waits that could not be delivered"), "{}", problem.text);
}
