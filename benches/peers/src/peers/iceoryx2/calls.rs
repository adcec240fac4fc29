//! iceoryx2's request-response, with events beside it to sleep on: one that all askers notify, one for each asker.

use super::{Iceoryx2End, failed};
use crate::trial::Trial;
use anyhow::{Result, bail};
use iceoryx2::node::Node;
use iceoryx2::port::backpressure_strategy::BackpressureStrategy;
use iceoryx2::port::client::Client;
use iceoryx2::port::listener::Listener;
use iceoryx2::port::notifier::Notifier;
use iceoryx2::port::server::Server;
use iceoryx2::prelude::ServiceName;
use iceoryx2::service::ipc;

/// A question's header: the asker's number, so that its answer can wake it.
type Number = u64;
type AskingPort = Client<ipc::Service, [u8], Number, [u8], ()>;
type AnsweringPort = Server<ipc::Service, [u8], Number, [u8], ()>;

/// An asker's or the answerer's part.
pub enum Calls {
    /// Who asks.
    Asks(Box<Asker>),
    /// Who answers.
    Answers(Box<Answerer>),
}

/// Who asks; without events where the trial polls.
pub struct Asker {
    client: AskingPort,
    number: Number,
    wakes: Option<Notifier<ipc::Service>>,
    sleeps: Option<Listener<ipc::Service>>,
}

/// Who answers; without events where the trial polls.
pub struct Answerer {
    server: AnsweringPort,
    wakes: Vec<Notifier<ipc::Service>>,
    sleeps: Option<Listener<ipc::Service>>,
}

fn event(
    node: &Node<ipc::Service>,
    name: &str,
) -> Result<iceoryx2::service::port_factory::event::PortFactory<ipc::Service>> {
    let name = ServiceName::new(name).map_err(failed("a name"))?;
    let service = node.service_builder(&name).event().max_notifiers(64).max_listeners(2).max_nodes(64);
    service.open_or_create().map_err(failed("opening an event service"))
}

fn notifier(node: &Node<ipc::Service>, name: &str) -> Result<Notifier<ipc::Service>> {
    event(node, name)?.notifier_builder().create().map_err(failed("making a notifier"))
}

fn listener(node: &Node<ipc::Service>, name: &str) -> Result<Listener<ipc::Service>> {
    event(node, name)?.listener_builder().create().map_err(failed("making a listener"))
}

fn answers_event(number: Number) -> String {
    format!("answers-{number}")
}

/// Makes one's part.
pub fn make(trial: &Trial, node: Node<ipc::Service>, asker: Option<u32>) -> Result<Iceoryx2End> {
    let name = ServiceName::new("calls").map_err(failed("a name"))?;
    let service = node
        .service_builder(&name)
        .request_response::<[u8], [u8]>()
        .request_user_header::<Number>()
        .enable_safe_overflow_for_requests(false)
        .enable_safe_overflow_for_responses(false)
        .max_active_requests_per_client(1)
        .max_response_buffer_size(1)
        .max_servers(1)
        .max_clients(trial.followers as usize)
        .max_nodes(trial.followers as usize + 1)
        .open_or_create()
        .map_err(failed("opening a request-response service"))?;
    let sleeps = !trial.polls();
    let calls = if let Some(number) = asker.map(Number::from) {
        let client = service.client_builder().initial_max_slice_len(trial.bytes);
        Calls::Asks(Box::new(Asker {
            client: client
                .backpressure_strategy(BackpressureStrategy::RetryUntilDelivered)
                .create()
                .map_err(failed("making a client"))?,
            number,
            wakes: sleeps.then(|| notifier(&node, "questions")).transpose()?,
            sleeps: sleeps.then(|| listener(&node, &answers_event(number))).transpose()?,
        }))
    } else {
        let server = service.server_builder().initial_max_slice_len(trial.bytes);
        let askers = if sleeps { Number::from(trial.followers) } else { 0 };
        Calls::Answers(Box::new(Answerer {
            server: server
                .backpressure_strategy(BackpressureStrategy::RetryUntilDelivered)
                .create()
                .map_err(failed("making a server"))?,
            wakes: (0..askers).map(|index| notifier(&node, &answers_event(index))).collect::<Result<_>>()?,
            sleeps: sleeps.then(|| listener(&node, "questions")).transpose()?,
        }))
    };
    Ok(Iceoryx2End {
        calls: Some((calls, trial.clone())),
        publisher: None,
        subscriber: None,
        notifier: None,
        listener: None,
        taken_at_once: trial.taken_at_once(),
        keeps_until_answered: trial.keeps_until_answered(),
        answered: None,
        _node: node,
    })
}

impl Calls {
    /// Asks, and waits for the answer.
    pub fn call(
        &self,
        trial: &Trial,
        length: usize,
        mut write: impl FnMut(&mut [u8]),
        mut read: impl FnMut(&[u8]),
    ) -> Result<()> {
        let Calls::Asks(asker) = self else { bail!("this end answers") };
        let Asker { client, number, wakes, sleeps } = &**asker;
        let mut question = client.loan_slice_uninit(length).map_err(failed("loaning a question"))?;
        *question.user_header_mut() = *number;
        let payload = question.payload_mut();
        // SAFETY: bytes of any value are a payload, and `write` writes all of them before they are sent.
        write(unsafe { std::slice::from_raw_parts_mut(payload.as_mut_ptr().cast::<u8>(), payload.len()) });
        // SAFETY: written just now.
        let question = unsafe { question.assume_init() };
        let pending = question.send().map_err(failed("asking"))?;
        if let Some(wakes) = wakes {
            wakes.notify().map_err(failed("notifying"))?;
        }
        loop {
            if let Some(answer) = pending.receive().map_err(failed("receiving an answer"))? {
                read(answer.payload());
                return Ok(());
            }
            match sleeps {
                Some(sleeps) => drop(sleeps.blocking_wait(|_| ()).map_err(failed("waiting"))?),
                None => trial.idle(),
            }
        }
    }

    /// Answers all that is there; waits for a question unless the trial polls.
    pub fn answer(&self, length: usize, mut reply: impl FnMut(&[u8], &mut [u8])) -> Result<usize> {
        let Calls::Answers(answerer) = self else { bail!("this end asks") };
        let Answerer { server, wakes, sleeps } = &**answerer;
        loop {
            let mut count = 0;
            while let Some(question) = server.receive().map_err(failed("receiving a question"))? {
                let mut answer = question.loan_slice_uninit(length).map_err(failed("loaning an answer"))?;
                let payload = answer.payload_mut();
                // SAFETY: bytes of any value are a payload, and `reply` writes all of them before they are sent.
                let bytes = unsafe { std::slice::from_raw_parts_mut(payload.as_mut_ptr().cast::<u8>(), payload.len()) };
                reply(question.payload(), bytes);
                // SAFETY: written just now.
                let answer = unsafe { answer.assume_init() };
                answer.send().map_err(failed("answering"))?;
                if let Some(wakes) = wakes.get(*question.user_header() as usize) {
                    wakes.notify().map_err(failed("notifying"))?;
                }
                count += 1;
            }
            match sleeps {
                Some(sleeps) if count == 0 => drop(sleeps.blocking_wait(|_| ()).map_err(failed("waiting"))?),
                _ => return Ok(count),
            }
        }
    }
}
