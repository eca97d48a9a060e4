"""For all tests: who claims to have tried every peer must have done so, and CI repeats what it found.

FTLITE_NO_SKIP=1 makes a skipped interop test a failed one. With CI set, hypothesis draws the same examples each time,
so that a change is judged by what it changed; other runs, and tests/fuzz, go on looking for new ones.
"""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest
from hypothesis import settings

# Commands run as they do for people: whoever wants no bytecode beside the sources does not mean to compile each time.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

settings.register_profile("ci", derandomize=True, deadline=None)
if os.environ.get("CI"):
    settings.load_profile("ci")


def _must_run(node: pytest.Item | pytest.Collector) -> bool:
    wanted = node.get_closest_marker("interop") is not None or "interop" in node.path.parts
    return wanted and bool(os.environ.get("FTLITE_NO_SKIP"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and _must_run(item):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, which FTLITE_NO_SKIP forbids: {reason}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if report.outcome == "skipped" and _must_run(collector):
        report.outcome = "failed"
        report.longrepr = f"{collector.nodeid} was skipped as a whole, which FTLITE_NO_SKIP forbids"
    return report
