"""``/billing/subscription``: start, change and cancel the signed-in user's subscription."""

from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing import representation
from billing.api_fields import IdField, PromotionCodeField
from billing.catalog.selectors import catalog
from billing.checkout import service as checkouts
from billing.checkout.checkout_requests import CheckoutRequest
from billing.checkout.orders import MAX_QUANTITY
from billing.checkout.representation import checkouts as shown
from billing.checkout.representation.checkouts import CheckoutBody
from billing.checkout.return_urls import MAX_URL_LENGTH
from billing.errors import AmbiguousSubscription
from billing.models import Subscription
from billing.models.checkout import CheckoutType
from billing.outbound import api as outbound_api
from billing.representation.subscriptions import SubscriptionBody
from billing.signed_in import permissions
from billing.signed_in.api.base import PROJECT_HEADER, SignedInViewSet, WhichSerializer
from billing.subscriptions import changes as subscription_changes
from billing.subscriptions import previews
from billing.subscriptions import service as subscriptions
from billing.subscriptions.api import bodies as subscription_bodies
from billing.subscriptions.api.bodies import ChangedSubscriptionBody
from billing.subscriptions.api.fields import build_change
from billing.subscriptions.changes import ChangeTime
from billing.subscriptions.selectors import subscriptions as subscription_selectors
from billing.subscriptions.service import CancellationTime
from common.api.bodies import serializer_of
from common.api.serializers import FlagField, StrictSerializer, WholeNumberField
from projects.keys.scopes import USER

ALONE = ("cancel_at_period_end", "undo_scheduled_change")
"""Fields that cannot be sent together with other changes."""


class NewUserSubscriptionSerializer(StrictSerializer):
    price = IdField(prefix="price", help_text="A price from GET /billing/plans.")
    quantity = WholeNumberField(min_value=1, max_value=MAX_QUANTITY, default=1)
    promotion_code = serializers.CharField(
        max_length=500, required=False, help_text="The code that the user entered."
    )
    success_url = serializers.CharField(max_length=MAX_URL_LENGTH)
    cancel_url = serializers.CharField(max_length=MAX_URL_LENGTH, required=False)


class UserChangeSerializer(StrictSerializer):
    """One change. A change that costs more is charged at once."""

    price = IdField(prefix="price", required=False)
    quantity = WholeNumberField(min_value=1, max_value=MAX_QUANTITY, required=False)
    promotion_code = PromotionCodeField(required=False)
    when = serializers.ChoiceField(
        choices=[when.value for when in ChangeTime],
        required=False,
        help_text=(
            "If absent: now if the change costs at least as much as before, else at renewal. A "
            "change that costs less, or has a shorter interval, can only begin at renewal."
        ),
    )
    cancel_at_period_end = FlagField(required=False, help_text="False: undo the cancellation.")
    undo_scheduled_change = FlagField(
        required=False, help_text="True: cancel the change that is scheduled for renewal."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs.keys() - {"when"}:
            raise serializers.ValidationError("Say what to change.")
        for name in ALONE:
            if name in attrs and len(attrs) > 1:
                raise serializers.ValidationError({name: ["Send this alone."]})
        if attrs.get("undo_scheduled_change") is False:
            raise serializers.ValidationError({"undo_scheduled_change": ["Only true is asked."]})
        return attrs


class UserSubscriptionViewSet(SignedInViewSet):
    scopes: ClassVar[dict[str, str]] = {
        "retrieve": USER,
        "create": USER,
        "partial_update": USER,
        "destroy": USER,
    }
    query = {
        "retrieve": WhichSerializer,
        "partial_update": WhichSerializer,
        "destroy": WhichSerializer,
    }

    @extend_schema(
        operation_id="billing_subscription_retrieve",
        summary="Show the signed-in user's subscription",
        parameters=[PROJECT_HEADER, WhichSerializer],
        responses=serializer_of(SubscriptionBody),
    )
    def retrieve(self, request: Request) -> Response:
        """The live subscription, or the newest ended one if none is live. 409
        ``ambiguous-subscription`` lists several live ones: name the ``product``."""
        return Response(representation.subscription(self._subscription()[0]))

    @extend_schema(
        operation_id="billing_subscription_create",
        summary="Open a checkout for the signed-in user",
        parameters=[PROJECT_HEADER],
        request=NewUserSubscriptionSerializer,
        responses={201: serializer_of(CheckoutBody)},
    )
    def create(self, request: Request) -> Response:
        """Send the user to the returned ``url``. The page of a free plan asks for no card."""
        body = self.parse_body(NewUserSubscriptionSerializer)
        price = catalog.open_price(project=self.calling_project, price_id=body.pop("price"))
        lines = [(price.pk, body.pop("quantity"))]
        row = checkouts.open_page(
            project=self.calling_project,
            request=CheckoutRequest(user_id=self.user_id, lines=lines, **body),
            requested_type=CheckoutType.SUBSCRIPTION,
            idempotency_key=request.headers.get("Idempotency-Key", ""),
            at=timezone.now(),
        )
        return Response(shown.checkout(row), status=201)

    @extend_schema(
        operation_id="billing_subscription_update",
        summary="Change the signed-in user's subscription",
        parameters=[PROJECT_HEADER, WhichSerializer],
        request=UserChangeSerializer,
        responses=serializer_of(ChangedSubscriptionBody),
    )
    def partial_update(self, request: Request) -> Response:
        """Changes the plan or the quantity, cancels it at the end of the period, or undoes that.
        If the card is declined (402), nothing changes. 409 ``change-not-allowed`` if the
        project's portal settings do not let users do this."""
        body = self.parse_body(UserChangeSerializer)
        if "price" in body:
            catalog.open_price(project=self.calling_project, price_id=body["price"])
        row, product = self._subscription()
        invoiced_before, now = row.latest_invoice_stripe_id, timezone.now()
        request_name = outbound_api.request_name(
            request, "change", self.user_id, product, request.data
        )
        cancels = body.get("cancel_at_period_end")
        if cancels:
            permissions.check_cancellation(project=self.calling_project)
            row = subscriptions.cancel(
                subscription=row,
                when=CancellationTime.PERIOD_END,
                actor=self.actor,
                at=now,
                request=request_name,
            )
        elif cancels is not None:
            row = subscriptions.undo_cancellation(
                subscription=row, actor=self.actor, at=now, request=request_name
            )
        elif "undo_scheduled_change" in body:
            row = subscriptions.undo_scheduled_change(
                subscription=row, actor=self.actor, at=now, request=request_name
            )
        else:
            row = subscription_changes.apply_change(
                subscription=row,
                product_id=product,
                change=permissions.allowed_change(
                    subscription=row, product_id=product, change=build_change(body)
                ),
                request=request_name,
                actor=self.actor,
                at=now,
            )
        bill = previews.find_bill(subscription=row, invoiced_before=invoiced_before, at=now)
        return Response(subscription_bodies.changed_body(row, bill))

    @extend_schema(
        operation_id="billing_subscription_cancel",
        summary="Cancel the signed-in user's subscription",
        parameters=[PROJECT_HEADER, WhichSerializer],
        responses={200: serializer_of(SubscriptionBody)},
    )
    def destroy(self, request: Request) -> Response:
        """Cancels it at the end of the period, if the project lets its users cancel."""
        self.parse_body(StrictSerializer)
        permissions.check_cancellation(project=self.calling_project)
        row, product = self._subscription()
        row = subscriptions.cancel(
            subscription=row,
            when=CancellationTime.PERIOD_END,
            actor=self.actor,
            at=timezone.now(),
            request=outbound_api.request_name(request, "cancel", self.user_id, product),
        )
        return Response(representation.subscription(row))

    def _subscription(self) -> tuple[Subscription, str]:
        """The subscription that the request names, and the id of its product. Raises NotFound,
        AmbiguousSubscription."""
        project, product = self.calling_project, self.query_values.get("product", "")
        if product:
            row = subscription_selectors.get_by_product(
                project=project, user_id=self.user_id, product=product
            )
            return row, product
        subscription_or_products = subscription_selectors.get_only(
            project=project, user_id=self.user_id
        )
        if isinstance(subscription_or_products, Subscription):
            return subscription_or_products, subscription_selectors.find_main_product(
                subscription_or_products
            )
        raise AmbiguousSubscription(
            "Name one of them: ?product=prod_…", products=subscription_or_products
        )
