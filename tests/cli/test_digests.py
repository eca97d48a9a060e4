"""Digests as people write them, and lines that the real sha256sum reads."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from ftlite.cli.digests import ALGORITHMS, checksum_line, hash_file, parse_expected
from ftlite.cli.exits import CliError
from ftlite.client.digests import hasher


@pytest.mark.parametrize("name", ["plain", "with space", "back\\slash", "größe", " lead", "new\nline"])
def test_sha256sum_reads_our_lines(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("x")
    line = checksum_line(hash_file(tmp_path / name, "sha256"), name) + "\n"
    subprocess.run(["sha256sum", "--check", "--strict", "-"], input=line, text=True, cwd=tmp_path, check=True)


def test_every_algorithm_is_one_that_the_client_knows() -> None:
    for algorithm in set(ALGORITHMS) - {"blake3"}:  # an extra, which need not be installed
        assert hasher(algorithm).hexdigest()


def test_expected() -> None:
    digest = hashlib.sha512(b"").hexdigest()
    assert parse_expected(f"SHA512:{digest.upper()}") == ("sha512", digest)
    wrong = ["", digest, "sha256:", f"sha256:{digest}", f"md5:{'0' * 32}", f"sha256:{'g' * 64}", f"sha256:{'٠' * 64}"]
    for text in wrong:
        with pytest.raises(CliError) as raised:
            parse_expected(text)
        assert raised.value.outcome == "USAGE"
