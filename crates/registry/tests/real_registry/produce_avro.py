"""Writes Avro records with Confluent's serializer, as any Python producer would.

Arguments: the registry's URL. Output: one line per record, its bytes in hexadecimal digits.
"""
import datetime
import decimal
import sys
import uuid

from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

client = SchemaRegistryClient({"url": sys.argv[1]})
context = SerializationContext("orders", MessageField.VALUE)

address = """{"type": "record", "name": "Address", "namespace": "shop", "fields": [
    {"name": "street", "type": "string"}, {"name": "numbers", "type": {"type": "array", "items": "int"}}]}"""
client.register_schema("address", Schema(address, "AVRO"))

first = """{"type": "record", "name": "Order", "namespace": "shop", "fields": [
    {"name": "id", "type": "long"},
    {"name": "note", "type": ["null", "string"], "default": null},
    {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}},
    {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    {"name": "micros", "type": {"type": "long", "logicalType": "timestamp-micros"}},
    {"name": "day", "type": {"type": "int", "logicalType": "date"}},
    {"name": "key", "type": {"type": "string", "logicalType": "uuid"}},
    {"name": "state", "type": {"type": "enum", "name": "State", "symbols": ["OPEN", "PAID"]}},
    {"name": "tags", "type": {"type": "map", "values": "string"}},
    {"name": "scores", "type": {"type": "array", "items": ["null", "double"]}},
    {"name": "hash", "type": {"type": "fixed", "name": "Hash", "size": 4}},
    {"name": "address", "type": "shop.Address"}]}"""
# A field is gone, one is new, one is wider, and their order is another.
second = """{"type": "record", "name": "Order", "namespace": "shop", "fields": [
    {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 20, "scale": 3}},
    {"name": "id", "type": "string"},
    {"name": "added", "type": "boolean"}]}"""

references = [SchemaReference("shop.Address", "address", 1)]
write_first = AvroSerializer(client, Schema(first, "AVRO", references))
write_second = AvroSerializer(client, Schema(second, "AVRO"))


def order(number, note):
    return {
        "id": number,
        "note": note,
        "price": decimal.Decimal("-1234567.89"),
        "at": datetime.datetime(2013, 1, 1, 10, 0, 0, 123000, tzinfo=datetime.timezone.utc),
        "micros": datetime.datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=datetime.timezone.utc),
        "day": datetime.date(1969, 12, 31),
        "key": uuid.UUID("00112233-4455-6677-8899-aabbccddeeff"),
        "state": "PAID",
        "tags": {"colour": "blé", "size": ""},
        "scores": [1.5, None, -0.25],
        "hash": b"\x00\xff\x01\xfe",
        "address": {"street": "Rue \"d'Été\"", "numbers": [1, 2, 3]},
    }


print(write_first(order(1, None), context).hex())
print(write_second({"price": decimal.Decimal("0.001"), "id": "2", "added": True}, context).hex())
print(write_first(order(3, "späť"), context).hex())
