"""All targets, and the inputs that are kept for each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.fuzz import files, sessions, targets
from tests.fuzz.target import Target

CORPUS: Final = Path(__file__).parent / "corpus"
CRASH: Final = "crash-"

ALL: Final[Mapping[str, Target]] = {**targets.TARGETS, **files.TARGETS, **sessions.TARGETS}


def kept(name: str, prefix: str = "") -> list[bytes]:
    """The inputs in the corpus of a target, in the order of their names."""
    return [path.read_bytes() for path in sorted((CORPUS / name).glob(f"{prefix}*"))]
