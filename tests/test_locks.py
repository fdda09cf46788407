"""The lock of a folder: refuse, or say so and wait."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

import pytest

from likewise.errors import InputError, LikewiseError
from likewise.locks import hold_lock


def test_another_holder_is_refused_and_the_lock_is_free_afterwards(tmp_path: Path) -> None:
    file = tmp_path / "new" / "lock"
    with hold_lock(file, "in use"), pytest.raises(InputError, match="^in use$"), \
         hold_lock(file, "in use"):  # fmt: skip
        pass
    with hold_lock(file, "in use"):
        pass


@pytest.mark.parametrize("busy", ["in use; waiting", ""])
def test_who_waits_says_so_and_gets_it(
    busy: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    held, order = threading.Event(), []

    def hold() -> None:
        with hold_lock(tmp_path / "lock", ""):
            held.set()
            time.sleep(0.3)
            order.append("first")

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    with caplog.at_level(logging.WARNING), hold_lock(tmp_path / "lock", busy, wait=None):
        order.append("second")
    thread.join()
    assert order == ["first", "second"]
    assert [record.message for record in caplog.records] == ([busy] if busy else [])


def test_a_folder_that_cannot_be_made_is_named_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LikewiseError, match=r"file: it is a file.*elsewhere"), \
         hold_lock(tmp_path / "file" / "lock", "", advice="go elsewhere"):  # fmt: skip
        pass
