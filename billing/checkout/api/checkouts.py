"""``/checkout``: open, show, sync and close hosted checkout pages."""

from typing import ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from billing import row_ids
from billing.api_fields import id_pattern
from billing.checkout import service as checkouts
from billing.checkout.api.checkout_request import (
    CART_EXAMPLE,
    ITEM_EXAMPLE,
    PLAN_EXAMPLE,
    NewCartCheckoutSerializer,
    NewCheckoutSerializer,
    NewItemCheckoutSerializer,
    NewSubscriptionCheckoutSerializer,
    PageSerializer,
)
from billing.checkout.checkout_requests import CheckoutRequest
from billing.checkout.representation import checkouts as shown
from billing.checkout.representation.checkouts import CheckoutBody
from billing.checkout.selectors import checkouts as checkout_selectors
from billing.models import Checkout
from billing.models.checkout import CheckoutType
from common.api.bodies import serializer_of
from entitlements import representation as entitlements
from entitlements.decisions.selectors import decisions
from entitlements.representation import DecisionBody
from projects.keys.api.views import ProjectViewSet
from projects.keys.scopes import KeyScope


class SyncedCheckoutBody(CheckoutBody):
    """The checkout, and the present entitlements of its customer."""

    entitlements: list[DecisionBody]


class CheckoutsViewSet(ProjectViewSet):
    scopes: ClassVar[dict[str, str]] = {
        "create": KeyScope.CHECKOUT_WRITE,
        "session": KeyScope.CHECKOUT_WRITE,
        "subscription": KeyScope.CHECKOUT_WRITE,
        "item": KeyScope.CHECKOUT_WRITE,
        "cart": KeyScope.CHECKOUT_WRITE,
        "retrieve": KeyScope.CHECKOUT_READ,
        "sync": KeyScope.CHECKOUT_WRITE,
        "expire": KeyScope.CHECKOUT_WRITE,
    }
    lookup_value_regex = rf"{id_pattern('chk')}|cs_[A-Za-z0-9_]{{1,200}}"

    @extend_schema(
        summary="Open a checkout",
        request=NewCheckoutSerializer,
        responses={201: serializer_of(CheckoutBody)},
        examples=[PLAN_EXAMPLE, ITEM_EXAMPLE, CART_EXAMPLE],
    )
    def create(self, request: Request) -> Response:
        """Opens a hosted page for a price, lines or a cart. Tollgate detects the type from the
        prices and from what the project sells; `detected` contains the reason. 422
        `ambiguous-order` if the type cannot be detected."""
        return self._open(request, None, NewCheckoutSerializer)

    @extend_schema(
        summary="Open a checkout (old address)",
        request=NewCheckoutSerializer,
        responses={201: serializer_of(CheckoutBody)},
    )
    @action(detail=False, methods=["post"])
    def session(self, request: Request) -> Response:
        """Does the same as `POST /checkout`."""
        return self._open(request, None, NewCheckoutSerializer)

    @extend_schema(
        summary="Open a checkout for a subscription",
        request=NewSubscriptionCheckoutSerializer,
        responses={201: serializer_of(CheckoutBody)},
        examples=[PLAN_EXAMPLE],
    )
    @action(detail=False, methods=["post"])
    def subscription(self, request: Request) -> Response:
        """Opens a page for recurring prices. 409 `already-subscribed` if the user has a live
        subscription to one of the products.

        A user has at most one open page for a product. The same request again returns the same
        page; a different request closes the earlier page and opens a new one.
        """
        return self._open(request, CheckoutType.SUBSCRIPTION, NewSubscriptionCheckoutSerializer)

    @extend_schema(
        summary="Open a checkout for a one-time purchase",
        request=NewItemCheckoutSerializer,
        responses={201: serializer_of(CheckoutBody)},
        examples=[ITEM_EXAMPLE],
    )
    @action(detail=False, methods=["post"])
    def item(self, request: Request) -> Response:
        """Opens a page for one-time prices."""
        return self._open(request, CheckoutType.ITEM, NewItemCheckoutSerializer)

    @extend_schema(
        summary="Open a checkout for a cart",
        request=NewCartCheckoutSerializer,
        responses={201: serializer_of(CheckoutBody)},
        examples=[CART_EXAMPLE],
    )
    @action(detail=False, methods=["post"])
    def cart(self, request: Request) -> Response:
        """Opens a page for a cart. The cart cannot change while its page is open; it can again if
        the page closes unpaid.

        409 `price-changed` or `not-on-sale` if lines must be changed first; `problems` names them.
        """
        return self._open(request, CheckoutType.CART, NewCartCheckoutSerializer)

    @extend_schema(summary="Show a checkout", responses=serializer_of(CheckoutBody))
    def retrieve(self, request: Request, pk: str) -> Response:
        """The path takes our id (`chk_…`) or Stripe's (`cs_…`), which Stripe writes into your
        `success_url` in place of `{CHECKOUT_SESSION_ID}`."""
        row = self._row_by_any_id(pk)
        return Response(shown.checkout(row))

    @extend_schema(
        summary="Read a checkout from Stripe now",
        request=None,
        responses={200: serializer_of(SyncedCheckoutBody)},
    )
    @action(detail=True, methods=["post"])
    def sync(self, request: Request, pk: str) -> Response:
        """Call it when the buyer returns to your site: a paid purchase then gives access at once.

        It stores what the webhook would store, and the two may happen in any order. The path takes
        our id (`chk_…`) or Stripe's (`cs_…`).
        """
        now = timezone.now()
        row = checkouts.read_again(checkout=self._row_by_any_id(pk), at=now)
        decisions_by_feature = decisions.by_feature(
            project=self.calling_project, user_id=row.customer.user_id, at=now
        )
        body: SyncedCheckoutBody = {
            **shown.checkout(row),
            "entitlements": [
                entitlements.decision(decision) for decision in decisions_by_feature.values()
            ],
        }
        return Response(body)

    @extend_schema(
        summary="Close a checkout", request=None, responses={200: serializer_of(CheckoutBody)}
    )
    @action(detail=True, methods=["post"])
    def expire(self, request: Request, pk: str) -> Response:
        """The buyer can no longer pay on the page. 409 `checkout-not-open` if it has ended."""
        row = checkout_selectors.get(project=self.calling_project, checkout_id=pk)
        row = checkouts.close(checkout=row, at=timezone.now())
        return Response(shown.checkout(row))

    def _row_by_any_id(self, pk: str) -> Checkout:
        row = checkout_selectors.get_by_any_id(project=self.calling_project, any_id=pk)
        row_ids.log(row)
        return row

    def _open(
        self,
        request: Request,
        requested_type: CheckoutType | None,
        serializer: "type[PageSerializer]",
    ) -> Response:
        row = checkouts.open_page(
            project=self.calling_project,
            request=CheckoutRequest(**self.parse_body(serializer)),
            requested_type=requested_type,
            idempotency_key=request.headers.get("Idempotency-Key", ""),
            at=timezone.now(),
        )
        return Response(shown.checkout(row), status=201)
