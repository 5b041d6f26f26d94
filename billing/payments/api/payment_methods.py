"""``/customers/{user_id}/payment-methods``: a user's saved payment methods, read from Stripe."""

from typing import Annotated, ClassVar, TypedDict

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from billing.accounts import service as stripe_accounts
from billing.models import StripeAccount
from billing.payments import payment_methods
from billing.stripe.payment_methods import SavedMethod
from common.api.bodies import serializer_of
from projects.customers import selectors as customers
from projects.keys.api.views import ProjectViewSet
from projects.keys.scopes import KeyScope
from projects.models import Customer

METHOD_ID = r"[A-Za-z]+_[A-Za-z0-9_]{1,200}"
"""Stripe's ids: Tollgate stores no payment methods."""


class PaymentMethodBody(TypedDict):
    """A saved payment method, as a buyer recognises it. It holds nothing secret."""

    id: Annotated[str, "Stripe's id. Send it as payment_method."]
    type: Annotated[str, "Stripe's type: card, us_bank_account, …"]
    brand: str | None
    last4: str | None
    exp_month: int | None
    exp_year: int | None
    is_default: bool


class PaymentMethodsBody(TypedDict):
    """All saved payment methods of one user, without pages."""

    data: list[PaymentMethodBody]


class PaymentMethodsViewSet(ProjectViewSet):
    scopes: ClassVar[dict[str, str]] = {
        "saved": KeyScope.PAYMENTS_READ,
        "make_default": KeyScope.PAYMENTS_WRITE,
        "destroy": KeyScope.PAYMENTS_WRITE,
    }

    @extend_schema(
        operation_id="payment_methods_list",
        summary="List a user's saved payment methods",
        responses=serializer_of(PaymentMethodsBody),
    )
    def saved(self, request: Request, user_id: str) -> Response:
        """Reads Stripe now. Newest first. Card numbers stay at Stripe."""
        return Response(self._list_body(user_id))

    @extend_schema(
        operation_id="payment_methods_make_default",
        summary="Make a saved payment method the default",
        request=None,
        responses=serializer_of(PaymentMethodsBody),
    )
    def make_default(self, request: Request, user_id: str, method: str) -> Response:
        """Later off-session payments and the renewals of every live subscription use this method.
        Subscriptions are updated at once, or within a minute when Stripe is slow."""
        payment_methods.make_default(
            customer=self._customer(user_id),
            account=self._account,
            stripe_id=method,
            actor=self.actor,
            at=timezone.now(),
        )
        return Response(self._list_body(user_id))

    @extend_schema(
        operation_id="payment_methods_detach",
        summary="Remove a saved payment method",
        responses={204: None},
    )
    def destroy(self, request: Request, user_id: str, method: str) -> Response:
        """It can no longer be charged. A subscription that it pays needs another method."""
        payment_methods.detach(
            customer=self._customer(user_id),
            account=self._account,
            stripe_id=method,
            actor=self.actor,
            at=timezone.now(),
        )
        return Response(status=204)

    def _list_body(self, user_id: str) -> PaymentMethodsBody:
        methods, default_id = payment_methods.list_methods(
            customer=self._customer(user_id), account=self._account
        )
        return {"data": [_method_body(method, default_id) for method in methods]}

    def _customer(self, user_id: str) -> Customer:
        return customers.get(project=self.calling_project, user_id=user_id)

    @property
    def _account(self) -> StripeAccount:
        return stripe_accounts.account_for(self.calling_project)


def _method_body(method: SavedMethod, default_id: str) -> PaymentMethodBody:
    return {
        "id": method.stripe_id,
        "type": method.type,
        "brand": method.brand or None,
        "last4": method.last4 or None,
        "exp_month": method.exp_month,
        "exp_year": method.exp_year,
        "is_default": method.stripe_id == default_id,
    }
