"""How many files and sockets this process may have open."""

import resource

MOST = 65_536


def allow_many_files() -> None:
    """Raise the soft limit, which is 1,024 in most shells, to what the system lets us have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
