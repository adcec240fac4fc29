//! The trace of what a verb sends.

use swarmbus_core::TraceContext;

use crate::output::variable;

/// The environment variable by which a trace is handed from process to process.
pub const VARIABLE: &str = "TRACEPARENT";

/// Of which trace a message is.
#[derive(clap::Args)]
pub struct Trace {
    /// Trace that it belongs to, as a W3C traceparent [default: $TRACEPARENT]
    #[arg(long, value_name = "TRACE")]
    traceparent: Option<TraceContext>,
}

impl Trace {
    /// The one that was given, or else that of the environment. A variable that holds none is no reason not to send.
    pub fn context(self) -> Option<TraceContext> {
        self.traceparent.or_else(|| variable(VARIABLE)?.parse().ok())
    }
}
