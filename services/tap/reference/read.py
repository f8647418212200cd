"""
Reads a topic from its beginning to its present end, as an analyst's own program would: with
confluent-kafka and Avro, and without a line of the product. One JSON line a record on standard
output; what can't be read is told on standard error, by its position, and passed over.
"""

import argparse
import collections
import json
import os
import sys
import time

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, Consumer, KafkaError, KafkaException
from confluent_kafka import TopicPartition

from wire import SchemaFiles, UnknownSchema, Unreadable, as_text

POLL_S = 1.0
ANSWER_S = 15.0
# So long nothing may come from partitions that are not read to their end.
SILENCE_S = 60.0


class CannotRead(Exception):
    """The topic can't be read at all."""


def tell(event, **details):
    print(json.dumps({"event": event, **details}), file=sys.stderr, flush=True)


class Reading:
    """One pass: what was read, and what was set aside."""

    def __init__(self, decoder, limit):
        self._decoder = decoder
        self._limit = limit
        self.records = 0
        self.set_aside = collections.Counter()

    @property
    def is_over(self):
        return self._limit is not None and self.records >= self._limit

    def take(self, message):
        place = {"partition": message.partition(), "offset": str(message.offset())}
        try:
            line = self._line_of(message, place)
        except UnknownSchema as error:
            self.set_aside["unknown schema"] += 1
            tell("parked", **place, why=str(error))
        except Unreadable as error:
            self.set_aside[str(error)] += 1
            tell("set-aside", **place, why=str(error))
        else:
            self.records += 1
            print(line)

    def _line_of(self, message, place):
        # The value first: what is wrong with it says more than the key.
        fields = self._decoder.decode(message.value())
        kind, timestamp = message.timestamp()
        return json.dumps(
            {
                "conversation": conversation_of(message.key()),
                **place,
                "timestamp": str(timestamp),
                "timestampType": "append" if kind == TIMESTAMP_LOG_APPEND_TIME else "create",
                "fields": as_text(fields),
            }
        )


def conversation_of(key):
    if key is None:
        raise Unreadable("no key")
    try:
        return key.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Unreadable("the key is not UTF-8") from error


def consumer_of(brokers):
    return Consumer(
        {
            "bootstrap.servers": brokers,
            # Named because the library wants it; nothing is joined and nothing committed.
            "group.id": f"millrace-tap-{os.getpid()}",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "log_level": 0,
        }
    )


def partitions_of(consumer, topic):
    try:
        metadata = consumer.list_topics(topic, timeout=ANSWER_S).topics[topic]
    except KafkaException as error:
        raise CannotRead(f"Kafka does not answer: {error.args[0].str()}") from error
    if metadata.error is not None:
        raise CannotRead(f"{topic}: {metadata.error.str()}")
    return sorted(metadata.partitions)


def read_to_end(consumer, topic, reading):
    """Up to where each partition ends now; what is written meanwhile is the next run's."""
    ends = {}
    for partition in partitions_of(consumer, topic):
        place = TopicPartition(topic, partition)
        low, high = consumer.get_watermark_offsets(place, timeout=ANSWER_S)
        if low < high:
            ends[partition] = (low, high)
    consumer.assign([TopicPartition(topic, part, low) for part, (low, _) in ends.items()])
    left = set(ends)
    for message in messages(consumer, lambda: left and not reading.is_over):
        partition = message.partition()
        if message.error() is not None:
            left.discard(partition)
            continue
        high = ends[partition][1]
        if partition in left and message.offset() < high:
            reading.take(message)
        if message.offset() + 1 >= high:
            left.discard(partition)


def read_again(consumer, topic, reading, places):
    """Only these places; one that the log no longer has is told."""
    for partition, offset in places:
        if reading.is_over:
            return
        consumer.assign([TopicPartition(topic, partition, offset)])
        message = next(messages(consumer, lambda: True))
        if message.error() is None and message.offset() == offset:
            reading.take(message)
        else:
            reading.set_aside["gone"] += 1
            tell("set-aside", partition=partition, offset=str(offset), why="gone")


def messages(consumer, is_wanted):
    """Records and ends of partitions, while they are wanted."""
    silent_since = time.monotonic()
    while is_wanted():
        message = consumer.poll(POLL_S)
        if message is not None:
            error = message.error()
            if error is not None and error.code() != KafkaError._PARTITION_EOF:
                raise CannotRead(error.str())
            silent_since = time.monotonic()
            yield message
        elif time.monotonic() - silent_since > SILENCE_S:
            raise CannotRead(f"nothing came for {SILENCE_S:.0f} s")


def parked_places(file):
    """The positions that an earlier run has told as parked, in the order of the log."""
    places = set()
    with open(file, encoding="utf-8") as lines:
        for line in lines:
            if line.startswith('{"event": "parked"'):
                event = json.loads(line)
                places.add((event["partition"], int(event["offset"])))
    return sorted(places)


def options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--brokers", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--schemas", required=True, help="the folder of the *.avsc files")
    parser.add_argument("--registry", help="URL of a schema registry: the stock deserializer reads")
    parser.add_argument("--limit", type=int, help="so many records at most")
    parser.add_argument("--again", help="only what this file, an earlier run's errors, has parked")
    return parser.parse_args()


def main():
    given = options()
    files = SchemaFiles(given.schemas)
    decoder = files
    if given.registry is not None:
        # Without a registry the reader needs nothing of its client.
        from registry import RegistryDecoder

        decoder = RegistryDecoder(given.registry, given.topic, files, tell)
    reading = Reading(decoder, given.limit)
    consumer = consumer_of(given.brokers)
    try:
        if given.again is None:
            read_to_end(consumer, given.topic, reading)
        else:
            read_again(consumer, given.topic, reading, parked_places(given.again))
        sys.stdout.flush()
    except CannotRead as error:
        tell("failed", why=str(error))
        return 1
    except KafkaException as error:
        tell("failed", why=error.args[0].str())
        return 1
    except BrokenPipeError:
        # Whoever reads the lines has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130
    finally:
        consumer.close()
    tell("end", records=reading.records, setAside=dict(reading.set_aside))
    return 0


if __name__ == "__main__":
    sys.exit(main())
