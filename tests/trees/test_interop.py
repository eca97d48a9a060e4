"""Judges: tarfile, GNU tar and bsdtar extract what we pack, and we unpack what they pack."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from ftlite.trees import Kind, TreeError, measure
from tests.trees.support import contents, directory, make_tree, pack, unpack

pytestmark = pytest.mark.interop

ENVIRONMENT = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8"}


def need(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not installed")
    return found


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return make_tree(tmp_path / "source")


def extract_with(program: str, stream: bytes, target: Path) -> None:
    target.mkdir()
    if program == "tarfile":
        with tarfile.open(fileobj=io.BytesIO(stream), encoding="utf-8", errors="surrogateescape") as archive:
            if sys.version_info >= (3, 12):
                archive.extractall(target, filter="fully_trusted")
            else:
                archive.extractall(target)
        return
    subprocess.run([need(program), "-xpf", "-", "-C", target], input=stream, check=True, env=ENVIRONMENT)


@pytest.mark.parametrize("program", ["tarfile", "tar", "bsdtar"])
def test_what_we_pack_they_extract(source: Path, tmp_path: Path, program: str) -> None:
    if program == "bsdtar":
        whole_seconds_before_the_epoch(source)
    stream, packer = pack(source)
    assert packer.left_out == []
    extract_with(program, stream, tmp_path / "target")
    fractions = program != "tarfile"  # it computes times as floats
    expected = contents(source, whole_seconds=not fractions)
    found = contents(tmp_path / "target", whole_seconds=not fractions)
    assert found.keys() == expected.keys()
    assert {path: value for path, value in found.items() if value != expected[path]} == {}


def whole_seconds_before_the_epoch(source: Path) -> None:
    """libarchive takes -1.5 for -1 + 0.5, when it reads and when it writes."""
    os.utime(source / "dir/size-511", ns=(0, -2_000_000_000))


def names(source: Path) -> list[bytes]:
    """All below `source`, in the protocol's order."""
    return sorted(contents(source), key=lambda path: path.split(b"/"))


def top_names(source: Path) -> list[bytes]:
    return sorted(os.listdir(os.fsencode(source)))


@pytest.mark.parametrize(
    ("program", "form"),
    [("tar", form) for form in ("pax", "gnu", "ustar", "v7", "oldgnu")]
    + [("bsdtar", form) for form in ("pax", "ustar", "gnutar", "v7")],
)
def test_what_they_pack_we_unpack(source: Path, tmp_path: Path, program: str, form: str) -> None:
    if form in ("ustar", "v7"):  # they hold no long names
        shutil.rmtree(source / ("l" * 120))
        (source / ("n" * 255)).unlink()
        (source / "long-target").unlink()
    if form in ("ustar", "v7", "gnutar"):  # and no times before the epoch
        os.utime(source / "dir/size-511", ns=(0, 0))
        os.utime(source / "dir", ns=(0, 0))
    elif program == "bsdtar":
        whole_seconds_before_the_epoch(source)
    alone = "--no-recursion" if program == "tar" else "-n"  # they go through a directory in the order of the disk
    command = [need(program), "-cf", "-", f"--format={form}", alone, "-C", os.fsencode(source), "--", *names(source)]
    made = subprocess.run(command, check=True, capture_output=True, env=ENVIRONMENT)
    unpacker = unpack(made.stdout, tmp_path / "target")
    fractions = form == "pax"
    assert contents(tmp_path / "target", whole_seconds=not fractions) == contents(source, whole_seconds=not fractions)
    with directory(source) as fd:
        manifest = measure(fd)
    assert manifest is not None
    assert (unpacker.manifest.entries, unpacker.manifest.size) == (manifest.entries, manifest.size)
    assert unpacker.manifest.digest() == manifest.digest()


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_what_tarfile_packs_in_order_has_our_digest(source: Path, tmp_path: Path, form: int) -> None:
    stream = io.BytesIO()
    with tarfile.open(
        fileobj=stream, mode="w", format=form, encoding="utf-8", errors="surrogateescape"
    ) as archive:  # adds in the order of the names
        for name in top_names(source):
            text = os.fsdecode(name)
            archive.add(source / text, arcname=text)
    unpacker = unpack(stream.getvalue(), tmp_path / "target", block=777)
    assert unpacker.manifest.digest() == pack(source)[1].manifest.digest()
    assert contents(tmp_path / "target", times=False) == contents(source, times=False)


def test_hard_links_of_gnu_tar(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "d").mkdir(parents=True)
    (source / "d/one").write_bytes(b"shared")
    os.link(source / "d/one", source / "d/two")
    made = subprocess.run(
        [need("tar"), "-cf", "-", "--sort=name", "-C", source, "d"], check=True, capture_output=True, env=ENVIRONMENT
    )
    unpacker = unpack(made.stdout, tmp_path / "target")
    assert os.path.samefile(tmp_path / "target/d/one", tmp_path / "target/d/two")
    assert unpacker.manifest.digest() == pack(source)[1].manifest.digest()


def test_sparse_files_are_refused(tmp_path: Path) -> None:
    with open(tmp_path / "sparse", "wb") as file:
        file.truncate(10 << 20)
        file.seek(5 << 20)
        file.write(b"x")
    for form in ("gnu", "pax"):
        command = [need("tar"), "-cSf", "-", f"--format={form}", "-C", tmp_path, "sparse"]
        made = subprocess.run(command, check=True, capture_output=True, env=ENVIRONMENT)
        with pytest.raises(TreeError, match="sparse") as caught:
            unpack(made.stdout, tmp_path / f"target-{form}")
        assert caught.value.kind is Kind.MALFORMED


def test_zstd_of_others(source: Path, tmp_path: Path) -> None:
    made = tmp_path / "made.tar.zst"  # to a pipe it would pad the frame
    command = [need("bsdtar"), "-c", "--zstd", "-n", "-f", made, "-C", os.fsencode(source), "--", *names(source)]
    subprocess.run(command, check=True, env=ENVIRONMENT)
    unpack(made.read_bytes(), tmp_path / "target", comp="zstd")
    assert contents(tmp_path / "target", times=False) == contents(source, times=False)
