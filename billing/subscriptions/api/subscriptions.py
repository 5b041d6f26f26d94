"""``/subscriptions``: who is subscribed to what; change, cancel, pause, and take that back."""

from datetime import datetime
from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing import representation
from billing.api_fields import IdField
from billing.models import Subscription
from billing.outbound import api as outbound_api
from billing.representation.subscriptions import SubscriptionBody
from billing.subscriptions import changes as subscription_changes
from billing.subscriptions import previews
from billing.subscriptions import service as subscriptions
from billing.subscriptions.api import answers as subscription_answers
from billing.subscriptions.api.answers import ChangedSubscriptionBody
from billing.subscriptions.api.fields import SubscriptionChangeSerializer, change
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
    status = serializers.CharField(max_length=24, required=False, help_text="Stripe's word.")


class CancellationSerializer(StrictSerializer):
    """When it ends; ``period_end`` unless the query or the body says otherwise."""

    when = serializers.ChoiceField(
        choices=[each.value for each in CancellationTime], required=False
    )
    prorate = serializers.BooleanField(
        required=False, help_text="With now: credit the rest of the period to the user's balance."
    )


class PausingSerializer(StrictSerializer):
    resumes_at = serializers.DateTimeField(
        required=False, allow_null=True, help_text="Until resumed by hand when left out."
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
        """Newest first, ended ones too."""
        rows = stored.listing(project=self.calling_project, **self.query_values)
        page = self.paginate_queryset(rows)
        return self.get_paginated_response([representation.subscription(row) for row in page or ()])


class UserSubscriptionsViewSet(ProjectViewSet):
    """One user's subscriptions: all, or the one to a product."""

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
        """Newest first, ended ones too; an unknown user has none."""
        rows = stored.listing(project=self.calling_project, user_id=user_id)
        page = self.paginate_queryset(rows)
        return self.get_paginated_response([representation.subscription(row) for row in page or ()])

    @extend_schema(
        summary="Show a user's subscription to a product", responses=serializer_of(SubscriptionBody)
    )
    def retrieve(self, request: Request, user_id: str, product: str) -> Response:
        """The live one, else the newest that has ended. Here and below, a ``sub_…`` of the user may
        stand for the product: it names that very subscription, and a change is of its first
        product."""
        return Response(representation.subscription(self._subscription(user_id, product)))

    @extend_schema(
        summary="Change a user's subscription to a product",
        request=SubscriptionChangeSerializer,
        responses=serializer_of(ChangedSubscriptionBody),
    )
    def partial_update(self, request: Request, user_id: str, product: str) -> Response:
        """Another price, also of another product; quantity, add-ons, discounts, trial end; or its
        end with the running period, and taking back what is planned. A declined card changes
        nothing (402)."""
        said = self.parse_body(SubscriptionChangeSerializer)
        asked = outbound_api.request_name(request, "change", user_id, product, request.data)
        row = subscription_changes.find(
            project=self.calling_project, user_id=user_id, product_id=product, request=asked
        )
        billed, now = row.latest_invoice_stripe_id, timezone.now()
        row = self._change(row, product, said, asked, now)
        bill = previews.of_made(subscription=row, invoiced_before=billed, at=now)
        return Response(subscription_answers.made(row, bill))

    @extend_schema(
        summary="Show what a change would come to",
        request=SubscriptionChangeSerializer,
        responses=serializer_of(ChangedSubscriptionBody),
    )
    def preview(self, request: Request, user_id: str, product: str) -> Response:
        """Takes what a change takes and answers what it would: nothing is changed. Send its
        ``proration_date`` with the change, and the invoice says the same to the cent."""
        said = self.parse_body(SubscriptionChangeSerializer)
        row, now = self._subscription(user_id, product), timezone.now()
        ends = said.get("cancel_at_period_end")
        if ends is not None:
            bill = previews.of_end(subscription=row, ends=ends)
            return Response(subscription_answers.ending(row, bill, ends=ends))
        if "undo_scheduled_change" in said:
            return Response(subscription_answers.undone(row, previews.of_undo(subscription=row)))
        wanted = change(said)
        planned = subscription_changes.plan(
            subscription=row,
            product_id=stored.product_of(row, named=product),
            change=wanted,
            at=now,
        )
        bill = previews.of_change(subscription=row, planned=planned, at=now)
        return Response(subscription_answers.previewed(row, wanted, planned, bill))

    @extend_schema(
        summary="Cancel a user's subscription to a product",
        responses={200: serializer_of(SubscriptionBody)},
    )
    def destroy(self, request: Request, user_id: str, product: str) -> Response:
        """At the end of the running period, or with ``when=now`` at once. Gives no money back;
        ``prorate`` leaves the rest of the period as a credit on the user's balance.

        Both may stand in the query or, for clients that send one, in a JSON body.
        """
        said = self._cancellation()
        row = subscriptions.cancel(
            subscription=self._subscription(user_id, product),
            when=CancellationTime(said.get("when", CancellationTime.PERIOD_END.value)),
            prorate=said.get("prorate", False),
            actor=self.actor,
            at=timezone.now(),
            request=outbound_api.request_name(request, "cancel", user_id, product, said),
        )
        return Response(representation.subscription(row))

    @extend_schema(
        summary="Pause a user's subscription to a product",
        request=PausingSerializer,
        responses=serializer_of(SubscriptionBody),
    )
    def pause(self, request: Request, user_id: str, product: str) -> Response:
        """It gives nothing and bills nothing until ``resumes_at``, or until it is resumed."""
        said = self.parse_body(PausingSerializer)
        row = subscriptions.pause(
            subscription=self._subscription(user_id, product),
            resumes_at=said.get("resumes_at"),
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
        """It gives what was bought again, and is billed again."""
        self.parse_body(StrictSerializer)
        row = subscriptions.resume(
            subscription=self._subscription(user_id, product),
            actor=self.actor,
            at=timezone.now(),
            request=outbound_api.request_name(request, "resume", user_id, product),
        )
        return Response(representation.subscription(row))

    def _change(
        self, row: Subscription, product: str, said: dict[str, Any], asked: str, now: datetime
    ) -> Subscription:
        ends = said.get("cancel_at_period_end")
        if ends:
            return subscriptions.cancel(
                subscription=row,
                when=CancellationTime.PERIOD_END,
                actor=self.actor,
                at=now,
                request=asked,
            )
        if ends is not None:
            return subscriptions.keep(subscription=row, actor=self.actor, at=now, request=asked)
        if "undo_scheduled_change" in said:
            return subscriptions.undo(subscription=row, actor=self.actor, at=now, request=asked)
        return subscription_changes.make(
            subscription=row,
            product_id=stored.product_of(row, named=product),
            change=change(said),
            request=asked,
            actor=self.actor,
            at=now,
        )

    def _cancellation(self) -> dict[str, Any]:
        said = {**self.query_values, **self.parse_body(CancellationSerializer)}
        if said != {**said, **self.query_values}:
            raise Invalid("The query and the body say different things.", field="when")
        return said

    def _subscription(self, user_id: str, product: str) -> Subscription:
        return stored.of_product(project=self.calling_project, user_id=user_id, product=product)
