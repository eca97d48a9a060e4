"""Any damage to a stream: a tree or a TreeError comes of it, nothing else, and nothing outside of the directory."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from ftlite.trees import TreeError
from tests.trees.support import contents, open_descriptors, unpack
from tests.trees.test_header import checked
from tests.trees.test_hostile import END, file, folder, hard, link

_PIECES = [
    file(b"a", b"content"), folder(b"d"), file(b"d/f", b"x" * 600), link(b"d/l", b"../a"), link(b"e", b"d/l/../f"),
    hard(b"h", b"d/f"), folder(b"d/" + b"long" * 60), link(b"s", b"t" * 200), file(b"../up"), link(b"up", b".."),
    file(b"up/evil"), file("ü".encode()), file(b"e/evil"), END[:512], END,
]  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(_PIECES), max_size=12), st.data())
def test_damage(pieces: list[bytes], data: st.DataObject) -> None:
    stream = bytearray(b"".join(pieces) + END)
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(stream) - 1))
        stream[at] = data.draw(st.integers(0, 255))
        first = at - at % 512
        if data.draw(st.booleans()):
            stream[first : first + 512] = checked(bytes(stream[first : first + 512]))
    with tempfile.TemporaryDirectory() as scratch:
        outside = Path(scratch, "a")
        outside.write_bytes(b"precious")
        descriptors = open_descriptors()
        try:
            unpacker = unpack(bytes(stream), Path(scratch, "target"), block=data.draw(st.integers(1, 2000)))
        except TreeError:
            pass
        else:
            assert unpacker.entries == len(contents(Path(scratch, "target")))
            assert all(_stays(Path(scratch, "target"), path) for path in contents(Path(scratch, "target")))
        assert open_descriptors() <= descriptors
        assert sorted(os.listdir(scratch)) == ["a", "target"]
        assert outside.read_bytes() == b"precious"
        assert outside.stat().st_nlink == 1


def _stays(root: Path, path: bytes) -> bool:
    """Whether the system, following all links, stays in the tree."""
    top = os.path.realpath(os.fsencode(root))
    real = os.path.realpath(top + b"/" + path)
    return real == top or real.startswith(top + b"/")
