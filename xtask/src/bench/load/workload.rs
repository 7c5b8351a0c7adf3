//! The workloads: how records look, how they are written, and how they are spread.

use std::iter::Iterator;

use anyhow::{Result, bail};
use clap::ValueEnum;
use pumphouse_testkit::filling::FillRecord;
use serde::Serialize;

use super::encode::Encoder;
use super::{narrow, shape};

/// How a record looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// Twelve columns, some 240 bytes as JSON with its key: the testkit's events.
    Narrow,
    /// A hundred columns, some 1.9 kB as JSON.
    Wide,
    /// Six columns of which one is a long text: 1.6 kB.
    Large,
    /// Three columns, 40 bytes.
    Tiny,
}

/// How a record is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// `JsonConverter` without schemas.
    Json,
    /// Confluent's wire format, with a schema registry.
    Avro,
    /// The same.
    Protobuf,
}

impl Format {
    /// `value.converter`.
    pub fn converter(self) -> &'static str {
        match self {
            Format::Json => "org.apache.kafka.connect.json.JsonConverter",
            Format::Avro => "io.confluent.connect.avro.AvroConverter",
            Format::Protobuf => "io.confluent.connect.protobuf.ProtobufConverter",
        }
    }
}

/// Records, topics and tasks of one measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Workload {
    /// As `--workloads` takes it.
    pub name: &'static str,
    /// How its records look.
    pub shape: Shape,
    /// How they are written.
    pub format: Format,
    /// All its records, over all topics.
    pub records: u64,
    /// Partitions of each topic.
    pub partitions: u32,
    /// Topics; each goes to a table of its own.
    pub topics: u32,
    /// `tasks.max`.
    pub tasks: u32,
    /// Into ReplicatedMergeTree tables.
    pub replicated: bool,
}

/// The bounded set of `--matrix`; the first is what the others are compared with. `records` are per mille of
/// `--records`: larger records are fewer, so that each takes some seconds.
pub const MATRIX: [Workload; 13] = {
    let base = Workload {
        name: "json",
        shape: Shape::Narrow,
        format: Format::Json,
        records: 1_000,
        partitions: 4,
        topics: 1,
        tasks: 1,
        replicated: false,
    };
    [
        base,
        Workload { name: "avro", format: Format::Avro, ..base },
        Workload { name: "protobuf", format: Format::Protobuf, ..base },
        Workload { name: "wide", shape: Shape::Wide, records: 150, ..base },
        Workload { name: "large", shape: Shape::Large, records: 300, ..base },
        Workload { name: "tiny", shape: Shape::Tiny, records: 1_500, ..base },
        Workload { name: "partitions-1", partitions: 1, ..base },
        Workload { name: "partitions-64", partitions: 64, ..base },
        Workload { name: "partitions-256", partitions: 256, tasks: 2, ..base },
        Workload { name: "topics-20", topics: 20, ..base },
        Workload { name: "tasks-2", tasks: 2, ..base },
        Workload { name: "replicated", replicated: true, ..base },
        Workload { name: "wide-64", shape: Shape::Wide, records: 150, partitions: 64, ..base },
    ]
};

impl Workload {
    /// The same with `records` in place of its share, rounded down so that every partition of every topic
    /// holds the same number.
    /// Errors: not one record per partition.
    pub fn with_records(self, records: u64) -> Result<Workload> {
        let places = u64::from(self.partitions) * u64::from(self.topics);
        if places == 0 || records < places {
            bail!("{}: at least one record per partition is needed", self.name);
        }
        Ok(Workload { records: records - records % places, ..self })
    }

    /// One of [`MATRIX`] at this size.
    pub fn scaled(self, records: u64) -> Result<Workload> {
        let places = u64::from(self.partitions) * u64::from(self.topics);
        self.with_records((records * self.records / 1_000).max(places))
    }

    /// What is behind the name.
    pub fn title(&self) -> String {
        let shape = match self.shape {
            Shape::Narrow => "12 columns",
            Shape::Wide => "100 columns",
            Shape::Large => "1.6 kB messages",
            Shape::Tiny => "40-byte messages",
        };
        let format = match self.format {
            Format::Json => "JSON",
            Format::Avro => "Avro",
            Format::Protobuf => "Protobuf",
        };
        let many = |count: u32, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
        let mut title = format!("{format}, {shape}, {}", many(self.partitions, "partition"));
        if self.topics > 1 {
            title += &format!(" each of {}", many(self.topics, "topic"));
        }
        if self.tasks > 1 {
            title += &format!(", {}", many(self.tasks, "task"));
        }
        if self.replicated {
            title += ", ReplicatedMergeTree";
        }
        title
    }

    /// Records of each topic.
    pub fn records_per_topic(&self) -> u64 {
        self.records / u64::from(self.topics)
    }

    /// The number of a topic's first record: a topic holds a stretch of numbers.
    pub fn first_of(&self, topic: u32) -> u64 {
        u64::from(topic) * self.records_per_topic()
    }

    /// The records of one topic in their order: number `first_of(topic) + n` is in partition n modulo
    /// `partitions`, at offset n / `partitions`.
    pub fn records_of(&self, topic: u32, encoder: Encoder) -> Box<dyn Iterator<Item = FillRecord>> {
        let (first, count, partitions) =
            (self.first_of(topic), self.records_per_topic(), u64::from(self.partitions));
        let place = move |id: u64| ((id - first) % partitions) as i32;
        match self.shape {
            Shape::Narrow => Box::new(
                narrow::records(first, count, encoder)
                    .map(move |(id, record)| FillRecord { partition: place(id), ..record }),
            ),
            shape => {
                let columns = shape::columns(shape);
                Box::new((first..first + count).map(move |id| {
                    let row = shape::row(shape, id);
                    FillRecord {
                        partition: place(id),
                        key: None,
                        value: Some(encoder.encode(&columns, &row)),
                    }
                }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::load::avro_schema;

    fn bytes_each(shape: Shape) -> usize {
        let workload = Workload { shape, ..MATRIX[0] }.with_records(400).unwrap();
        let records = workload.records_of(0, Encoder::json());
        records.map(|record| record.value.unwrap().len()).sum::<usize>() / 400
    }

    #[test]
    fn records_have_the_sizes_that_their_names_promise() {
        assert!((36..=42).contains(&bytes_each(Shape::Tiny)), "{}", bytes_each(Shape::Tiny));
        assert!((1_500..=1_700).contains(&bytes_each(Shape::Large)), "{}", bytes_each(Shape::Large));
        assert!((165..=250).contains(&bytes_each(Shape::Narrow)), "{}", bytes_each(Shape::Narrow));
        assert_eq!(shape::columns(Shape::Wide).len(), 100);
    }

    #[test]
    fn every_partition_of_every_topic_holds_the_same_number() {
        let workload = Workload { topics: 3, partitions: 4, ..MATRIX[0] }.with_records(125).unwrap();
        assert_eq!(workload.records, 120);
        let mut ids = Vec::new();
        for topic in 0..3 {
            let mut held = [0; 4];
            for record in workload.records_of(topic, Encoder::json()) {
                held[record.partition as usize] += 1;
                let json: serde_json::Value = serde_json::from_slice(&record.value.unwrap()).unwrap();
                ids.push(json["id"].as_u64().unwrap());
            }
            assert_eq!(held, [10; 4]);
        }
        assert_eq!(ids, (0..120).collect::<Vec<_>>());
        assert!(workload.with_records(11).is_err());
    }

    #[test]
    fn names_differ_and_the_smallest_run_has_a_record_everywhere() {
        let names: std::collections::BTreeSet<_> = MATRIX.iter().map(|workload| workload.name).collect();
        assert_eq!(names.len(), MATRIX.len());
        for workload in MATRIX {
            let scaled = workload.scaled(10).unwrap();
            assert!(scaled.records_per_topic() >= u64::from(scaled.partitions));
        }
    }

    #[test]
    fn json_is_json_and_schemas_are_json_too() {
        for shape in [Shape::Wide, Shape::Large, Shape::Tiny] {
            let columns = shape::columns(shape);
            let text = Encoder::json().encode(&columns, &shape::row(shape, 7));
            let json: serde_json::Value = serde_json::from_slice(&text).unwrap();
            assert_eq!(json.as_object().unwrap().len(), columns.len());
            serde_json::from_str::<serde_json::Value>(&avro_schema(&columns)).unwrap();
        }
    }
}
