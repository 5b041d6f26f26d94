"""``/subscriptions``: list, show, change, preview, cancel, pause and resume subscriptions."""

from datetime import datetime
from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing import representation, row_ids
from billing.api_fields import IdField
from billing.models import Subscription
from billing.outbound import api as outbound_api
from billing.representation.subscriptions import SubscriptionBody
from billing.subscriptions import changes as subscription_changes
from billing.subscriptions import previews
from billing.subscriptions import service as subscriptions
from billing.subscriptions.api import bodies as subscription_bodies
from billing.subscriptions.api.bodies import ChangedSubscriptionBody
from billing.subscriptions.api.fields import SubscriptionChangeSerializer, build_change
from billing.subscriptions.selectors import subscriptions as stored
from billing.subscriptions.service import CancellationTime
from common.api.bodies import serializer_of
from common.api.serializers import StrictSerializer, UserIdField
from common.errors import Invalid
from projects.keys.api.views import ProjectViewSet
from projects.keys.scopes import KeyScope


class SubscriptionFilterSerializer(StrictSerializer):
    user_id = UserIdField(required=False)
    product = IdField(prefix="prod", required=False)
    status = serializers.CharField(
        max_length=24, required=False, help_text="Stripe's subscription status, such as past_due."
    )


class CancellationSerializer(StrictSerializer):
    """When the subscription ends. The fields may stand in the query or in the body."""

    when = serializers.ChoiceField(
        choices=[choice.value for choice in CancellationTime],
        required=False,
        help_text="Left out: period_end.",
    )
    prorate = serializers.BooleanField(
        required=False,
        help_text="Only with when=now. True: credit the rest of the period to the user's balance.",
    )


class PausingSerializer(StrictSerializer):
    resumes_at = serializers.DateTimeField(
        required=False,
        allow_null=True,
        help_text="Left out or null: paused until the subscription is resumed.",
    )


class SubscriptionsViewSet(ProjectViewSet):
    scopes: ClassVar[dict[str, str]] = {"list": KeyScope.SUBSCRIPTIONS_READ}
    query = {"list": SubscriptionFilterSerializer}

    @extend_schema(
        operation_id="subscriptions_list",
        summary="List subscriptions",
        responses=serializer_of(SubscriptionBody)(many=True),
    )
    def list(self, request: Request) -> Response:
        """Newest first. Includes ended subscriptions."""
        rows = stored.listing(project=self.calling_project, **self.query_values)
        page = self.paginate_queryset(rows)
        return self.get_paginated_response([representation.subscription(row) for row in page or ()])


class UserSubscriptionsViewSet(ProjectViewSet):
    """The subscriptions of one user, and the user's subscription to one product."""

    scopes: ClassVar[dict[str, str]] = {
        "list": KeyScope.SUBSCRIPTIONS_READ,
        "retrieve": KeyScope.SUBSCRIPTIONS_READ,
        "partial_update": KeyScope.SUBSCRIPTIONS_WRITE,
        "destroy": KeyScope.SUBSCRIPTIONS_WRITE,
        "preview": KeyScope.SUBSCRIPTIONS_READ,
        "pause": KeyScope.SUBSCRIPTIONS_WRITE,
        "resume": KeyScope.SUBSCRIPTIONS_WRITE,
    }
    query = {"destroy": CancellationSerializer}

    @extend_schema(
        operation_id="user_subscriptions_list",
        summary="List a user's subscriptions",
        responses=serializer_of(SubscriptionBody)(many=True),
    )
    def list(self, request: Request, user_id: str) -> Response:
        """Newest first. Includes ended subscriptions. Empty for an unknown user."""
        rows = stored.listing(project=self.calling_project, user_id=user_id)
        page = self.paginate_queryset(rows)
        return self.get_paginated_response([representation.subscription(row) for row in page or ()])

    @extend_schema(
        summary="Show a user's subscription to a product", responses=serializer_of(SubscriptionBody)
    )
    def retrieve(self, request: Request, user_id: str, product: str) -> Response:
        """The user's live subscription to the product, else the newest ended one.

        All addresses below `/subscriptions/{user_id}/{product}` also take the id of one of the
        user's subscriptions (`sub_…`) as `product`. A change then concerns its first product.
        """
        return Response(representation.subscription(self._subscription(user_id, product)))

    @extend_schema(
        summary="Change a user's subscription to a product",
        request=SubscriptionChangeSerializer,
        responses=serializer_of(ChangedSubscriptionBody),
    )
    def partial_update(self, request: Request, user_id: str, product: str) -> Response:
        """Changes the price (also to another product), quantity, add-ons, discounts or trial end;
        schedules or removes a cancellation at the end of the period; or removes a scheduled
        change. If the card is declined, 402 and nothing changes."""
        body = self.parse_body(SubscriptionChangeSerializer)
        request_name = outbound_api.request_name(request, "change", user_id, product, request.data)
        row = subscription_changes.find_subscription(
            project=self.calling_project, user_id=user_id, product_id=product, request=request_name
        )
        invoiced_before, now = row.latest_invoice_stripe_id, timezone.now()
        row = self._apply_change(row, product, body, request_name, now)
        bill = previews.find_bill(subscription=row, invoiced_before=invoiced_before, at=now)
        return Response(subscription_bodies.changed_body(row, bill))

    @extend_schema(
        summary="Preview a change of a user's subscription",
        request=SubscriptionChangeSerializer,
        responses=serializer_of(ChangedSubscriptionBody),
    )
    def preview(self, request: Request, user_id: str, product: str) -> Response:
        """Takes the same body as the change and returns the same shape. Changes nothing. Send the
        preview's `proration_date` with the change to be billed exactly the previewed amounts."""
        body = self.parse_body(SubscriptionChangeSerializer)
        row, now = self._subscription(user_id, product), timezone.now()
        ends = body.get("cancel_at_period_end")
        if ends is not None:
            bill = previews.preview_cancellation(subscription=row, ends=ends)
            return Response(subscription_bodies.cancellation_preview_body(row, bill, ends=ends))
        if "undo_scheduled_change" in body:
            return Response(
                subscription_bodies.undo_preview_body(row, previews.preview_undo(subscription=row))
            )
        change = build_change(body)
        plan = subscription_changes.plan_change(
            subscription=row,
            product_id=stored.resolve_product(row, product_or_subscription=product),
            change=change,
            at=now,
        )
        bill = previews.preview_change(subscription=row, plan=plan, at=now)
        return Response(subscription_bodies.preview_body(row, change, plan, bill))

    @extend_schema(
        summary="Cancel a user's subscription to a product",
        responses={200: serializer_of(SubscriptionBody)},
    )
    def destroy(self, request: Request, user_id: str, product: str) -> Response:
        """Cancels at the end of the running period, or with `when=now` at once. Refunds nothing;
        `prorate` credits the rest of the period to the user's balance.

        Send the fields in the query or in a JSON body.
        """
        fields = self._parse_cancellation()
        row = subscriptions.cancel(
            subscription=self._subscription(user_id, product),
            when=CancellationTime(fields.get("when", CancellationTime.PERIOD_END.value)),
            prorate=fields.get("prorate", False),
            actor=self.actor,
            at=timezone.now(),
            request=outbound_api.request_name(request, "cancel", user_id, product, fields),
        )
        return Response(representation.subscription(row))

    @extend_schema(
        summary="Pause a user's subscription to a product",
        request=PausingSerializer,
        responses=serializer_of(SubscriptionBody),
    )
    def pause(self, request: Request, user_id: str, product: str) -> Response:
        """The user has no access and is not billed until `resumes_at`, or until it is resumed."""
        body = self.parse_body(PausingSerializer)
        row = subscriptions.pause(
            subscription=self._subscription(user_id, product),
            resumes_at=body.get("resumes_at"),
            actor=self.actor,
            at=timezone.now(),
            request=outbound_api.request_name(request, "pause", user_id, product, request.data),
        )
        return Response(representation.subscription(row))

    @extend_schema(
        summary="Resume a user's subscription to a product",
        request=None,
        responses=serializer_of(SubscriptionBody),
    )
    def resume(self, request: Request, user_id: str, product: str) -> Response:
        """The user has access and is billed again."""
        self.parse_body(StrictSerializer)
        row = subscriptions.resume(
            subscription=self._subscription(user_id, product),
            actor=self.actor,
            at=timezone.now(),
            request=outbound_api.request_name(request, "resume", user_id, product),
        )
        return Response(representation.subscription(row))

    def _apply_change(
        self,
        row: Subscription,
        product: str,
        body: dict[str, Any],
        request_name: str,
        now: datetime,
    ) -> Subscription:
        ends = body.get("cancel_at_period_end")
        if ends:
            return subscriptions.cancel(
                subscription=row,
                when=CancellationTime.PERIOD_END,
                actor=self.actor,
                at=now,
                request=request_name,
            )
        if ends is not None:
            return subscriptions.undo_cancellation(
                subscription=row, actor=self.actor, at=now, request=request_name
            )
        if "undo_scheduled_change" in body:
            return subscriptions.undo_scheduled_change(
                subscription=row, actor=self.actor, at=now, request=request_name
            )
        return subscription_changes.apply_change(
            subscription=row,
            product_id=stored.resolve_product(row, product_or_subscription=product),
            change=build_change(body),
            request=request_name,
            actor=self.actor,
            at=now,
        )

    def _parse_cancellation(self) -> dict[str, Any]:
        """Return the fields of the query and the body. Raises Invalid if they contradict."""
        fields = {**self.query_values, **self.parse_body(CancellationSerializer)}
        if fields != {**fields, **self.query_values}:
            raise Invalid("Send the same values in the query and the body.", field="when")
        return fields

    def _subscription(self, user_id: str, product: str) -> Subscription:
        row = stored.get_by_product(project=self.calling_project, user_id=user_id, product=product)
        row_ids.log(row)
        return row
