"""A write that a worker finishes belongs to the trace of the request that began it."""

from collections.abc import Iterator
from contextlib import contextmanager

from billing import row_ids
from billing.models import StripeIntent
from common import log_fields, traces
from common.spans import SpanKind, span


@contextmanager
def continued(intent: StripeIntent) -> Iterator[None]:
    """What is done inside continues that trace; its log lines name the intent and its row."""
    with (
        log_fields.scope(intent=intent.pk, operation=intent.operation),
        traces.continued(intent.traceparent),
        span(f"intent {intent.operation}", SpanKind.INTERNAL),
    ):
        row_ids.log_subject(intent.subject)
        yield
