"""Benchmarks of the hot paths, as ratios to a baseline measured in the same run.

`make bench` (or ``python -m benchmarks --quick``) starts PostgreSQL and Valkey under ``var/bench``,
fills one database, leaves a second one empty, and serves both with the product's server. Beside
them it serves a minimal version of each path. For the way from Stripe's events to an answer it also
starts the Stripe sandbox, and a worker for the time of the case. Every case runs once per round,
and each ratio is taken within a round, so that a slow phase of the machine affects both sides.
Wrong answers end the run with an error; slow answers do not.
"""
