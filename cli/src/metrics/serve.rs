//! The page over HTTP: one small request after the other, each on a connection of its own.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use super::page::Exposition;
use crate::exit::Failure;

/// A request longer than this is none.
const REQUEST_BYTES_MAX: usize = 16 << 10;
/// Headers of a request.
const HEADERS_MAX: usize = 64;
/// How long a client may take to say what it wants, and to take the answer. Others wait meanwhile.
const PATIENCE: Duration = Duration::from_secs(2);

const INDEX: &str = "Metrics of a swarmbus bus, for Prometheus: /metrics\n";

/// The port.
pub struct Server(TcpListener);

/// What a client wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Wanted {
    Metrics(Exposition),
    Index,
    Nothing(&'static str),
}

impl Server {
    /// Opens the port; port 0 is any that is free.
    pub fn open(address: SocketAddr) -> Result<Server, Failure> {
        let refused = |error: io::Error| match error.kind() {
            io::ErrorKind::AddrInUse => Failure::unavailable(format!(
                "{address} is taken, perhaps by another 'swarmbus metrics': name another with --listen (port 0: any that is free)"
            )),
            io::ErrorKind::PermissionDenied => Failure::new(
                crate::exit::PERMISSION,
                format!("{address} may not be used: choose a port above 1023 with --listen"),
            ),
            _ => Failure::system(format!("cannot listen at {address}: {error}")),
        };
        let listener = TcpListener::bind(address).map_err(refused)?;
        listener.set_nonblocking(true).map_err(refused)?;
        Ok(Server(listener))
    }

    /// Where it listens.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// The listening socket, to wait on.
    pub fn listener(&self) -> &TcpListener {
        &self.0
    }

    /// Answers whoever has come. What goes wrong with a client is the client's affair.
    pub fn answer_all(&self, page: &mut dyn FnMut(Exposition) -> String) {
        while let Ok((stream, _)) = self.0.accept() {
            let _ = answer(stream, page);
        }
    }
}

fn answer(mut stream: TcpStream, page: &mut dyn FnMut(Exposition) -> String) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let plain = Exposition::Prometheus.content_type();
    let (wanted, is_head) = hear(&mut stream)?;
    let (status, content_type, body) = match wanted {
        Wanted::Metrics(exposition) => ("200 OK", exposition.content_type(), page(exposition)),
        Wanted::Index => ("200 OK", plain, INDEX.to_owned()),
        Wanted::Nothing(status) => (status, plain, format!("{status}\n{INDEX}")),
    };
    let length = body.len();
    let mut text = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    if !is_head {
        text.push_str(&body);
    }
    stream.write_all(text.as_bytes())
}

/// Reads a request. The answer says, too, whether only the head of an answer is wanted.
fn hear(stream: &mut TcpStream) -> io::Result<(Wanted, bool)> {
    let deadline = Instant::now() + PATIENCE;
    let mut heard = Vec::new();
    let mut bytes = [0; 2048];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        stream.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
        match stream.read(&mut bytes)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => heard.extend_from_slice(&bytes[..read]),
        }
        if let Some(understood) = understand(&heard) {
            return Ok(understood);
        }
        if heard.len() > REQUEST_BYTES_MAX {
            return Ok((Wanted::Nothing("431 Request Header Fields Too Large"), false));
        }
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
    }
}

/// What a request says; `None` if it is not complete.
fn understand(heard: &[u8]) -> Option<(Wanted, bool)> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(heard) {
        Ok(httparse::Status::Partial) => return None,
        Ok(httparse::Status::Complete(_)) => {}
        Err(_) => return Some((Wanted::Nothing("400 Bad Request"), false)),
    }
    let accepts = |header: &&httparse::Header<'_>| {
        let value = String::from_utf8_lossy(header.value);
        header.name.eq_ignore_ascii_case("accept") && value.contains("application/openmetrics-text")
    };
    let exposition = if request.headers.iter().any(|header| accepts(&header)) {
        Exposition::OpenMetrics
    } else {
        Exposition::Prometheus
    };
    let path = request.path.map(|path| path.split('?').next().unwrap_or(path));
    let wanted = match (request.method, path) {
        (Some("GET" | "HEAD"), Some("/metrics")) => Wanted::Metrics(exposition),
        (Some("GET" | "HEAD"), Some("/")) => Wanted::Index,
        (Some("GET" | "HEAD"), _) => Wanted::Nothing("404 Not Found"),
        _ => Wanted::Nothing("405 Method Not Allowed"),
    };
    Some((wanted, request.method == Some("HEAD")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_understood() {
        let of = |request: &str| understand(request.as_bytes());
        let metrics = |exposition| Some((Wanted::Metrics(exposition), false));
        assert_eq!(of("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"), metrics(Exposition::Prometheus));
        assert_eq!(of("GET /metrics?x=1 HTTP/1.0\r\nAccept: text/plain\r\n\r\n"), metrics(Exposition::Prometheus));
        let prometheus =
            "GET /metrics HTTP/1.1\r\naccept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5\r\n\r\n";
        assert_eq!(of(prometheus), metrics(Exposition::OpenMetrics));
        assert_eq!(of("HEAD / HTTP/1.1\r\n\r\n"), Some((Wanted::Index, true)));
        assert_eq!(of("GET /metrics HTTP/1.1\r\nHost"), None);
        assert_eq!(of("GET /other HTTP/1.1\r\n\r\n"), Some((Wanted::Nothing("404 Not Found"), false)));
        assert_eq!(of("POST /metrics HTTP/1.1\r\n\r\n"), Some((Wanted::Nothing("405 Method Not Allowed"), false)));
        assert_eq!(of("\u{1}\r\n\r\n"), Some((Wanted::Nothing("400 Bad Request"), false)));
    }
}
