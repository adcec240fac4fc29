//! The server's side of the control socket: connections, and what was not yet heard or said on them.

use crate::event::Event;
use crate::protocol::{Answer, Request};
use crate::watch::Watch;
use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

/// A request longer than this is none.
const REQUEST_BYTES_MAX: usize = 64 << 10;

/// A client that leaves more than this unread is dropped.
const UNREAD_BYTES_MAX: usize = 4 << 20;

/// More connections than this are turned away.
const CLIENTS_MAX: usize = 64;

/// What a client is told without asking again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follows {
    /// Nothing.
    Nothing,
    /// How a drain goes; it waits for its end.
    Drain,
    /// What comes of a drain of some agents.
    Part,
    /// Everything that happens.
    Events,
}

#[derive(Debug)]
struct Client {
    stream: UnixStream,
    heard: Vec<u8>,
    to_say: Vec<u8>,
    follows: Follows,
    /// Nothing more comes from it; dropped after the next answer.
    closing: bool,
    said_something: bool,
}

/// The server's side. It never waits for a client.
#[derive(Debug)]
pub struct Control {
    listener: UnixListener,
    clients: HashMap<u32, Client>,
    next: u32,
}

impl Control {
    /// Listens at a path that is to be ours alone.
    pub fn listen(path: &Path, watch: &Watch) -> io::Result<Control> {
        let _ = std::fs::remove_file(path);
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        watch.listener(&listener)?;
        Ok(Control { listener, clients: HashMap::new(), next: 0 })
    }

    /// Takes in whoever waits at the door. Only our own user and root are let in.
    pub fn knock(&mut self, watch: &Watch) {
        while let Ok((stream, _)) = self.listener.accept() {
            let us = rustix::process::getuid();
            let peer = rustix::net::sockopt::socket_peercred(&stream).map(|peer| peer.uid);
            let welcome = peer.is_ok_and(|uid| uid == us || uid.is_root());
            if !welcome || self.clients.len() >= CLIENTS_MAX || stream.set_nonblocking(true).is_err() {
                continue;
            }
            let id = self.next;
            self.next = self.next.wrapping_add(1);
            if watch.client(id, &stream).is_ok() {
                let (heard, to_say) = (Vec::new(), Vec::new());
                let client =
                    Client { stream, heard, to_say, follows: Follows::Nothing, closing: false, said_something: false };
                self.clients.insert(id, client);
            }
        }
    }

    /// A client can be read or written: the requests it has completed.
    pub fn client(&mut self, id: u32, watch: &Watch) -> Vec<Request> {
        let Some(client) = self.clients.get_mut(&id) else { return Vec::new() };
        let mut requests = Vec::new();
        let mut gone = false;
        let mut bytes = [0; 1024];
        while !client.closing {
            match client.stream.read(&mut bytes) {
                Ok(0) => gone = true,
                Ok(read) => client.heard.extend_from_slice(&bytes[..read]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => gone = true,
            }
            while let Some(end) = client.heard.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = client.heard.drain(..=end).collect();
                match serde_json::from_slice(&line) {
                    Ok(request) => requests.push(request),
                    Err(error) => {
                        let message = format!("no such request: {error}");
                        push(client, &Answer::Error { message });
                    }
                }
            }
            if client.heard.len() > REQUEST_BYTES_MAX {
                gone = true;
            }
            if gone {
                break;
            }
        }
        if gone && requests.is_empty() && client.follows == Follows::Nothing {
            self.drop_client(id, watch);
        } else if gone {
            // Whoever only shut its sending side down still wants answers; but a descriptor at its end is always
            // ready, so it is not watched any more. One that has really gone shows when something is said to it.
            client.closing = true;
            watch.forget(&client.stream);
        }
        self.flush(id, watch);
        requests
    }

    /// Answers a client.
    pub fn answer(&mut self, id: u32, answer: &Answer, watch: &Watch) {
        if let Some(client) = self.clients.get_mut(&id) {
            push(client, answer);
            self.flush(id, watch);
        }
    }

    /// From now on this client is told.
    pub fn follow(&mut self, id: u32, what: Follows) {
        if let Some(client) = self.clients.get_mut(&id) {
            client.follows = what;
        }
    }

    /// Whether somebody follows.
    pub fn has_followers(&self, what: Follows) -> bool {
        self.clients.values().any(|client| client.follows == what)
    }

    /// Tells all who follow a drain. One who does not keep up misses the news in between.
    pub fn tell(&mut self, answer: &Answer, watch: &Watch) {
        let last = matches!(answer, Answer::Done { .. });
        self.tell_those(Follows::Drain, answer, watch, |client| last || client.to_say.is_empty());
    }

    /// Tells all who follow events. One who leaves too much unread is dropped.
    pub fn tell_event(&mut self, event: &Event, watch: &Watch) {
        if self.has_followers(Follows::Events) {
            let event = serde_json::to_value(crate::record::Record::of(event)).unwrap_or_default();
            self.tell_those(Follows::Events, &Answer::Event { event }, watch, |_| true);
        }
    }

    fn tell_those(&mut self, what: Follows, answer: &Answer, watch: &Watch, is_told: impl Fn(&Client) -> bool) {
        let follow = self.clients.iter().filter(|(_, client)| client.follows == what);
        let ids: Vec<u32> = follow.map(|(id, _)| *id).collect();
        for id in ids {
            if let Some(client) = self.clients.get_mut(&id).filter(|client| is_told(client)) {
                push(client, answer);
            }
            self.flush(id, watch);
        }
    }

    /// Says what is still to be said, for a short while, and hangs up.
    pub fn finish(self) {
        for client in self.clients.into_values().filter(|client| !client.to_say.is_empty()) {
            let mut stream = client.stream;
            let _ = stream.set_nonblocking(false);
            let _ = stream.set_write_timeout(Some(Duration::from_secs(1)));
            let _ = stream.write_all(&client.to_say);
        }
    }

    fn flush(&mut self, id: u32, watch: &Watch) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        while !client.to_say.is_empty() {
            match client.stream.write(&client.to_say) {
                Ok(written) => {
                    client.to_say.drain(..written);
                    client.said_something |= client.closing;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return self.drop_client(id, watch),
            }
        }
        if client.to_say.len() > UNREAD_BYTES_MAX {
            self.drop_client(id, watch);
        } else if !client.closing {
            let _ = watch.client_waits(id, &client.stream, true, !client.to_say.is_empty());
        } else if client.follows == Follows::Nothing && client.said_something {
            self.drop_client(id, watch);
        }
    }

    fn drop_client(&mut self, id: u32, watch: &Watch) {
        if let Some(client) = self.clients.remove(&id) {
            watch.forget(&client.stream);
        }
    }
}

fn push(client: &mut Client, answer: &Answer) {
    if let Ok(line) = serde_json::to_vec(answer) {
        client.to_say.extend_from_slice(&line);
        client.to_say.push(b'\n');
    }
}
