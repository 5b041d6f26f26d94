"""How answers tell what a request left us to infer."""

from typing import Any

from rest_framework import serializers

from billing.models.payment import PaymentType


class DetectedSerializer(serializers.Serializer[Any]):
    """What was inferred because the request did not say it."""

    type = serializers.ChoiceField(choices=PaymentType.choices)
    because = serializers.CharField()
