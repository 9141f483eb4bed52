//! A survey: which metrics some files hold, before anything says which of them to read.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Cursor};

use bytes::Bytes;
use flate2::bufread::MultiGzDecoder;

use super::levels::Measure;
use super::metric_data::{self, Document, Query};
use super::metric_stream;
use super::objects::{self, Piece};

/// The namespaces of AWS that are always read.
pub const NATIVE: [&str; 2] = ["AWS/Bedrock", "AWS/BedrockMantle"];

/// The names of dimensions under which metrics are published together.
pub type Dimensions = BTreeSet<String>;

/// What was seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Survey {
    /// By namespace and level: the distinct series, as the values of their dimensions.
    levels: BTreeMap<String, BTreeMap<Dimensions, BTreeSet<Vec<String>>>>,
}

impl Survey {
    /// Looks at a file's bytes. What is not metrics is passed over.
    pub fn add(&mut self, bytes: &Bytes) {
        let packed = bytes.starts_with(&[0x1f, 0x8b]);
        let reader = Cursor::new(bytes.clone());
        if packed { self.scan(BufReader::new(MultiGzDecoder::new(reader))) } else { self.scan(reader) }
    }

    fn scan(&mut self, reader: impl BufRead) {
        // A file that is cut or damaged shows what stands before that; the rest is for the reader to judge.
        let _end = objects::scan(reader, &mut |piece: Piece<'_>| {
            if let Piece::Object { bytes, .. } = piece {
                self.object(bytes);
            }
        });
    }

    fn object(&mut self, bytes: &[u8]) {
        if let Ok(record) = metric_stream::parse(bytes) {
            return self.metric(&record.namespace, &record.metric_name, &record.dimensions);
        }
        match metric_data::parse(bytes) {
            Ok(Document::Request(request, _)) => {
                request.queries.values().flatten().for_each(|query| self.query(query));
            }
            Ok(Document::Query(_, Ok(query))) => self.query(&query),
            _ => {}
        }
    }

    fn query(&mut self, query: &Query) {
        self.metric(&query.namespace, &query.metric, &query.dimensions);
    }

    fn metric(&mut self, namespace: &str, metric: &str, dimensions: &BTreeMap<String, String>) {
        let is_native = NATIVE.contains(&namespace);
        // Other services' metrics may share a stream; those of people count tokens or calls.
        if !is_native && (namespace.starts_with("AWS/") || Measure::of_custom(metric).is_none()) {
            return;
        }
        let levels = self.levels.entry(namespace.to_string()).or_default();
        let series = levels.entry(dimensions.keys().cloned().collect()).or_default();
        series.insert(dimensions.values().cloned().collect());
    }

    /// Whether nothing was seen that could be read.
    pub fn is_empty(&self) -> bool {
        self.levels.is_empty()
    }

    /// Whether metrics of AWS's own were seen.
    pub fn has_native(&self) -> bool {
        NATIVE.iter().any(|namespace| self.levels.contains_key(*namespace))
    }

    /// Namespaces of people's own, each with its levels and how many series they have.
    pub fn custom(&self) -> Vec<(&str, Vec<(&Dimensions, usize)>)> {
        let custom = self.levels.iter().filter(|(namespace, _)| !NATIVE.contains(&namespace.as_str()));
        custom
            .map(|(namespace, levels)| {
                let levels = levels.iter().map(|(dimensions, series)| (dimensions, series.len()));
                (namespace.as_str(), levels.collect())
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_and_levels_are_found_in_streams_and_in_requests() {
        let record = |namespace: &str, metric: &str, dimensions: &str| {
            format!(
                r#"{{"account_id":"1","region":"r","namespace":"{namespace}","metric_name":"{metric}","dimensions":{dimensions},"timestamp":1,"value":{{"sum":1.0}}}}"#
            )
        };
        let text = [
            record("AWS/Bedrock", "Invocations", r#"{"ModelId":"a"}"#),
            record("AWS/EC2", "CPUUtilization", r#"{"InstanceId":"a"}"#),
            record("Acme/GenAI", "InputTokens", r#"{"Workload":"w"}"#),
            record("Acme/GenAI", "InputTokens", r#"{"Workload":"v"}"#),
            record("Acme/Other", "Temperature", "{}"),
        ]
        .join("\n");
        let mut survey = Survey::default();
        survey.add(&Bytes::from(text));
        let request = r#"{"MetricDataQueries":[{"Id":"a","MetricStat":{"Metric":{"Namespace":"Acme/GenAI",
            "MetricName":"OutputTokens","Dimensions":[{"Name":"Workload","Value":"w"},{"Name":"Team","Value":"t"}]},
            "Period":300,"Stat":"Sum"}}]}"#;
        survey.add(&Bytes::from(request));
        assert!(survey.has_native());
        let custom = survey.custom();
        assert_eq!(custom.len(), 1);
        let counts: Vec<(usize, usize)> = custom[0].1.iter().map(|(names, series)| (names.len(), *series)).collect();
        assert_eq!((custom[0].0, counts), ("Acme/GenAI", vec![(2, 1), (1, 2)]));
    }

    #[test]
    fn what_is_not_metrics_is_nothing() {
        let mut survey = Survey::default();
        for text in ["", "{", "[1, 2]", r#"{"a": 1}"#, "\u{1f}\u{8b}broken"] {
            survey.add(&Bytes::from(text));
        }
        assert!(survey.is_empty());
    }
}
