"""``/projects/{id}/stripe-account``: the Stripe account that a project sells through.

Secrets are accepted and never returned.
"""

from collections.abc import Callable
from typing import Any, ClassVar

from django.conf import settings
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing import representation
from billing.accounts import publishable_keys
from billing.accounts import service as stripe_accounts
from billing.accounts.selectors import stripe_accounts as stripe_account_selectors
from billing.models import StripeAccount
from billing.representation.stripe_accounts import StripeAccountBody
from common.api.bodies import serializer_of
from common.api.serializers import StrictSerializer
from common.errors import NotFound
from projects.keys.api.views import ProjectViewSet
from projects.keys.credentials import ProjectCredential
from projects.keys.scopes import KeyScope
from projects.models import Project

ROTATIONS: dict[str, Callable[..., object]] = {
    "secret_key": stripe_accounts.rotate_key,
    "signing_secret": stripe_accounts.add_signing_secret,
    "publishable_key": publishable_keys.replace,
}


class NewStripeAccountSerializer(StrictSerializer):
    secret_key = serializers.CharField(max_length=255, help_text="sk_… or rk_…, kept encrypted.")
    signing_secret = serializers.CharField(
        max_length=255, default="", allow_blank=True, help_text="whsec_…, kept encrypted."
    )
    publishable_key = serializers.CharField(
        max_length=255,
        default="",
        allow_blank=True,
        help_text="pk_…, which front ends get for Stripe.js. It is no secret.",
    )


class StripeAccountChangeSerializer(StrictSerializer):
    """A new key of the same account, a new signing secret, a publishable key, or several."""

    secret_key = serializers.CharField(max_length=255, required=False)
    signing_secret = serializers.RegexField(
        stripe_accounts.SIGNING_SECRET,
        max_length=255,
        required=False,
        help_text="whsec_…, kept encrypted. The previous signing secret still works.",
    )
    publishable_key = serializers.CharField(
        max_length=255,
        required=False,
        help_text="pk_…, of the same account and mode. It replaces the previous one.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs:
            raise serializers.ValidationError("Send secret_key, signing_secret or publishable_key.")
        return attrs


class StripeAccountViewSet(ProjectViewSet):
    scopes: ClassVar[dict[str, str]] = {
        "retrieve": KeyScope.PROJECT_READ,
        "create": KeyScope.PROJECT_WRITE,
        "partial_update": KeyScope.PROJECT_WRITE,
    }
    project_only = frozenset({"retrieve"})

    @extend_schema(
        operation_id="stripe_account_retrieve",
        summary="Show a project's Stripe account",
        responses=serializer_of(StripeAccountBody),
    )
    def retrieve(self, request: Request, project_id: str) -> Response:
        account = stripe_accounts.account_for(self._project(project_id))
        return Response(_render(account))

    @extend_schema(
        operation_id="stripe_account_connect",
        summary="Connect a project's own Stripe account",
        request=NewStripeAccountSerializer,
        responses={201: serializer_of(StripeAccountBody)},
    )
    def create(self, request: Request, project_id: str) -> Response:
        """Do this before you create the first product. Tollgate calls Stripe with the key before
        it stores it."""
        project = self._project(project_id)
        body = self.parse_body(NewStripeAccountSerializer)
        account = stripe_accounts.connect(
            project=project, **body, actor=self.actor, at=timezone.now()
        )
        return Response(_render(account), status=201)

    @extend_schema(
        operation_id="stripe_account_rotate",
        summary="Change the keys of a project's own Stripe account",
        request=StripeAccountChangeSerializer,
        responses=serializer_of(StripeAccountBody),
    )
    def partial_update(self, request: Request, project_id: str) -> Response:
        """The new key must belong to the same Stripe account."""
        account = stripe_account_selectors.own(self._project(project_id))
        if account is None:
            raise NotFound("The project has not connected an account of its own.")
        body, now = self.parse_body(StripeAccountChangeSerializer), timezone.now()
        for field, rotate in ROTATIONS.items():
            if field in body:
                rotate(account=account, **{field: body[field]}, actor=self.actor, at=now)
        account.refresh_from_db()
        return Response(_render(account))

    def _project(self, project_id: str) -> Project:
        """The project in the path; raises NotFound when the caller may not see it."""
        credential = self.request.auth
        if isinstance(credential, ProjectCredential):
            project = credential.project if credential.project.pk == project_id else None
        else:
            project = Project.objects.filter(pk=project_id).first()
        if project is None:
            raise NotFound
        return project


def _render(account: StripeAccount) -> StripeAccountBody:
    return representation.stripe_account(
        account,
        endpoint=stripe_account_selectors.endpoint_of(account),
        publishable_key=publishable_keys.of_account(account),
        public_url=settings.PUBLIC_URL,
    )
