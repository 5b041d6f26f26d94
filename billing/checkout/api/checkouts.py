"""``/checkout``: send a buyer to a hosted page, and learn how it ended."""

from typing import ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api_fields import id_pattern
from billing.checkout import service as checkouts
from billing.checkout.api.checkout_request import (
    CART,
    ITEM,
    PLAN,
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
    """The checkout, and what its customer may do now."""

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
        examples=[PLAN, ITEM, CART],
    )
    def create(self, request: Request) -> Response:
        """A hosted page for whatever is named: the prices and what the project sells decide its
        type, and ``detected`` says why. 422 ``ambiguous-order`` when that cannot be told."""
        return self._open(request, None, NewCheckoutSerializer)

    @extend_schema(
        summary="Open a checkout (old name)",
        request=NewCheckoutSerializer,
        responses={201: serializer_of(CheckoutBody)},
    )
    @action(detail=False, methods=["post"])
    def session(self, request: Request) -> Response:
        """The same as ``POST /checkout``."""
        return self._open(request, None, NewCheckoutSerializer)

    @extend_schema(
        summary="Open a checkout for a subscription",
        request=NewSubscriptionCheckoutSerializer,
        responses={201: serializer_of(CheckoutBody)},
        examples=[PLAN],
    )
    @action(detail=False, methods=["post"])
    def subscription(self, request: Request) -> Response:
        """For recurring prices. 409 ``already-subscribed`` for what the user has already.

        A user has one open page for a product: a request for something else closes the earlier
        one, the same request again leads to the same page.
        """
        return self._open(request, CheckoutType.SUBSCRIPTION, NewSubscriptionCheckoutSerializer)

    @extend_schema(
        summary="Open a checkout for a one-time purchase",
        request=NewItemCheckoutSerializer,
        responses={201: serializer_of(CheckoutBody)},
        examples=[ITEM],
    )
    @action(detail=False, methods=["post"])
    def item(self, request: Request) -> Response:
        """For one-time prices."""
        return self._open(request, CheckoutType.ITEM, NewItemCheckoutSerializer)

    @extend_schema(
        summary="Open a checkout for a cart",
        request=NewCartCheckoutSerializer,
        responses={201: serializer_of(CheckoutBody)},
        examples=[CART],
    )
    @action(detail=False, methods=["post"])
    def cart(self, request: Request) -> Response:
        """The cart is frozen while its page is open, and free again if that closes unpaid.

        409 ``price-changed`` or ``not-on-sale`` name in ``problems`` the lines that have to be
        changed first.
        """
        return self._open(request, CheckoutType.CART, NewCartCheckoutSerializer)

    @extend_schema(summary="Show a checkout", responses=serializer_of(CheckoutBody))
    def retrieve(self, request: Request, pk: str) -> Response:
        """By our id, or by the ``cs_…`` that Stripe puts for ``{CHECKOUT_SESSION_ID}`` into your
        ``success_url``."""
        return Response(shown.checkout(self._named(pk)))

    @extend_schema(
        summary="Read a checkout from Stripe now",
        request=None,
        responses={200: serializer_of(SyncedCheckoutBody)},
    )
    @action(detail=True, methods=["post"])
    def sync(self, request: Request, pk: str) -> Response:
        """For the moment when the buyer comes back: what was paid counts at once.

        Does what the webhook does, in whichever order the two happen. By our id or by Stripe's
        ``cs_…``.
        """
        now = timezone.now()
        row = checkouts.read_again(checkout=self._named(pk), at=now)
        found = decisions.by_feature(
            project=self.calling_project, user_id=row.customer.user_id, at=now
        )
        body: SyncedCheckoutBody = {
            **shown.checkout(row),
            "entitlements": [entitlements.decision(decision) for decision in found.values()],
        }
        return Response(body)

    @extend_schema(
        summary="Close a checkout", request=None, responses={200: serializer_of(CheckoutBody)}
    )
    @action(detail=True, methods=["post"])
    def expire(self, request: Request, pk: str) -> Response:
        """Nobody can pay on the page any more. 409 ``checkout-not-open`` once it has ended."""
        row = checkouts.close(checkout=self._checkout(pk), at=timezone.now())
        return Response(shown.checkout(row))

    def _named(self, pk: str) -> Checkout:
        return checkout_selectors.get_by_any_id(project=self.calling_project, any_id=pk)

    def _checkout(self, pk: str) -> Checkout:
        return checkout_selectors.get(project=self.calling_project, checkout_id=pk)

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
