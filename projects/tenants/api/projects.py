"""``/projects``: register a tenant in one call, and configure it."""

from collections.abc import Callable
from typing import Annotated, Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from common.api.bodies import serializer_of
from common.api.serializers import (
    CurrencyField,
    FlagField,
    ListField,
    StrictSerializer,
    WholeNumberField,
)
from common.errors import Invalid
from projects import representation
from projects.keys.api.api_keys import IssuedKeyBody
from projects.keys.api.project_path import ProjectPathViewSet
from projects.keys.credentials import ProjectCredential
from projects.keys.representation import api_key
from projects.keys.scopes import PLATFORM, KeyScope
from projects.keys.selectors import projects as stored
from projects.models import Project, Sells
from projects.models.project import MOST_PER_SECOND
from projects.representation import DetectedSettingsBody, ProjectBody
from projects.sign_in import algorithms
from projects.sign_in import selectors as jwt_settings
from projects.sign_in.jwt_settings import MAX_SECRET_LENGTH, SignInSettings
from projects.tenants import projects

MOST_GRACE_DAYS = 90
FOR_OPERATORS = {
    "slug": "slug",
    "workflow_namespace": "Temporal namespace",
    "requests_per_second": "limit of requests",
    "checks_per_second": "limit of checks",
}
"""Settings that a project's own key cannot change, and their names."""
SLUG = r"^[a-z0-9](?:[a-z0-9\-]*[a-z0-9])?\Z"
WORKFLOW_NAMESPACE = r"^[A-Za-z0-9][A-Za-z0-9._\-]*\Z"


class SignInSerializer(StrictSerializer):
    """How Tollgate verifies the JWTs of your signed-in users on ``/billing/*``. Send either
    ``jwks_url`` or ``shared_secret``."""

    jwks_url = serializers.CharField(
        max_length=2000, required=False, help_text="https address of your JWK set (public keys)."
    )
    shared_secret = serializers.CharField(
        max_length=MAX_SECRET_LENGTH,
        required=False,
        trim_whitespace=False,
        help_text="A shared secret of at least 32 bytes. It is never shown again. If you leave it "
        "out of a later change, the stored secret stays.",
    )
    issuer = serializers.CharField(max_length=255, help_text="The token's iss must equal it.")
    audience = serializers.CharField(
        max_length=255, help_text="The token's aud must equal it or contain it."
    )
    algorithms = ListField(
        child=serializers.ChoiceField(choices=algorithms.ALL_ALGORITHMS),
        allow_empty=False,
        max_length=len(algorithms.ALL_ALGORITHMS),
        required=False,
        help_text="The accepted algorithms. If absent: RS256, ES256 and EdDSA with a jwks_url, "
        "HS256 with a shared secret.",
    )


class SettingsSerializer(StrictSerializer):
    """The settings that a project can change."""

    name = serializers.CharField(max_length=120, required=False)
    slug = serializers.RegexField(
        SLUG,
        max_length=50,
        required=False,
        help_text="Lower-case letters, digits and hyphens; unique on this platform. Only a "
        "platform key can change it.",
    )
    sells = ListField(
        child=serializers.ChoiceField(choices=Sells.choices),
        allow_empty=False,
        max_length=len(Sells),
        required=False,
    )
    default_currency = CurrencyField(required=False)
    return_origins = ListField(
        child=serializers.CharField(max_length=255),
        max_length=50,
        required=False,
        help_text="Origins that a hosted page may send a buyer back to, such as "
        "https://app.example.com.",
    )
    grace_days = WholeNumberField(
        min_value=0,
        max_value=MOST_GRACE_DAYS,
        allow_null=True,
        required=False,
        help_text="Days for which access continues after a renewal payment fails. Null: the "
        "platform's default.",
    )
    automatic_tax = FlagField(
        required=False, help_text="Whether checkouts collect tax, unless the request says so."
    )
    contact_email = serializers.EmailField(
        max_length=254,
        allow_blank=True,
        required=False,
        help_text="Where we write to your people, for example before a key expires.",
    )
    public_plans = FlagField(
        required=False,
        help_text="Whether `GET /billing/plans` answers without a user's token. If absent: true.",
    )
    workflow_namespace = serializers.RegexField(
        WORKFLOW_NAMESPACE,
        max_length=128,
        allow_blank=True,
        required=False,
        help_text="The Temporal namespace whose workflows your payments signal. Only a platform "
        "key can set it, and no two projects have the same.",
    )
    requests_per_second = WholeNumberField(
        min_value=1,
        max_value=MOST_PER_SECOND,
        allow_null=True,
        required=False,
        help_text="Limit of requests per second. Null: the platform's default. Only a platform key "
        "can set it.",
    )
    checks_per_second = WholeNumberField(
        min_value=1,
        max_value=MOST_PER_SECOND,
        allow_null=True,
        required=False,
        help_text="Limit of checks, consumption and usage per second, which count separately. "
        "Null: the platform's default. Only a platform key can set it.",
    )
    jwt = SignInSerializer(
        allow_null=True, required=False, help_text="Replaces all of it; null removes it."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Convert ``jwt`` to the ``sign_in`` argument of the services."""
        if "jwt" in attrs:
            settings = attrs.pop("jwt")
            if settings is not None:
                algorithm_names = tuple(settings.get("algorithms", ()))
                settings = SignInSettings(**{**settings, "algorithms": algorithm_names})
            attrs["sign_in"] = settings
        return attrs


class NewProjectSerializer(SettingsSerializer):
    name = serializers.CharField(max_length=120)
    livemode = FlagField(
        required=False,
        help_text="True: the project takes real payments. It never changes. If absent: false.",
    )


class ReasonSerializer(StrictSerializer):
    reason = serializers.CharField(max_length=1000, help_text="It is recorded in the audit trail.")


class RegistrationBody(ProjectBody):
    """A new project with its first key."""

    detected: Annotated[DetectedSettingsBody, "Settings that you did not send."]
    key: Annotated[IssuedKeyBody, "The first key, with every scope."]


class ProjectsViewSet(ProjectPathViewSet):
    transactional = True
    scopes: ClassVar[dict[str, str]] = {
        "list": KeyScope.PROJECT_READ,
        "create": PLATFORM,
        "retrieve": KeyScope.PROJECT_READ,
        "partial_update": KeyScope.PROJECT_WRITE,
        "suspend": PLATFORM,
        "resume": PLATFORM,
    }

    @extend_schema(
        operation_id="projects_list",
        summary="List projects",
        responses=serializer_of(ProjectBody)(many=True),
    )
    def list(self, request: Request) -> Response:
        """A platform key gets every project, a project's key its own project only."""
        page = self.paginate_queryset(stored.visible_to(self.caller)) or []
        sign_in_by_project = jwt_settings.of_many([row.pk for row in page])
        return self.get_paginated_response(
            [representation.project(row, sign_in_by_project.get(row.pk)) for row in page]
        )

    @extend_schema(
        operation_id="projects_create",
        summary="Register a project",
        request=NewProjectSerializer,
        responses={201: serializer_of(RegistrationBody)},
    )
    def create(self, request: Request) -> Response:
        """Creates a tenant that can sell at once, and its first key. The key's secret is shown
        only in this response."""
        registration = projects.register(
            **self.parse_body(NewProjectSerializer), actor=self.caller.actor, at=timezone.now()
        )
        body: RegistrationBody = {
            **_shown(registration.project),
            "detected": registration.detected,
            "key": {**api_key(registration.key), "secret": registration.secret},
        }
        return Response(body, status=201)

    @extend_schema(
        operation_id="projects_retrieve",
        summary="Show a project",
        request=None,
        responses=serializer_of(ProjectBody),
    )
    def retrieve(self, request: Request, project_id: str) -> Response:
        return Response(_shown(self.project))

    @extend_schema(
        operation_id="projects_update",
        summary="Change a project's settings",
        request=SettingsSerializer,
        responses=serializer_of(ProjectBody),
    )
    def partial_update(self, request: Request, project_id: str) -> Response:
        """Each field that you send replaces the stored value; the others keep theirs. Only a
        platform key can change the slug and the `workflow_namespace`, which are unique on the
        platform (a refusal would reveal another project), and the limits."""
        changes = self.parse_body(SettingsSerializer)
        if isinstance(self.caller, ProjectCredential):
            _refuse_fields_of_operators(self.project, changes)
        project = projects.configure(
            project=self.project,
            changes=changes,
            actor=self.caller.actor,
            at=timezone.now(),
        )
        return Response(_shown(project))

    @extend_schema(
        operation_id="projects_suspend",
        summary="Suspend a project",
        request=ReasonSerializer,
        responses=serializer_of(ProjectBody),
    )
    def suspend(self, request: Request, project_id: str) -> Response:
        """Within five seconds, requests with its keys are answered 403 `project-suspended`, and
        requests with its users' tokens 401. Stripe still charges for its subscriptions, and
        Stripe's events are still applied. Suspending it again changes nothing."""
        return self._decide(projects.suspend)

    @extend_schema(
        operation_id="projects_resume",
        summary="Resume a suspended project",
        request=ReasonSerializer,
        responses=serializer_of(ProjectBody),
    )
    def resume(self, request: Request, project_id: str) -> Response:
        """Its keys and its users' tokens work again."""
        return self._decide(projects.resume)

    def _decide(self, service: Callable[..., Project]) -> Response:
        project = service(
            project=self.project,
            reason=self.parse_body(ReasonSerializer)["reason"],
            actor=self.caller.actor,
            at=timezone.now(),
        )
        return Response(_shown(project))


def _refuse_fields_of_operators(project: Project, changes: dict[str, Any]) -> None:
    for field, name in FOR_OPERATORS.items():
        stored_value = getattr(project, field)
        if changes.get(field, stored_value) != stored_value:
            raise Invalid(f"Ask the platform's operators to change the {name}.", field=field)


def _shown(row: Project) -> ProjectBody:
    return representation.project(row, jwt_settings.of(row))
