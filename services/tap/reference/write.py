"""
A producer that is not the product's: one record for each JSON line of standard input, with
librdkafka's own partitioner set to Kafka's, so that a key goes where every other writer sends it.

  {"key": "room:1", "fields": {...}}            encoded by the newest schema file
  {"key": "room:1", "hex": "00000000"}          these bytes
  {"key": "room:1"}                             a tombstone; without "key": a record without one
  with "partition" and "timestamp" (ms), where they are not to be chosen by the client

With --registry, fields are encoded by confluent-kafka's stock serializer, which looks its schema up
there by the text and registers nothing. It tells each record's place, in the order of the lines, as {"partition", "offset"}.
"""

import argparse
import json
import sys

from confluent_kafka import Producer

from wire import SchemaFiles

FLUSH_S = 30


def value_of(line, encode):
    if "hex" in line:
        return bytes.fromhex(line["hex"])
    return encode(line["fields"]) if "fields" in line else None


def encoder_of(given, files):
    if given.registry is None:
        return lambda fields: files.encode(files.newest_id, fields)
    # Without a registry the writer needs nothing of its client.
    from registry import stock_encoder

    return stock_encoder(given.registry, given.topic, files)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--brokers", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--schemas", required=True)
    parser.add_argument("--registry")
    given = parser.parse_args()
    encode = encoder_of(given, SchemaFiles(given.schemas))
    producer = Producer(
        {
            "bootstrap.servers": given.brokers,
            "enable.idempotence": True,
            "partitioner": "murmur2_random",
            "message.timeout.ms": FLUSH_S * 1000,
            "log_level": 0,
        }
    )
    places = {}
    failures = []
    count = 0
    for count, text in enumerate(sys.stdin, start=1):
        line = json.loads(text)

        def settle(error, message, index=count):
            if error is None:
                places[index] = {"partition": message.partition(), "offset": str(message.offset())}
            else:
                failures.append(error.str())

        wishes = {name: line[name] for name in ("key", "partition", "timestamp") if name in line}
        producer.produce(
            given.topic, value=value_of(line, encode), on_delivery=settle, **wishes
        )
        producer.poll(0)
    producer.flush(FLUSH_S)
    for index in sorted(places):
        print(json.dumps(places[index]))
    for why in failures:
        print(why, file=sys.stderr)
    return 0 if len(places) == count else 1


if __name__ == "__main__":
    sys.exit(main())
