"""Send the writes of ``billing.stripe.write_operations``, and find the objects that they created.

``billing.outbound.intents`` stores each write before it calls :func:`send`. Meter events and their
adjustments have no intent: the usage record is the stored request, and Stripe recognises a repeated
event by the record's id (``billing.operations.usage_reports``).
"""

from datetime import datetime
from typing import Any

from stripe import StripeClient

from billing.stripe.errors import StripeRefused, translate
from billing.stripe.fields import Fields, our_id, plain
from billing.stripe.write_operations import OBJECTS, WRITES


def send(
    client: StripeClient, operation: str, *, target: str, params: Fields, idempotency_key: str
) -> Fields:
    """Send the request once; return the answer as plain data.

    Raises the errors of ``billing.stripe.errors``; StripeMalformed, when the answer does not name
    the created or changed object, means that the write may have been done.
    """
    write = WRITES[operation]
    options = {"idempotency_key": idempotency_key}
    try:
        with translate():
            fields = plain(write.send(client, target, _in_order(params), options))
            _check(operation, fields, target)
            return fields
    except StripeRefused as refusal:
        if write.duplicate_refusal and write.duplicate_refusal in refusal.detail:
            return params
        raise


def _check(operation: str, fields: Fields, target: str) -> None:
    """Raise ValueError for an answer about another object, or without a member that is needed."""
    noun, _, verb = operation.partition(".")
    write = WRITES[operation]
    identity = fields[write.identity]
    is_named = isinstance(identity, str) and identity != ""
    is_changed = bool(target) and verb != "create"
    if not is_named or (is_changed and identity != target):
        raise ValueError(f"{operation} was answered with another object.")
    if fields["object"] != OBJECTS.get(noun, noun):
        raise ValueError(f"{operation} was answered with a {fields['object']}.")
    if any(fields[name] is None for name in write.needs):
        raise ValueError(f"{operation} was answered without a member that is needed.")


def find(
    client: StripeClient, operation: str, *, params: Fields, row_id: str, since: datetime
) -> Fields | None:
    """The object that the operation has created for our row since ``since``; None if it is not
    listed."""
    list_since = WRITES[operation].since
    assert list_since is not None
    with translate():
        for answer in list_since(client, params, int(since.timestamp())):
            fields = plain(answer)
            _check(operation, fields, "")
            if our_id(fields) == row_id:
                return fields
    return None


def _in_order(value: Any) -> Any:
    """The value with sorted members, so that a repeated request is the same byte for byte."""
    if isinstance(value, dict):
        return {name: _in_order(value[name]) for name in sorted(value)}
    if isinstance(value, list | tuple):
        return [_in_order(each) for each in value]
    return value
