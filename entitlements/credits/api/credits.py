"""``/credits/{user_id}``: a user's credit balance, its history, and spending."""

from typing import Annotated, ClassVar, TypedDict

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from common.api.bodies import serializer_of
from common.api.serializers import StrictSerializer, WholeNumberField
from entitlements.credits import credit_accounts
from entitlements.credits import credit_representation as representation
from entitlements.credits import service as credits
from entitlements.credits.credit_representation import CreditsBody, CreditTransactionBody
from entitlements.credits.selectors import credit_history
from entitlements.credits.service import CreditSpendRequest
from entitlements.decisions.api.entitlements import WhoseSerializer
from entitlements.resolution.credit_allocation import MAX_CREDITS
from projects.keys.api.views import ProjectViewSet
from projects.keys.scopes import KeyScope


class CreditShareBody(TypedDict):
    grant: str
    amount: int


class SpentBody(TypedDict):
    """The spent credits, and which grants they came from."""

    transaction: str
    spent: int
    balance: Annotated[int, "The balance right after it."]
    duplicate: Annotated[bool, "True: an earlier request with the same key did it."]
    grants: list[CreditShareBody]


class SpendingSerializer(StrictSerializer):
    amount = WholeNumberField(min_value=1, max_value=MAX_CREDITS)
    key = serializers.CharField(
        max_length=255,
        required=False,
        help_text="Your own id of this spending. A second request with the same key spends "
        "nothing.",
    )
    feature = serializers.CharField(
        max_length=64, default="", help_text="The feature they are spent on; shown in the history."
    )
    reason = serializers.CharField(max_length=1000, default="")


class CreditSettingsSerializer(StrictSerializer):
    low_at = WholeNumberField(
        min_value=0,
        max_value=MAX_CREDITS,
        allow_null=True,
        help_text="Send the event `credits.low` when the balance falls to this number. Null: the "
        "default share of the balance after the last top-up.",
    )


class CreditsViewSet(ProjectViewSet):
    scopes: ClassVar[dict[str, str]] = {
        "retrieve": KeyScope.CREDITS_READ,
        "partial_update": KeyScope.CREDITS_WRITE,
        "list": KeyScope.CREDITS_READ,
        "spend": KeyScope.CREDITS_WRITE,
    }
    transactional = True

    @extend_schema(
        operation_id="credits_retrieve",
        summary="Show a user's credits",
        responses=serializer_of(CreditsBody),
    )
    def retrieve(self, request: Request, user_id: str) -> Response:
        """The balance, and at most 100 grants with credits left, in the order in which they are
        spent. An unknown user has none."""
        return Response(self._credits_body(user_id))

    @extend_schema(
        operation_id="credits_settings",
        summary="Set when a user's credits are low",
        request=CreditSettingsSerializer,
        responses=serializer_of(CreditsBody),
    )
    def partial_update(self, request: Request, user_id: str) -> Response:
        body = self.parse_body(CreditSettingsSerializer)
        credit_accounts.set_low_at(
            project=self.calling_project,
            user_id=self._whose(user_id),
            low_at=body["low_at"],
            at=timezone.now(),
        )
        return Response(self._credits_body(user_id))

    @extend_schema(
        operation_id="credits_entries",
        summary="List a user's credit transactions",
        responses=serializer_of(CreditTransactionBody)(many=True),
    )
    def list(self, request: Request, user_id: str) -> Response:
        """The ledger, newest first. The entries of a transaction sum to zero within each grant."""
        rows = credit_history.history(project=self.calling_project, user_id=self._whose(user_id))
        page = self.paginate_queryset(rows)
        return self.get_paginated_response([representation.transaction(row) for row in page or ()])

    @extend_schema(
        operation_id="credits_spend",
        summary="Spend a user's credits",
        request=SpendingSerializer,
        responses=serializer_of(SpentBody),
    )
    def spend(self, request: Request, user_id: str) -> Response:
        """Spends the whole amount or nothing: 409 `not-enough-credits` names the balance. A
        request with the `key` of an earlier one returns its result, with `duplicate` true."""
        spent = credits.spend_of_user(
            project=self.calling_project,
            user_id=self._whose(user_id),
            request=CreditSpendRequest(**self.parse_body(SpendingSerializer)),
            actor=self.actor,
            at=timezone.now(),
        )
        body: SpentBody = {
            "transaction": spent.transaction_id,
            "spent": spent.amount,
            "balance": spent.balance,
            "duplicate": spent.is_repeat,
            "grants": [{"grant": each.grant, "amount": each.amount} for each in spent.shares],
        }
        return Response(body)

    def _whose(self, user_id: str) -> str:
        whose: str = self._validated(WhoseSerializer, {"user_id": user_id})["user_id"]
        return whose

    def _credits_body(self, user_id: str) -> CreditsBody:
        now = timezone.now()
        user_credits = credit_history.credits_of_user(
            project=self.calling_project, user_id=self._whose(user_id), at=now
        )
        return representation.customer_credits(user_credits, at=now)
