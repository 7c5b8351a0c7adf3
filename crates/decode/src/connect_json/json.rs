//! A payload's value as JSON that says what it means: dates as ISO 8601 texts, decimals as digits.
//! For columns that take structs and lists as JSON knows them.
use super::program::{Scratch, base64_bytes};
use super::schema::{Field, Node};
use crate::error::{DecodeReason, ValueKind};
use crate::number::short_integer;
use crate::scanner::{JSON_DEPTH_MAX, Scanner};
use crate::typed::{Unscaled, append_json_text, decimal_text, moment_text};

/// Takes one value and appends it to `out`. `depth`: levels that it lies in.
pub(crate) fn append_meaning(
    node: &Node,
    scanner: &mut Scanner<'_>,
    scratch: &mut Scratch,
    out: &mut Vec<u8>,
    depth: usize,
) -> Result<(), DecodeReason> {
    if depth > JSON_DEPTH_MAX {
        return Err(DecodeReason::TooDeep);
    }
    match (node, scanner.kind()?) {
        (Node::Decimal { scale }, ValueKind::Text) => {
            let bytes = base64_bytes(scanner, scratch)?;
            let text = decimal_text(Unscaled::of(bytes), *scale);
            let text = text.ok_or(DecodeReason::Lossy { found: ValueKind::Logical })?;
            append_json_text(text.as_bytes(), out);
        }
        (Node::Moment(moment), ValueKind::Number) => {
            let number = scanner.number()?;
            match short_integer(number).and_then(|ticks| moment_text(ticks, *moment)) {
                Some(text) => append_json_text(text.as_bytes(), out),
                None => out.extend_from_slice(number),
            }
        }
        (Node::Array(items), ValueKind::Array) => {
            list(b"[]", scanner, out, |scanner, out| {
                append_meaning(items, scanner, scratch, out, depth + 1)
            })?;
        }
        (Node::Map(value), ValueKind::Object) => {
            list(b"{}", scanner, out, |scanner, out| {
                copy_name(scanner, out)?;
                append_meaning(value, scanner, scratch, out, depth + 1)
            })?;
        }
        (Node::Pairs { key, value }, ValueKind::Array) => {
            list(b"[]", scanner, out, |scanner, out| {
                let mut nodes = [key, value].into_iter();
                scanner.expect(b'[')?;
                list_open(b"[]", scanner, out, |scanner, out| match nodes.next() {
                    Some(node) => append_meaning(node, scanner, scratch, out, depth + 2),
                    None => Err(DecodeReason::WrongKind { found: ValueKind::Array }),
                })
            })?;
        }
        (Node::Struct(fields), ValueKind::Object) => {
            let mut place = 0;
            list(b"{}", scanner, out, |scanner, out| {
                let name = copy_name(scanner, out)?;
                // Fields come in the schema's order, nearly always.
                let expected = fields.get(place).filter(|field| field.name.as_bytes() == name);
                let field = expected.or_else(|| fields.iter().find(|field| field.name.as_bytes() == name));
                place += 1;
                match field {
                    Some(Field { node, default: Some(default), .. }) if scanner.peek() == b'n' => {
                        scanner.null()?;
                        append_meaning(node, &mut Scanner::new(default), scratch, out, depth + 1)
                    }
                    Some(field) => append_meaning(&field.node, scanner, scratch, out, depth + 1),
                    None => {
                        out.extend_from_slice(scanner.raw_value(depth + 1)?);
                        Ok(())
                    }
                }
            })?;
        }
        (Node::Entries { key, value }, ValueKind::Array) => {
            list(b"[]", scanner, out, |scanner, out| {
                list(b"{}", scanner, out, |scanner, out| match copy_name(scanner, out)? {
                    b"key" => append_meaning(key, scanner, scratch, out, depth + 2),
                    b"value" => append_meaning(value, scanner, scratch, out, depth + 2),
                    _ => {
                        out.extend_from_slice(scanner.raw_value(depth + 2)?);
                        Ok(())
                    }
                })
            })?;
        }
        (Node::Choice(branches), kind) => match branches.iter().find(|(of, _)| *of == kind) {
            Some((_, node)) => append_meaning(node, scanner, scratch, out, depth)?,
            None => out.extend_from_slice(scanner.raw_value(depth)?),
        },
        // As it is: plain, null, base64, or another kind than the schema says.
        _ => out.extend_from_slice(scanner.raw_value(depth)?),
    }
    Ok(())
}

/// Copies a name and its colon; answers the name as written.
fn copy_name<'a>(scanner: &mut Scanner<'a>, out: &mut Vec<u8>) -> Result<&'a [u8], DecodeReason> {
    let name = scanner.text()?;
    scanner.expect(b':')?;
    out.push(b'"');
    out.extend_from_slice(name.raw);
    out.extend_from_slice(b"\":");
    Ok(name.raw)
}

fn list<'a>(
    brackets: &[u8; 2],
    scanner: &mut Scanner<'a>,
    out: &mut Vec<u8>,
    one: impl FnMut(&mut Scanner<'a>, &mut Vec<u8>) -> Result<(), DecodeReason>,
) -> Result<(), DecodeReason> {
    scanner.expect(brackets[0])?;
    list_open(brackets, scanner, out, one)
}

/// [`list`] behind its opening bracket.
fn list_open<'a>(
    [open, close]: &[u8; 2],
    scanner: &mut Scanner<'a>,
    out: &mut Vec<u8>,
    mut one: impl FnMut(&mut Scanner<'a>, &mut Vec<u8>) -> Result<(), DecodeReason>,
) -> Result<(), DecodeReason> {
    out.push(*open);
    if !scanner.empty(*close) {
        loop {
            one(scanner, out)?;
            if !scanner.another(*close)? {
                break;
            }
            out.push(b',');
        }
    }
    out.push(*close);
    Ok(())
}
