"""The body of values that the service inferred from a request."""

from typing import Annotated, TypedDict

from billing.models.payment import PaymentType


class DetectedBody(TypedDict):
    """A value that was inferred because the request did not contain it."""

    type: Annotated[str, PaymentType]
    because: str
