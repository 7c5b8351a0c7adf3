//! Names and identities of topics and their partitions.
use std::fmt;
use std::sync::Arc;

/// A topic's name; cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicName(Arc<str>);

impl TopicName {
    /// Takes any name; the broker is the judge of which are legal.
    pub fn new(name: &str) -> TopicName {
        TopicName(name.into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A partition's number within its topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition(pub u32);

impl Partition {
    /// `None` for the negative numbers that mean "any" to a client.
    pub fn from_protocol(number: i32) -> Option<Partition> {
        u32::try_from(number).ok().map(Partition)
    }

    /// The number as Kafka's protocol carries it.
    pub fn to_protocol(self) -> i32 {
        i32::try_from(self.0).expect("partitions come from the protocol's i32")
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A topic partition, written `topic-partition` as Kafka's tools do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic.
    pub topic: TopicName,
    /// The partition in it.
    pub partition: Partition,
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

/// The identity that a broker gives a topic when it is created (KIP-516); a re-created topic of the
/// same name has another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicId(pub u128);

impl fmt::Display for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl std::str::FromStr for TopicId {
    type Err = crate::ParseIdError;
    fn from_str(text: &str) -> Result<TopicId, crate::ParseIdError> {
        text.parse::<crate::BatchId>().map(|id| TopicId(id.0))
    }
}
