"""Effects of a consumer, in a table that counts each of them."""

from django.db import connection

from delivery.bus.readers import StreamMessage

TABLE = "bus_effect"


def create_table() -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE bus_effect (n bigserial, message_id text, lane text)")


def drop_table() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE bus_effect")


def remember(message: StreamMessage) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO bus_effect (message_id, lane) VALUES (%s, %s)",
            [message.message_id, message.lane],
        )


def effects(lane: str | None = None) -> list[str]:
    """Ids of the messages that had an effect, in order; a repeated one is there twice."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT message_id, lane FROM bus_effect ORDER BY n")
        rows = cursor.fetchall()
    return [message_id for message_id, own in rows if lane is None or own == lane]
