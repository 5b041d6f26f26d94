"""The permission map as JSON."""

from typing import Annotated, TypedDict

from entitlements.facts.permission_notices import PermissionNames


class FeaturePermissionsBody(TypedDict):
    feature: Annotated[str, "The feature's code."]
    permissions: list[str]


class PermissionMapBody(TypedDict):
    """Which permissions each feature stands for at your auth service."""

    features: list[FeaturePermissionsBody]


def permission_map(names: PermissionNames) -> PermissionMapBody:
    return {
        "features": [
            {"feature": code, "permissions": permissions}
            for code, permissions in sorted(names.items())
        ]
    }
