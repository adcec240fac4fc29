//! What one look found: families of samples, and the two ways to write them.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use serde_json::{Map, Value as Json, json};
use swarmbus_core::{BUCKET_ENDS_NS, Histogram};

/// What `/metrics` is written in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exposition {
    /// Prometheus' own text format, version 0.0.4.
    Prometheus,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Exposition {
    /// What the answer is called.
    pub fn content_type(self) -> &'static str {
        match self {
            Exposition::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Exposition::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// A metric of each of many: its name, its help, and how to read it.
pub type Figure<T> = (&'static str, &'static str, fn(&T) -> u64);

/// The labels of a sample, beside the bus.
pub type Labels = Vec<(&'static str, String)>;

#[derive(Clone, Debug)]
enum Value {
    Whole(u64),
    Real(f64),
    /// The sum, and of each bucket its end and its samples.
    Spread(f64, Vec<(f64, u64)>),
}

/// A metric with all its samples.
#[derive(Clone, Debug)]
pub struct Family {
    name: &'static str,
    help: &'static str,
    kind: MetricType,
    samples: Vec<(Labels, Value)>,
}

impl Family {
    /// Adds a sample.
    pub fn put(&mut self, labels: Labels, value: u64) {
        self.samples.push((labels, Value::Whole(value)));
    }

    /// Adds a sample that need not be whole.
    pub fn put_real(&mut self, labels: Labels, value: f64) {
        self.samples.push((labels, Value::Real(value)));
    }

    /// Adds a histogram of the segment. Two of its buckets make one here: each ends at twice the end of the one before, the first at 96 ns. Its sum is an
    /// estimate, since the segment keeps none: as if each sample lay in the middle of its bucket.
    pub fn put_histogram(&mut self, labels: Labels, counts: &Histogram) {
        let mut buckets: Vec<(f64, u64)> = Vec::with_capacity(counts.len() / 2);
        for (counts, ends) in counts.chunks(2).zip(BUCKET_ENDS_NS.chunks(2)) {
            let end = ends.last().copied().unwrap_or(u64::MAX);
            buckets.push((if end == u64::MAX { f64::INFINITY } else { seconds(end) }, counts.iter().sum()));
        }
        let middle = |at: usize| {
            let start = at.checked_sub(1).map_or(0, |before| BUCKET_ENDS_NS[before]);
            // The last bucket has no end, so no middle.
            let end = if at + 1 == counts.len() { start } else { BUCKET_ENDS_NS[at] };
            seconds(start / 2 + end / 2)
        };
        let sum = counts.iter().enumerate().map(|(at, count)| *count as f64 * middle(at)).sum();
        self.samples.push((labels, Value::Spread(sum, buckets)));
    }

    fn full_name(&self) -> String {
        let total = matches!(self.kind, MetricType::Counter);
        format!("{}{}", self.name, if total { "_total" } else { "" })
    }
}

fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

/// What one look found.
#[derive(Clone, Debug)]
pub struct Page {
    bus: String,
    families: Vec<Family>,
}

impl Page {
    /// A page without samples.
    pub fn new(bus: &str) -> Page {
        Page { bus: bus.to_owned(), families: Vec::new() }
    }

    /// A metric that goes up and down.
    pub fn gauge(&mut self, name: &'static str, help: &'static str) -> &mut Family {
        self.family(name, help, MetricType::Gauge)
    }

    /// A metric that only rises; its name gets `_total` at its end.
    pub fn counter(&mut self, name: &'static str, help: &'static str) -> &mut Family {
        self.family(name, help, MetricType::Counter)
    }

    /// A metric of times.
    pub fn histogram(&mut self, name: &'static str, help: &'static str) -> &mut Family {
        self.family(name, help, MetricType::Histogram)
    }

    fn family(&mut self, name: &'static str, help: &'static str, kind: MetricType) -> &mut Family {
        self.families.push(Family { name, help, kind, samples: Vec::new() });
        let last = self.families.len() - 1;
        &mut self.families[last]
    }

    /// As Prometheus reads it.
    pub fn to_text(&self, exposition: Exposition) -> Result<String, fmt::Error> {
        let mut registry = Registry::with_labels([("bus".into(), self.bus.clone().into())].into_iter());
        registry.register_collector(Box::new(Samples(self.families.clone())));
        let mut text = String::new();
        text::encode(&mut text, &registry)?;
        Ok(match exposition {
            Exposition::OpenMetrics => text,
            Exposition::Prometheus => self.in_plain_format(&text),
        })
    }

    /// The encoder writes OpenMetrics. The older format describes a counter under the name of its samples, and has no end mark.
    fn in_plain_format(&self, text: &str) -> String {
        let is_counter = |name: &str| {
            self.families.iter().any(|family| family.name == name && matches!(family.kind, MetricType::Counter))
        };
        let mut plain = String::with_capacity(text.len());
        for line in text.lines().filter(|line| *line != "# EOF") {
            let described = line.strip_prefix("# HELP ").or_else(|| line.strip_prefix("# TYPE "));
            match described.and_then(|rest| rest.split_once(' ')) {
                Some((name, rest)) if is_counter(name) => {
                    plain.push_str(&format!("{}{name}_total {rest}\n", &line[..7]));
                }
                _ => plain.extend([line, "\n"]),
            }
        }
        plain
    }

    /// As one object: the names of the metrics, and of each its samples.
    pub fn to_json(&self, unix_s: f64) -> Json {
        let families = self.families.iter().filter(|family| !family.samples.is_empty());
        let metrics: Map<String, Json> = families
            .map(|family| (family.full_name(), family.samples.iter().map(sample).collect::<Vec<_>>().into()))
            .collect();
        json!({ "time_unix_s": unix_s, "bus": self.bus, "metrics": metrics })
    }
}

fn sample((labels, value): &(Labels, Value)) -> Json {
    let mut object: Map<String, Json> =
        labels.iter().map(|(name, value)| ((*name).to_owned(), Json::from(value.as_str()))).collect();
    match value {
        Value::Whole(value) => drop(object.insert("value".into(), (*value).into())),
        Value::Real(value) => drop(object.insert("value".into(), (*value).into())),
        Value::Spread(sum, buckets) => {
            let count: u64 = buckets.iter().map(|(_, count)| count).sum();
            let full = buckets.iter().filter(|(_, count)| *count > 0);
            // The last bucket has no end: `null`.
            let ends: Vec<Json> = full.map(|(end, count)| json!([end.is_finite().then_some(end), count])).collect();
            object.extend([("count".into(), count.into()), ("sum".into(), (*sum).into())]);
            object.insert("buckets".into(), ends.into());
        }
    }
    object.into()
}

#[derive(Debug)]
struct Samples(Vec<Family>);

impl Collector for Samples {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        for family in self.0.iter().filter(|family| !family.samples.is_empty()) {
            // The encoder ends the sentence.
            let help = family.help.trim_end_matches('.');
            let mut encoder = encoder.encode_descriptor(family.name, help, None, family.kind)?;
            for (labels, value) in &family.samples {
                let labels: Vec<(&str, &str)> = labels.iter().map(|(name, value)| (*name, value.as_str())).collect();
                One(value, family.kind).encode(encoder.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

#[derive(Debug)]
struct One<'a>(&'a Value, MetricType);

impl EncodeMetric for One<'_> {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
        match (self.0, self.1) {
            (Value::Whole(value), MetricType::Counter) => encoder.encode_counter::<NoLabelSet, _, u64>(value, None),
            (Value::Real(value), MetricType::Counter) => encoder.encode_counter::<NoLabelSet, _, f64>(value, None),
            (Value::Whole(value), _) => encoder.encode_gauge(value),
            (Value::Real(value), _) => encoder.encode_gauge(value),
            (Value::Spread(sum, buckets), _) => {
                let count = buckets.iter().map(|(_, count)| count).sum();
                encoder.encode_histogram::<NoLabelSet>(*sum, count, buckets, None)
            }
        }
    }

    fn metric_type(&self) -> MetricType {
        self.1
    }
}
