"""The base view of ``/billing/*``, which signed-in users call with their own JWT.

The user's id comes from the token only: no path, parameter or body names a user.
"""

from drf_spectacular.utils import OpenApiParameter

from billing.api_fields import IdField
from common.api.serializers import StrictSerializer
from projects.keys.api.views import ProjectViewSet
from projects.sign_in.api.user_authentication import PROJECT, UserAuthentication

PROJECT_HEADER = OpenApiParameter(
    name=PROJECT,
    location=OpenApiParameter.HEADER,
    required=True,
    description="Your project's id. An issuer and an audience do not name it: others may share "
    "your identity provider.",
)
OPTIONAL_PROJECT_HEADER = OpenApiParameter(
    name=PROJECT,
    location=OpenApiParameter.HEADER,
    required=False,
    description="Your project's id.",
)


class WhichSerializer(StrictSerializer):
    """Names a subscription by its product, for a user who has several."""

    product = IdField(prefix="prod", required=False)


class SignedInViewSet(ProjectViewSet):
    authentication_classes = [UserAuthentication]

    @property
    def user_id(self) -> str:
        """The project's own id of the user whose token it is."""
        user_id: str = self.request.auth.user_id  # type: ignore[union-attr]  # a UserCredential
        return user_id
