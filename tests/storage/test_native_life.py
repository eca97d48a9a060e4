"""A native upload's life against a model: any order of begin, write, checkpoint, release, kill, tear and publish."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from attrs import define, field
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ftlite.storage.errors import Kind
from ftlite.storage.native import NativePart, UploadKey
from tests.storage.places import House, refused, sha256, write

KEYS = st.sampled_from([UploadKey(40, 5), UploadKey(40, 6), UploadKey(30), UploadKey()])


@define(eq=False)
class Upload:
    """What the model knows of the part of one key."""

    part: NativePart | None  # live
    data: bytes = b""
    points: list[int] = field(factory=list)


class NativeLife(RuleBasedStateMachine):
    @initialize()
    def start(self) -> None:
        self.root = Path(tempfile.mkdtemp())
        self.house = House(self.root)
        self.uploads: dict[UploadKey, Upload] = {}
        self.published: bytes | None = None
        self.letter = 65

    def teardown(self) -> None:
        if hasattr(self, "root"):
            for upload in self.uploads.values():
                if upload.part is not None:
                    upload.part.close()
            self.house.close()
            shutil.rmtree(self.root)

    @rule(key=KEYS, fresh=st.booleans())
    def begin(self, key: UploadKey, fresh: bool) -> None:
        known = self.uploads.get(key)
        live = known is not None and known.part is not None
        if live and key.size is not None:
            with refused(Kind.BUSY):
                self.house.native("/a", key, fresh=fresh)
            return
        part = self.house.native("/a", key, fresh=fresh)
        if live:
            self.house.store.release(part, keep=False)
            return
        offset = known.points[-1] if known is not None and known.points and not fresh else 0
        data = known.data[:offset] if known is not None else b""
        assert part.offset == offset
        assert part.prefix == (sha256(data) if offset else None)
        self.uploads[key] = Upload(part, data, [] if known is None or not offset else known.points)

    @rule(key=KEYS, count=st.integers(1, 9), point=st.booleans())
    def write(self, key: UploadKey, count: int, point: bool) -> None:
        upload = self.uploads.get(key)
        if upload is None or upload.part is None or len(upload.data) + count > (key.size or 30):
            return
        self.letter = 65 + (self.letter - 64) % 26
        more = bytes([self.letter]) * count
        write(upload.part, more)
        upload.part.offset += count
        upload.data += more
        if point:
            upload.part.checkpoint(len(upload.data), sha256(upload.data))
            if key.size is not None:
                upload.points.append(len(upload.data))

    @rule(key=KEYS, how=st.sampled_from(["kill", "keep", "keep-all", "drop"]))
    def let_go(self, key: UploadKey, how: str) -> None:
        upload = self.uploads.get(key)
        if upload is None or upload.part is None:
            return
        part, upload.part = upload.part, None
        if how == "kill":
            part.close()
            if key.size is None:
                del self.uploads[key]
            return
        reached = (len(upload.data), sha256(upload.data)) if how == "keep-all" and upload.data else None
        self.house.store.release(part, keep=how != "drop", reached=reached)
        if reached is not None and key.size is not None and upload.points[-1:] != [len(upload.data)]:
            upload.points.append(len(upload.data))
        if how == "drop" or not upload.points:
            del self.uploads[key]

    @rule(key=KEYS)
    def tear(self, key: UploadKey) -> None:
        """The last octet of an idle part's journal is lost."""
        upload = self.uploads.get(key)
        if upload is None or upload.part is not None or not upload.points:
            return
        mark = key.mark.decode()
        (journal,) = [path for path in self.house.journals() if path.name.endswith(f"{mark}.journal")]
        journal.write_bytes(journal.read_bytes()[:-1])
        upload.points.pop()

    @rule(key=KEYS)
    def publish(self, key: UploadKey) -> None:
        upload = self.uploads.get(key)
        if upload is None or upload.part is None:
            return
        del self.uploads[key]
        self.house.publish(upload.part, digests={"SHA-256": sha256(upload.data)})
        self.published = upload.data

    @precondition(lambda self: self.published is not None)
    @rule()
    def look(self) -> None:
        assert self.house.store.part_size(self.house.at("/a")) is None
        kept = self.house.store.kept_digest(self.house.at("/a"), "SHA-256")
        assert kept in (None, sha256(self.published or b""))
        assert self.house.store.digest(self.house.at("/a"), "SHA-256") == sha256(self.published or b"")

    @invariant()
    def readers_see_what_was_published(self) -> None:
        if hasattr(self, "root"):
            there = self.root / "a"
            assert (there.read_bytes() if there.exists() else None) == self.published
            assert len(self.house.journals()) <= len(self.house.parts())


TestNativeLife = NativeLife.TestCase
TestNativeLife.settings = settings(deadline=None, max_examples=60, stateful_step_count=30)
