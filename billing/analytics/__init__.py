"""Metrics of a project: subscriptions, monthly recurring revenue (MRR) and money, day by day.

Owns: the definition of MRR, the history of each subscription's status and amount (spans), the
counted days, the answers of `/metrics`. Does not own: subscriptions and payments, which it only
reads, nor the figures for Prometheus (`config.metrics`). docs/metrics.md defines every figure."""
