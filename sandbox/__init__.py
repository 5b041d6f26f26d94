"""A local Stripe that keeps state. Stripe's SDK calls it over HTTP or in process.

It imports neither Django nor any app of the service.
"""

API_VERSION = "2026-10-28.endive"
