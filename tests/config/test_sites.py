"""sites.toml: what it says, what it must not say, and edits that leave everything else as a person wrote it."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from attrs import fields
from hypothesis import given, settings
from hypothesis import strategies as st

from ftlite.cli.options import Options
from ftlite.config.client import Defaults, Site, defaults_from
from ftlite.config.errors import ConfigError
from ftlite.config.sites import Sites

HAND = """# mine
[build7] # the fast one
address = "ops@build7.example:rel"  # where releases go
notes = 1
"""


@pytest.fixture
def sites(tmp_path: Path) -> Sites:
    return Sites(tmp_path / "config" / "sites.toml")


def write(sites: Sites, text: str) -> Sites:
    sites.path.parent.mkdir(exist_ok=True)
    sites.path.write_text(text)
    return sites


def test_no_file_is_no_site(sites: Sites) -> None:
    assert sites.all() == {}
    assert sites.find("x") is None
    assert not sites.path.parent.exists()


def test_a_site_is_its_address_and_flags(sites: Sites) -> None:
    write(sites, '[b]\naddress = "b:r"\nstall_timeout = "2m"\nlimit_rate = "1M"\ntls = "off"\npassword_file = "pw"\n')
    site = sites.all()["b"]
    assert site.given() == {
        "stall_timeout": 120.0, "limit_rate": 1_000_000, "tls": "off", "password_file": sites.path.parent / "pw",
    }  # fmt: skip
    assert (site.address, site.local) == ("b:r", None)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[b]\nport = 1\n", "b.address: is missing"),
        ('[b]\naddress = "b"\nparalel = 2\n', "b.paralel: is not known: did you mean 'parallel'?"),
        ('[b]\naddress = "b"\nport = 70000\n', "b.port"),
        ('[b]\naddress = "b"\nretries = true\n', "b.retries"),
        ('[b]\naddress = "b"\nconnect_timeout = 0\n', "more than 0"),
        ('[b]\naddress = "b"\ndialect = "klingon"\n', "'stock', 'native'"),
        ('["a b"]\naddress = "b"\n', "is no name of a site"),
        ("b = 1\n", "b: must be a table"),
        ("[b\n", "is no TOML"),
    ],
)
def test_what_is_wrong_is_named(sites: Sites, text: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        write(sites, text).all()
    assert words in str(caught.value)
    assert str(sites.path) in str(caught.value)


@pytest.mark.parametrize("key", ["password", "Passwd", "account"])
def test_a_password_is_refused_with_the_remedy_and_not_repeated(sites: Sites, key: str) -> None:
    with pytest.raises(ConfigError, match="password_command") as caught:
        write(sites, f'[b]\naddress = "b"\n{key} = "s3cret"\n').all()
    assert "s3cret" not in str(caught.value)
    with pytest.raises(ConfigError, match="FTLITE_PROXY") as caught:
        write(sites, '[b]\naddress = "b"\nproxy = "http://u:s3cret@p"\n').all()
    assert "s3cret" not in str(caught.value)
    with pytest.raises(ConfigError, match="password_command") as caught:
        defaults_from({key: "s3cret"}, None)
    assert "s3cret" not in str(caught.value)


def test_a_broken_site_does_not_stand_in_the_way_of_another(sites: Sites) -> None:
    write(sites, '[a]\naddress = "a"\n[b]\nnonsense = 1\n')
    assert sites.find("a") == Site(address="a")
    with pytest.raises(ConfigError):
        sites.find("b")


def test_who_may_write_may_run_commands(sites: Sites) -> None:
    write(sites, "").path.chmod(0o666)
    with pytest.raises(ConfigError, match="chmod 600"):
        sites.all()


def test_edits_keep_comments_and_order(sites: Sites) -> None:
    write(sites, "# mine\n\n[a] # first\naddress = 'a' # here\n# of a, or of b?\n\n# about b\n[b]\naddress = 'b'\n")
    sites.add("c.d", {"address": 'c:"x"\\y', "parallel": 3, "keyring": True, "stall_timeout": 1.5})
    assert sites.path.stat().st_mode & 0o777 == 0o600
    assert sites.all()["c.d"] == Site(address='c:"x"\\y', parallel=3, keyring=True, stall_timeout=1.5)
    sites.rename("a", "z")
    sites.remove("b")
    assert sites.path.read_text() == (
        "# mine\n\n[z] # first\naddress = 'a' # here\n# of a, or of b?\n\n# about b\n\n"
        '["c.d\"]\naddress = "c:\\"x\\"\\\\y"\nparallel = 3\nkeyring = true\nstall_timeout = 1.5\n'
    )
    sites.add("z", {"address": "new"}, replace=True)
    assert sites.path.read_text().startswith('# mine\n\n[z]\naddress = "new"\n# of a, or of b?\n')
    assert list(sites.all()) == ["z", "c.d"]


def test_edits_refuse_what_they_would_spoil(sites: Sites) -> None:
    write(sites, HAND.replace("notes = 1\n", "") + '[x]\naddress = "x"\n')
    before = sites.path.read_text()
    for edit in (
        lambda: sites.add("x", {"address": "y"}),
        lambda: sites.add("y", {"address": "y", "password": "p"}),
        lambda: sites.add("y", {"address": "\udcff"}),
        lambda: sites.remove("nobody"),
        lambda: sites.rename("nobody", "y"),
        lambda: sites.rename("x", "build7"),
        lambda: sites.rename("x", "a b"),
    ):
        with pytest.raises(ConfigError):
            edit()
    assert sites.path.read_text() == before


def test_what_is_no_table_of_its_own_is_left_to_its_author(sites: Sites) -> None:
    write(sites, 'a = { address = "a" }\nb.address = "b"\n')
    assert list(sites.all()) == ["a", "b"]
    for name in ("a", "b"):
        with pytest.raises(ConfigError, match="by hand"):
            sites.remove(name)
        with pytest.raises(ConfigError, match="by hand"):
            sites.rename(name, "c")
    assert list(sites.all()) == ["a", "b"]


def test_what_looks_like_a_header_may_be_text(sites: Sites) -> None:
    write(sites, '[a]\naddress = """a\n[b]\n"""\n[b]\naddress = "real"\n[c]\naddress = \'\'\'\n[b]\n\'\'\'\n')
    tables = tomllib.loads(sites.path.read_text())
    sites.rename("b", "z")
    assert tomllib.loads(sites.path.read_text()) == {"a": tables["a"], "z": tables["b"], "c": tables["c"]}
    sites.remove("z")
    sites.remove("a")
    assert tomllib.loads(sites.path.read_text()) == {"c": tables["c"]}


def test_a_link_stays_a_link(sites: Sites, tmp_path: Path) -> None:
    write(sites, "").path.rename(tmp_path / "dotfile")
    sites.path.symlink_to(tmp_path / "dotfile")
    sites.add("a", {"address": "a"})
    assert sites.path.is_symlink()
    assert "[a]" in (tmp_path / "dotfile").read_text()


NAMES = st.from_regex(r"[a-z0-9_]([a-z0-9_.-]{0,6}[a-z0-9_])?", fullmatch=True)
TEXTS = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=20)
VALUES = st.fixed_dictionaries({"address": TEXTS}, optional={"parallel": st.integers(1, 64), "pin": TEXTS})
GAPS = st.sampled_from(["", "\n", "# a comment\n", "\n# [b]\n\n", "\r\n"])


@given(
    st.lists(st.tuples(GAPS, NAMES, VALUES), max_size=4, unique_by=lambda item: item[1]),
    st.lists(st.tuples(st.sampled_from(["add", "remove", "rename"]), NAMES, NAMES, VALUES), max_size=6),
)
@settings(deadline=None, max_examples=60)
def test_edits_do_what_they_say_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, there: list[Any], edits: list[Any]
) -> None:
    sites = Sites(tmp_path_factory.mktemp("s") / "sites.toml")
    comments = ""
    for gap, name, values in there:
        sites.add(name, values)
        with sites.path.open("a", newline="") as file:
            file.write(gap)
        comments += gap
    model = {name: values for _, name, values in there}
    for verb, name, other, values in edits:
        try:
            if verb == "add":
                sites.add(name, values, replace=True)
                model[name] = values
            elif verb == "remove":
                sites.remove(name)
                del model[name]
            elif name != other:
                sites.rename(name, other)
                model[other] = model.pop(name)
        except ConfigError:
            assert name not in model or other in model
    assert (tomllib.loads(sites.path.read_bytes().decode()) if sites.path.exists() else {}) == model
    text = sites.path.read_bytes().decode() if sites.path.exists() else ""
    assert text.count("# a comment") >= comments.count("# a comment")


def test_every_flag_of_a_connection_can_be_written_down() -> None:
    flags = {each.name for each in fields(Options)} - {"settled"}
    written = {each.name for each in fields(Defaults)}
    assert flags - written == {"recursive", "dry_run", "files_from", "from0"}  # said for each command, or never
    assert written <= flags
    assert {each.name for each in fields(Site)} - {"address", "local"} == written - {
        "max_time", "quiet", "verbose", "json", "resume", "include", "exclude",
    }  # fmt: skip
