"""``/subscriptions``: who is subscribed to what; cancel, and take that back."""

from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing import representation
from billing.api.fields import IdField
from billing.models import Subscription
from billing.selectors import subscriptions as stored
from billing.services import subscriptions
from billing.services.subscriptions import When
from common.api.serializers import FlagField, StrictSerializer, UserIdField
from common.api.views import ProjectViewSet
from common.errors import Invalid
from projects.scopes import Scope


class SubscriptionItemSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    price = serializers.CharField(allow_null=True, help_text="Null when it is not our price.")
    product = serializers.CharField(allow_null=True)
    quantity = serializers.IntegerField()
    period_start = serializers.DateTimeField()
    period_end = serializers.DateTimeField()
    stripe_id = serializers.CharField()


class ScheduledItemSerializer(serializers.Serializer[Any]):
    price = serializers.CharField(allow_null=True)
    product = serializers.CharField(allow_null=True)
    quantity = serializers.IntegerField()


class ScheduledChangeSerializer(serializers.Serializer[Any]):
    """What the subscription will be from a later date on."""

    at = serializers.DateTimeField()
    items = ScheduledItemSerializer(many=True)


class PauseSerializer(serializers.Serializer[Any]):
    """``behavior`` in Stripe's words: ``void`` gives no access, the others go on giving it."""

    behavior = serializers.CharField()
    resumes_at = serializers.DateTimeField(allow_null=True)


class DiscountSerializer(serializers.Serializer[Any]):
    coupon = serializers.CharField(allow_null=True, help_text="Null when it is not our coupon.")
    promotion_code = serializers.CharField(allow_null=True)
    ends_at = serializers.DateTimeField(allow_null=True)
    stripe_id = serializers.CharField()


class SubscriptionSerializer(serializers.Serializer[Any]):
    """A running agreement, as Stripe has it."""

    id = serializers.CharField()
    status = serializers.CharField(
        help_text="Stripe's: incomplete, incomplete_expired, trialing, active, past_due, unpaid, "
        "paused or canceled; others may come."
    )
    customer = serializers.CharField()
    user_id = serializers.CharField()
    items = SubscriptionItemSerializer(many=True)
    started_at = serializers.DateTimeField()
    trial_ends_at = serializers.DateTimeField(allow_null=True)
    cancel_at = serializers.DateTimeField(allow_null=True, help_text="When it will end.")
    canceled_at = serializers.DateTimeField(
        allow_null=True, help_text="When its cancellation was asked for."
    )
    ended_at = serializers.DateTimeField(allow_null=True)
    currency = serializers.CharField()
    scheduled_change = ScheduledChangeSerializer(allow_null=True)
    pause = PauseSerializer(allow_null=True, help_text="While its collection is paused.")
    discounts = DiscountSerializer(many=True)
    automatic_tax = serializers.BooleanField()
    metadata = serializers.DictField(child=serializers.CharField())
    stripe_id = serializers.CharField()
    created_at = serializers.DateTimeField()


class SubscriptionFilterSerializer(StrictSerializer):
    user_id = UserIdField(required=False)
    product = IdField(prefix="prod", required=False)
    status = serializers.CharField(max_length=24, required=False, help_text="Stripe's word.")


class SubscriptionChangeSerializer(StrictSerializer):
    cancel_at_period_end = FlagField(
        help_text="False takes back a cancellation that has not taken effect."
    )


class CancellationSerializer(StrictSerializer):
    """When it ends; ``period_end`` unless the query or the body says otherwise."""

    when = serializers.ChoiceField(choices=[each.value for each in When], required=False)


class SubscriptionsViewSet(ProjectViewSet):
    scopes: ClassVar[dict[str, str]] = {"list": Scope.SUBSCRIPTIONS_READ}
    query = {"list": SubscriptionFilterSerializer}

    @extend_schema(
        operation_id="subscriptions_list",
        summary="List subscriptions",
        responses=SubscriptionSerializer(many=True),
    )
    def list(self, request: Request) -> Response:
        """Newest first, ended ones too."""
        rows = stored.listing(project=self.calling_project, **self.query_values)
        page = self.paginate_queryset(rows)
        return self.get_paginated_response([representation.subscription(row) for row in page or ()])


class UserSubscriptionsViewSet(ProjectViewSet):
    """One user's subscriptions: all, or the one to a product."""

    scopes: ClassVar[dict[str, str]] = {
        "list": Scope.SUBSCRIPTIONS_READ,
        "retrieve": Scope.SUBSCRIPTIONS_READ,
        "partial_update": Scope.SUBSCRIPTIONS_WRITE,
        "destroy": Scope.SUBSCRIPTIONS_WRITE,
    }
    query = {"destroy": CancellationSerializer}

    @extend_schema(
        operation_id="user_subscriptions_list",
        summary="List a user's subscriptions",
        responses=SubscriptionSerializer(many=True),
    )
    def list(self, request: Request, user_id: str) -> Response:
        """Newest first, ended ones too; an unknown user has none."""
        rows = stored.listing(project=self.calling_project, user_id=user_id)
        page = self.paginate_queryset(rows)
        return self.get_paginated_response([representation.subscription(row) for row in page or ()])

    @extend_schema(
        summary="Show a user's subscription to a product", responses=SubscriptionSerializer
    )
    def retrieve(self, request: Request, user_id: str, product: str) -> Response:
        """The live one, else the newest that has ended."""
        return Response(representation.subscription(self._subscription(user_id, product)))

    @extend_schema(
        summary="Change a user's subscription to a product",
        request=SubscriptionChangeSerializer,
        responses=SubscriptionSerializer,
    )
    def partial_update(self, request: Request, user_id: str, product: str) -> Response:
        """Let it end with the running period, or take that back."""
        row = self._subscription(user_id, product)
        ends = self.parse_body(SubscriptionChangeSerializer)["cancel_at_period_end"]
        now = timezone.now()
        if ends:
            row = subscriptions.cancel(
                subscription=row, when=When.PERIOD_END, actor=self.actor, at=now
            )
        else:
            row = subscriptions.keep(subscription=row, actor=self.actor, at=now)
        return Response(representation.subscription(row))

    @extend_schema(
        summary="Cancel a user's subscription to a product",
        responses={200: SubscriptionSerializer},
    )
    def destroy(self, request: Request, user_id: str, product: str) -> Response:
        """At the end of the running period, or with ``when=now`` at once. Gives no money back.

        ``when`` may stand in the query or, for clients that send one, in a JSON body.
        """
        row = subscriptions.cancel(
            subscription=self._subscription(user_id, product),
            when=self._when(),
            actor=self.actor,
            at=timezone.now(),
        )
        return Response(representation.subscription(row))

    def _when(self) -> When:
        said = {**self.query_values, **self.parse_body(CancellationSerializer)}
        if said != {**said, **self.query_values}:
            raise Invalid("The query and the body say different things.", field="when")
        return When(said.get("when", When.PERIOD_END.value))

    def _subscription(self, user_id: str, product: str) -> Subscription:
        return stored.of_product(project=self.calling_project, user_id=user_id, product=product)
