"""The record's value in the Confluent wire format, by the schema files alone."""

import io
import json
import os
import struct

import fastavro
from fastavro.read import LOGICAL_READERS

MAGIC = 0
HEADER_BYTES = 5

# fastavro turns a time into a datetime, which ends with the year 9999, and a uuid into an object,
# which not every text is. Whoever reads here gets what stands in the record; so does the stock
# deserializer, which reads by fastavro, too.
LOGICAL_READERS.clear()


class Unreadable(Exception):
    """A record that no schema will ever make readable."""


class UnknownSchema(Exception):
    """A record that can be read as soon as its schema is found."""


class SchemaFiles:
    """The *.avsc files, by the ids that index.json, cursors.json and control.json fix."""

    def __init__(self, folder):
        versions = {}
        for name in ("index.json", "cursors.json", "control.json"):
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                versions[name] = json.load(file)["versions"]
        self._sources = {}
        for entry in sum(versions.values(), []):
            with open(os.path.join(folder, entry["file"]), encoding="utf-8") as file:
                self._sources[entry["id"]] = json.load(file)
        self._parsed = {
            schema_id: fastavro.parse_schema(source) for schema_id, source in self._sources.items()
        }
        self.newest_id = versions["index.json"][-1]["id"]

    def source(self, schema_id):
        """The schema as its file has it; None for an id that no file has."""
        return self._sources.get(schema_id)

    def decode(self, value):
        """The fields of a value."""
        schema = self._parsed.get(schema_id_of(value))
        if schema is None:
            raise UnknownSchema(f"unknown schema id {schema_id_of(value)}")
        body = io.BytesIO(value[HEADER_BYTES:])
        try:
            # A reader for people shows broken UTF-8 as such; the edge does the same.
            fields = fastavro.schemaless_reader(
                body, schema, None, handle_unicode_errors="replace"
            )
        except Exception as error:
            # Whatever a decoder says to bytes that are not its own: they can't be read.
            raise Unreadable(f"not of its schema: {type(error).__name__}") from error
        if body.read(1):
            raise Unreadable("longer than its schema")
        return fields

    def encode(self, schema_id, fields):
        """The value of such fields; whole numbers may be given as text."""
        schema = self._parsed[schema_id]
        body = io.BytesIO()
        fastavro.schemaless_writer(body, schema, with_numbers(fields, schema))
        return struct.pack(">bI", MAGIC, schema_id) + body.getvalue()


def schema_id_of(value):
    """The id in the first five bytes, big-endian; raises Unreadable where there is none."""
    if value is None:
        raise Unreadable("tombstone")
    if len(value) == 0:
        raise Unreadable("empty value")
    if len(value) < HEADER_BYTES:
        raise Unreadable("too short")
    magic, schema_id = struct.unpack_from(">BI", value)
    if magic != MAGIC:
        raise Unreadable("no schema id")
    return schema_id


def as_text(part):
    """Whole numbers as text, at any depth: JSON readers that know only doubles keep every digit."""
    if isinstance(part, dict):
        return {name: as_text(item) for name, item in part.items()}
    if isinstance(part, list):
        return [as_text(item) for item in part]
    if isinstance(part, int) and not isinstance(part, bool):
        return str(part)
    return part.hex() if isinstance(part, bytes) else part


def with_numbers(fields, schema):
    """The reverse, where the schema wants a whole number."""
    whole = {field["name"] for field in schema["fields"] if is_whole(field["type"])}
    return {
        name: int(value) if name in whole and value is not None else value
        for name, value in fields.items()
    }


def is_whole(kind):
    if isinstance(kind, list):
        return any(is_whole(branch) for branch in kind)
    return (kind["type"] if isinstance(kind, dict) else kind) in ("int", "long")
