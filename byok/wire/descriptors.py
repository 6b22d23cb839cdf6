"""How many files a process may have open, which is what connections are."""

import resource


def may_open(wanted: int) -> int:
    """
    See to it that *wanted* files may be open; return how many may be, at the least.

    A process begins with what old programs could cope with, and may ask for more.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if _covers(soft, wanted):
        return wanted
    most = wanted if _covers(hard, wanted) else hard
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    except (OSError, ValueError):
        # macOS says there is no limit, and has one.
        return soft
    return most


def _covers(limit: int, wanted: int) -> bool:
    return limit == resource.RLIM_INFINITY or limit >= wanted
