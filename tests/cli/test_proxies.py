"""ftp_proxy, all_proxy and no_proxy."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftlite.cli.proxies import proxy_for
from tests.cli.conftest import Ftlite, Served

P = "http://proxy:3128"


@pytest.mark.parametrize(
    ("environment", "proxy"),
    [
        ({}, None),
        ({"ftp_proxy": P}, P),
        ({"FTP_PROXY": P}, P),
        ({"all_proxy": P}, P),
        ({"ALL_PROXY": P}, P),
        ({"http_proxy": P}, None),
        ({"ftp_proxy": P, "FTP_PROXY": "other", "all_proxy": "other"}, P),
        ({"ftp_proxy": "", "ALL_PROXY": P}, P),
        ({"ftp_proxy": P, "no_proxy": "elsewhere"}, P),
        ({"ftp_proxy": P, "no_proxy": "*"}, None),
        ({"ftp_proxy": P, "NO_PROXY": "build.example.org"}, None),
    ],
)
def test_which_variable_counts(environment: dict[str, str], proxy: str | None) -> None:
    assert proxy_for("build.example.org", 21, environment) == proxy


@pytest.mark.parametrize(
    ("host", "spares", "spared"),
    [
        ("build.example.org", "example.org", True),
        ("Build.Example.ORG.", ".example.org", True),
        ("build.example.org", "*.example.org", True),
        ("example.org", ".example.org", True),
        ("badexample.org", "example.org", False),
        ("build.example.org", "a, b example.org,c", True),
        ("build.example.org", "example.org:21", True),
        ("build.example.org", "example.org:2121", False),
        ("127.0.0.1", "127.0.0.0/8", True),
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.1:21", True),
        ("127.0.0.1", "10.0.0.0/8", False),
        ("::1", "::1", True),
        ("::1", "[::1]:21", True),
        ("fe80::1%eth0", "fe80::/10", True),
        ("::1", "127.0.0.0/8", False),
        ("localhost", ",,  ,", False),
        ("localhost", ":21", False),
        ("localhost", "[", False),
    ],
)
def test_who_is_spared(host: str, spares: str, spared: bool) -> None:
    assert (proxy_for(host, 21, {"all_proxy": P, "no_proxy": spares}) is None) is spared


@given(st.text(max_size=40), st.text(max_size=40))
def test_nonsense_spares_nobody_by_a_traceback(host: str, spares: str) -> None:
    proxy_for(host, 21, {"all_proxy": P, "no_proxy": spares})


def test_a_proxy_that_is_not_there_is_5(
    at: Served, ftlite: Ftlite, unused_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ftp_proxy", f"socks5h://ann:geheim@127.0.0.1:{unused_port}")
    said = ftlite("ls", at.url())
    assert said.code == 5
    assert f"the proxy socks5h://127.0.0.1:{unused_port} cannot be reached" in said.err
    assert "geheim" not in said.err
    monkeypatch.setenv("no_proxy", "127.0.0.0/8")
    assert ftlite("ls", at.url()).code == 0


def test_a_proxy_of_another_kind_is_2(at: Served, ftlite: Ftlite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("all_proxy", "https://ann:geheim@127.0.0.1:1")
    said = ftlite("ls", at.url())
    assert said.code == 2
    assert "https://" in said.err
    assert "geheim" not in said.err
