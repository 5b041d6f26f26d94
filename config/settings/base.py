"""Settings of all environments. Differences are in development, test and production."""

from pathlib import Path

from billing.conf import BillingSettings
from common.conf import EgressSettings, ProxySettings, TracingSettings
from common.logs import logging_settings
from config import settings_checks
from config.env import comma_list, env
from config.schedule import POLLED, SCHEDULE, UNPAUSABLE
from config.settings.console import AXES_ENABLE_ADMIN, FORMAT_MODULE_PATH, UNFOLD  # noqa: F401
from delivery.conf import BusSettings, InboundSources, MailServerSettings, TemporalSettings
from entitlements.conf import EntitlementsSettings
from projects.conf import ProjectsSettings, RateLimitSettings
from rpc.conf import RpcSettings
from usage.conf import UsageSettings
from webhooks.conf import WebhooksSettings

BASE_DIR = Path(__file__).resolve().parents[2]
VERSION = "0.1.0"

INSTALLED_APPS = [
    "config.apps.ConfigConfig",
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "console.apps.SiteConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.contrib.postgres",
    "axes",
    "pgtrigger",
    "django_celery_beat",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "common",
    "events",
    "projects",
    "usage",
    "entitlements",
    "billing",
    "webhooks",
    "delivery",
    "console.apps.ConsoleConfig",
    "rpc",
    "devtools",
]

MIDDLEWARE = [
    "config.old_addresses.OldAddressMiddleware",
    "common.middleware.ProxyMiddleware",
    "common.middleware.RequestIdMiddleware",
    "common.middleware.ApiHeadersMiddleware",
    "common.middleware.ProblemMiddleware",
    "common.middleware.NulMiddleware",
    "projects.sign_in.api.cors.BillingCorsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "console.middleware.OperatorMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "config.security.ContentSecurityPolicyMiddleware",
    "axes.middleware.AxesMiddleware",
    "projects.idempotency.api.idempotency.IdempotencyMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
APPEND_SLASH = False
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}", "OPTIONS": options}
    for name, options in (
        ("MinimumLengthValidator", {"min_length": 15}),
        ("UserAttributeSimilarityValidator", {}),
        ("CommonPasswordValidator", {}),
        ("NumericPasswordValidator", {}),
    )
]
"""15 characters while a password is the only factor, as NIST SP 800-63B-4 (3.1.1.2) asks."""
AXES_HANDLER = "console.lockouts.LockoutHandler"
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = 0.25
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"], "ip_address"]
AXES_CLIENT_IP_CALLABLE = "console.lockouts.client_address"
AXES_ENABLE_ACCESS_FAILURE_LOG = False
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
SESSION_COOKIE_AGE = 8 * 3600
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Strict"
CSRF_FAILURE_VIEW = "common.api.django_refusals.csrf_refused"
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"

CORS_ALLOW_HEADERS = (
    "authorization",
    "content-type",
    "idempotency-key",
    "if-none-match",
    "tollgate-project",
)
CORS_ALLOW_METHODS = ("GET", "POST", "PATCH", "DELETE")
CORS_EXPOSE_HEADERS = (
    "retry-after",
    "x-request-id",
    "idempotent-replayed",
    "etag",
    "ratelimit",
    "ratelimit-policy",
)
CORS_PREFLIGHT_MAX_AGE = 3600

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024 + 1024

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["projects.keys.api.authentication.KeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["common.api.permissions.HasScope"],
    "DEFAULT_PARSER_CLASSES": ["common.api.parsers.StrictJSONParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "common.api.negotiation.AlwaysJSON",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PAGINATION_CLASS": "common.api.pagination.CursorPagination",
    "DEFAULT_SCHEMA_CLASS": "common.api.schema.TollgateSchema",
    "EXCEPTION_HANDLER": "common.api.problems.handle",
    "UNAUTHENTICATED_USER": None,
    "DATETIME_FORMAT": "iso-8601",
    "URL_FORMAT_OVERRIDE": None,
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Tollgate",
    "VERSION": VERSION,
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "CheckStateEnum": "delivery.models.webhook_check.CheckState",
        "CheckoutTypeEnum": "billing.models.checkout.CheckoutType",
        "CurrencyEnum": "common.currencies.CODES",
        "FeatureKindEnum": "entitlements.models.feature.FeatureKind",
        "RolloutStatusEnum": "common.models.RunStatus",
        "DeliveryKindEnum": "delivery.models.webhook_delivery.DeliveryKind",
        "DeliveryStateEnum": "delivery.models.webhook_delivery.DeliveryState",
        "EndpointStateEnum": "delivery.models.webhook_endpoint.EndpointState",
        "EventTypeEnum": "events.catalog.EventType",
        "DecisionReasonEnum": "entitlements.api_fields.REASONS",
        "MessageKindEnum": "delivery.mail.kinds.NAMES",
        "MetricsPeriodEnum": "billing.analytics.periods.MetricsPeriod",
        "PaymentStatusEnum": "billing.models.payment.PaymentStatus",
        "PaymentTypeEnum": "billing.models.payment.PaymentType",
        "PeriodEnum": "entitlements.models.feature.PERIODS",
        "PriceTypeEnum": "billing.models.price.PriceType",
        "DriftStateEnum": "billing.models.drift_report.DriftState",
        "ReconcileKindEnum": "billing.operations.reconcile_kinds.NAMES",
        "ReconcilePhaseEnum": "billing.models.reconcile_run.ReconcilePhase",
        "ReconciliationStateEnum": "billing.models.reconciliation.ReconciliationState",
        "RefundReasonEnum": "billing.payments.api.refunds.REASONS",
        "ReplayStateEnum": "delivery.models.webhook_replay.ReplayState",
        "SourceTypeEnum": "entitlements.models.fact.SourceType",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "common.api.schema.add_shared_parts",
        "config.plain_operations.add_plain_operations",
    ],
}

LOGGING_CONFIG = "common.logs.configure"
LOGGING = logging_settings(level=env.str("LOG_LEVEL", default="INFO"))

CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_TIME_LIMIT = 60
CELERY_TASK_SOFT_TIME_LIMIT = 50
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
# The worker outlives its broker: it tries again for ever, also when the broker refuses a command,
# as a Redis does whose disk is full.
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_CHANNEL_ERROR_RETRY = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "socket_timeout": 0.25,
    "socket_connect_timeout": 0.25,
    "max_retries": 0,
    "visibility_timeout": 120,
    "unacked_restore_interval": 10,
    "unacked_restore_throttle": 1,
}
CELERY_BEAT_SCHEDULE = SCHEDULE
POLLED_TASKS = POLLED
UNPAUSABLE_TASKS = UNPAUSABLE
WORKER_LANES = settings_checks.worker_lanes(comma_list("WORKER_LANES"))
CELERY_BEAT_SCHEDULER = "config.clock:BeatScheduler"
CELERY_TASK_CREATE_MISSING_QUEUES = True

PUBLIC_URL = env.str("PUBLIC_URL", default="http://localhost:8000").rstrip("/")

GRAPHIQL = False
"""Whether ``/graphiql`` is served, a page that sends GraphQL queries."""

METRICS_TOKEN = env.str("METRICS_TOKEN", default="").strip()
METRICS_PROJECTS = env.int("METRICS_PROJECTS", default=200)

BILLING = BillingSettings.from_env(env)
BUS = BusSettings.from_env(env)
INBOUND = InboundSources.from_env(env, bus=BUS)
MAIL = MailServerSettings.from_env(env)
globals().update(MAIL.email)
EGRESS = EgressSettings.from_env(env)
ENTITLEMENTS = EntitlementsSettings.from_env(env)
PROJECTS = ProjectsSettings.from_env(env)
RATE_LIMITS = RateLimitSettings.from_env(env)
PROXIES = ProxySettings.from_env(env)
RPC = RpcSettings.from_env(env)
TEMPORAL = TemporalSettings.from_env(env)
TRACING = TracingSettings.from_env(env)
USAGE = UsageSettings()
WEBHOOKS = WebhooksSettings()
