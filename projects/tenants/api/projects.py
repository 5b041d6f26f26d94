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
from projects.representation import DetectedSettingsBody, ProjectBody
from projects.sign_in import algorithms
from projects.sign_in import selectors as jwt_settings
from projects.sign_in.jwt_settings import MAX_SECRET_LENGTH, SignInSettings
from projects.tenants import projects

MOST_GRACE_DAYS = 90
SLUG = r"^[a-z0-9](?:[a-z0-9\-]*[a-z0-9])?\Z"


class SignInSerializer(StrictSerializer):
    """How the project's own tokens of its signed-in users are verified, for ``/billing/*``."""

    jwks_url = serializers.CharField(
        max_length=2000, required=False, help_text="Where your public keys are: a JWK set, https."
    )
    shared_secret = serializers.CharField(
        max_length=MAX_SECRET_LENGTH,
        required=False,
        trim_whitespace=False,
        help_text="Or a secret, of at least 32 bytes. Never shown again; kept when left out.",
    )
    issuer = serializers.CharField(max_length=255, help_text="What iss must say.")
    audience = serializers.CharField(max_length=255, help_text="What aud must say or hold.")
    algorithms = ListField(
        child=serializers.ChoiceField(choices=algorithms.ALL_ALGORITHMS),
        allow_empty=False,
        max_length=len(algorithms.ALL_ALGORITHMS),
        required=False,
        help_text="The only ones accepted; RS256, ES256 and EdDSA, or HS256, when left out.",
    )


class SettingsSerializer(StrictSerializer):
    """What a project may change about itself."""

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
        help_text="Origins that a buyer may be sent back to, such as https://app.example.com.",
    )
    grace_days = WholeNumberField(
        min_value=0,
        max_value=MOST_GRACE_DAYS,
        allow_null=True,
        required=False,
        help_text="How long a failed renewal leaves access; null for the platform's default.",
    )
    automatic_tax = FlagField(
        required=False, help_text="Whether checkouts collect tax unless they say otherwise."
    )
    jwt = SignInSerializer(
        allow_null=True, required=False, help_text="Replaces what was there; null takes it away."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """As the services take it."""
        if "jwt" in attrs:
            said = attrs.pop("jwt")
            if said is not None:
                said = SignInSettings(**{**said, "algorithms": tuple(said.get("algorithms", ()))})
            attrs["sign_in"] = said
        return attrs


class NewProjectSerializer(SettingsSerializer):
    name = serializers.CharField(max_length=120)
    livemode = FlagField(
        required=False, help_text="Whether it moves live money. Fixed for ever; false when absent."
    )


class ReasonSerializer(StrictSerializer):
    reason = serializers.CharField(max_length=1000, help_text="Kept in the audit trail.")


class RegistrationBody(ProjectBody):
    """A tenant. It is either test or live for ever."""

    detected: Annotated[DetectedSettingsBody, "What was inferred, because it was not said."]
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
        """Every project, for the platform; for a project's key, that project."""
        page = self.paginate_queryset(stored.visible_to(self.caller)) or []
        said = jwt_settings.of_many([row.pk for row in page])
        return self.get_paginated_response(
            [representation.project(row, said.get(row.pk)) for row in page]
        )

    @extend_schema(
        operation_id="projects_create",
        summary="Register a project",
        request=NewProjectSerializer,
        responses={201: serializer_of(RegistrationBody)},
    )
    def create(self, request: Request) -> Response:
        """A tenant that can sell at once, with its first key. The key is shown only here."""
        made = projects.register(
            **self.parse_body(NewProjectSerializer), actor=self.caller.actor, at=timezone.now()
        )
        body: RegistrationBody = {
            **_shown(made.project),
            "detected": made.detected,
            "key": {**api_key(made.key), "secret": made.secret},
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
        summary="Configure a project",
        request=SettingsSerializer,
        responses=serializer_of(ProjectBody),
    )
    def partial_update(self, request: Request, project_id: str) -> Response:
        """What is sent replaces what was; what is absent stays. The slug is changed by the platform
        alone: it is unique among all projects, and a refusal would tell of another one."""
        changes = self.parse_body(SettingsSerializer)
        if isinstance(self.caller, ProjectCredential):
            _refuse_renaming(self.project, changes)
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
        """Within five seconds its keys are answered 403 `project-suspended` and its users' tokens
        401. Stripe goes on charging for its subscriptions, and what it tells us is kept and
        applied. Suspending twice is the same as once."""
        return self._decide(projects.suspend)

    @extend_schema(
        operation_id="projects_resume",
        summary="Let a project go on",
        request=ReasonSerializer,
        responses=serializer_of(ProjectBody),
    )
    def resume(self, request: Request, project_id: str) -> Response:
        """Its keys and its users' tokens open again what they opened before."""
        return self._decide(projects.resume)

    def _decide(self, service: Callable[..., Project]) -> Response:
        project = service(
            project=self.project,
            reason=self.parse_body(ReasonSerializer)["reason"],
            actor=self.caller.actor,
            at=timezone.now(),
        )
        return Response(_shown(project))


def _refuse_renaming(project: Project, changes: dict[str, Any]) -> None:
    if changes.get("slug", project.slug) != project.slug:
        raise Invalid("Ask the platform's operators to change the slug.", field="slug")


def _shown(row: Project) -> ProjectBody:
    return representation.project(row, jwt_settings.of(row))
