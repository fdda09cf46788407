"""The lock of a run's folder: it keeps a second run out and ends with its process."""

from __future__ import annotations

import errno
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import filelock
import pytest

from likewise.errors import InputError
from likewise.training.setup import run_folder
from likewise.training.setup.run_folder import run_lock

HOLDER = """
import os, sys, time
from pathlib import Path
from likewise.training.setup.run_folder import run_lock

with run_lock(Path(sys.argv[1])):
    if os.fork() == 0:  # as a worker of a data loader, which outlives a killed parent for a moment
        time.sleep(20)
        os._exit(0)
    print("held", flush=True)
    time.sleep(60)
"""


@contextmanager
def holder(folder: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_second_run_is_refused_until_the_first_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_folder, "LOCK_TIMEOUT", 0.3)
    with holder(tmp_path) as process:
        with (
            pytest.raises(InputError, match="another process trains there; wait"),
            run_lock(tmp_path),
        ):
            raise AssertionError
        process.kill()
        process.wait()
        with run_lock(tmp_path):
            pass


def test_it_can_be_taken_again(tmp_path: Path) -> None:
    for _ in range(2):
        with run_lock(tmp_path):
            pass


def test_a_file_system_without_locks_is_used_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def acquire(self: Any, *given: Any, **options: Any) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(filelock.FileLock, "acquire", acquire)
    entered = False
    with run_lock(tmp_path):
        entered = True
    assert entered


def test_a_lock_file_of_another_user_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def acquire(self: Any, *given: Any, **options: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(filelock.FileLock, "acquire", acquire)
    with (
        pytest.raises(InputError, match=r"\.lock: Permission denied; make it writable"),
        run_lock(tmp_path),
    ):
        raise AssertionError
