"""What docs/cli.md says that curl can do through plain verbs, done by the page's own lines."""

from __future__ import annotations

import hashlib
import re
import shlex
import subprocess
import threading
from pathlib import Path

import pytest

from tests.interop.conftest import Serve
from tests.interop.deeds import Place
from tests.interop.tools import PATIENCE, TOOLS
from tests.peers.servers import Tls

pytestmark = pytest.mark.interop

PAGE = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()
SECTION = re.split(r"^## ", PAGE.partition("## Through plain verbs\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
LINES = [line for block in re.findall(r"```sh\n(.*?)```", SECTION, re.DOTALL) for line in block.splitlines()]
_QUOTE_REFUSED = 21  # curl's exit code for a refused -Q


@pytest.fixture
def place(serve: Serve, tmp_path: Path) -> Place:
    if reason := TOOLS["curl"](tmp_path).missing():
        pytest.skip(reason)
    return serve("ftlite", Tls.EXPLICIT)


def line(*words: str) -> str:
    """The page's line with these words in it."""
    found = [each for each in LINES if all(word in each for word in words)]
    assert len(found) == 1, f"{words} in {LINES}"
    return str(found[0])


def curl(place: Place, command: str, scratch: Path) -> subprocess.CompletedProcess[str]:
    """Runs a line of the page against `place`, which is its /rel."""
    server = place.server
    assert server.certificate is not None
    words = shlex.split(command)
    assert words[0] == "curl"
    words = [word.replace("ftp://build7/rel/", f"ftp://{server.host}:{server.port}/{place.name}/") for word in words]
    words = [word.replace(" /rel", f" /{place.name}") for word in words]
    words[words.index("-u") + 1] = f"{server.user}:{server.password}"
    words[1:1] = ["-sS", "--cacert", str(server.certificate.authority)]
    return subprocess.run(words, cwd=scratch, capture_output=True, text=True, timeout=PATIENCE, check=False)


def test_wait_and_get(place: Place, tmp_path: Path) -> None:
    uploaded = tmp_path / "source"
    uploaded.write_bytes(b"artifact")
    waited: list[subprocess.CompletedProcess[str]] = []
    waiting = threading.Thread(target=lambda: waited.append(curl(place, line("WAIT timeout=40", "-o"), tmp_path)))
    waiting.start()
    TOOLS["curl"](tmp_path).put(place.server, uploaded, place.remote("app.bin"))
    waiting.join()
    assert waited[0].returncode == 0, waited[0].stderr
    assert (tmp_path / "app.bin").read_bytes() == b"artifact"


def test_digest_after_an_upload(place: Place, tmp_path: Path) -> None:
    (tmp_path / "app.bin").write_bytes(b"artifact")
    done = curl(place, line("XSHA256"), tmp_path)
    assert done.returncode == 0, done.stderr
    assert (place.path / "app.bin").read_bytes() == b"artifact"
    assert hashlib.sha256(b"artifact").hexdigest() in done.stderr.lower()


def test_wait_for_another_version_and_for_a_directory(place: Place, tmp_path: Path) -> None:
    place.write("app.bin", b"artifact")
    other = curl(place, line("since="), tmp_path)
    assert other.returncode == 0, other.stderr
    version = re.search(r"< 213 type=file;.*?version=([^;]+);", other.stderr)
    assert version, other.stderr
    same = line("since=").replace("VERSION", version[1]).replace("timeout=5", "timeout=0")
    assert curl(place, same, tmp_path).returncode == _QUOTE_REFUSED
    directory = curl(place, line("any=1"), tmp_path)
    assert directory.returncode == 0
    assert "< 213 type=dir;" in directory.stderr
    assert directory.stdout.split() == ["app.bin"]


def test_nothing_comes(place: Place, tmp_path: Path) -> None:
    done = curl(place, line("WAIT timeout=40", "-o").replace("timeout=40", "timeout=0"), tmp_path)
    assert done.returncode == _QUOTE_REFUSED
    assert "kind=timeout" in done.stderr or "450" in done.stderr


def test_each_line_is_tried() -> None:
    assert len(LINES) == 4
