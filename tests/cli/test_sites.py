"""A site's name is an address, its flags stand behind what was typed and the environment, before config.toml."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ftlite.cli.options import Options
from ftlite.cli.session import address_of
from ftlite.cli.sites import SiteAddress, options_at
from tests.cli.conftest import Ftlite, Served, clean_environment


@pytest.fixture
def config(home: Path) -> Path:
    place = home / ".config" / "ftlite"
    place.mkdir(parents=True)
    return place


def sites(config: Path, text: str) -> None:
    (config / "sites.toml").write_text(text)


@pytest.mark.parametrize(
    ("typed", "url"),
    [
        ("b", "ftp://ops@h:2121/rel"),
        ("b:", "ftp://ops@h:2121/rel"),
        ("b:1.4/x", "ftp://ops@h:2121/rel/1.4/x"),
        ("b:/etc", "ftp://ops@h:2121//etc"),
        ("eve@b:x", "ftp://eve@h:2121/rel/x"),
        ("ftp://b/x", "ftp://b/x"),
        ("other:x", "other:x"),
    ],
)
def test_a_name_stands_for_an_address(config: Path, typed: str, url: str) -> None:
    sites(config, '[b]\naddress = "ftp://ops@h:2121/rel"\n')
    assert str(address_of(typed)) == url


def test_a_site_may_have_the_name_of_its_host(config: Path) -> None:
    sites(config, '[h]\naddress = "ops@h:rel"\n')
    assert str(address_of("h:x")) == "ops@h:rel/x"


def test_who_answers_last_answers_alone(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sites(config, '[b]\naddress = "u@h"\npassword_command = "echo x"\npin = "p"\nretries = 7\nparallel = 2\n')
    address = address_of("b")
    typed = Options(retries=1, settled=frozenset({"retries"}), cacert=Path("ca"), password_file=Path("of-config"))
    at = options_at(typed, address)
    assert (at.retries, at.parallel, at.pin, at.cacert) == (1, 2, "p", None)
    assert (at.password_command, at.password_file) == ("echo x", None)
    at = options_at(Options(cacert=Path("ca"), settled=frozenset({"cacert"})), address)
    assert (at.pin, at.cacert) == (None, Path("ca"))
    at = options_at(Options(netrc_file=Path("n"), settled=frozenset({"netrc_file"})), address)
    assert at.password_command is None
    assert options_at(Options(), address_of("eve@b")).password_command is None  # eve has another one
    monkeypatch.setenv("FTLITE_PASSWORD", "x")
    assert options_at(Options(), address).password_command is None


def test_a_site_reaches_a_server_with_its_own_flags(served: Served, ftlite: Ftlite, config: Path) -> None:
    (served.root / "site").mkdir(exist_ok=True)
    (served.root / "site" / "f").write_text("x")
    (config / "pw").write_text(served.fact("password") or "")
    sites(config, f'[b]\naddress = "{served.url("site")}"\npin = "{served.fact("pin")}"\npassword_file = "pw"\n')
    said = ftlite("ls", "b:")
    assert (said.code, said.out) == (0, "f\n"), said.err
    assert ftlite("cat", "b:f").out == "x"
    assert ftlite("ls", "b:", "--port", "1", "--retries", "0").code == 5  # what is typed wins


def test_config_says_what_flags_default_to(
    served: Served, ftlite: Ftlite, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FTLITE_PASSWORD", served.fact("password") or "")
    (config / "config.toml").write_text(f'pin = "{served.fact("pin")}"\njson = true\nparallel = 3\n')
    said = ftlite("ls", served.url())
    assert json.loads(said.out.splitlines()[-1])["event"] == "summary", said.err
    monkeypatch.setenv("FTLITE_JSON", "0")
    assert "summary" not in ftlite("ls", served.url()).out
    (config / "config.toml").write_text("retrys = 1\n")
    said = ftlite("ls", served.url())
    assert said.code == 2
    assert "did you mean 'retries'" in said.err


def test_what_is_wrong_with_sites_is_2(ftlite: Ftlite, config: Path) -> None:
    sites(config, '[b]\naddress = "u:s3cret@h"\n[c]\nport = 1\n')
    said = ftlite("ls", "b:")
    assert said.code == 2
    assert "b.address" in said.err
    assert "s3cret" not in said.err
    assert ftlite("ls", "c:").code == 2


def test_bookmarks_come_and_go(ftlite: Ftlite, home: Path) -> None:
    assert ftlite("bookmark").code == 0
    said = ftlite("bookmark", "add", "b", "ftp://ops@h:2121/rel", "--local", "here")
    assert said.code == 0, said.err
    assert str(address_of("b:x")) == "ftp://ops@h:2121/rel/x"
    assert "ftp://ops@h:2121/rel" in ftlite("bookmark", "ls").out
    assert ftlite("bookmark", "add", "b", "other:").code == 9
    assert ftlite("bookmark", "add", "b", "other:", "--replace").code == 0
    assert ftlite("bookmark", "mv", "b", "c").code == 0
    (line, summary) = ftlite("bookmark", "ls", "--json").out.splitlines()
    assert json.loads(line) == {"event": "site", "name": "c", "address": "other:"}
    assert json.loads(summary)["event"] == "summary"
    assert ftlite("bookmark", "rm", "b").code == 3
    assert ftlite("bookmark", "rm", "c").code == 0
    said = ftlite("bookmark", "add", "s", "ftp://u:s3cret@h/")
    assert said.code == 2
    assert "s3cret" not in said.err
    assert "s3cret" not in (home / ".config" / "ftlite" / "sites.toml").read_text()


def test_a_proxy_is_gone_through_or_not(
    at: Served, ftlite: Ftlite, monkeypatch: pytest.MonkeyPatch, unused_port: int
) -> None:
    dead = f"http://127.0.0.1:{unused_port}"
    assert ftlite("ls", "--proxy", dead, at.url()).code == 5
    monkeypatch.setenv("ftp_proxy", dead)
    assert ftlite("ls", "--proxy", "none", at.url()).code == 0
    said = ftlite("ls", "--proxy", "http://u:s3cret@127.0.0.1:1", at.url())
    assert said.code == 2
    assert "s3cret" not in said.err
    monkeypatch.setenv("FTLITE_PROXY", f"http://u:s3cret@127.0.0.1:{unused_port}")
    said = ftlite("ls", "-vv", "--json", at.url())
    assert said.code == 5
    assert "s3cret" not in said.err + said.out
    assert "s3cret" not in repr(Options(proxy="http://u:s3cret@p"))


def test_sites_cost_nothing_where_there_are_none(at: Served, tmp_path: Path) -> None:
    script = (
        "import sys; from ftlite.cli import main; code = main(sys.argv[1:]);"
        "sys.exit(code or [name for name in ('tomllib', 'ftlite.config.models', 'ftlite.config.structure', 'keyring')"
        " if name in sys.modules] or None)"
    )
    environment = {**clean_environment(tmp_path), "FTLITE_PASSWORD": at.fact("password") or ""}
    command = [sys.executable, "-c", script, "ls", "--pin", at.fact("pin") or "", at.url()]
    done = subprocess.run(command, check=False, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_site_is_an_address_that_says_so(config: Path) -> None:
    sites(config, '[b]\naddress = "u@h"\n')
    found = address_of("b")
    assert isinstance(found, SiteAddress)
    assert found.name == "b"


def test_a_site_says_how_many_work_at_once(
    served: Served, ftlite: Ftlite, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ftlite.cli.session import Session

    seen: list[int] = []
    client = Session.client

    async def noted(self: Session, *given: Any, **more: Any) -> Any:
        seen.append(self.options.parallel)
        return await client(self, *given, **more)

    monkeypatch.setattr(Session, "client", noted)
    monkeypatch.setenv("FTLITE_PASSWORD", served.fact("password") or "")
    sites(config, f'[b]\naddress = "{served.url()}"\npin = "{served.fact("pin")}"\nparallel = 3\n')
    assert ftlite("ls", "b:").code == 0
    assert ftlite("ls", "-r", "b:", "b:site").code in (0, 8)
    assert set(seen) == {3}


def test_a_name_alone_opens_a_shell(
    served: Served, ftlite: Ftlite, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FTLITE_PASSWORD", served.fact("password") or "")
    sites(config, f'[build7]\naddress = "{served.url()}"\npin = "{served.fact("pin")}"\n')
    said = ftlite("build7", "-c", "pwd")
    assert (said.code, said.out) == (0, "/\n"), said.err
    said = ftlite("build8", "-c", "pwd")
    assert said.code == 2
