"""``/products/{id}/preview``: the impact that a change of a product would have on its holders."""

from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api_fields import IdField
from billing.catalog.api.products import MAX_FEATURES, GivenFeatureSerializer
from billing.catalog.product_features import ProductEntitlement
from billing.catalog.selectors import catalog
from billing.models.product import DisputePolicy, RefundPolicy
from billing.rollouts import change_impact
from billing.rollouts.impact_counts import ProductFiguresBody
from billing.rollouts.planned_change import PlannedProductChange, PriceMove
from billing.subscriptions.changes import ChangeTime, Proration
from common.api.bodies import serializer_of
from common.api.serializers import ListField, StrictSerializer
from projects.keys.api.views import ProjectViewSet
from projects.keys.scopes import KeyScope

MOST = 5000
"""The most holders that one request evaluates."""


class MoveSerializer(StrictSerializer):
    """Move the subscriptions of one price of the product to another price."""

    from_price = IdField(prefix="price")
    to_price = IdField(prefix="price")
    when = serializers.ChoiceField(
        choices=[each.value for each in ChangeTime], default=ChangeTime.RENEWAL.value
    )
    proration = serializers.ChoiceField(
        choices=[each.value for each in Proration], required=False, help_text="Only with when=now."
    )


class ProductPreviewSerializer(StrictSerializer):
    """The planned change of the product. Fields that you do not send keep their values."""

    features = ListField(child=GivenFeatureSerializer(), required=False, max_length=MAX_FEATURES)
    refund_policy = serializers.ChoiceField(choices=RefundPolicy.choices, required=False)
    dispute_policy = serializers.ChoiceField(choices=DisputePolicy.choices, required=False)
    move = MoveSerializer(required=False)


class ProductPreviewsViewSet(ProjectViewSet):
    scopes: ClassVar[dict[str, str]] = {"create": KeyScope.CATALOG_READ}

    @extend_schema(
        operation_id="products_preview_create",
        summary="Preview a change of a product",
        request=ProductPreviewSerializer,
        responses={200: serializer_of(ProductFiguresBody)},
    )
    def create(self, request: Request, product: str) -> Response:
        """Counts the holders who would gain or lose each feature or be over a limit, and what
        moving subscriptions to another price would change. It changes nothing."""
        row = catalog.product(project=self.calling_project, product_id=product)
        change = _planned_change(self.parse_body(ProductPreviewSerializer))
        proposed = change_impact.propose_product(product=row, change=change)
        impact = change_impact.measure_impact(
            proposed=proposed, at=timezone.now(), max_holders=MOST
        )
        return Response(impact.as_json())


def _planned_change(body: dict[str, Any]) -> PlannedProductChange:
    features, move = body.get("features"), body.get("move")
    return PlannedProductChange(
        features=None
        if features is None
        else tuple(ProductEntitlement(**item) for item in features),
        refund_policy=body.get("refund_policy"),
        dispute_policy=body.get("dispute_policy"),
        move=PriceMove.from_json({"proration": None, **move}) if move else None,
    )
