"""The process's own limits."""

from __future__ import annotations

import resource

# A connection, an event file or a segment each; 1024, the usual soft limit, is soon reached.
FILE_LIMIT = 65536


def raise_file_limit() -> int:
    """Lift the soft limit of open files as far as the hard one lets us; the limit then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = reachable_file_limit(soft, hard)
    if limit != soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    return limit


def reachable_file_limit(soft: int, hard: int) -> int:
    """The soft limit that raise_file_limit comes to. It never lowers one."""
    infinity = resource.RLIM_INFINITY
    if soft == infinity:
        return soft
    return max(soft, FILE_LIMIT if hard == infinity else min(FILE_LIMIT, hard))
