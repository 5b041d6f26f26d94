"""All URLs of the service."""

from importlib.util import find_spec

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from config import api_docs, event_docs, health
from config.metrics.view import metrics
from entitlements.snapshots.api import jwks

admin.autodiscover()

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="docs")),
    path("live", health.live),
    path("ready", health.ready),
    path("health", health.health),
    path("metrics", metrics),
    path(".well-known/jwks.json", jwks.keys),
    path("admin/", admin.site.urls),
    path("api/v1/", include("delivery.urls")),
    path("api/v1/", include("projects.urls")),
    path("api/v1/", include("billing.urls")),
    path("api/v1/", include("entitlements.urls")),
    path("api/v1/", include("usage.urls")),
    path("api/v1/", include("webhooks.api.urls")),
    path("", include("webhooks.api.urls")),
    path("", include("delivery.mail.urls")),
    path("webhooks-portal/", include("delivery.webhooks.portal.urls")),
    path("api/schema", api_docs.schema, name="schema"),
    path("api/events-schema", event_docs.document, name="events-schema"),
    path("api/events-schema/<str:event_type>", event_docs.one, name="event-schema"),
    path("api/docs", api_docs.swagger, name="docs"),
    path("api/redoc", api_docs.redoc, name="redoc"),
    path("redoc", RedirectView.as_view(pattern_name="redoc")),
    path("redoc/", RedirectView.as_view(pattern_name="redoc")),
    path("api/redoc/bundle.js", api_docs.redoc_script, name="redoc-script"),
    path("docs/errors", api_docs.errors, name="errors"),
]

if find_spec("strawberry") is not None:  # requirements/graphql.in is installed
    urlpatterns += [
        path("", include("graph_api.urls")),
        path("graphiql", api_docs.graphiql, name="graphiql"),
    ]

handler400 = "common.api.django_refusals.bad_request"
handler403 = "common.api.django_refusals.forbidden"
handler404 = "common.api.django_refusals.not_found"
handler500 = "common.api.django_refusals.server_error"
