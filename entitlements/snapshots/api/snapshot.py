"""``/entitlements/{user_id}/snapshot``: all entitlements of one user, signed."""

from typing import Any, ClassVar

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request

from entitlements.decisions.api.entitlements import WhoseSerializer
from entitlements.snapshots import signed_snapshots
from projects.keys.api.views import ProjectViewSet
from projects.keys.scopes import KeyScope

MEDIA_TYPE = "application/jwt"


class SnapshotViewSet(ProjectViewSet):
    scopes: ClassVar[dict[str, str]] = {"retrieve": KeyScope.ENTITLEMENTS_READ}

    @extend_schema(
        operation_id="entitlements_snapshot",
        summary="Get a signed snapshot of a user's entitlements",
        responses={
            (200, MEDIA_TYPE): OpenApiResponse(str, "A compact JWS, as plain text."),
        },
    )
    def retrieve(self, request: Request, user_id: str, **kwargs: Any) -> HttpResponse:
        """A JWS (EdDSA) that your software can store and decide from while Tollgate is away.

        Its claims: `iss` (this service), `aud` (your project's id), `sub` (the user), `iat`, `exp`
        (do not use it after this time), `customer`, `version`, and `entitlements`: a decision for
        every feature. `ask_online` is true for a feature whose usage is counted: check it online.
        The public keys are at `/.well-known/jwks.json`.
        """
        whose = self._validated(WhoseSerializer, {"user_id": user_id})["user_id"]
        token = signed_snapshots.sign(
            project=self.calling_project, user_id=whose, at=timezone.now()
        )
        return HttpResponse(token, content_type=MEDIA_TYPE, headers={"Cache-Control": "no-store"})
