"""docs/shell.md shows what the shell shows. FTLITE_WRITE_DOCS=1 puts new screens into it."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.cli.conftest import clean_environment, start
from tests.shell.driver import Terminal, ftlite

PAGE = Path(__file__).parents[2] / "docs/shell.md"
_SCREEN = r"<!-- screen: {} -->\n(?:\n```text\n(.*?)```\n)?"


def screens(place: Path) -> dict[str, str]:
    """What a terminal shows while somebody works, by name."""
    server = start(place / "there")
    port = str(server.port)
    for name, text in {"app-1.4.whl": "1", "app-1.5.whl": "2", "read me.txt": "3"}.items():
        (server.root / "rel").mkdir(exist_ok=True)
        (server.root / "rel" / name).write_text(text * 40)
    (server.root / "big.iso").write_bytes(os.urandom(2_000_000))
    home = place / "here"
    config = home / ".config/ftlite"
    config.mkdir(parents=True)
    (config / "sites.toml").write_text(f'[build7]\naddress = "{server.url()}"\npin = "{server.fact("pin")}"\n')
    env = {**clean_environment(home), "LANG": "C.UTF-8", "FTLITE_PASSWORD": server.fact("password") or ""}
    shown = {}
    try:
        with Terminal(ftlite("build7:rel"), home, env, 88, 20) as terminal:
            terminal.prompt()
            terminal.type("ls -l\r")
            terminal.see("read me")
            terminal.prompt()
            shown["arrival"] = terminal.text
            terminal.line("pwd")
            terminal.prompt()
            terminal.press("ctrl-l")
            terminal.wait(lambda: terminal.last.endswith(">") and terminal.rows[0] == terminal.last, "a clear screen")
            terminal.type("get a")
            terminal.press("tab")
            terminal.see(r"app-1\.4\.whl\s+app-1\.5")
            shown["completion"] = terminal.text
            terminal.press("ctrl-c")
            terminal.prompt()
            terminal.press("ctrl-l")
            terminal.wait(lambda: terminal.last.endswith(">") and terminal.rows[0] == terminal.last, "a clear screen")
            terminal.type("get --re")
            terminal.press("tab")
            terminal.see(r"--require")
            terminal.see(r"--retries")
            shown["flags"] = terminal.text
            terminal.press("ctrl-c")
            terminal.prompt()
            terminal.line("get ~/big.iso --limit-rate 600k")
            terminal.see(r"big\.iso +\S.*/2\.0 MB")
            terminal.press("ctrl-z")
            terminal.prompt("1 job>$")
            terminal.type("jobs\r")
            terminal.see("running")
            terminal.prompt("1 job>$")
            terminal.type("hash *.whl")
            terminal.see("done$")
            terminal.see(r"tls\]> hash \*\.whl$", where="last")
            shown["jobs"] = terminal.text
            terminal.press("ctrl-c")
            terminal.prompt()
            server.stop()
            server = start(place / "there", "--listen", f"127.0.0.1:{port}")
            terminal.line("pwd; ls")
            terminal.see("connected again")
            terminal.see("read me")
            terminal.prompt()
            shown["again"] = terminal.text
            terminal.press("ctrl-d")
            assert terminal.ends() == 0
    finally:
        server.stop()
    return {name: _as_written(text) for name, text in shown.items()}


def _as_written(text: str) -> str:
    """Without what differs from machine to machine."""
    text = re.sub(r"127\.0\.0\.1(:\d+)?", "build7", text)
    return re.sub(r"(-rw\S+) \S+ \S+ ", r"\1 ann users ", text) + "\n"


def _in_outline(text: str) -> str:
    """What must be the same: words and their order; not times, rates, digests, and where a line ends."""
    text = re.sub(r"sha256:[0-9a-f\s]+|[━╸╺]+", "#", text)
    text = re.sub(r"\d+(\.\d+)? (Bytes|kB|MB)/s", "0 kB/s", text)
    text = re.sub(r"\d+(\.\d+)? (Bytes|kB) of", "0 kB of", text)
    return " ".join(re.sub(r"\d+", "0", text).split())


@pytest.mark.timeout(240)
def test_the_screens_are_those_that_a_terminal_shows(tmp_path: Path) -> None:
    page = PAGE.read_text()
    found = screens(tmp_path)
    assert re.findall(r"<!-- screen: (\w+) -->", page) == list(found)
    if os.environ.get("FTLITE_WRITE_DOCS"):
        for name, text in found.items():
            block = f"<!-- screen: {name} -->\n\n```text\n{text}```\n"
            page = re.sub(_SCREEN.format(name), lambda _, block=block: block, page, flags=re.DOTALL)  # type: ignore[misc]
        PAGE.write_text(page)
    for name, text in found.items():
        match = re.search(_SCREEN.format(name), page, re.DOTALL)
        assert match is not None
        assert _in_outline(match[1] or "") == _in_outline(text), name
