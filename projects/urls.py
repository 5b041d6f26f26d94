"""Addresses below ``/api/v1``."""

from typing import Any

from django.urls import path

from projects.customers.api import CustomersViewSet
from projects.keys.api.api_keys import ApiKeysViewSet, AppKeysViewSet
from projects.tenants.api.apps import AppsViewSet
from projects.tenants.api.projects import ProjectsViewSet

ALL: dict[str, Any] = {"get": "list", "post": "create"}
ONE: dict[str, Any] = {"get": "retrieve", "patch": "partial_update"}

urlpatterns = [
    path("projects", ProjectsViewSet.as_view(ALL)),
    path("projects/<str:project_id>", ProjectsViewSet.as_view(ONE)),
    path("projects/<str:project_id>/suspend", ProjectsViewSet.as_view({"post": "suspend"})),
    path("projects/<str:project_id>/resume", ProjectsViewSet.as_view({"post": "resume"})),
    path("projects/<str:project_id>/keys", ApiKeysViewSet.as_view(ALL)),
    path(
        "projects/<str:project_id>/keys/<str:key_id>", ApiKeysViewSet.as_view({"get": "retrieve"})
    ),
    path(
        "projects/<str:project_id>/keys/<str:key_id>/rotate",
        ApiKeysViewSet.as_view({"post": "rotate"}),
    ),
    path(
        "projects/<str:project_id>/keys/<str:key_id>/revoke",
        ApiKeysViewSet.as_view({"post": "revoke"}),
    ),
    path("projects/<str:project_id>/apps", AppsViewSet.as_view(ALL)),
    path("projects/<str:project_id>/apps/<str:app_id>", AppsViewSet.as_view(ONE)),
    path("projects/<str:project_id>/apps/<str:app_id>/keys", AppKeysViewSet.as_view(ALL)),
    path("customers", CustomersViewSet.as_view(ALL)),
]
