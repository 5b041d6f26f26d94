"""Send the writes of ``billing.stripe.write_operations``, and look for what they have made.

``billing.outbound.intents`` writes down what is asked before it calls :func:`send`. Meter events
and their adjustments are sent without: the usage record is what is written down, and its id tells
Stripe one that comes again (``billing.operations.usage_reports``).
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
    """Ask Stripe once; its answer as plain data. Raises the errors of ``billing.stripe.errors``.

    An answer that does not say what was made or changed is StripeMalformed: it may have been done.
    """
    write = WRITES[operation]
    options = {"idempotency_key": idempotency_key}
    try:
        with translate():
            fields = plain(write.send(client, target, _in_order(params), options))
            _check(operation, fields, target)
            return fields
    except StripeRefused as refusal:
        if write.known and write.known in refusal.detail:
            return params
        raise


def _check(operation: str, fields: Fields, target: str) -> None:
    """Raises ValueError for an answer of another object, or without what it is needed for."""
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
        raise ValueError(f"{operation} was answered without what it is needed for.")


def find(
    client: StripeClient, operation: str, *, params: Fields, row_id: str, since: datetime
) -> Fields | None:
    """What the operation has made for this row of ours since then, if the list knows of it."""
    listed = WRITES[operation].since
    assert listed is not None
    with translate():
        for each in listed(client, params, int(since.timestamp())):
            fields = plain(each)
            _check(operation, fields, "")
            if our_id(fields) == row_id:
                return fields
    return None


def _in_order(value: Any) -> Any:
    """The same request to the byte, whatever the database did to the order of its members."""
    if isinstance(value, dict):
        return {name: _in_order(value[name]) for name in sorted(value)}
    if isinstance(value, list | tuple):
        return [_in_order(each) for each in value]
    return value
