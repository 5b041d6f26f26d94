"""``/credits/{user_id}/grants``: where a user's credits came from; giving some by hand."""

from datetime import datetime
from typing import ClassVar, TypedDict

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from common.api.bodies import serializer_of
from common.api.serializers import StrictSerializer, WholeNumberField
from entitlements.balances.selectors import credits
from entitlements.credits import credit_grants
from entitlements.credits import credit_representation as representation
from entitlements.credits.credit_representation import CreditGrantBody
from entitlements.credits.selectors import credit_history
from entitlements.decisions.api.entitlements import WhoseSerializer
from entitlements.models import CreditGrant
from entitlements.resolution.credit_allocation import MAX_CREDITS
from projects.keys.api.views import ProjectViewSet
from projects.keys.scopes import KeyScope


class CreditOutcomeBody(TypedDict):
    """A grant of credits, and what the user can spend with it or without it."""

    grant: CreditGrantBody
    balance: int


class NewCreditsSerializer(StrictSerializer):
    amount = WholeNumberField(min_value=1, max_value=MAX_CREDITS)
    reason = serializers.CharField(max_length=1000)
    priority = WholeNumberField(
        min_value=0,
        max_value=100,
        default=credit_grants.DEFAULT_PRIORITY,
        help_text="Those with the lowest number are spent first.",
    )
    expires_at = serializers.DateTimeField(required=False, help_text="Never when absent.")


class CreditRevocationSerializer(StrictSerializer):
    reason = serializers.CharField(max_length=1000)


class CreditGrantsViewSet(ProjectViewSet):
    scopes: ClassVar[dict[str, str]] = {
        "list": KeyScope.CREDITS_READ,
        "grant": KeyScope.ADMIN_GRANT,
        "revoke": KeyScope.ADMIN_GRANT,
    }
    transactional = True

    @extend_schema(
        operation_id="credits_grants_list",
        summary="Where a user's credits came from",
        responses=serializer_of(CreditGrantBody)(many=True),
    )
    def list(self, request: Request, user_id: str) -> Response:
        """Every grant that there was, newest first."""
        rows = credit_history.grants_of_user(
            project=self.calling_project, user_id=self._whose(user_id)
        )
        page, now = self.paginate_queryset(rows), timezone.now()
        return self.get_paginated_response(
            [representation.grant(row, at=now) for row in page or ()]
        )

    @extend_schema(
        operation_id="credits_grant",
        summary="Give a user credits",
        request=NewCreditsSerializer,
        responses={201: serializer_of(CreditOutcomeBody)},
    )
    def grant(self, request: Request, user_id: str) -> Response:
        """At once, until they are spent, revoked or past `expires_at`."""
        now = timezone.now()
        given = credit_grants.give_by_hand(
            project=self.calling_project,
            user_id=self._whose(user_id),
            **self.parse_body(NewCreditsSerializer),
            actor=self.actor,
            at=now,
        )
        return Response(_outcome(given, now), status=201)

    @extend_schema(
        operation_id="credits_revoke",
        summary="Take back what is left of a grant of credits",
        request=CreditRevocationSerializer,
        responses=serializer_of(CreditOutcomeBody),
    )
    def revoke(self, request: Request, user_id: str, grant: str) -> Response:
        """Whatever it came from. What was spent stays spent; what is reserved follows if it is
        given back."""
        now = timezone.now()
        row = credit_history.grant_of_user(
            project=self.calling_project, user_id=self._whose(user_id), grant_id=grant
        )
        reason = self.parse_body(CreditRevocationSerializer)["reason"]
        revoked = credit_grants.revoke(grant=row, reason=reason, actor=self.actor, at=now)
        return Response(_outcome(revoked, now))

    def _whose(self, user_id: str) -> str:
        whose: str = self._validated(WhoseSerializer, {"user_id": user_id})["user_id"]
        return whose


def _outcome(row: CreditGrant, at: datetime) -> CreditOutcomeBody:
    return {
        "grant": representation.grant(row, at=at),
        "balance": credits.balance(project_id=row.project_id, customer_id=row.customer_id, at=at),
    }
