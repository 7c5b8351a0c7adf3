"""Writes orders with Confluent's serializers, as any Python producer would: one line per record, its bytes
in hexadecimal digits. Even orders are written with one schema, odd ones with another.

Arguments: the registry's URL, the topic, the first order's number, the number behind the last one, and
optionally user:password for the registry.
"""
import datetime
import decimal
import sys

from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

url, topic, first, end = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
settings = {"url": url}
if len(sys.argv) > 5:
    settings["basic.auth.user.info"] = sys.argv[5]
client = SchemaRegistryClient(settings)
context = SerializationContext(topic, MessageField.VALUE)

even = """{"type": "record", "name": "Order", "namespace": "shop", "fields": [
    {"name": "id", "type": "long"},
    {"name": "name", "type": "string"},
    {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}},
    {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    {"name": "tags", "type": {"type": "array", "items": "string"}},
    {"name": "note", "type": ["null", "string"], "default": null}]}"""
# Another order of fields, one more, one less, and a price of another scale.
odd = """{"type": "record", "name": "Order", "namespace": "shop", "fields": [
    {"name": "tags", "type": {"type": "array", "items": "string"}},
    {"name": "level", "type": "int", "default": 0},
    {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 18, "scale": 4}},
    {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    {"name": "name", "type": "string"},
    {"name": "id", "type": "long"}]}"""
# The second version does not replace the first: both are written by different producers at once.
writers = [
    AvroSerializer(client, even, conf={"auto.register.schemas": True}),
    AvroSerializer(client, odd, conf={"auto.register.schemas": True}),
]
epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def order(number):
    millis = 1_700_000_000_000 + number * 1000 + number % 1000
    fields = {
        "id": number,
        "name": f"näme {number}",
        "price": decimal.Decimal(number) / 100,
        "at": epoch + datetime.timedelta(milliseconds=millis),
        "tags": [f"t{number % 3}"] * (number % 4),
    }
    if number % 2 == 0:
        fields["note"] = None if number % 5 == 0 else f"n{number}"
    else:
        fields["level"] = number % 100
    return fields


for number in range(first, end):
    print(writers[number % 2](order(number), context).hex())
