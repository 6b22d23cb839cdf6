"""Where and on what the figures were measured."""

import os
import platform
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.exchange.load import wrk
from benchmarks.exchange.processes import ROOT
from benchmarks.exchange.subjects import NOTHING_SAID, first_line


def machine() -> dict[str, object]:
    """Return what the machine is, and how busy it was before we came."""
    return {
        "cores": os.cpu_count(),
        "processor": _processor(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 2),
        "load_by": _wrk_version(),
    }


def today() -> str:
    """Return the date."""
    return f"{datetime.now(tz=UTC):%Y-%m-%d}"


def revision() -> str:
    """Return the commit that is measured, with a plus where byok/ was changed since."""
    if not (ROOT / ".git").exists():
        return "unknown"
    git = ["git", "-C", str(ROOT)]
    commit = first_line([*git, "rev-parse", "--short", "HEAD"])
    changed = first_line([*git, "status", "--porcelain", "--", "byok"])
    return commit if changed == NOTHING_SAID else f"{commit}+"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def _wrk_version() -> str:
    program = wrk()
    if program is None:
        return "the rig's own client, since wrk is not installed"
    return " ".join(first_line([program, "-v"]).split()[:2])
