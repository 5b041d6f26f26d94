"""A stateful local Stripe: the real SDK talks to it, over HTTP or in process.

It stands alone: it imports neither Django nor any of the service's apps.
"""

API_VERSION = "2026-10-28.endive"
