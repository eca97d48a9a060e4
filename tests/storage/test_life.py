"""An upload's life against a model: any order of begin, write, release, resume, append, publish and looking."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from attrs import define
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from ftlite.storage.errors import Kind, StorageError
from ftlite.storage.parts import Part
from tests.storage.places import House, write

PATHS = st.sampled_from(["/a", "/b"])
OWNERS = st.sampled_from(["ann", "bob"])


class File(bytes):
    """What is published: an object of its own each time, also when it is empty, as a file is."""


@define(eq=False)
class Upload:
    part: Part
    key: tuple[str, str]
    data: bytes
    base: bytes | None = None  #: what was published when it began as a copy, by identity


class Life(RuleBasedStateMachine):
    uploads: Bundle[Upload] = Bundle("uploads")

    @initialize()
    def start(self) -> None:
        self.root = Path(tempfile.mkdtemp())
        self.house = House(self.root)
        self.published: dict[str, bytes] = {}
        self.idle: dict[tuple[str, str], list[bytes]] = {}  # newest last
        self.live: list[Upload] = []
        self.clock = 0

    def teardown(self) -> None:
        if hasattr(self, "root"):
            for upload in self.live:
                upload.part.close()
            self.house.close()
            shutil.rmtree(self.root)

    @rule(target=uploads, path=PATHS, owner=OWNERS)
    def begin(self, path: str, owner: str) -> Upload:
        return self._alive(self.house.begin(path, owner=owner), (owner, path), b"")

    @rule(target=uploads, path=PATHS, owner=OWNERS, offset=st.integers(0, 12))
    def resume(self, path: str, owner: str, offset: int) -> Upload | None:
        key = (owner, path)
        long = [data for data in self.idle.get(key, []) if len(data) >= offset]
        there = self.published.get(path)
        if offset == 0:
            expected: bytes | Kind = b""
        elif long:
            expected = long[-1][:offset]
        elif self._busy(key):
            expected = Kind.BUSY
        elif there is not None and not self.idle.get(key) and len(there) >= offset:
            expected = there[:offset]
        else:
            expected = Kind.BAD_OFFSET
        upload = self._attempt(lambda: self.house.store.resume(self.house.at(path, owner=owner), offset), key, expected)
        if upload and offset and long:
            self.idle[key].remove(long[-1])
        elif upload and offset:
            upload.base = there
        return upload

    @rule(target=uploads, path=PATHS, owner=OWNERS)
    def append(self, path: str, owner: str) -> Upload | None:
        key = (owner, path)
        idle, there = self.idle.get(key), self.published.get(path)
        if idle:
            expected: bytes | Kind = idle[-1] if there is None else Kind.BUSY
        else:
            expected = Kind.BUSY if self._busy(key) else there or b""
        upload = self._attempt(lambda: self.house.store.append(self.house.at(path, owner=owner)), key, expected)
        if upload and idle:
            idle.pop()
        elif upload:
            upload.base = there
        return upload

    @rule(upload=uploads, data=st.binary(max_size=6))
    def write(self, upload: Upload | None, data: bytes) -> None:
        if upload in self.live:
            write(upload.part, data)
            upload.part.offset += len(data)
            upload.data += data

    @rule(upload=consumes(uploads), keep=st.booleans(), killed=st.booleans())
    def let_go(self, upload: Upload | None, keep: bool, killed: bool) -> None:
        if upload not in self.live:
            return
        self.live.remove(upload)
        self._tick(upload)
        if killed and upload.base is None:  # a killed copy goes when it is next met; test_crash has that
            upload.part.close()
            self.idle.setdefault(upload.key, []).append(upload.data)
            return
        self.house.store.release(upload.part, keep=keep)
        if keep and upload.data and upload.base is None:
            older = max(reversed(self.idle.get(upload.key, [])), key=len, default=b"")
            self.idle[upload.key] = [older, upload.data] if len(older) > len(upload.data) else [upload.data]

    @rule(upload=consumes(uploads), replace=st.booleans())
    def publish(self, upload: Upload | None, replace: bool) -> None:
        if upload not in self.live:
            return
        self.live.remove(upload)
        there = self.published.get(upload.key[1])
        changed = there is not None and upload.base is not None and upload.base is not there
        refusal = None
        try:
            self.house.publish(upload.part, replace=replace)
        except StorageError as error:
            refusal = error.kind
            self.house.store.release(upload.part, keep=False)
        if there is not None and not replace:
            assert refusal is Kind.EXISTS
        elif changed:
            assert refusal is Kind.BUSY
        else:
            assert refusal is None
            self.published[upload.key[1]] = File(upload.data)
            self.idle.pop(upload.key, None)

    @rule(path=PATHS, owner=OWNERS)
    def remove(self, path: str, owner: str) -> None:
        there, parts = self.published.pop(path, None), self.idle.pop((owner, path), None)
        refusal = None
        try:
            self.house.store.unlink(self.house.at(path, owner=owner))
        except StorageError as error:
            refusal = error.kind
        assert refusal is (Kind.NOT_FOUND if there is None and not parts else None)

    @rule(path=PATHS, owner=OWNERS)
    def look(self, path: str, owner: str) -> None:
        sizes = [len(data) for data in self.idle.get((owner, path), []) if data]
        expected = sizes[-1] if sizes and path not in self.published else None
        assert self.house.store.part_size(self.house.at(path, owner=owner)) == expected

    @invariant()
    def readers_see_what_was_published(self) -> None:
        if hasattr(self, "root"):
            seen = {"/" + path.name: path.read_bytes() for path in self.root.iterdir() if path.is_file()}
            assert seen == self.published
            assert len(self.house.parts()) == len(self.live) + sum(map(len, self.idle.values()))

    def _attempt(self, call: Callable[[], Part], key: tuple[str, str], expected: bytes | Kind) -> Upload | None:
        got: Part | Kind
        try:
            got = call()
        except StorageError as error:
            got = error.kind
        if isinstance(expected, Kind):
            assert got is expected
            return None
        assert isinstance(got, Part), got
        assert got.offset == len(expected)
        return self._alive(got, key, expected)

    def _alive(self, part: Part, key: tuple[str, str], data: bytes) -> Upload:
        assert os.pread(part.fd, 1000, 0) == data
        upload = Upload(part, key, data)
        self.live.append(upload)
        return upload

    def _busy(self, key: tuple[str, str]) -> bool:
        return any(upload.key == key for upload in self.live)

    def _tick(self, upload: Upload) -> None:
        """Make this part the newest for sure: clocks of file systems tick slowly."""
        while os.fstat(upload.part.fd).st_ctime_ns <= self.clock:
            os.utime(upload.part.fd)
        self.clock = os.fstat(upload.part.fd).st_ctime_ns


TestLife = Life.TestCase
TestLife.settings = settings(deadline=None, max_examples=60, stateful_step_count=25)
