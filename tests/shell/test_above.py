from __future__ import annotations

import io
import threading

from ftlite.shell.above import Above, stream


def test_without_a_prompt_it_goes_straight_through() -> None:
    behind = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    out = stream(Above(), behind)
    out.write("ä")
    out.buffer.write(b"\xff")
    assert behind.buffer.getvalue() == "ä".encode() + b"\xff"  # type: ignore[attr-defined]
    assert not out.isatty()


def test_whole_lines_go_above_a_prompt_and_the_rest_follows_it() -> None:
    behind = io.BytesIO()
    above = Above()
    calls: list[int] = []
    above.begin(lambda: calls.append(1))
    above.write(behind, b"one\ntw")
    above.write(behind, b"o")
    assert behind.getvalue() == b""
    assert calls == [1]
    above.draw()
    assert behind.getvalue() == b"one\n"
    above.write(behind, b"\n")
    assert calls == [1, 1]
    above.draw()
    assert behind.getvalue() == b"one\ntwo\n"
    above.write(behind, b"three")
    above.end()
    assert behind.getvalue() == b"one\ntwo\nthree"


def test_a_worker_that_writes_much_waits_and_nothing_is_lost() -> None:
    behind = io.BytesIO()
    above = Above()
    asked = threading.Event()
    above.begin(asked.set)
    block = b"x" * 70_000 + b"\n"
    worker = threading.Thread(target=lambda: [above.write(behind, block) for _ in range(64)])
    worker.start()
    most = 0
    while worker.is_alive():
        if asked.wait(0.05):
            asked.clear()
            before = len(behind.getvalue())
            above.draw()
            most = max(most, len(behind.getvalue()) - before)
    worker.join()
    above.end()
    assert behind.getvalue() == block * 64
    assert most <= (1 << 20) + len(block)


def test_what_is_said_between_prompts_is_asked_for_by_the_next() -> None:
    above = Above()
    behind = io.BytesIO()
    above.begin(lambda: None)
    above.write(behind, b"a\n")
    above.end()
    above.write(behind, b"b\n")
    assert behind.getvalue() == b"a\nb\n"
