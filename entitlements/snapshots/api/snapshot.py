"""``/entitlements/{user_id}/snapshot``: everything that one user may do, signed."""

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
        summary="Everything that one user may do, signed",
        responses={
            (200, MEDIA_TYPE): OpenApiResponse(str, "A compact JWS, as plain text."),
        },
    )
    def retrieve(self, request: Request, user_id: str, **kwargs: Any) -> HttpResponse:
        """A JWS (EdDSA) to keep and to answer from while we are away.

        Its claims: `iss` this service, `aud` your project's id, `sub` the user, `iat`, `exp` (until
        when it is certain), `customer`, `version`, and `entitlements`: a decision for every
        feature, each with `ask_online`, true for what is counted and must be asked for here.
        The public keys are at `/.well-known/jwks.json`.
        """
        whose = self._validated(WhoseSerializer, {"user_id": user_id})["user_id"]
        token = signed_snapshots.sign(
            project=self.calling_project, user_id=whose, at=timezone.now()
        )
        return HttpResponse(token, content_type=MEDIA_TYPE, headers={"Cache-Control": "no-store"})
