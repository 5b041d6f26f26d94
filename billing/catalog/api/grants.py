"""``/admin/grant``, ``/admin/revoke`` and ``/admin/grants``: access that is given or taken away
without a purchase."""

from datetime import datetime
from typing import Annotated, Any, ClassVar, TypedDict

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing.catalog import product_grants
from billing.catalog.product_grants import GrantRequest, GrantSubject
from common.api.bodies import serializer_of
from common.api.serializers import StrictSerializer, UserIdField
from entitlements import representation
from entitlements.api_fields import FeatureValueField
from entitlements.decisions.selectors import effects
from entitlements.grants import selectors as grant_selectors
from entitlements.grants import service as grants
from entitlements.grants.representation import GrantBody
from entitlements.grants.representation import grant as grant_body
from entitlements.models import Grant
from entitlements.models.fact import Effect
from entitlements.models.grant import GrantStatus
from entitlements.representation import DecisionBody
from projects.keys.api.views import ProjectViewSet
from projects.keys.scopes import KeyScope


class EffectBody(TypedDict):
    """The decision about one feature before and after the request."""

    feature: str
    changed: bool
    before: DecisionBody
    after: DecisionBody


class GrantOutcomeBody(TypedDict):
    grant: GrantBody
    effect: Annotated[list[EffectBody], "One entry for each feature of the grant."]


class SubjectSerializer(StrictSerializer):
    """One feature, or all features of a product."""

    feature = serializers.CharField(max_length=64, required=False, help_text="The feature's code.")
    product_id = serializers.CharField(max_length=40, required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("feature" in attrs) == ("product_id" in attrs):
            raise serializers.ValidationError("Send either feature or product_id.")
        return attrs


class NewGrantSerializer(SubjectSerializer):
    user_id = UserIdField()
    value = FeatureValueField(required=False, help_text="Only with `feature`. If absent: true.")
    reason = serializers.CharField(max_length=1000)
    starts_at = serializers.DateTimeField(required=False, help_text="If absent: now.")
    expires_at = serializers.DateTimeField(required=False, help_text="If absent: never.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "value" in attrs and "product_id" in attrs:
            raise serializers.ValidationError({"value": ["The product says the values."]})
        return super().validate(attrs)


class RevocationSerializer(StrictSerializer):
    """``grant_id`` alone, or ``user_id`` with either ``feature`` or ``product_id``."""

    grant_id = serializers.CharField(max_length=40, required=False)
    user_id = UserIdField(required=False)
    feature = serializers.CharField(max_length=64, required=False, help_text="The feature's code.")
    product_id = serializers.CharField(max_length=40, required=False)
    reason = serializers.CharField(max_length=1000)
    starts_at = serializers.DateTimeField(required=False, help_text="If absent: now.")
    expires_at = serializers.DateTimeField(required=False, help_text="If absent: never.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        named = frozenset(attrs) & {"grant_id", "user_id", "feature", "product_id"}
        if named not in ({"grant_id"}, {"user_id", "feature"}, {"user_id", "product_id"}):
            raise serializers.ValidationError(
                "Send grant_id alone, or user_id with either feature or product_id."
            )
        if "grant_id" in named and {"starts_at", "expires_at"} & set(attrs):
            raise serializers.ValidationError(
                "A grant is revoked now: send no starts_at or expires_at."
            )
        return attrs


class GrantFilterSerializer(StrictSerializer):
    user_id = UserIdField(required=False)
    status = serializers.ChoiceField(choices=GrantStatus.choices, required=False)


class GrantsViewSet(ProjectViewSet):
    scopes: ClassVar[dict[str, str]] = {
        "list": KeyScope.ADMIN_READ,
        "grant": KeyScope.ADMIN_GRANT,
        "revoke": KeyScope.ADMIN_GRANT,
    }
    transactional = True
    query = {"list": GrantFilterSerializer}

    @extend_schema(
        operation_id="admin_grants_list",
        summary="List grants and denials",
        responses=serializer_of(GrantBody)(many=True),
    )
    def list(self, request: Request) -> Response:
        """Newest first."""
        now = timezone.now()
        rows = grant_selectors.listing(project=self.calling_project, at=now, **self.query_values)
        page = self.paginate_queryset(rows)
        return self.get_paginated_response([grant_body(row, at=now) for row in page or ()])

    @extend_schema(
        operation_id="admin_grant",
        summary="Give a user a feature or a product's features",
        request=NewGrantSerializer,
        responses={201: serializer_of(GrantOutcomeBody, name="GrantOutcome")},
    )
    def grant(self, request: Request) -> Response:
        """The grant is active from ``starts_at`` until it expires or is revoked. A denial of the
        same feature that is active wins over it."""
        body = {"value": True, **self.parse_body(NewGrantSerializer)}
        return self._decided(body, Effect.ALLOW)

    @extend_schema(
        operation_id="admin_revoke",
        summary="End a grant, or take a feature away from a user",
        request=RevocationSerializer,
        responses={
            200: serializer_of(GrantOutcomeBody, name="GrantOutcome"),
            201: serializer_of(GrantOutcomeBody, name="GrantOutcome"),
        },
    )
    def revoke(self, request: Request) -> Response:
        """With ``grant_id``: that grant or denial ends now (200). With ``user_id``: creates a
        denial (201), which wins over every purchase and grant until it expires or is revoked by its
        own id."""
        body = self.parse_body(RevocationSerializer)
        if "grant_id" not in body:
            return self._decided(body, Effect.DENY)
        now = timezone.now()
        grant = grants.revoke(
            grant=grant_selectors.get(project=self.calling_project, grant_id=body["grant_id"]),
            reason=body["reason"],
            actor=self.actor,
            at=now,
        )
        return Response(_outcome(grant, now))

    def _decided(self, body: dict[str, Any], effect: Effect) -> Response:
        now = timezone.now()
        subject = GrantSubject(**{name: body.pop(name) for name in SUBJECT if name in body})
        grant = product_grants.decide(
            project=self.calling_project,
            request=GrantRequest(subject=subject, effect=effect, **body),
            actor=self.actor,
            at=now,
        )
        return Response(_outcome(grant, now), status=201)


SUBJECT = ("feature", "value", "product_id")


def _outcome(grant: Grant, at: datetime) -> GrantOutcomeBody:
    return {
        "grant": grant_body(grant, at=at),
        "effect": [
            {
                "feature": each.after.feature,
                "changed": each.is_change,
                "before": representation.decision(each.before),
                "after": representation.decision(each.after),
            }
            for each in effects.of_grant(grant=grant, at=at)
        ],
    }
