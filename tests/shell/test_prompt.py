from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftlite.shell.prompt import Where, fragments

HERE = Where("ann@build7", "/home/ann/rel/1.4", "/home/ann", native=True)


def shown(where: Where, width: int = 100) -> str:
    return "".join(text for _, text in fragments(where, width))


@pytest.mark.parametrize(
    ("where", "width", "expected"),
    [
        (Where(), 80, "ftlite> "),
        (Where(running=1), 80, "ftlite 1 job> "),
        (HERE, 100, "ann@build7:~/rel/1.4 [native tls]> "),
        (Where("build7", "/", "/", running=2), 100, "build7:/ [stock tls] 2 jobs> "),
        (Where("build7", "/home/annette", "/home/ann", secured=False), 100,
         "build7:/home/annette [stock IN CLEAR]> "),
        (Where("ann@build7", "/data/releases/2026/linux/x86", "/"), 62, "ann@build7:…/releases/2026/linux/x86> "),
        (HERE, 50, "ann@build7:~/rel/1.4> "),
        (Where("ann@build7", "/data/releases/2026/linux/x86", "/", secured=False), 50, "…nux/x86 [IN CLEAR]> "),
    ],
)  # fmt: skip
def test_where_one_is(where: Where, width: int, expected: str) -> None:
    assert shown(where, width) == expected


@given(st.text(max_size=60), st.text(max_size=200).map(lambda text: f"/{text}"), st.booleans(), st.integers(1, 200))
def test_it_leaves_room_to_type_and_cannot_move_the_cursor(
    server: str, directory: str, secured: bool, width: int
) -> None:
    text = shown(Where(server, directory, "/home", secured, False, 3), width)
    assert text.endswith("> ")
    assert text.isprintable() or "\ufffd" in text or not any(ord(char) < 32 or ord(char) == 127 for char in text)
    assert ("IN CLEAR" in text) == (bool(server) and not secured) or "IN CLEAR" in server + directory
    assert len(text) <= max(width - 24, 45)


def test_a_wide_name_counts_its_columns() -> None:
    where = Where("build7", "/データ/リリース/二〇二六", "/")
    narrow = fragments(where, 60, lambda text: sum(2 if char > "\u2fff" else 1 for char in text))
    assert sum(2 if char > "\u2fff" else 1 for _, text in narrow for char in text) <= 36
    assert "二〇二六" in "".join(text for _, text in narrow)
