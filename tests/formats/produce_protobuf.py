"""Writes orders as produce_avro.py does, with Protobuf. Odd orders are a message inside of another one."""
import datetime
import decimal
import os
import subprocess
import sys
import tempfile

import grpc_tools
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.protobuf import ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

url, topic, first, end = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])

EVEN = """syntax = "proto3"; package shop.even; import "google/protobuf/timestamp.proto";
message Order { int64 id = 1; string name = 2; string price = 3; google.protobuf.Timestamp at = 4;
    repeated string tags = 5; optional string note = 6; }"""
# Other numbers, one field more, one less.
ODD = """syntax = "proto3"; package shop.odd; import "google/protobuf/timestamp.proto";
message Shop { message Till { int32 number = 1; }
    message Order { google.protobuf.Timestamp at = 1; repeated string tags = 2; string price = 3;
        uint32 level = 17; string name = 4; uint64 id = 9; } }"""

with tempfile.TemporaryDirectory() as folder:
    for name, text in [("even", EVEN), ("odd", ODD)]:
        with open(os.path.join(folder, f"{name}.proto"), "w") as file:
            file.write(text)
    known = os.path.join(os.path.dirname(grpc_tools.__file__), "_proto")
    protoc = [sys.executable, "-m", "grpc_tools.protoc", f"-I{folder}", f"-I{known}", f"--python_out={folder}"]
    subprocess.run([*protoc, "even.proto", "odd.proto"], check=True)
    sys.path.insert(0, folder)
    import even_pb2
    import odd_pb2

client = SchemaRegistryClient({"url": url})
context = SerializationContext(topic, MessageField.VALUE)
types = [even_pb2.Order, odd_pb2.Shop.Order]
writers = [ProtobufSerializer(kind, client, {"use.deprecated.format": False}) for kind in types]
epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def order(number):
    millis = 1_700_000_000_000 + number * 1000 + number % 1000
    message = types[number % 2](
        id=number,
        name=f"näme {number}",
        price=str(decimal.Decimal(number) / 100),
        tags=[f"t{number % 3}"] * (number % 4),
    )
    message.at.FromDatetime(epoch + datetime.timedelta(milliseconds=millis))
    if number % 2 == 1:
        message.level = number % 100
    elif number % 5 != 0:
        message.note = f"n{number}"
    return message


for number in range(first, end):
    print(writers[number % 2](order(number), context).hex())
