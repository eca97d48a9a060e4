"""Addresses in commands to the letter, in replies with mercy."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftlite.protocol.addresses import (
    format_eprt,
    format_epsv,
    format_pasv,
    format_port,
    normal_host,
    parse_eprt,
    parse_epsv,
    parse_pasv,
    parse_port,
)
from ftlite.protocol.errors import BadAddress

ports = st.integers(1, 65535)
ipv4 = st.integers(0, 2**32 - 1).map(lambda n: str(IPv4Address(n)))
ipv6 = st.integers(0, 2**128 - 1).map(lambda n: str(IPv6Address(n)))


@settings(deadline=None)
@given(ipv4, ports)
def test_port_and_pasv_come_back(host: str, port: int) -> None:
    assert parse_port(format_port(host, port)) == (host, port)
    assert parse_pasv(format_pasv(host, port)) == (host, port)
    assert parse_port(format_port(f"::ffff:{host}", port)) == (host, port)


@settings(deadline=None)
@given(ipv4 | ipv6, ports)
def test_eprt_and_epsv_come_back(host: str, port: int) -> None:
    assert parse_eprt(format_eprt(host, port)) == (normal_host(host), port)
    assert parse_epsv(format_epsv(port)) == port


def test_port_to_the_letter() -> None:
    assert parse_port("127,0,0,1,10,20") == ("127.0.0.1", 2580)
    assert parse_port("010,0,0,1,010,20") == ("10.0.0.1", 2580)
    assert format_port("127.0.0.1", 2580) == "127,0,0,1,10,20"


@pytest.mark.parametrize(
    "text",
    ["", "1,2,3,4,5", "1,2,3,4,5,6,7", "256,0,0,1,1,1", "1,2,3,4,256,1", "1,2,3,4,0,0", "1, 2,3,4,5,6", " 1,2,3,4,5,6",
     "1,2,3,4,5,6 ", "1,2,3,4,5,6\n", "-1,2,3,4,5,6", "0001,2,3,4,5,6", "\u0661,2,3,4,5,6", "1.2.3.4,5,6", "a,b"],
)  # fmt: skip
def test_bad_port_arguments(text: str) -> None:
    with pytest.raises(BadAddress) as caught:
        parse_port(text)
    assert caught.value.code == 501


@pytest.mark.parametrize(
    "delimiter", [chr(code) for code in range(33, 127) if not chr(code).isalnum() and chr(code) not in ".:"]
)
def test_any_delimiter_will_do(delimiter: str) -> None:
    d = delimiter
    assert parse_eprt(f"{d}1{d}192.0.2.1{d}6275{d}") == ("192.0.2.1", 6275)
    assert parse_eprt(f"{d}2{d}2001:DB8::0:1{d}6275{d}") == ("2001:db8::1", 6275)
    assert parse_epsv(f"Entering Extended Passive Mode ({d}{d}{d}6275{d})") == 6275


@pytest.mark.parametrize(
    "text",
    ["", "|", "|1|192.0.2.1|6275", "1|192.0.2.1|6275|", "|1|192.0.2.1|6275||", "|1|192.0.2.1|6275|x", "|1|192.0.2.1|0|",
     "|1|192.0.2.1|65536|", "|1|192.0.2.1|-1|", "|1|192.0.2.1| 21|", "|1|192.0.2.300|21|", "|1|192.0.2.01|21|",
     "|1|::1|21|", "|2|192.0.2.1|21|", "|2|fe80::1%eth0|21|", "|2|:::|21|", "|1|localhost|21|", "|1||21|",
     "||192.0.2.1|21|", " 1 192.0.2.1 21 ", "\u00e91\u00e9192.0.2.1\u00e921\u00e9", "|1|192.0.2.1|999999999999|"],
)  # fmt: skip
def test_bad_eprt_arguments(text: str) -> None:
    with pytest.raises(BadAddress) as caught:
        parse_eprt(text)
    assert caught.value.code == 501


@pytest.mark.parametrize("family", ["0", "3", "12"])
def test_another_network_protocol_has_a_code_of_its_own(family: str) -> None:
    with pytest.raises(BadAddress) as caught:
        parse_eprt(f"|{family}|192.0.2.1|21|")
    assert caught.value.code == 522


@pytest.mark.parametrize(
    "text",
    ["Entering Passive Mode (192,0,2,1,10,20).", "Entering Passive Mode 192,0,2,1,10,20", "=192,0,2,1,10,20",
     "Passive (192, 0, 2, 1, 10, 20)", "(192,0,2,1,10,20,)", "3 ways, 1 is 192,0,2,1,10,20; take it",
     "1,2,3,4,5,6 is no address\nEntering (192,0,2,1,10,20)", "Entering (192,0,2,1,10,20)\nas you wished"],
)  # fmt: skip
def test_pasv_replies_of_many_servers(text: str) -> None:
    assert parse_pasv(text) == ("192.0.2.1", 2580)


@pytest.mark.parametrize(
    "text",
    ["", "ok", "(192,0,2,1,10)", "(192,0,2,1,0,0)", "(192,0,2,1,10,256)", "(1,192,0,2,1,10,20)", "1234,0,2,1,10,20"],
)
def test_bad_pasv_replies(text: str) -> None:
    with pytest.raises(BadAddress):
        parse_pasv(text)


def test_epsv_replies() -> None:
    assert parse_epsv("(|||1|)") == 1
    assert parse_epsv("ok (see below) (|1|192.0.2.1|6446|) thanks") == 6446
    assert parse_epsv("(1112121)") == 212


@pytest.mark.parametrize(
    "text", ["", "|||21|", "(|||0|)", "(|||65536|)", "(||21|)", "(|||21!)", "(|||x|)", "(|||21|", "(   21 )"]
)
def test_bad_epsv_replies(text: str) -> None:
    with pytest.raises(BadAddress):
        parse_epsv(text)


@pytest.mark.parametrize(
    ("host", "normal"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::FFFF:C000:201", "192.0.2.1"),
    ],
)
def test_one_host_has_one_form(host: str, normal: str) -> None:
    assert normal_host(host) == normal


@pytest.mark.parametrize(
    "write",
    [
        lambda: format_port("::1", 21),
        lambda: format_port("192.0.2.1", 0),
        lambda: format_epsv(65536),
        lambda: format_eprt("host", 21),
        lambda: format_pasv("fe80::1%1", 21),
    ],
)
def test_what_is_no_address_is_not_written(write: Callable[[], str]) -> None:
    with pytest.raises(BadAddress):
        write()


@settings(deadline=None, max_examples=300)
@given(st.text(max_size=40) | st.text("0123456789,.|:()- 12", max_size=40))
def test_any_text_is_an_address_or_bad_address(text: str) -> None:
    for parse in (parse_port, parse_eprt, parse_pasv, parse_epsv):
        try:
            value = parse(text)
        except BadAddress:
            continue
        host, port = value if isinstance(value, tuple) else ("::1", value)
        assert normal_host(host) == host
        assert 1 <= port <= 65535
