"""Our client, called as its recipe says, and what came of all cases."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from conformance.client.cases import all_cases
from conformance.client.recipes import Recipe, load
from conformance.client.run import ClientResult, Terms, run_cases

_WARM = Path(__file__).with_name("warm.py")


@pytest.fixture(scope="session")
def ftlite_recipe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recipe]:
    """The shipped recipe, with a server that forks in place of an interpreter that starts."""
    socket = tmp_path_factory.mktemp("warm") / "socket"
    server = subprocess.Popen([sys.executable, _WARM, "serve", socket], stdout=subprocess.PIPE)
    assert server.stdout is not None
    assert server.stdout.readline() == b"ready\n"
    recipe = load("ftlite")
    call = f"{{python}} -S -E {_WARM} call {socket}"
    warm = {deed: template.replace("{python} -m ftlite", call) for deed, template in recipe.clear.items()}
    warm_tls = {deed: template.replace("{python} -m ftlite", call) for deed, template in recipe.tls.items()}
    assert all(call in template for template in (*warm.values(), *warm_tls.values()))
    yield replace(recipe, clear=warm, tls=warm_tls)
    server.kill()
    server.wait()
    server.stdout.close()


#: Here the client's own clock ends it. Elsewhere that is long, so that a busy machine is not taken for a silent one.
_SILENT = frozenset(
    [
        "greeting-none",
        "reply-none",
        "data-silence",
        "retr-stalls",
        "retr-no-final-reply",
        "list-no-final-reply",
        "stor-no-final-reply",
        "stor-stalls",
        "quit-unanswered",
    ]
)


@pytest.fixture(scope="session")
def ours(ftlite_recipe: Recipe) -> dict[str, ClientResult]:
    """Every case, played for our client."""
    found: dict[str, ClientResult] = {}
    for silent, patience in ((True, 4.0), (False, 30.0)):
        cases = [case for case in all_cases() if (case.name in _SILENT) is silent]
        for result in run_cases(cases, ftlite_recipe, Terms(patience, limit=90.0, jobs=8)):
            found[result.case.name] = result
    return {case.name: found[case.name] for case in all_cases()}
