"""``/customers``: the tenant's users, under the tenant's own ids."""

from typing import ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from common.api.bodies import serializer_of
from common.api.serializers import LocaleField, MetadataField, StrictSerializer, UserIdField
from projects import representation
from projects.customers import selectors as stored
from projects.customers import service as customers
from projects.keys.api.views import ProjectViewSet
from projects.keys.scopes import KeyScope
from projects.representation import CustomerBody


class CustomerChangesSerializer(StrictSerializer):
    email = serializers.EmailField(max_length=254, allow_blank=True, required=False)
    name = serializers.CharField(max_length=255, allow_blank=True, required=False)
    locale = LocaleField(
        allow_blank=True,
        required=False,
        help_text="The customer's language as a BCP 47 tag, such as `de-AT`: mails are written in "
        "it.",
    )
    metadata = MetadataField(required=False, help_text="Replaces all of the stored metadata.")


class NewCustomerSerializer(CustomerChangesSerializer):
    user_id = UserIdField()


class CustomerFilterSerializer(StrictSerializer):
    email = serializers.EmailField(max_length=254, required=False)


class CustomersViewSet(ProjectViewSet):
    transactional = True
    scopes: ClassVar[dict[str, str]] = {
        "list": KeyScope.CUSTOMERS_READ,
        "create": KeyScope.CUSTOMERS_WRITE,
        "retrieve": KeyScope.CUSTOMERS_READ,
        "partial_update": KeyScope.CUSTOMERS_WRITE,
    }
    query = {"list": CustomerFilterSerializer}

    @extend_schema(
        operation_id="customers_list",
        summary="List customers",
        responses=serializer_of(CustomerBody)(many=True),
    )
    def list(self, request: Request) -> Response:
        page = self.paginate_queryset(
            stored.of(self.calling_project, email=self.query_values.get("email"))
        )
        return self.get_paginated_response([representation.customer(row) for row in page or []])

    @extend_schema(
        operation_id="customers_create",
        summary="Add a customer",
        request=NewCustomerSerializer,
        responses={201: serializer_of(CustomerBody)},
    )
    def create(self, request: Request) -> Response:
        """Optional: the first use of a new `user_id`, for example by a checkout, creates the
        customer too."""
        customer = customers.create(
            project=self.calling_project,
            **self.parse_body(NewCustomerSerializer),
            at=timezone.now(),
        )
        return Response(representation.customer(customer), status=201)

    @extend_schema(
        operation_id="customers_retrieve",
        summary="Show a customer",
        responses=serializer_of(CustomerBody),
    )
    def retrieve(self, request: Request, user_id: str) -> Response:
        """`user_id` is your id of the user (percent-encoded), or our id of the customer
        (`cus_…`)."""
        customer = stored.get(project=self.calling_project, user_id=user_id)
        return Response(representation.customer(customer))

    @extend_schema(
        operation_id="customers_update",
        summary="Change a customer",
        request=CustomerChangesSerializer,
        responses=serializer_of(CustomerBody),
    )
    def partial_update(self, request: Request, user_id: str) -> Response:
        """Each field that you send replaces the stored value. Fields that you do not send keep
        theirs."""
        customer = customers.update(
            customer=stored.get(project=self.calling_project, user_id=user_id),
            changes=self.parse_body(CustomerChangesSerializer),
            at=timezone.now(),
        )
        return Response(representation.customer(customer))
