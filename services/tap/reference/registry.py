"""The same values by confluent-kafka's stock deserializer and a schema registry."""

import json

from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.serialization import MessageField, SerializationContext

from wire import UnknownSchema, Unreadable, schema_id_of, with_numbers

TIMEOUT_S = 5


class RegistryDecoder:
    """
    Asks the registry once for each id. The files have the last word: ids are fixed with them, so
    what a registry says differently was registered anew after it was emptied, and the old records
    still mean what they meant. An id that neither knows waits for a later run.
    """

    def __init__(self, url, topic, files, tell):
        self._client = client_of(url)
        self._stock = AvroDeserializer(self._client)
        self._context = SerializationContext(topic, MessageField.VALUE)
        self._subject = f"{topic}-value"
        self._files = files
        self._tell = tell
        self._ways = {}

    def decode(self, value):
        schema_id = schema_id_of(value)
        if schema_id not in self._ways:
            self._ways[schema_id] = self._way_of(schema_id)
        return self._ways[schema_id](value)

    def _way_of(self, schema_id):
        shipped = self._files.source(schema_id)
        try:
            # Under the subject, so that the deserializer finds it in the client's memory from now on.
            schema = self._client.get_schema(schema_id, self._subject)
            registered = json.loads(schema.schema_str)
        except SchemaRegistryError as error:
            why = f"the registry answers {error.error_code} for schema id {schema_id}"
        except Exception as error:
            # Away, hanging, or something else than a registry: no reason to stop.
            why = f"the registry can't be asked for schema id {schema_id}: {type(error).__name__}"
        else:
            if shipped is None or shipped == registered:
                return self._by_stock if shipped is None else self._by_stock_or_file
            why = f"the registry has another schema under id {schema_id} than the file"
        if shipped is None:
            self._tell("registry", why=why, instead="records with it wait")
            return lambda value: refuse(why)
        self._tell("registry", why=why, instead="the schema file is used")
        return self._files.decode

    def _by_stock(self, value):
        try:
            return self._stock(value, self._context)
        except Exception as error:
            raise Unreadable(f"not of its schema: {type(error).__name__}") from error

    def _by_stock_or_file(self, value):
        try:
            return self._stock(value, self._context)
        except Exception:
            # The file says whether the record or the registry is to blame.
            return self._files.decode(value)


def client_of(url):
    # Another try costs a run its time, and the files are at hand.
    return SchemaRegistryClient({"url": url, "timeout": TIMEOUT_S, "max.retries": 0})


def stock_encoder(url, topic, files):
    """Encodes by the stock serializer, with a schema that must be registered already."""
    source = files.source(files.newest_id)
    context = SerializationContext(topic, MessageField.VALUE)
    stock = AvroSerializer(
        client_of(url), json.dumps(source), conf={"auto.register.schemas": False}
    )
    return lambda fields: stock(with_numbers(fields, source), context)


def refuse(why):
    raise UnknownSchema(why)
