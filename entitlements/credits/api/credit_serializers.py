"""How the schema describes credits; ``credit_representation`` makes them."""

from typing import Any

from rest_framework import serializers

from common.api.serializers import UserIdField
from entitlements.models.credit_grant import CreditGrantStatus, CreditSource
from entitlements.resolution.credit_allocation import Bucket, Movement

BUCKETS = [bucket.value for bucket in Bucket]
MOVEMENTS = [movement.value for movement in Movement]


class CreditSourceSerializer(serializers.Serializer[Any]):
    type = serializers.ChoiceField(choices=CreditSource.choices)
    id = serializers.CharField(
        allow_null=True, help_text="Id of the subscription or checkout; null if given by hand."
    )


class CreditGrantSerializer(serializers.Serializer[Any]):
    """Credits that came together. Whole numbers of credits throughout."""

    id = serializers.CharField()
    user_id = UserIdField()
    status = serializers.ChoiceField(choices=CreditGrantStatus.choices)
    source = CreditSourceSerializer()  # type: ignore[assignment]  # of the fields, not of this one
    product = serializers.CharField(allow_null=True)
    amount = serializers.IntegerField(help_text="What the source gives.")
    carried = serializers.IntegerField(
        help_text="What it gives less, for what was spent ahead of a period that ended early."
    )
    due = serializers.IntegerField(help_text="What is left of the amount after refunds.")
    given = serializers.IntegerField(help_text="What went in, less what was taken back.")
    available = serializers.IntegerField(help_text="What can be spent, unless it has expired.")
    reserved = serializers.IntegerField()
    withheld = serializers.IntegerField(
        help_text="Not to be spent for now: disputed, overdue or paused."
    )
    spent = serializers.IntegerField()
    expired = serializers.IntegerField()
    overspent = serializers.IntegerField(help_text="What was spent beyond what is due.")
    priority = serializers.IntegerField(help_text="The lowest number is spent first.")
    granted_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)
    reason = serializers.CharField(allow_null=True)
    created_by = serializers.CharField(allow_null=True)
    revoked_at = serializers.DateTimeField(allow_null=True)
    revoked_by = serializers.CharField(allow_null=True)
    revoked_reason = serializers.CharField(allow_null=True)


class CreditsSerializer(serializers.Serializer[Any]):
    """What one user has."""

    user_id = UserIdField()
    customer = serializers.CharField(
        allow_null=True, help_text="Our id; null for a user who has never had anything."
    )
    balance = serializers.IntegerField(help_text="What can be spent now.")
    reserved = serializers.IntegerField()
    withheld = serializers.IntegerField()
    low_at = serializers.IntegerField(help_text="From how many credits down they are low.")
    grants = CreditGrantSerializer(many=True)


class CreditShareSerializer(serializers.Serializer[Any]):
    grant = serializers.CharField()
    amount = serializers.IntegerField()


class SpentSerializer(serializers.Serializer[Any]):
    """What was spent, and from which grants."""

    transaction = serializers.CharField()
    spent = serializers.IntegerField()
    balance = serializers.IntegerField(help_text="What could be spent right after it.")
    duplicate = serializers.BooleanField(help_text="Whether the key was spent before.")
    grants = CreditShareSerializer(many=True)


class CreditEntrySerializer(serializers.Serializer[Any]):
    grant = serializers.CharField()
    bucket = serializers.ChoiceField(choices=BUCKETS)
    amount = serializers.IntegerField(help_text="Into the bucket, or out of it if negative.")


class CreditTransactionSerializer(serializers.Serializer[Any]):
    """One movement of a user's credits."""

    id = serializers.CharField()
    movement = serializers.ChoiceField(choices=MOVEMENTS)
    amount = serializers.IntegerField(help_text="How much moved.")
    balance = serializers.IntegerField(help_text="What could be spent after it.")
    feature = serializers.CharField(allow_null=True)
    key = serializers.CharField(allow_null=True)
    reservation = serializers.CharField(allow_null=True)
    reason = serializers.CharField(allow_null=True)
    actor = serializers.CharField(allow_null=True)
    occurred_at = serializers.DateTimeField()
    entries = CreditEntrySerializer(many=True)


class CreditOutcomeSerializer(serializers.Serializer[Any]):
    """A grant of credits, and what the user can spend with it or without it."""

    grant = CreditGrantSerializer()
    balance = serializers.IntegerField()
