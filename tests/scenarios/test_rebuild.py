"""A tenant keeps a copy of its own from ``GET /events`` alone, and it equals ours at any time."""

from tests.billing.tenant import Json
from tests.scenarios import chores
from tests.scenarios.story import Story

LATE = frozenset({("customers", "version"), ("invoices", "payments")})
"""Events carry the version themselves; that a payment belongs to an invoice is in the payment."""
LISTS = ("customers", "products", "prices", "subscriptions", "invoices", "payments", "features")


class OwnCopy:
    """What a tenant's database has: the last state of each object, by id."""

    def __init__(self, story: Story) -> None:
        self._story = story
        self._cursor = ""
        self._position = 0
        self.rows: dict[str, Json] = {}
        self.sequences: dict[str, int] = {}

    def read(self) -> None:
        """Read the events that are new. None is missing and none comes twice."""
        chores.run("events.number")
        has_more = True
        while has_more:
            query = {"after": self._cursor} if self._cursor else {}
            page = self._story.get("/events", limit=50, **query)
            for event in page["data"]:
                self._apply(event)
            self._cursor, has_more = page["next"], page["has_more"]

    def _apply(self, event: Json) -> None:
        assert event["position"] == self._position + 1
        self._position = event["position"]
        if event["customer"]:
            assert event["sequence"] == self.sequences.get(event["customer"], 0) + 1
            self.sequences[event["customer"]] = event["sequence"]
        if event["type"] == "customer.deleted":
            self._erase(event["subject"])
        elif "id" in event["data"]:
            self.rows[event["data"]["id"]] = dict(event["data"])

    def _erase(self, customer: str) -> None:
        """The person is gone; in the books, our id stands for it."""
        erased = self.rows.pop(customer)
        for row in self.rows.values():
            if row.get("user_id") == erased["user_id"]:
                row["user_id"] = customer

    def differences(self) -> list[str]:
        """What differs from the lists of our API."""
        self.read()
        return [
            f"{name} {row['id']} {member}: {self.rows.get(row['id'], {}).get(member)} != {value}"
            for name in LISTS
            for row in self._story.get(f"/{name}", limit=100)["data"]
            for member, value in row.items()
            if (name, member) not in LATE and self.rows.get(row["id"], {}).get(member) != value
        ]


def test_a_copy_made_from_events_equals_ours(story: Story) -> None:
    copy = OwnCopy(story)
    pro = story.sells("Pro", 2900, features={"sso": True, "seats": 5})
    team = story.sells("Team", 9900, features={"sso": True, "seats": 50})
    book = story.sells("Book", 1500, interval=None, features={"book": True})
    story.post("/customers", {"user_id": "alice", "email": "alice@example.com", "name": "Alice"})
    story.buys(pro)
    assert copy.differences() == []

    checkout = story.buys(book, "bob")
    story.post(f"/payments/{checkout['payment']}/refunds", {"amount": 500})
    story.process_everything()
    story.patch(f"/subscriptions/alice/{pro['product']}", {"quantity": 3})
    story.process_everything()
    assert copy.differences() == []

    story.declines()
    story.advance(days=32)
    assert copy.differences() == []
    story.accepts()
    story.advance(days=5)
    story.patch(f"/products/{team['product']}", {"name": "Team 2"})
    story.patch("/customers/alice", {"name": "Alice B."})
    story.buys(team, "carol")
    story.post("/payments", {"user_id": "dora", "amount": {"amount": 700, "currency": "usd"}})
    story.advance(days=2)
    assert copy.differences() == []

    story.delete(f"/subscriptions/alice/{pro['product']}", {"when": "period_end"})
    story.delete(f"/subscriptions/carol/{team['product']}", {"when": "now"})
    story.advance(days=40)
    story.delete("/customers/bob")
    story.process_everything()
    assert copy.differences() == []
