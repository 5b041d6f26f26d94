"""Every column with encrypted values, so that a new encryption key can replace an old one.

``manage.py reencrypt`` encrypts with the first key of ``ENCRYPTION_KEYS`` what an older one has
encrypted. Afterwards the older key can be removed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db.models import JSONField, Model

from billing.models import Payment, StripeAccount, StripeEndpoint
from common import crypto
from delivery.models import InboundSecret, WebhookEndpoint, WebhookSecret
from entitlements.models import SigningKey
from projects.models import IdempotencyKey, JwtSettings, PlatformIdempotencyKey

BATCH = 500


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """A column with an encrypted text, or a list of them, and the property that is its context."""

    model: type[Model]
    field: str
    context: str

    @property
    def name(self) -> str:
        return f"{self.model._meta.db_table}.{self.field}"


COLUMNS = (
    SealedColumn(StripeAccount, "secret_key", "key_context"),
    SealedColumn(StripeEndpoint, "secrets", "secret_context"),
    SealedColumn(Payment, "client_secret", "secret_context"),
    SealedColumn(SigningKey, "private", "private_context"),
    SealedColumn(JwtSettings, "shared_secret", "secret_context"),
    SealedColumn(IdempotencyKey, "answer", "answer_context"),
    SealedColumn(PlatformIdempotencyKey, "answer", "answer_context"),
    SealedColumn(InboundSecret, "secret", "secret_context"),
    SealedColumn(WebhookSecret, "sealed", "context"),
    SealedColumn(WebhookEndpoint, "sealed_headers", "headers_context"),
)


def reencrypt(column: SealedColumn, *, is_dry_run: bool) -> Iterator[bool]:
    """Encrypt each value of an older key anew; yields whether it has been done.

    A row that changes meanwhile keeps its new value: False, and the next run looks again. Raises
    CannotDecrypt for a value whose key is not in ``ENCRYPTION_KEYS``.
    """
    for row in _older(column).order_by("pk").iterator(chunk_size=BATCH):
        value = getattr(row, column.field)
        renewed = _renew(value, getattr(row, column.context))
        if renewed == value:
            continue
        if is_dry_run:
            yield True
            continue
        same = _rows(column).filter(pk=row.pk, **{column.field: value})
        yield bool(same.update(**{column.field: renewed}))


def _rows(column: SealedColumn) -> Any:
    manager: Any = column.model.objects  # type: ignore[attr-defined]  # every model here has it
    return getattr(manager, "across_projects", manager.all)()


def _older(column: SealedColumn) -> Any:
    """Rows with a value of an older key; of lists, all rows."""
    if isinstance(column.model._meta.get_field(column.field), JSONField):
        return _rows(column)
    newest = f"{next(iter(settings.ENCRYPTION_KEYS))}."
    return (
        _rows(column)
        .exclude(**{column.field: ""})
        .exclude(**{f"{column.field}__startswith": newest})
    )


def _renew(value: Any, context: str) -> Any:
    if isinstance(value, list):
        return [_renew(each, context) for each in value]
    if not value or crypto.key_id_of(value) == next(iter(settings.ENCRYPTION_KEYS)):
        return value
    return crypto.encrypt(crypto.decrypt(value, context=context), context=context)
