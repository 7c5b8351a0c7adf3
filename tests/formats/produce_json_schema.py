"""Writes orders as produce_avro.py does, with JSON Schema: even orders as a plain producer describes them,
odd ones as Kafka Connect does (bytes and times that only the schema tells)."""
import base64
import datetime
import sys

from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.json_schema import JSONSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

url, topic, first, end = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
client = SchemaRegistryClient({"url": url})
context = SerializationContext(topic, MessageField.VALUE)

even = """{"$schema": "http://json-schema.org/draft-07/schema#", "title": "Order", "type": "object",
    "definitions": {"tags": {"type": "array", "items": {"type": "string"}}},
    "properties": {
        "id": {"type": "integer"},
        "name": {"type": "string"},
        "price": {"type": "number"},
        "at": {"type": "string", "format": "date-time"},
        "tags": {"$ref": "#/definitions/tags"},
        "note": {"oneOf": [{"type": "null"}, {"type": "string"}]}}}"""
odd = """{"$schema": "http://json-schema.org/draft-07/schema#", "type": "object", "title": "shop.Order", "properties": {
    "tags": {"type": "array", "connect.index": 3, "items": {"type": "string"}},
    "level": {"type": "integer", "connect.type": "int8", "connect.index": 4},
    "price": {"type": "string", "title": "org.apache.kafka.connect.data.Decimal", "connect.version": 1,
        "connect.type": "bytes", "connect.parameters": {"scale": "4"}, "connect.index": 2},
    "at": {"oneOf": [{"type": "null"}, {"type": "integer", "connect.type": "int64", "connect.version": 1,
        "title": "org.apache.kafka.connect.data.Timestamp"}], "connect.index": 5},
    "name": {"$ref": "names.json#/definitions/name"},
    "id": {"type": "integer", "connect.type": "int64", "connect.index": 0}}}"""
names = """{"$schema": "http://json-schema.org/draft-07/schema#", "type": "object",
    "definitions": {"name": {"type": "string"}}}"""

subject = f"{topic}-names"
client.register_schema(subject, Schema(names, "JSON"))
reference = [{"name": "names.json", "subject": subject, "version": 1}]
try:
    from confluent_kafka.schema_registry import SchemaReference

    reference = [SchemaReference("names.json", subject, 1)]
except ImportError:
    pass
writers = [
    JSONSerializer(even, client, conf={"auto.register.schemas": True}),
    JSONSerializer(Schema(odd, "JSON", reference), client, conf={"auto.register.schemas": True}),
]
epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def order(number):
    millis = 1_700_000_000_000 + number * 1000 + number % 1000
    fields = {"name": f"näme {number}", "tags": [f"t{number % 3}"] * (number % 4), "id": number}
    if number % 2 == 0:
        moment = epoch + datetime.timedelta(milliseconds=millis)
        fields["at"] = moment.isoformat(timespec="milliseconds")
        fields["price"] = number / 100
        if number % 5 != 0:
            fields["note"] = f"n{number}"
        elif number % 20 == 0:
            fields["note"] = None
    else:
        fields["at"] = millis
        fields["price"] = base64.b64encode((number * 100).to_bytes(8, "big", signed=True)).decode()
        fields["level"] = number % 100
    return fields


for number in range(first, end):
    print(writers[number % 2](order(number), context).hex())
