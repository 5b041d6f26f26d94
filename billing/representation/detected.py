"""How answers tell what a request left us to infer."""

from typing import Annotated, TypedDict

from billing.models.payment import PaymentType


class DetectedBody(TypedDict):
    """What was inferred because the request did not say it."""

    type: Annotated[str, PaymentType]
    because: str
