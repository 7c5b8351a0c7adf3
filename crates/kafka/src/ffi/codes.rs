//! Kafka's and librdkafka's error numbers that this crate tells apart. Plain numbers on purpose:
//! librdkafka passes on the codes of newer brokers, and a number that the generated `enum` does not
//! list would be undefined behaviour there.

/// Nothing went wrong.
pub(crate) const NONE: i32 = 0;

/// Local: a handle is being destroyed.
pub(crate) const DESTROY: i32 = -197;
/// Local: connection lost.
pub(crate) const TRANSPORT: i32 = -195;
/// Local: no broker can be reached.
pub(crate) const ALL_BROKERS_DOWN: i32 = -187;
/// Local: time is over.
pub(crate) const TIMED_OUT: i32 = -185;
/// Local: no such topic.
pub(crate) const UNKNOWN_TOPIC: i32 = -188;
/// Local: no such partition.
pub(crate) const UNKNOWN_PARTITION: i32 = -190;
/// Local: TLS could not be set up.
pub(crate) const SSL: i32 = -181;
/// Local: no coordinator yet.
pub(crate) const WAIT_COORD: i32 = -180;
/// Local: rebalance, assign.
pub(crate) const ASSIGN_PARTITIONS: i32 = -175;
/// Local: rebalance, revoke.
pub(crate) const REVOKE_PARTITIONS: i32 = -174;
/// Local: credentials were refused.
pub(crate) const AUTHENTICATION: i32 = -169;
/// Local: no offset stands for this partition.
pub(crate) const NO_OFFSET: i32 = -168;
/// Local: timed out while the request was queued.
pub(crate) const TIMED_OUT_QUEUE: i32 = -166;
/// Local: the handle is broken for good.
pub(crate) const FATAL: i32 = -150;
/// Local: a queued record was given up with its transaction.
const PURGE_QUEUE: i32 = -152;
/// Local: a record on its way was given up with its transaction.
const PURGE_INFLIGHT: i32 = -151;
/// Local: max.poll.interval.ms exceeded.
pub(crate) const MAX_POLL_EXCEEDED: i32 = -147;
/// Local: another producer uses the transactional id.
pub(crate) const PRODUCER_FENCED: i32 = -144;
/// Local: no offset, and auto.offset.reset=error.
pub(crate) const AUTO_OFFSET_RESET: i32 = -140;
/// Local: a record could not be decompressed or read.
pub(crate) const BAD_MSG: i32 = -199;
/// Local: as above.
pub(crate) const BAD_COMPRESSION: i32 = -198;

/// Broker: the offset is not in the log.
pub(crate) const OFFSET_OUT_OF_RANGE: i32 = 1;
/// Broker: checksum.
pub(crate) const CORRUPT_MESSAGE: i32 = 2;
/// Broker: no such topic or partition.
pub(crate) const UNKNOWN_TOPIC_OR_PART: i32 = 3;
/// Broker: record or batch above `max.message.bytes`.
pub(crate) const MSG_SIZE_TOO_LARGE: i32 = 10;
/// Broker: metadata above `offset.metadata.max.bytes`.
pub(crate) const OFFSET_METADATA_TOO_LARGE: i32 = 12;
/// Broker: coordinator is loading.
pub(crate) const COORDINATOR_LOAD_IN_PROGRESS: i32 = 14;
/// Broker: no coordinator.
pub(crate) const COORDINATOR_NOT_AVAILABLE: i32 = 15;
/// Broker: ask another one.
pub(crate) const NOT_COORDINATOR: i32 = 16;
/// Broker: batch larger than a segment.
pub(crate) const RECORD_LIST_TOO_LARGE: i32 = 18;
/// Broker: the member's generation is not the group's.
pub(crate) const ILLEGAL_GENERATION: i32 = 22;
/// Broker: the group does not know the member.
pub(crate) const UNKNOWN_MEMBER_ID: i32 = 25;
/// Broker: a rebalance runs.
pub(crate) const REBALANCE_IN_PROGRESS: i32 = 27;
/// Broker: the offset commit is larger than the broker takes.
pub(crate) const INVALID_COMMIT_OFFSET_SIZE: i32 = 28;
/// Broker: no right on the topic.
pub(crate) const TOPIC_AUTHORIZATION_FAILED: i32 = 29;
/// Broker: no right on the group.
pub(crate) const GROUP_AUTHORIZATION_FAILED: i32 = 30;
/// Broker: no right on the cluster.
pub(crate) const CLUSTER_AUTHORIZATION_FAILED: i32 = 31;
/// Broker: the topic is there already.
pub(crate) const TOPIC_ALREADY_EXISTS: i32 = 36;
/// Broker: the producer's epoch is an old one.
pub(crate) const INVALID_PRODUCER_EPOCH: i32 = 47;
/// Broker: the previous transaction is still being ended.
pub(crate) const CONCURRENT_TRANSACTIONS: i32 = 51;
/// Broker: no right on the transactional id.
pub(crate) const TRANSACTIONAL_ID_AUTHORIZATION_FAILED: i32 = 53;
/// Broker: SASL refused.
pub(crate) const SASL_AUTHENTICATION_FAILED: i32 = 58;
/// Broker: another process took over the static member.
pub(crate) const FENCED_INSTANCE_ID: i32 = 82;
/// librdkafka: no broker has the request.
pub(crate) const UNSUPPORTED_FEATURE: i32 = -165;
/// Broker: it does not have the request, or not this version of it.
pub(crate) const UNSUPPORTED_VERSION: i32 = 35;
/// Broker: a transaction is open on the offset.
pub(crate) const UNSTABLE_OFFSET_COMMIT: i32 = 88;
/// Broker: another producer uses the transactional id.
pub(crate) const BROKER_PRODUCER_FENCED: i32 = 90;
/// Broker: no topic has this id.
pub(crate) const UNKNOWN_TOPIC_ID: i32 = 100;
/// Broker (KIP-848): the member was fenced.
pub(crate) const FENCED_MEMBER_EPOCH: i32 = 110;
/// Broker (KIP-848): the static member has not been given up.
pub(crate) const UNRELEASED_INSTANCE_ID: i32 = 111;
/// Broker (KIP-848): the member's epoch is an old one.
pub(crate) const STALE_MEMBER_EPOCH: i32 = 113;

/// Whether a record was given up with its transaction, which is no reason of its own.
pub(crate) fn is_purge(code: i32) -> bool {
    matches!(code, PURGE_QUEUE | PURGE_INFLIGHT)
}
