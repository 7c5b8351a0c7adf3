//! Dead letters that are taken again: which records of a dead letter topic they are, and the record that
//! each stands for, so that its row has the place of that record and not of the letter. What is not a
//! letter of these is passed over as if the topic did not have it: the same for every reader, since only the
//! letter's headers and this text decide (R13).
use pumphouse_columns::Segment;
use pumphouse_decode::{DecodeError, DecodeReason, Decoder, HeadersRef, RecordRef, TakeHeader, Undecoded};
use pumphouse_kafka::{BadRecord, LetterOf, LetterOrigin, RecordView, is_bare, letter_of, record_headers};
use pumphouse_types::{TopicId, TopicName};
use serde::{Deserialize, Serialize};

/// Whose letters are taken again, and about which topic. Part of a recorded configuration version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replayed {
    /// The connector that wrote them.
    pub connector: String,
    /// The topic that their records come from.
    #[serde(with = "topic_text")]
    pub topic: TopicName,
    /// Its identity: letters about an earlier topic of the same name would take the places of its records.
    #[serde(with = "topic_id_text")]
    pub topic_id: TopicId,
}

impl Replayed {
    /// What decides which letters become rows, for the version.
    pub(super) fn text(&self) -> String {
        format!("replayed {:?} {:?} {}\n", self.connector, self.topic.as_str(), self.topic_id)
    }

    /// The record that a letter stands for; `None`: it is none of ours.
    pub(crate) fn origin<'r>(&self, record: &RecordView<'r>) -> Option<LetterOrigin<'r>> {
        match letter_of(&self.connector, record.headers()) {
            LetterOf::Ours(origin) if origin.topic.is(&self.topic, self.topic_id) => Some(origin),
            LetterOf::Ours(_) | LetterOf::Another | LetterOf::Nameless => None,
        }
    }

    /// Appends the row of a letter's record to `segment`. `None`: the letter is none of ours. Errors: as of
    /// the decoder; the segment is then as it was before.
    pub(super) fn decode(
        &self,
        decoder: &mut Decoder,
        segment: &mut Segment,
        letter: &RecordView<'_>,
    ) -> Option<Result<(), Undecoded>> {
        let origin = self.origin(letter)?;
        if is_bare(letter.headers()) {
            // Without what the record held: that is not the same as a value that is null.
            let reason = DecodeReason::NotAnObject { found: None };
            return Some(Err(DecodeError { column: None, reason }.into()));
        }
        let headers = |take: &mut TakeHeader<'_>| {
            record_headers(&self.connector, &self.topic, &origin, letter.headers())
                .for_each(|(name, value)| take(name, value));
        };
        let row = RecordRef {
            topic: self.topic.as_str(),
            partition: origin.partition.0,
            offset: origin.offset.get(),
            timestamp_ms: letter.timestamp_ms(),
            key: letter.key(),
            headers: HeadersRef::new(&headers),
            value: letter.value(),
        };
        Some(decoder.decode(segment, row))
    }

    /// The letter's record, for the next letter about it.
    pub(super) fn bad_record(&self, letter: &RecordView<'_>) -> Option<BadRecord> {
        let origin = self.origin(letter)?;
        Some(BadRecord::of_letter(&self.connector, &self.topic, self.topic_id, &origin, letter))
    }
}

mod topic_text {
    use super::TopicName;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(topic: &TopicName, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(topic.as_str())
    }

    pub(super) fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<TopicName, D::Error> {
        String::deserialize(from).map(|text| TopicName::new(&text))
    }
}

mod topic_id_text {
    use super::TopicId;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(id: &TopicId, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(id)
    }

    pub(super) fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<TopicId, D::Error> {
        String::deserialize(from)?.parse().map_err(|_| D::Error::custom("not a topic's identity"))
    }
}
