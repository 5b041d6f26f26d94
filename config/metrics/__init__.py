"""``/metrics`` for Prometheus: what all processes have counted, and gauges of the database.

It does not matter which process answers: counters are the sums over all (docs/decisions/0043), and
gauges are queried at each scrape. docs/monitoring.md lists them.
"""
