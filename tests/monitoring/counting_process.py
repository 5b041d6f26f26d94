"""A process that counts, for tests: `python -m tests.monitoring.counting_process COUNT CHILDREN`.

It counts COUNT runs of a chore, forks CHILDREN processes that count as many each, and ships. What
it has counted and not shipped when it forks must not be counted by the children again.
"""

import os
import sys

import django


def main(count: int, children: int) -> None:
    django.setup()
    from common.chore_metrics import measured  # noqa: PLC0415  # Django is set up now
    from common.process_metrics import shipper  # noqa: PLC0415

    def count_runs() -> None:
        for _ in range(count):
            with measured("tests.count"):
                pass

    count_runs()
    processes = []
    for _ in range(children):
        if child := os.fork():
            processes.append(child)
            continue
        count_runs()
        shipper.role = "worker_child"
        os._exit(0 if shipper.ship() else 1)
    for child in processes:
        _, status = os.waitpid(child, 0)
        assert status == 0
    shipper.role = "worker"
    assert shipper.ship()
    assert shipper.ship()  # nothing new: nothing is counted twice


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
