"""The base of ``/billing/*``: what a signed-in user sees and does, by their own token.

The user's id comes from the token and from nowhere else; no path, parameter or body names a user.
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


class WhichSerializer(StrictSerializer):
    """Only needed by a user with several subscriptions."""

    product = IdField(prefix="prod", required=False)


class SignedInViewSet(ProjectViewSet):
    authentication_classes = [UserAuthentication]

    @property
    def user_id(self) -> str:
        """Whose token it is: the project's own id of its user."""
        user_id: str = self.request.auth.user_id  # type: ignore[union-attr]  # a UserCredential
        return user_id
