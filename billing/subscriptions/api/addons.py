"""``…/addons``: further products on a user's subscription, in the same period and invoice."""

from typing import ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from billing.outbound import api as outbound_api
from billing.subscriptions import changes as subscription_changes
from billing.subscriptions import previews
from billing.subscriptions.api import answers as subscription_answers
from billing.subscriptions.api.answers import ChangedSubscriptionBody
from billing.subscriptions.api.fields import (
    AddonChangeSerializer,
    BillingSerializer,
    NewAddonSerializer,
    change,
)
from billing.subscriptions.changes import Change
from billing.subscriptions.selectors import subscriptions as stored
from common.api.bodies import serializer_of
from projects.keys.api.views import ProjectViewSet
from projects.keys.scopes import KeyScope


class AddonsViewSet(ProjectViewSet):
    """The path's first product is any of the subscription's, the second that of the add-on."""

    scopes: ClassVar[dict[str, str]] = {
        "create": KeyScope.SUBSCRIPTIONS_WRITE,
        "partial_update": KeyScope.SUBSCRIPTIONS_WRITE,
        "destroy": KeyScope.SUBSCRIPTIONS_WRITE,
    }
    query = {"destroy": BillingSerializer}

    @extend_schema(
        summary="Add a product to a user's subscription",
        request=NewAddonSerializer,
        responses={201: serializer_of(ChangedSubscriptionBody)},
    )
    def create(self, request: Request, user_id: str, product: str) -> Response:
        """Paid in the interval of the others. Preview it as a change with ``addons``."""
        said = self.parse_body(NewAddonSerializer)
        addon = {name: said.pop(name) for name in ("price", "quantity")}
        wanted = change({**said, "addons": [addon]}, adds=True)
        asked = outbound_api.request_name(request, "add", user_id, product, request.data)
        return Response(self._make(user_id, product, product, wanted, asked), status=201)

    @extend_schema(
        summary="Change an add-on of a user's subscription",
        request=AddonChangeSerializer,
        responses=serializer_of(ChangedSubscriptionBody),
    )
    def partial_update(self, request: Request, user_id: str, product: str, addon: str) -> Response:
        """Another price or quantity. Preview it at the add-on's own product."""
        wanted = change(self.parse_body(AddonChangeSerializer))
        asked = outbound_api.request_name(request, "addon", user_id, product, addon, request.data)
        return Response(self._make(user_id, product, addon, wanted, asked))

    @extend_schema(
        summary="Take an add-on off a user's subscription",
        responses={200: serializer_of(ChangedSubscriptionBody)},
    )
    def destroy(self, request: Request, user_id: str, product: str, addon: str) -> Response:
        """At renewal, or with ``when=now`` at once with a credit for the rest of the period."""
        wanted = change({**self.query_values, "quantity": 0})
        asked = outbound_api.request_name(
            request, "remove", user_id, product, addon, dict(request.query_params)
        )
        return Response(self._make(user_id, product, addon, wanted, asked))

    def _make(
        self, user_id: str, product: str, changed: str, wanted: Change, asked: str
    ) -> ChangedSubscriptionBody:
        row = subscription_changes.find(
            project=self.calling_project, user_id=user_id, product_id=product, request=asked
        )
        billed, now = row.latest_invoice_stripe_id, timezone.now()
        row = subscription_changes.make(
            subscription=row,
            product_id=stored.product_of(row, named=changed),
            change=wanted,
            request=asked,
            actor=self.actor,
            at=now,
        )
        bill = previews.of_made(subscription=row, invoiced_before=billed, at=now)
        return subscription_answers.made(row, bill)
