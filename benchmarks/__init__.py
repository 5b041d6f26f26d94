"""How fast the hot paths are, as ratios to what they stand on, measured in one run.

`make bench` (or ``python -m benchmarks --quick`` for a look) starts PostgreSQL and Valkey of its
own under ``var/bench``, fills one database and leaves another empty, serves both with the same
server as the product, and beside them the smallest honest version of each path. Every case runs
once in every round, and a ratio is taken inside a round: a slow spell of the machine then hits
both of its sides. Wrong answers end the run with an error; slow ones never do.
"""
