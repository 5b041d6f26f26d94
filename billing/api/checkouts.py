"""``/checkout``: send a buyer to a hosted page, and learn how it ended."""

from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from billing import representation
from billing.api.fields import IdField, StripeMetadataField, id_pattern
from billing.models import Checkout
from billing.models.checkout import CheckoutType
from billing.selectors import checkouts as stored
from billing.services import checkouts
from billing.services.checkouts import Wish
from billing.services.orders import MAX_LINES, MAX_QUANTITY
from billing.services.return_urls import LONGEST
from common.api.serializers import (
    FlagField,
    MoneySerializer,
    StrictSerializer,
    UserIdField,
    WholeNumberField,
)
from common.api.views import ProjectViewSet
from entitlements import representation as entitlements
from entitlements.api.serializers import DecisionSerializer
from entitlements.selectors import decisions
from projects.scopes import Scope


class CheckoutLineSerializer(serializers.Serializer[Any]):
    price = serializers.CharField()
    product = serializers.CharField()
    quantity = serializers.IntegerField()


class CheckoutSerializer(serializers.Serializer[Any]):
    """A hosted page: who buys what, and how it ended."""

    id = serializers.CharField()
    type = serializers.ChoiceField(choices=CheckoutType.choices)
    status = serializers.CharField(help_text="opening, open, complete or expired.")
    payment_status = serializers.CharField(
        allow_null=True, help_text="Stripe's: unpaid, paid or no_payment_required."
    )
    url = serializers.CharField(allow_null=True, help_text="Send the buyer here.")
    customer = serializers.CharField()
    user_id = serializers.CharField()
    lines = CheckoutLineSerializer(many=True)
    total = MoneySerializer(allow_null=True)
    trial_period_days = serializers.IntegerField(allow_null=True)
    allow_promotion_codes = serializers.BooleanField()
    success_url = serializers.CharField()
    cancel_url = serializers.CharField(allow_null=True)
    payment = serializers.CharField(allow_null=True, help_text="Our id of the payment it made.")
    payment_stripe_id = serializers.CharField(allow_null=True)
    subscription_stripe_id = serializers.CharField(allow_null=True)
    metadata = serializers.DictField(child=serializers.CharField())
    stripe_id = serializers.CharField(allow_null=True)
    expires_at = serializers.DateTimeField(allow_null=True)
    completed_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()


class SyncedCheckoutSerializer(CheckoutSerializer):
    """The checkout, and what its customer may do now."""

    entitlements = DecisionSerializer(many=True)


class LineSerializer(StrictSerializer):
    price = IdField(prefix="price")
    quantity = WholeNumberField(min_value=1, max_value=MAX_QUANTITY, default=1)


class NewItemCheckoutSerializer(StrictSerializer):
    """One ``price`` with its ``quantity``, or several ``lines``."""

    user_id = UserIdField()
    price = IdField(prefix="price", required=False)
    quantity = WholeNumberField(
        min_value=1, max_value=MAX_QUANTITY, required=False, help_text="1 when left out."
    )
    lines = serializers.ListField(
        child=LineSerializer(), required=False, allow_empty=False, max_length=MAX_LINES
    )
    success_url = serializers.CharField(
        max_length=LONGEST,
        help_text="Where the buyer goes after paying; {CHECKOUT_ID} becomes the checkout's id.",
    )
    cancel_url = serializers.CharField(
        max_length=LONGEST, allow_blank=True, default="", help_text="Where the way back leads."
    )
    email = serializers.EmailField(
        max_length=254, required=False, help_text="Of the user, if we do not know it yet."
    )
    name = serializers.CharField(max_length=255, required=False)
    allow_promotion_codes = FlagField(default=False)
    metadata = StripeMetadataField(default=dict)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        one, many = attrs.pop("price", None), attrs.pop("lines", None)
        quantity = attrs.pop("quantity", None)
        if (one is None) == (many is None):
            raise serializers.ValidationError({"price": ["Send either price or lines."]})
        if many is not None and quantity is not None:
            raise serializers.ValidationError({"quantity": ["Put it into the lines."]})
        pairs = [(one, quantity or 1)] if one is not None else None
        attrs["lines"] = pairs or [(each["price"], each["quantity"]) for each in many or ()]
        return attrs


class NewCheckoutSerializer(NewItemCheckoutSerializer):
    """As above; a subscription may start with a trial."""

    trial_period_days = WholeNumberField(min_value=1, max_value=730, required=False)


class CheckoutsViewSet(ProjectViewSet):
    scopes: ClassVar[dict[str, str]] = {
        "create": Scope.CHECKOUT_WRITE,
        "subscription": Scope.CHECKOUT_WRITE,
        "item": Scope.CHECKOUT_WRITE,
        "retrieve": Scope.CHECKOUT_READ,
        "sync": Scope.CHECKOUT_WRITE,
        "expire": Scope.CHECKOUT_WRITE,
    }
    lookup_value_regex = id_pattern("chk")

    @extend_schema(
        summary="Open a checkout",
        request=NewCheckoutSerializer,
        responses={201: CheckoutSerializer},
    )
    def create(self, request: Request) -> Response:
        """A hosted page, for a subscription or a one-time purchase: the prices decide."""
        return self._open(request, None, NewCheckoutSerializer)

    @extend_schema(
        summary="Open a checkout for a subscription",
        request=NewCheckoutSerializer,
        responses={201: CheckoutSerializer},
    )
    @action(detail=False, methods=["post"])
    def subscription(self, request: Request) -> Response:
        """For recurring prices. 409 ``already-subscribed`` for what the user has already."""
        return self._open(request, CheckoutType.SUBSCRIPTION, NewCheckoutSerializer)

    @extend_schema(
        summary="Open a checkout for a one-time purchase",
        request=NewItemCheckoutSerializer,
        responses={201: CheckoutSerializer},
    )
    @action(detail=False, methods=["post"])
    def item(self, request: Request) -> Response:
        """For one-time prices."""
        return self._open(request, CheckoutType.ITEM, NewItemCheckoutSerializer)

    @extend_schema(summary="Show a checkout", responses=CheckoutSerializer)
    def retrieve(self, request: Request, pk: str) -> Response:
        return Response(representation.checkout(self._checkout(pk)))

    @extend_schema(
        summary="Read a checkout from Stripe now",
        request=None,
        responses={200: SyncedCheckoutSerializer},
    )
    @action(detail=True, methods=["post"])
    def sync(self, request: Request, pk: str) -> Response:
        """For the moment when the buyer comes back: what was paid counts at once.

        Does what the webhook does, in whichever order the two happen.
        """
        now = timezone.now()
        row = checkouts.read_again(checkout=self._checkout(pk), at=now)
        found = decisions.all_for(
            project=self.calling_project, user_id=row.customer.user_id, at=now
        )
        said = [entitlements.decision(each) for each in found.values()]
        return Response({**representation.checkout(row), "entitlements": said})

    @extend_schema(summary="Close a checkout", request=None, responses={200: CheckoutSerializer})
    @action(detail=True, methods=["post"])
    def expire(self, request: Request, pk: str) -> Response:
        """Nobody can pay on the page any more. 409 ``checkout-not-open`` once it has ended."""
        row = checkouts.expire(checkout=self._checkout(pk), at=timezone.now())
        return Response(representation.checkout(row))

    def _checkout(self, pk: str) -> Checkout:
        return stored.get(project=self.calling_project, checkout_id=pk)

    def _open(
        self,
        request: Request,
        type: CheckoutType | None,
        serializer: "type[NewItemCheckoutSerializer]",
    ) -> Response:
        row = checkouts.open_page(
            project=self.calling_project,
            wish=Wish(**self.parse_body(serializer)),
            type=type,
            idempotency_key=request.headers.get("Idempotency-Key", ""),
            at=timezone.now(),
        )
        return Response(representation.checkout(row), status=201)
