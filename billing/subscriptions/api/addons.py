"""``…/addons``: further products of a user's subscription, billed on the same invoice."""

from typing import ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from billing.outbound import api as outbound_api
from billing.subscriptions import changes as subscription_changes
from billing.subscriptions import previews
from billing.subscriptions.api import bodies as subscription_bodies
from billing.subscriptions.api.bodies import ChangedSubscriptionBody
from billing.subscriptions.api.fields import (
    AddonChangeSerializer,
    BillingSerializer,
    NewAddonSerializer,
    build_change,
)
from billing.subscriptions.changes import Change
from billing.subscriptions.selectors import subscriptions as stored
from common.api.bodies import serializer_of
from projects.keys.api.views import ProjectViewSet
from projects.keys.scopes import KeyScope


class AddonsViewSet(ProjectViewSet):
    """Add-ons of a subscription.

    Path: ``/subscriptions/{user_id}/{product}/addons/{addon}``; ``product`` may be any product of
    the subscription, ``addon`` is the product of the add-on.
    """

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
        """The add-on is billed in the same interval as the other items. To preview it, preview a
        change of the subscription with ``addons``."""
        body = self.parse_body(NewAddonSerializer)
        addon = {name: body.pop(name) for name in ("price", "quantity")}
        change = build_change({**body, "addons": [addon]}, adds_products=True)
        request_name = outbound_api.request_name(request, "add", user_id, product, request.data)
        changed = self._apply_change(user_id, product, product, change, request_name)
        return Response(changed, status=201)

    @extend_schema(
        summary="Change an add-on of a user's subscription",
        request=AddonChangeSerializer,
        responses=serializer_of(ChangedSubscriptionBody),
    )
    def partial_update(self, request: Request, user_id: str, product: str, addon: str) -> Response:
        """Changes its price or quantity. To preview it, preview a change with the add-on's product
        in the path."""
        change = build_change(self.parse_body(AddonChangeSerializer))
        request_name = outbound_api.request_name(
            request, "addon", user_id, product, addon, request.data
        )
        return Response(self._apply_change(user_id, product, addon, change, request_name))

    @extend_schema(
        summary="Remove an add-on from a user's subscription",
        responses={200: serializer_of(ChangedSubscriptionBody)},
    )
    def destroy(self, request: Request, user_id: str, product: str, addon: str) -> Response:
        """Removes it at renewal, or with ``when=now`` at once; then the rest of the period is
        credited."""
        change = build_change({**self.query_values, "quantity": 0})
        request_name = outbound_api.request_name(
            request, "remove", user_id, product, addon, dict(request.query_params)
        )
        return Response(self._apply_change(user_id, product, addon, change, request_name))

    def _apply_change(
        self, user_id: str, product: str, changed_product: str, change: Change, request_name: str
    ) -> ChangedSubscriptionBody:
        row = subscription_changes.find_subscription(
            project=self.calling_project, user_id=user_id, product_id=product, request=request_name
        )
        invoiced_before, now = row.latest_invoice_stripe_id, timezone.now()
        row = subscription_changes.apply_change(
            subscription=row,
            product_id=stored.resolve_product(row, product_or_subscription=changed_product),
            change=change,
            request=request_name,
            actor=self.actor,
            at=now,
        )
        bill = previews.find_bill(subscription=row, invoiced_before=invoiced_before, at=now)
        return subscription_bodies.changed_body(row, bill)
