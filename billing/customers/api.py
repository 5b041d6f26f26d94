"""``DELETE /customers/{user_id}``: erase a customer here and at Stripe."""

from typing import Annotated, ClassVar, TypedDict

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing.customers import stripe_copies
from common.api.bodies import serializer_of
from common.api.serializers import StrictSerializer
from common.bodies import Time
from common.times import rfc3339
from projects.customers import selectors as customers
from projects.customers.api import CustomersViewSet
from projects.keys.scopes import KeyScope


class ErasureSerializer(StrictSerializer):
    cancel_subscriptions = serializers.BooleanField(
        required=False, help_text="True: cancel running subscriptions now, without a refund."
    )


class ErasedCustomerBody(TypedDict):
    """An erased customer: only our id is left, for the accounts."""

    id: str
    user_id: Annotated[str, "Our id of the customer: your id is deleted."]
    deleted_at: Time


class CustomerViewSet(CustomersViewSet):
    transactional = False
    scopes: ClassVar[dict[str, str]] = {
        **CustomersViewSet.scopes,
        "destroy": KeyScope.CUSTOMERS_WRITE,
    }
    project_only = frozenset({"destroy"})
    query = {"destroy": ErasureSerializer}

    @extend_schema(
        operation_id="customers_erase",
        summary="Erase a customer",
        parameters=[ErasureSerializer],
        responses={200: serializer_of(ErasedCustomerBody)},
    )
    def destroy(self, request: Request, user_id: str) -> Response:
        """Deletes name, e-mail address, metadata and your id of the user, here and at Stripe. The
        customer's purchases and payments stay, under our id (`cus_…`). You can repeat the request
        with that id.

        409 ``customer-has-subscriptions`` while a subscription is running. This cannot be undone.
        """
        row = stripe_copies.erase(
            customer=customers.get(project=self.calling_project, user_id=user_id),
            cancels=self.query_values.get("cancel_subscriptions", False),
            actor=self.actor,
            at=timezone.now(),
        )
        assert row.deleted_at is not None
        body: ErasedCustomerBody = {
            "id": row.pk,
            "user_id": row.user_id,
            "deleted_at": rfc3339(row.deleted_at),
        }
        return Response(body)
