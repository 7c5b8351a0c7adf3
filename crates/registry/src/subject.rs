//! The subject that a topic's values are registered under.
//!
//! A schema's number alone says which schema is meant; the subject only tells a registry with several
//! contexts which of them the number belongs to.

/// `value.subject.name.strategy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SubjectNames {
    /// `TopicNameStrategy`: `<topic>-value`.
    #[default]
    Topic,
    /// `RecordNameStrategy`: the record type's full name.
    Record,
    /// `TopicRecordNameStrategy`: `<topic>-<full name>`.
    TopicRecord,
}

impl SubjectNames {
    /// By the class that a configuration names, with or without its package. `None`: not one of
    /// Confluent's three.
    pub fn from_class(class: &str) -> Option<SubjectNames> {
        let package = "io.confluent.kafka.serializers.subject.";
        Some(match class.strip_prefix(package).unwrap_or(class) {
            "TopicNameStrategy" => SubjectNames::Topic,
            "RecordNameStrategy" => SubjectNames::Record,
            "TopicRecordNameStrategy" => SubjectNames::TopicRecord,
            _ => return None,
        })
    }

    /// What is known of the subject before the schema is. The other two need the record's type,
    /// which only the schema tells: a reader asks without subject then.
    pub fn before_schema(self, topic: &str) -> Option<String> {
        match self {
            SubjectNames::Topic => Some(format!("{topic}-value")),
            SubjectNames::Record | SubjectNames::TopicRecord => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_known_with_and_without_their_package() {
        let full = "io.confluent.kafka.serializers.subject.RecordNameStrategy";
        assert_eq!(SubjectNames::from_class(full), Some(SubjectNames::Record));
        assert_eq!(SubjectNames::from_class("TopicNameStrategy"), Some(SubjectNames::Topic));
        assert_eq!(SubjectNames::from_class("com.example.Own"), None);
        assert_eq!(SubjectNames::Topic.before_schema("t").as_deref(), Some("t-value"));
    }
}
