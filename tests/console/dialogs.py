"""Send a dialog as the browser does, and read the messages of the next page."""

from typing import Any

from django.contrib.messages import get_messages
from django.http import HttpResponse
from django.test import Client

SENT = {"_form_submitted": "on"}


def send(client: Client, address: str, **fields: Any) -> Any:
    """POST the dialog at this address; ``reason`` has a default and can be overridden."""
    return client.post(address, {**SENT, "reason": "The customer asked.", **fields})


def was_done(answer: HttpResponse) -> bool:
    """Whether the dialog closed and leads on to another page."""
    return answer.status_code == 204 and "HX-Redirect" in answer


def messages_of(answer: Any) -> list[str]:
    """The messages that the next page shows."""
    return [str(message) for message in get_messages(answer.wsgi_request)]
