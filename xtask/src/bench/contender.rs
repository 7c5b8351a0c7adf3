//! Who is measured.

use anyhow::Result;
use clap::ValueEnum;
use serde::Serialize;

use super::figures::Figures;
use super::stage::Stage;
use super::{Options, kafka_engine, limits, pumphouse};

/// A way from the topic into a table, or a part of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Contender {
    /// The worker, exactly-once.
    Pumphouse,
    /// The worker with `exactlyOnce=false`: what the ledger costs.
    AtLeastOnce,
    /// ClickHouse's Kafka engine with a materialized view, default settings.
    EngineDefault,
    /// The same with the settings that made it fastest.
    EngineTuned,
    /// Only consuming, with the worker's own consumer.
    Consume,
    /// Only inserting, finished blocks, one after the other, as the worker's one task does.
    Insert,
    /// Only inserting, two at a time.
    InsertTwo,
}

impl Contender {
    /// In the order of the report.
    pub const ALL: [Contender; 7] = [
        Contender::Pumphouse,
        Contender::AtLeastOnce,
        Contender::EngineDefault,
        Contender::EngineTuned,
        Contender::Consume,
        Contender::Insert,
        Contender::InsertTwo,
    ];

    /// As the report names it.
    pub fn title(self) -> &'static str {
        match self {
            Contender::Pumphouse => "Pumphouse, exactly-once",
            Contender::AtLeastOnce => "Pumphouse, at least once",
            Contender::EngineDefault => "Kafka engine, default settings",
            Contender::EngineTuned => "Kafka engine, tuned",
            Contender::Consume => "limit: consuming only",
            Contender::Insert => "limit: inserting finished blocks, one at a time",
            Contender::InsertTwo => "limit: inserting finished blocks, two at a time",
        }
    }

    /// As `--only` takes it.
    pub fn option(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// Measures it once.
    pub fn measure(self, stage: &Stage, options: &Options) -> Result<Figures> {
        match self {
            Contender::Pumphouse | Contender::AtLeastOnce => pumphouse::measure(stage, self, options),
            Contender::EngineDefault => kafka_engine::measure(stage, self, &[]),
            Contender::EngineTuned => {
                kafka_engine::measure(stage, self, &kafka_engine::tuned(&options.engine_settings))
            }
            Contender::Consume => limits::consume(stage),
            Contender::Insert => limits::insert(stage, self, 1),
            Contender::InsertTwo => limits::insert(stage, self, 2),
        }
    }
}
