"""Read objects of Stripe as the plain data that Stripe sends.

The SDK's typed methods build an object of each answer and of each of its members: 0.9 ms of CPU
time for a subscription, which would be made plain again (another 0.1 ms).
``StripeClient.raw_request``, the SDK's door for requests without types, goes the same way (key,
version, errors, transport) and leaves the JSON alone. What is written still goes through the typed
methods, which say what a request may contain.
"""

from typing import Any
from urllib.parse import quote

from stripe import StripeClient

from billing.stripe.fields import Fields

Params = dict[str, Any]


def path(template: str, *stripe_ids: str) -> str:
    """A path with these ids, quoted as the SDK quotes them."""
    return template.format(*(quote(stripe_id, safe="") for stripe_id in stripe_ids))


def get(client: StripeClient, url: str, params: Params | None = None) -> Fields:
    """What Stripe answers, an object or a page of a list. Raises the SDK's errors."""
    answer: Fields = client.raw_request("get", url, **(params or {})).data
    return answer


def get_named(
    client: StripeClient, url: str, kind: str, stripe_id: str, params: Params | None = None
) -> Fields:
    """The object of the list at ``url``, after a check that it is the one that was requested.

    Raises the SDK's errors, and ValueError when Stripe answers with another object.
    """
    return named(get(client, f"{url}/{quote(stripe_id, safe='')}", params), kind, stripe_id)


def named(fields: Fields, kind: str, stripe_id: str) -> Fields:
    """The same fields, if they are this object. Raises ValueError if they are another one."""
    if (fields["object"], fields["id"]) != (kind, stripe_id):
        raise ValueError(f"Stripe answered with another object than {kind} {stripe_id}.")
    return fields
