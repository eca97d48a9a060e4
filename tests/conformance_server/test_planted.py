"""The cases can fail: a server broken in one place is noticed by the case that claims to, and passes it when whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from conformance.registry import Status, all_cases
from conformance.server import run_case
from conformance.wire import TlsMode
from tests.conformance_server.faults import FAULTS
from tests.conformance_server.running import Served, running

CASES = {case.name: case for case in all_cases()}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with running(tmp_path_factory.mktemp("server")) as served:
        yield served


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_noticed(name: str, server: Served) -> None:
    fault = FAULTS[name]
    case = CASES[fault.case]
    target = replace(server.target, tls=TlsMode.EXPLICIT) if fault.tls else server.target
    whole = run_case(case, target)
    assert whole.status is Status.PASS, f"the whole server: {whole.status.value}, {whole.remark}"
    logged = len(server.log.getvalue())
    with pytest.MonkeyPatch.context() as patch:
        fault.plant(patch)
        broken = run_case(case, target)
    assert broken.status in (Status.FAIL, Status.INFO), f"{broken.status.value}, {broken.remark}"
    assert "session.fault" not in server.log.getvalue()[logged:], "it was noticed by a crash, which is another fault"


def test_there_are_faults_of_every_kind() -> None:
    assert len(FAULTS) >= 30
    assert len({CASES[fault.case].chapter[:4] for fault in FAULTS.values()}) >= 10
