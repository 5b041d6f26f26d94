"""Tables of projects, their apps, keys and customers."""

from projects.models.api_key import ApiKey, PlatformKey
from projects.models.app import App
from projects.models.customer import Customer
from projects.models.idempotency_key import (
    IdempotencyKey,
    IdempotencyRecord,
    PlatformIdempotencyKey,
)
from projects.models.jwt_settings import JwtSettings
from projects.models.project import Project, Sells

__all__ = [
    "ApiKey",
    "App",
    "Customer",
    "IdempotencyKey",
    "IdempotencyRecord",
    "JwtSettings",
    "PlatformIdempotencyKey",
    "PlatformKey",
    "Project",
    "Sells",
]
