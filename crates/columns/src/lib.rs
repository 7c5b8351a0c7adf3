//! ClickHouse types, column builders, the Native block and its compressed frames.
//!
//! Values of one table are pushed into [`Column`]s; the columns of one topic partition form a
//! [`Segment`]; [`encode_block`] makes one Native block of several segments, and [`put_frames`]
//! turns its bytes into the frames that travel. No socket, clock or thread.
#![forbid(unsafe_code)]

mod data_type;
mod data_type_parse;
mod geo;
mod quote;
mod recent_texts;

mod choices;
mod column;
mod dictionary;
mod dynamic;
mod low;
mod nested;
mod text;
mod tuple;
mod variant;

mod block;
mod frame;
mod frame_buffers;
mod packed;
mod segment;
mod select;
mod stream;

pub use block::{EncodeError, Part, encode_block, frame_block};
pub use column::{Column, UnsupportedType, Wide};
pub use data_type::{DataType, EnumValues, JsonType, TupleMember};
pub use data_type_parse::{TYPE_DEPTH_MAX, TypeError};
pub use dynamic::{DYNAMIC_TYPES_MAX, DynamicColumn};
pub use frame::{Compression, FRAME_RAW_BYTES_MAX, FrameWriter, put_frames};
pub use frame_buffers::FrameBuffers;
pub use geo::Geo;
pub use low::LowColumn;
pub use nested::{ArrayColumn, GivenValues, MapColumn, NullableColumn};
pub use packed::{Packed, Packer};
pub use quote::{quote_identifier, quote_string};
pub use segment::Segment;
pub use text::{FixedColumn, TextColumn};
pub use tuple::TupleColumn;
pub use variant::{VARIANT_MEMBERS_MAX, VariantColumn};
