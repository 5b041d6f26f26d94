"""Owns meters: their code, aggregation and unit. Does not own records, totals or limits
(``entitlements.features``)."""
