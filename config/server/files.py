"""Limit of open files and sockets of this process."""

import resource

MOST = 65_536


def allow_many_files() -> None:
    """Raise the soft limit, which is 1,024 in most shells, to what the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    target = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
    if soft != resource.RLIM_INFINITY and soft < target:
        resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))
