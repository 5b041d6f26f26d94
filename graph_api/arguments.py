"""Arguments of fields, checked by the serializers of the REST query parameters."""

from typing import Annotated, Any

import strawberry
from rest_framework.serializers import BaseSerializer

from graph_api.scalars import Timestamp

UserIdArgument = Annotated[
    str | None, strawberry.argument(description="Your own id of the user, or `cus_…`.")
]
IdArgument = Annotated[str | None, strawberry.argument(description="One of our ids.")]
TextArgument = str | None
StatusArgument = Annotated[str | None, strawberry.argument(description="Only with this status.")]
FromArgument = Annotated[Timestamp | None, strawberry.argument(name="from")]
ToArgument = Annotated[Timestamp | None, strawberry.argument(name="to")]


def checked(serializer: type[BaseSerializer[Any]], **arguments: Any) -> dict[str, Any]:
    """The validated arguments without those that are null. Raises ValidationError."""
    parsed = serializer(data={name: each for name, each in arguments.items() if each is not None})
    parsed.is_valid(raise_exception=True)
    values: dict[str, Any] = parsed.validated_data
    return values
