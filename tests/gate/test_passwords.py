"""Hashes: salted, argon2id, and a dummy that costs the same."""

from __future__ import annotations

import pytest
from argon2 import extract_parameters

from ftlite.gate.passwords import dummy_hash, hash_password, verify_password


def test_a_hash_knows_its_password_and_no_other() -> None:
    hashed = hash_password("pässword \udcff")
    assert hashed.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert verify_password(hashed, "pässword \udcff")
    assert not verify_password(hashed, "pässword")
    assert hash_password("pässword \udcff") != hashed


@pytest.mark.parametrize("hashed", ["", "x", "pässword", "$argon2id$", "$2b$12$abcdefghijklmnopqrstuv", "\udcff"])
def test_what_is_no_hash_matches_nothing(hashed: str) -> None:
    assert not verify_password(hashed, hashed)


def test_the_dummy_costs_what_a_real_one_costs_and_matches_nothing() -> None:
    dummy = dummy_hash()
    assert extract_parameters(dummy) == extract_parameters(hash_password("x"))
    assert not verify_password(dummy, "")
    assert dummy_hash() != dummy
