"""``/credits/{user_id}/grants``: list, give and revoke a user's credit grants."""

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
    """A credit grant, and the user's balance after the request."""

    grant: CreditGrantBody
    balance: int


class NewCreditsSerializer(StrictSerializer):
    amount = WholeNumberField(min_value=1, max_value=MAX_CREDITS)
    reason = serializers.CharField(max_length=1000)
    priority = WholeNumberField(
        min_value=0,
        max_value=100,
        default=credit_grants.DEFAULT_PRIORITY,
        help_text="Credits with the lowest number are spent first.",
    )
    expires_at = serializers.DateTimeField(required=False, help_text="If absent: never.")


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
        summary="List a user's credit grants",
        responses=serializer_of(CreditGrantBody)(many=True),
    )
    def list(self, request: Request, user_id: str) -> Response:
        """All grants, newest first, with those that are used up, expired or revoked."""
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
        """The user can spend them at once, until they are revoked or `expires_at` is past."""
        now = timezone.now()
        row = credit_grants.give_by_hand(
            project=self.calling_project,
            user_id=self._whose(user_id),
            **self.parse_body(NewCreditsSerializer),
            actor=self.actor,
            at=now,
        )
        return Response(_outcome(row, now), status=201)

    @extend_schema(
        operation_id="credits_revoke",
        summary="Revoke a credit grant",
        request=CreditRevocationSerializer,
        responses=serializer_of(CreditOutcomeBody),
    )
    def revoke(self, request: Request, user_id: str, grant: str) -> Response:
        """Takes back the credits that are left, whatever the source of the grant. Spent credits
        stay spent. Reserved credits are taken back if their reservation is released."""
        now = timezone.now()
        row = credit_history.grant_of_user(
            project=self.calling_project, user_id=self._whose(user_id), grant_id=grant
        )
        reason = self.parse_body(CreditRevocationSerializer)["reason"]
        row = credit_grants.revoke(grant=row, reason=reason, actor=self.actor, at=now)
        return Response(_outcome(row, now))

    def _whose(self, user_id: str) -> str:
        whose: str = self._validated(WhoseSerializer, {"user_id": user_id})["user_id"]
        return whose


def _outcome(row: CreditGrant, at: datetime) -> CreditOutcomeBody:
    return {
        "grant": representation.grant(row, at=at),
        "balance": credits.balance(project_id=row.project_id, customer_id=row.customer_id, at=at),
    }
