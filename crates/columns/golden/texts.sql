SELECT * FROM values('s String, f FixedString(3), n Nullable(String), m Nullable(UInt16)', ('', 'abc', NULL, 7), (repeat('x', 200), 'a', 'é', NULL), ('z', '', '', 0)) FORMAT Native
