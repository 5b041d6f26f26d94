"""How the schema describes decisions, features and grants; ``representation`` makes them."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from common.api.serializers import UserIdField
from entitlements.models.fact import Effect, SourceType
from entitlements.models.feature import PERIODS, FeatureKind, Merge
from entitlements.models.grant import GrantStatus
from entitlements.resolution.decision import Reason
from entitlements.resolution.explanation import StepName
from entitlements.resolution.kinds import VALUE_HELP

REASONS = [reason.value for reason in Reason]


@extend_schema_field({})
class ValueField(serializers.Field[Any, Any, Any, Any]):
    """A feature's value in a request; which values its kind takes is judged by the service."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("allow_null", True)
        kwargs.setdefault("help_text", VALUE_HELP)
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> Any:
        return data

    def to_representation(self, value: Any) -> Any:
        return value


class SourceSerializer(serializers.Serializer[Any]):
    type = serializers.ChoiceField(choices=SourceType.choices)
    id = serializers.CharField(help_text="Id of the subscription, checkout or grant.")


class DecisionSerializer(serializers.Serializer[Any]):
    """One answer, why, and until when it is certain."""

    feature = serializers.CharField()
    allowed = serializers.BooleanField()
    reason = serializers.ChoiceField(choices=REASONS)
    value = ValueField()
    limit = serializers.IntegerField(
        allow_null=True, help_text="Of a limit: its number, null for none. Null otherwise."
    )
    used = serializers.IntegerField(allow_null=True)
    remaining = serializers.IntegerField(allow_null=True)
    resets_at = serializers.DateTimeField(
        allow_null=True,
        help_text="When the next period of a limit begins. Null: never, or as it is paid.",
    )
    valid_until = serializers.DateTimeField(
        allow_null=True, help_text="When time alone may change this answer; ask again then."
    )
    version = serializers.IntegerField(help_text="Grows with every change of the customer.")
    sources = SourceSerializer(many=True, help_text="What the answer follows from.")


class TracedFactSerializer(serializers.Serializer[Any]):
    source = SourceSerializer()  # type: ignore[assignment]  # the API's name for it
    effect = serializers.ChoiceField(choices=[Effect.ALLOW.value, Effect.DENY.value])
    value = ValueField()
    reason = serializers.ChoiceField(choices=REASONS)
    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField(allow_null=True)


class StepSerializer(serializers.Serializer[Any]):
    """One step; ``data`` is what it found, and depends on the step."""

    step = serializers.ChoiceField(choices=[name.value for name in StepName])
    text = serializers.CharField()
    facts = TracedFactSerializer(many=True)
    data = serializers.DictField()  # type: ignore[assignment]  # the API's name for it


class ExplanationSerializer(serializers.Serializer[Any]):
    """The way from the facts to the answer."""

    sentence = serializers.CharField(help_text="All of it in one sentence.")
    steps = StepSerializer(many=True)


class ExplainedSerializer(DecisionSerializer):
    explanation = ExplanationSerializer(required=False, help_text="When asked for.")


class EntitlementsSerializer(serializers.Serializer[Any]):
    """Everything that one user may do."""

    user_id = UserIdField()
    customer = serializers.CharField(
        allow_null=True, help_text="Our id; null for a user who has never had anything."
    )
    version = serializers.IntegerField()
    entitlements = ExplainedSerializer(many=True)


class FeatureSerializer(serializers.Serializer[Any]):
    """Something a user may or may not do."""

    id = serializers.CharField()
    code = serializers.CharField()
    name = serializers.CharField()
    kind = serializers.ChoiceField(choices=FeatureKind.choices)
    unit = serializers.CharField()
    merge = serializers.ChoiceField(choices=Merge.choices)
    meter = serializers.CharField(allow_null=True, help_text="Of a metered one: its code.")
    period = serializers.ChoiceField(choices=PERIODS, allow_null=True)
    anchored = serializers.BooleanField()
    created_at = serializers.DateTimeField()
    archived_at = serializers.DateTimeField(allow_null=True)


class GrantedSerializer(serializers.Serializer[Any]):
    feature = serializers.CharField()
    value = ValueField(required=False, help_text="Absent in a denial.")


class GrantSerializer(serializers.Serializer[Any]):
    """A decision made by hand. With the effect ``deny`` it takes away instead of giving."""

    id = serializers.CharField()
    user_id = UserIdField()
    effect = serializers.ChoiceField(choices=[Effect.ALLOW.value, Effect.DENY.value])
    status = serializers.ChoiceField(choices=GrantStatus.choices)
    features = GrantedSerializer(many=True)
    product = serializers.CharField(allow_null=True)
    reason = serializers.CharField()
    starts_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)
    created_by = serializers.CharField()
    created_at = serializers.DateTimeField()
    revoked_at = serializers.DateTimeField(allow_null=True)
    revoked_by = serializers.CharField(allow_null=True)
    revoked_reason = serializers.CharField(allow_null=True)


class EffectSerializer(serializers.Serializer[Any]):
    """What one feature's decision was, and what it is now."""

    feature = serializers.CharField()
    changed = serializers.BooleanField()
    before = DecisionSerializer()
    after = DecisionSerializer()


class OutcomeSerializer(serializers.Serializer[Any]):
    grant = GrantSerializer()
    effect = EffectSerializer(many=True, help_text="For each feature that the grant names.")
