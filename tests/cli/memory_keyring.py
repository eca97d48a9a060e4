"""A keyring that lives in a file of the test, for the real keyring library (PYTHON_KEYRING_BACKEND)."""

from __future__ import annotations

import json
import os
from pathlib import Path

from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked


class Kept(KeyringBackend):
    priority = 1.0  # type: ignore[assignment]

    @property
    def file(self) -> Path:
        return Path(os.environ["TEST_KEYRING"])

    def _entries(self) -> dict[str, str]:
        if self.file.name == "locked":
            raise KeyringLocked("the keyring is locked")
        return json.loads(self.file.read_text()) if self.file.exists() else {}

    def get_password(self, service: str, username: str) -> str | None:
        return self._entries().get(f"{username} {service}")

    def set_password(self, service: str, username: str, password: str) -> None:
        self.file.write_text(json.dumps({**self._entries(), f"{username} {service}": password}))

    def delete_password(self, service: str, username: str) -> None:
        entries = self._entries()
        del entries[f"{username} {service}"]
        self.file.write_text(json.dumps(entries))
