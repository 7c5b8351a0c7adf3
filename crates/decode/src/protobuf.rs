//! Protobuf: the `.proto` text of a schema becomes a table of messages once; records are read with our
//! own wire reader straight into columns.
//!
//! Fields may come in any order and more than once, and lists in pieces, so a message's fields are
//! first noted (number, place, length) and then taken in the schema's order: the last of a field that
//! comes twice counts, lists are joined, parts of a message are merged, as the specification asks.
//! Messages of plain fields, lists of them and instants, in the schema's order, as serializers write them, are not
//! noted first.
//!
//! Names are those of the `.proto` file. Members of a oneof are fields like others. A field that is
//! absent is null where the schema can tell (`optional`, oneof, messages, proto2), else its zero.
mod decoder;
mod in_order;
mod json;
mod known;
mod number;
mod program;
mod schema;
mod times;
mod usual_list;
mod wire;

pub use decoder::ProtobufDecoder;
