"""The short form of the soak; `make soak` is the long one."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from tests.soak.contents import NotWhole, check_file, check_tree, make_file, make_tree
from tests.soak.soak import soak


def test_contents_tell_whether_they_are_whole(tmp_path: Path) -> None:
    import random

    chance = random.Random(1)
    make_file(tmp_path / "one", chance, 1000)
    make_file(tmp_path / "two", chance, 1000)
    one, two = (tmp_path / "one").read_bytes(), (tmp_path / "two").read_bytes()
    check_file(one, "one")
    for broken in (one[:-1], b"", one[:500] + two[500:], one + b"x"):
        with pytest.raises(NotWhole):
            check_file(broken, "broken")
    make_tree(tmp_path / "tree", chance)
    check_tree(tmp_path / "tree")
    make_file(tmp_path / "tree" / "d0" / "file0", chance, 10)
    with pytest.raises(NotWhole):
        check_tree(tmp_path / "tree")


@pytest.mark.timeout(240)
def test_a_short_soak() -> None:
    with tempfile.TemporaryDirectory(prefix="ftlite-soak-") as place:
        report = soak(Path(place), 10.0, 959)
    assert not report.wrong, report.wrong
    assert report.looks
    assert any(name.startswith("ftlite put native: well") for name in report.done), report.done
