"""The demo's chapter about what a tenant and its customers hear: webhooks and mail."""

from collections import Counter
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from devtools.demo.narrator import Narrator, expect, until
from devtools.demo.people import DemoBuyer, Tenant
from devtools.demo.receiver import Receiver

SECONDS = 20.0
GOOD_CARD = "4242424242424242"
MAIL_END = b"\n" + b"-" * 79 + b"\n"
"""Behind each mail in a file of Django's file back end."""


def listen(tenant: Tenant, receiver: Receiver, narrator: Narrator) -> None:
    """Create the endpoint and let it be checked."""
    with narrator.step("POST /webhook-endpoints: every event, signed, to the tenant") as notes:
        body = {"url": receiver.url, "rate": 100, "ordering": "customer"}
        endpoint = tenant.post("/webhook-endpoints", body)
        receiver.secret = endpoint["secret"]
        notes.append(f"{endpoint['id']}, secret {receiver.secret[:10]}… (shown once)")
    with narrator.step("a check forges four deliveries and repeats one: grade A") as notes:
        path = f"/webhook-endpoints/{endpoint['id']}/checks"
        check = tenant.post(path)
        done = until("the check", lambda: _completed(tenant, f"{path}/{check['id']}"), seconds=20)
        expect("the grade", done["grade"], "A")
        expect("refused", receiver.refused, 5)
        receiver.events.clear()
        notes.append(", ".join(f"{each['case']} {each['status']}" for each in done["results"]))


def write_to_customer(
    tenant: Tenant, buyer: DemoBuyer, narrator: Narrator, *, order: dict[str, Any], folder: Path
) -> None:
    """A customer with an address subscribes and gets a receipt."""
    with narrator.step("the project turns on mail; mia subscribes, and gets a receipt") as notes:
        project = tenant.get("/projects")["data"][0]["id"]
        tenant.patch(f"/projects/{project}/mail", {"channel": "mail", "brand_name": "Robots"})
        tenant.post("/customers", {"user_id": "mia", "email": "mia@example.com"})
        buyer.pay(tenant.post("/checkout", {**order, "user_id": "mia"})["url"], card=GOOD_CARD)
        mail = until("the receipt", lambda: mail_to("mia@example.com", folder), seconds=SECONDS)
        notes.append(f"{mail['Subject']} (of {mail['From']})")


def compare(tenant: Tenant, receiver: Receiver, narrator: Narrator) -> None:
    """Everything has arrived, once and in the order of each customer."""
    with narrator.step("the receiver has every event, in the order of each customer") as notes:
        until("the last event", lambda: _has_all(tenant, receiver), seconds=SECONDS)
        positions = sorted(event["position"] for event in receiver.events.values())
        expect("holes", positions, list(range(positions[0], positions[-1] + 1)))
        sequences: dict[str, list[int]] = {}
        for event in receiver.events.values():
            if event["customer"]:
                sequences.setdefault(event["customer"], []).append(event["sequence"])
        for customer, numbers in sequences.items():
            expect(f"the order of {customer}", numbers, sorted(numbers))
        types = Counter(event["type"] for event in receiver.events.values()).most_common(3)
        counts = ", ".join(f"{number} {name}" for name, number in types)
        notes.append(f"{len(positions)} events up to position {positions[-1]}: {counts}")


def _completed(tenant: Tenant, path: str) -> Any:
    check = tenant.get(path)
    return check if check["state"] == "completed" else None


def _has_all(tenant: Tenant, receiver: Receiver) -> bool:
    """Whether what the log has by now has arrived."""
    head = tenant.get("/events?after=latest")["head"]
    return any(event["position"] >= head for event in list(receiver.events.values()))


def mail_to(address: str, folder: Path) -> EmailMessage | None:
    """The newest mail to this address that was written into the folder. A file has all mails of one
    connection, with a line of hyphens behind each."""
    for file in sorted(folder.glob("*"), key=lambda each: each.stat().st_mtime, reverse=True):
        for text in reversed(file.read_bytes().split(MAIL_END)):
            mail = message_from_bytes(text.lstrip(), policy=policy.default)
            if address in str(mail["To"]):
                return mail
    return None
