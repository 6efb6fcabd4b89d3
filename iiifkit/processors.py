"""How many processors this process may use: affinity and the container's quota counted."""

import os
from pathlib import Path


def processors() -> int:
    """Return the number of processors to plan for, at least 1."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _quota()
    return max(1, available if quota is None else min(available, quota))


def _quota() -> int | None:
    """Return the control group's processor quota (version 2, else 1), rounded up; None if there is none."""
    try:
        limit, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()[:2]
    except (OSError, ValueError):
        try:
            limit = Path("/sys/fs/cgroup/cpu/cpu.cfs_quota_us").read_text().strip()
            period = Path("/sys/fs/cgroup/cpu/cpu.cfs_period_us").read_text().strip()
        except OSError:
            return None
    try:
        return -(-int(limit) // int(period)) if int(limit) > 0 else None
    except (ValueError, ZeroDivisionError):
        return None
