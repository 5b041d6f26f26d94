"""Events of a project, its apps, keys, mail and webhook endpoints."""

PROJECT_UPDATED = "project.updated", "The project's settings were changed."
PROJECT_SUSPENDED = (
    "project.suspended",
    "An operator suspended the project: its keys and its users' tokens are refused.",
)
PROJECT_RESUMED = "project.resumed", "The suspension of the project ended."

MAIL_UNDELIVERABLE = (
    "mail.undeliverable",
    "A message came back, to a customer or to your people: the address gets no more mail.",
)

WEBHOOK_ENDPOINT_CREATED = "webhook_endpoint.created", "A webhook endpoint was created."
WEBHOOK_ENDPOINT_UPDATED = (
    "webhook_endpoint.updated",
    "A webhook endpoint's settings or secrets were changed, or it was enabled again.",
)
WEBHOOK_ENDPOINT_DELETED = "webhook_endpoint.deleted", "A webhook endpoint was deleted."
WEBHOOK_ENDPOINT_FAILING = (
    "webhook_endpoint.failing",
    "No delivery to a webhook endpoint has succeeded for an hour, a day or four days.",
)
WEBHOOK_ENDPOINT_RECOVERED = (
    "webhook_endpoint.recovered",
    "A delivery succeeded to a webhook endpoint that was failing.",
)
WEBHOOK_ENDPOINT_DISABLED = (
    "webhook_endpoint.disabled",
    "A webhook endpoint was disabled. Enabled again, it gets all that happened meanwhile.",
)
WEBHOOK_ENDPOINT_TESTED = (
    "webhook_endpoint.tested",
    "A test of a webhook endpoint, sent to no other one.",
)

APP_CREATED = "app.created", "A micro-app was created."
APP_UPDATED = "app.updated", "A micro-app was renamed, or it was restored."
APP_ARCHIVED = "app.archived", "A micro-app was archived: its keys are refused."

API_KEY_CREATED = (
    "api_key.created",
    "A key was issued: by another key, by an operator, or to replace one.",
)
API_KEY_ROTATED = (
    "api_key.rotated",
    "A key was replaced by another one. It works until its `expires_at`.",
)
API_KEY_REVOKED = "api_key.revoked", "A key was revoked and is refused from now on."
