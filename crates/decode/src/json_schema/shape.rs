//! What values a schema allows, by the kind of JSON that they are. Branches of one schema are put
//! together here: a value belongs to the branch of its kind.
use crate::connect_json::{Field, Node};
use crate::error::ValueKind;
use crate::schema_error::SchemaFault;

/// Empty: the schema says nothing.
#[derive(Debug, Clone, Default)]
pub(super) struct Shape {
    /// Every kind once. Objects with fields are `Node::Struct`, however plain.
    kinds: Vec<(ValueKind, Node)>,
}

impl Shape {
    pub(super) fn of(kind: ValueKind, node: Node) -> Shape {
        Shape { kinds: vec![(kind, node)] }
    }

    pub(super) fn says_nothing(&self) -> bool {
        self.kinds.is_empty()
    }

    /// What objects become. `None`: the values are no objects.
    pub(super) fn object(&self) -> Option<&Node> {
        self.kinds.iter().find(|(kind, _)| *kind == ValueKind::Object).map(|(_, node)| node)
    }

    /// Adds what another branch allows. Errors: values of one kind mean two things.
    pub(super) fn add(&mut self, other: Shape) -> Result<(), SchemaFault> {
        for (kind, node) in other.kinds {
            match self.kinds.iter_mut().find(|(known, _)| *known == kind) {
                None => self.kinds.push((kind, node)),
                Some((_, known)) => merge(kind, known, node)?,
            }
        }
        Ok(())
    }

    /// Without what needs no schema.
    pub(super) fn node(self) -> Node {
        let mut meant: Vec<_> = self
            .kinds
            .into_iter()
            .map(|(kind, node)| match node {
                Node::Struct(fields) if fields.iter().all(|field| field.node == Node::Plain) => {
                    (kind, Node::Plain)
                }
                node => (kind, node),
            })
            .collect();
        if meant.iter().all(|(_, node)| *node == Node::Plain) {
            return Node::Plain;
        }
        match meant.len() {
            1 => meant.remove(0).1,
            _ => {
                meant.retain(|(_, node)| *node != Node::Plain);
                Node::Choice(meant)
            }
        }
    }
}

fn merge(kind: ValueKind, known: &mut Node, node: Node) -> Result<(), SchemaFault> {
    match (known, node) {
        (known, node) if *known == node => Ok(()),
        (Node::Struct(fields), Node::Struct(more)) => {
            more.into_iter().try_for_each(|field| merge_field(fields, field))
        }
        // {"type": "object"} beside the same with properties.
        (Node::Struct(_), Node::Plain) => Ok(()),
        (known @ Node::Plain, node @ Node::Struct(_)) => {
            *known = node;
            Ok(())
        }
        _ => Err(SchemaFault::Unreadable { why: format!("{kind} may mean two things in one place") }),
    }
}

fn merge_field(fields: &mut Vec<Field>, field: Field) -> Result<(), SchemaFault> {
    match fields.iter_mut().find(|known| known.name == field.name) {
        None => fields.push(field),
        Some(known) if known.node == field.node => {
            known.default = known.default.take().or(field.default);
        }
        Some(_) => {
            let why = format!("the field {} may mean two things", field.name);
            return Err(SchemaFault::Unreadable { why });
        }
    }
    Ok(())
}
