"""The server answers exactly the verbs that the protocol knows, and says only what their rows allow."""

from __future__ import annotations

from ftlite.protocol.verbs import SITE_VERBS, VERBS
from ftlite.server.refusals import CODES
from ftlite.server.rows import ROWS, SITE_ROWS
from ftlite.storage.errors import Kind


def test_every_verb_has_a_row_and_no_row_is_idle() -> None:
    assert ROWS.keys() == VERBS.keys()
    assert SITE_ROWS.keys() == SITE_VERBS.keys()


def test_other_names_of_a_verb_share_its_row() -> None:
    assert all(ROWS[name] is ROWS[verb.alias_of] for name, verb in VERBS.items() if verb.alias_of)


def test_every_transfer_runs_as_a_job_that_abor_can_end() -> None:
    assert all(ROWS[name].job for name, verb in VERBS.items() if verb.transfer)


def test_every_kind_of_storage_error_has_its_codes() -> None:
    assert CODES.keys() == set(Kind)


def test_a_storage_error_may_answer_any_verb_that_names_a_path() -> None:
    paths = [VERBS[name] for name in ("RETR", "STOR", "CWD", "MKD", "DELE", "RNTO", "SIZE", "MLST", "HASH", "STAT")]
    assert all(verb.may_reply(code) for verb in paths for codes in CODES.values() for code in codes)
