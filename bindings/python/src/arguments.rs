//! Arguments as Python users write them: sizes, time-outs, lanes, names and buffers.

use std::time::Duration;

use pyo3::buffer::PyUntypedBuffer;
use pyo3::exceptions::{PyBufferError, PyTypeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyInt, PyList, PyString};
use swarmbus_core::{Address, Bus, ContentType, Lane, SendOptions, TraceContext, key_of};

use crate::error::{Raise, invalid_argument};

/// How a message is to be sent, as keyword arguments say it.
pub struct How<'a> {
    /// `lane=`
    pub lane: &'a str,
    /// `timeout=`, seconds
    pub timeout: Option<f64>,
    /// `correlation=`
    pub correlation: u64,
    /// `content=`, as [`Payload::with_content`] has found it
    pub content: ContentType,
    /// `time_to_live=`, seconds
    pub time_to_live: Option<f64>,
    /// `key=`
    pub key: Option<&'a Bound<'a, PyAny>>,
    /// `traceparent=`
    pub traceparent: Option<&'a str>,
}

impl Default for How<'_> {
    fn default() -> Self {
        let content = ContentType::Bytes;
        How { lane: "normal", timeout: None, correlation: 0, content, time_to_live: None, key: None, traceparent: None }
    }
}

impl How<'_> {
    /// The core's options.
    #[inline]
    pub fn options(&self, py: Python<'_>) -> PyResult<SendOptions> {
        Ok(SendOptions {
            lane: lane(py, self.lane)?,
            timeout: timeout(py, self.timeout)?,
            correlation: self.correlation,
            content: self.content,
            time_to_live: self.time_to_live.map(|seconds| self::seconds(py, "time_to_live", seconds)).transpose()?,
            key: self.key.map(key).transpose()?,
            trace: trace(py, self.traceparent)?,
        })
    }
}

/// The trace that `traceparent=` names.
pub fn trace(py: Python<'_>, traceparent: Option<&str>) -> PyResult<Option<TraceContext>> {
    traceparent.map(str::parse).transpose().raise(py)
}

/// A deduplication key: a number, or the name of the message, as text or bytes.
fn key(key: &Bound<'_, PyAny>) -> PyResult<u64> {
    if let Ok(text) = key.cast::<PyString>() {
        return Ok(key_of(text.to_str()?.as_bytes()));
    }
    if let Ok(bytes) = key.cast::<PyBytes>() {
        return Ok(key_of(bytes.as_bytes()));
    }
    if key.is_instance_of::<PyInt>() && !key.is_instance_of::<PyBool>() {
        return key.extract().map_err(|_| {
            invalid_argument(key.py(), format!("key={key} is no key: give a whole number from 0 to 2**64 - 1, or text"))
        });
    }
    let kind = key.get_type().name()?;
    Err(PyTypeError::new_err(format!("key is a whole number, or the name of the message as str or bytes, not {kind}")))
}

/// A span of time that has to be finite.
pub fn seconds(py: Python<'_>, what: &str, seconds: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(seconds)
        .map_err(|_| invalid_argument(py, format!("{what}={seconds} makes no sense: give seconds, 0 or more")))
}

/// `None` waits for ever, and so does infinity.
pub fn timeout(py: Python<'_>, seconds: Option<f64>) -> PyResult<Option<Duration>> {
    match seconds {
        None => Ok(None),
        Some(s) if s.is_nan() || s < 0.0 => Err(invalid_argument(
            py,
            format!("timeout={s} makes no sense: give seconds (0 does not wait) or None to wait for ever"),
        )),
        // What does not fit in a Duration is beyond anybody's patience too.
        Some(s) => Ok(Duration::try_from_secs_f64(s).ok()),
    }
}

/// From where a message is to be taken.
pub enum Origin {
    /// The agent's mailbox, and its roles.
    Mailbox,
    /// A queue.
    Queue(String),
    /// Any of several.
    Several(Vec<String>),
}

impl Origin {
    /// What `queue=` means: nothing, a name, or several.
    pub fn of(py: Python<'_>, bus: &Bus, queue: Option<&Bound<'_, PyAny>>) -> PyResult<Origin> {
        let Some(queue) = queue.filter(|queue| !queue.is_none()) else { return Ok(Origin::Mailbox) };
        let plain = |text: &str| Ok(name_on(py, bus, text)?.unwrap_or_else(|| text.to_owned()));
        if let Ok(text) = queue.cast::<PyString>() {
            return plain(text.to_str()?).map(Origin::Queue);
        }
        let wrong = || PyTypeError::new_err("queue is a name, or several of them in a list or tuple");
        let mut names = Vec::new();
        for name in queue.try_iter().map_err(|_| wrong())? {
            names.push(plain(name?.cast::<PyString>().map_err(|_| wrong())?.to_str()?)?);
        }
        Ok(Origin::Several(names))
    }
}

fn lane(py: Python<'_>, text: &str) -> PyResult<Lane> {
    if text == "normal" {
        return Ok(Lane::Normal);
    }
    text.parse().map_err(|_| {
        let known = Lane::ALL.iter().map(|lane| lane.as_str()).collect::<Vec<_>>().join(", ");
        invalid_argument(py, format!("lane={text:?} does not exist: the lanes are {known}"))
    })
}

/// What the bytes of a message are.
pub fn content(py: Python<'_>, text: &str) -> PyResult<ContentType> {
    if text == "bytes" {
        return Ok(ContentType::Bytes);
    }
    text.parse().map_err(|_| {
        let known = ContentType::ALL.iter().map(|content| content.as_str()).collect::<Vec<_>>().join(", ");
        invalid_argument(py, format!("content={text:?} is no content type: they are {known}"))
    })
}

/// A size in bytes: a whole number, or text like `"1GiB"`, `"512 MiB"`, `"64 kB"`.
pub fn size(value: &Bound<'_, PyAny>, what: &str) -> PyResult<u64> {
    let py = value.py();
    if value.is_instance_of::<PyInt>() && !value.is_instance_of::<PyBool>() {
        return value.extract().map_err(|_| {
            invalid_argument(py, format!("{what}={value} is no size: give bytes as a whole number from 0 to 2**64 - 1"))
        });
    }
    let Ok(text) = value.cast::<PyString>() else {
        let kind = value.get_type().name()?;
        return Err(PyTypeError::new_err(format!(
            "{what} is a whole number of bytes or text like \"1GiB\", not {kind}"
        )));
    };
    let text = text.to_str()?;
    parse_size(text).map_err(|why| {
        invalid_argument(
            py,
            format!(
                "{what}={text:?} is no size: {why}; write a number and a unit (B, KiB, MiB, GiB, TiB, or kB, MB, GB, TB)"
            ),
        )
    })
}

fn parse_size(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits = text.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '_')).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number = number.replace('_', "");
    let unit = unit.trim();
    let scale: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kib" | "k" => 1 << 10,
        "mib" | "m" => 1 << 20,
        "gib" | "g" => 1 << 30,
        "tib" | "t" => 1 << 40,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        _ => return Err(format!("{unit:?} is no unit")),
    };
    if number.is_empty() {
        return Err("it does not start with a number".into());
    }
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(scale).ok_or_else(|| "it is more than 2**64 - 1 bytes".into());
    }
    match number.parse::<f64>() {
        Ok(part) if part * (scale as f64) < u64::MAX as f64 => Ok((part * scale as f64) as u64),
        _ => Err(format!("{number:?} is no number")),
    }
}

/// The plain name in an address `[bus/]name`, which must mean the bus at hand.
pub fn name_on(py: Python<'_>, bus: &Bus, text: &str) -> PyResult<Option<String>> {
    // Nearly every address is a plain name, and the core checks those itself.
    if !text.contains(['/', ':']) {
        return Ok(None);
    }
    let address = Address::parse(text).raise(py)?;
    match address.bus {
        Some(other) if other != bus.name() => Err(invalid_argument(
            py,
            format!(
                "{text:?} is on the bus {other:?}, this is the bus {:?}: open the other one and attach there",
                bus.name()
            ),
        )),
        _ => Ok(Some(address.name)),
    }
}

/// The bytes of an object that a caller wants to send, borrowed for as long as this lives.
pub enum Payload<'py> {
    /// A `bytes` object, which nobody can change.
    Bytes(Bound<'py, PyBytes>),
    /// Any other C-contiguous buffer; its exporter keeps it in place while we hold it.
    Buffer(PyUntypedBuffer),
}

impl<'py> Payload<'py> {
    /// What `send` sends, and what it says of it: a dict or list is written as JSON, a buffer is bytes unless the caller says otherwise.
    pub fn with_content(data: &Bound<'py, PyAny>, content: Option<&str>) -> PyResult<(Payload<'py>, ContentType)> {
        let py = data.py();
        if let Ok(bytes) = data.cast::<PyBytes>() {
            return Ok((Payload::Bytes(bytes.clone()), self::content(py, content.unwrap_or("bytes"))?));
        }
        let is_plain = data.is_instance_of::<PyDict>() || data.is_instance_of::<PyList>();
        if !is_plain && !data.hasattr(intern!(py, "__dataclass_fields__"))? {
            return Ok((Payload::of(data)?, self::content(py, content.unwrap_or("bytes"))?));
        }
        if let Some(other) = content.filter(|content| *content != "json") {
            let kind = data.get_type().name()?;
            return Err(invalid_argument(
                py,
                format!("content={other:?} does not fit: a {kind} is sent as \"json\", which is the default for it"),
            ));
        }
        let text = py.import("swarmbus._typed")?.call_method1("dumps", (data,))?;
        Ok((Payload::Bytes(text.cast_into()?), ContentType::Json))
    }

    /// Borrows `data`; text and everything else without a buffer is refused with a hint.
    pub fn of(data: &Bound<'py, PyAny>) -> PyResult<Payload<'py>> {
        if let Ok(bytes) = data.cast::<PyBytes>() {
            return Ok(Payload::Bytes(bytes.clone()));
        }
        if data.is_instance_of::<PyString>() {
            return Err(PyTypeError::new_err(
                "a message is bytes, not str: encode the text first, for example text.encode(), or put it in a dict",
            ));
        }
        let py = data.py();
        let Ok(buffer) = PyUntypedBuffer::get(data) else {
            let kind = data.get_type().name()?;
            return Err(PyTypeError::new_err(format!(
                "a message is bytes or another buffer (bytearray, memoryview, array, NumPy array), or a dict or list, not {kind}"
            )));
        };
        if !buffer.is_c_contiguous() {
            buffer.release(py);
            return Err(PyBufferError::new_err(
                "this buffer does not lie in one piece (C-contiguous): send a copy that does, for example bytes(view)",
            ));
        }
        Ok(Payload::Buffer(buffer))
    }

    /// The bytes to send.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Payload::Bytes(bytes) => bytes.as_bytes(),
            Payload::Buffer(buffer) => {
                let length = buffer.len_bytes();
                if length == 0 {
                    return &[];
                }
                // SAFETY: the exporter guarantees `length` readable bytes in one piece (checked in `of`) until the
                // buffer is released, which is when `self` goes. A Python program that writes to its own buffer from
                // another thread while it sends it gets a mixed message: the bytes are only copied, never interpreted.
                unsafe { std::slice::from_raw_parts(buffer.buf_ptr().cast::<u8>(), length) }
            }
        }
    }
}
