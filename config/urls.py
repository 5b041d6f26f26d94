"""Every address of the service."""

from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularRedocView, SpectacularSwaggerView

urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/v1/", include("projects.api.urls")),
    path("api/v1/", include("billing.api.urls")),
    path("api/v1/", include("entitlements.api.urls")),
    path("api/v1/", include("webhooks.api.urls")),
    path("", include("webhooks.api.urls")),
    path("api/schema", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs", SpectacularSwaggerView.as_view(url_name="schema"), name="docs"),
    path("api/redoc", SpectacularRedocView.as_view(url_name="schema"), name="redoc"),
]

handler400 = "common.api.django_refusals.bad_request"
handler403 = "common.api.django_refusals.forbidden"
handler404 = "common.api.django_refusals.not_found"
handler500 = "common.api.django_refusals.server_error"
