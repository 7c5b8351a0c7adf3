//! Passes over values that no column takes.
use super::reader::{AVRO_DEPTH_MAX, Reader};
use super::schema::{Node, NodeId, Schema};
use crate::error::DecodeReason;

/// `depth`: levels that the value lies in.
pub(super) fn skip(
    schema: &Schema,
    node: NodeId,
    reader: &mut Reader<'_>,
    depth: usize,
) -> Result<(), DecodeReason> {
    if depth > AVRO_DEPTH_MAX {
        return Err(DecodeReason::TooDeep);
    }
    match schema.node(node) {
        Node::Null => Ok(()),
        Node::Boolean => reader.boolean().map(drop),
        Node::Int(_) | Node::Long(_) | Node::Enum { .. } => reader.long().map(drop),
        Node::Float => reader.take(4).map(drop),
        Node::Double => reader.take(8).map(drop),
        Node::Bytes(_) | Node::BigDecimal | Node::String => reader.bytes().map(drop),
        Node::Fixed { size, .. } => reader.take(*size).map(drop),
        Node::Union(branches) => {
            let branch = branches[reader.index(branches.len())?];
            skip(schema, branch, reader, depth + 1)
        }
        Node::Record { fields, .. } => {
            reader.claim(1 + fields.len())?;
            fields.iter().try_for_each(|field| skip(schema, field.node, reader, depth + 1))
        }
        Node::Array(inner) => skip_blocks(reader, |reader| skip(schema, *inner, reader, depth + 1)),
        Node::Map(inner) => skip_blocks(reader, |reader| {
            reader.bytes()?;
            skip(schema, *inner, reader, depth + 1)
        }),
    }
}

fn skip_blocks<'a>(
    reader: &mut Reader<'a>,
    mut one: impl FnMut(&mut Reader<'a>) -> Result<(), DecodeReason>,
) -> Result<(), DecodeReason> {
    loop {
        match reader.block()? {
            (0, _) => return Ok(()),
            (_, Some(bytes)) => reader.take(bytes).map(drop)?,
            (count, None) => {
                reader.claim(count)?;
                for _ in 0..count {
                    one(reader)?;
                }
            }
        }
    }
}
