//! Geo types: names that the server gives to tuples and arrays of floats.
use crate::data_type::{DataType, TupleMember};

/// A geo type. `Display` of [`DataType::Geo`] writes the server's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Geo {
    Point,
    Ring,
    LineString,
    MultiLineString,
    Polygon,
    MultiPolygon,
    Geometry,
}

impl Geo {
    /// All of them.
    pub const ALL: [Geo; 7] = [
        Geo::Point,
        Geo::Ring,
        Geo::LineString,
        Geo::MultiLineString,
        Geo::Polygon,
        Geo::MultiPolygon,
        Geo::Geometry,
    ];

    /// The server's name.
    pub fn name(self) -> &'static str {
        match self {
            Geo::Point => "Point",
            Geo::Ring => "Ring",
            Geo::LineString => "LineString",
            Geo::MultiLineString => "MultiLineString",
            Geo::Polygon => "Polygon",
            Geo::MultiPolygon => "MultiPolygon",
            Geo::Geometry => "Geometry",
        }
    }

    /// What the name stands for, one level down: a Ring is an Array(Point).
    /// Source: ClickHouse `DataTypeCustomGeo`.
    pub fn structure(self) -> DataType {
        let array = |inner| DataType::Array(Box::new(DataType::Geo(inner)));
        match self {
            Geo::Point => {
                let coordinate = || TupleMember { name: None, data_type: DataType::Float64 };
                DataType::Tuple(vec![coordinate(), coordinate()])
            }
            Geo::Ring | Geo::LineString => array(Geo::Point),
            Geo::MultiLineString => array(Geo::LineString),
            Geo::Polygon => array(Geo::Ring),
            Geo::MultiPolygon => array(Geo::Polygon),
            // In the order of a Variant's members, which is that of their names.
            Geo::Geometry => DataType::Variant(
                [
                    Geo::LineString,
                    Geo::MultiLineString,
                    Geo::MultiPolygon,
                    Geo::Point,
                    Geo::Polygon,
                    Geo::Ring,
                ]
                .map(DataType::Geo)
                .to_vec(),
            ),
        }
    }
}
