"""The launcher: signals, killed ranks, ports, exit codes, and one line for each failure."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from torch import distributed as dist

from likewise.errors import InputError, LikewiseError
from likewise.training.distributed.launch import _raise_failure, _run, launch
from likewise.training.distributed.lost_peers import PeerLost
from likewise.training.distributed.processes import Processes
from likewise.training.distributed.worker import report_once
from likewise.training.stopping import STOPPED_EARLY, StoppedBySignal, StopRequest, exit_on_signal
from tests.conftest import make_photos
from tests.gloo import free_port
from tests.integration.runs import Run, newest_step, tensors, whole, write_recipe


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_photos(tmp_path_factory.mktemp("data") / "photos", people=8)


@pytest.fixture
def endless(tmp_path: Path) -> list[str]:
    return ["--recipe", str(write_recipe(tmp_path / "recipe.yaml", "schedule.epochs=5000"))]


def test_wrong_numbers_and_ports() -> None:
    with pytest.raises(InputError, match="processes: 0"):
        launch(["train"], 0)
    with pytest.raises(InputError, match="a whole number from 1 to 65535"):
        launch(["train"], 2, 70_000)
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(LikewiseError, match=f"port {port} is taken .*--port"):
            launch(["train"], 2, port)


def test_sigterm_to_the_launcher_saves_on_all_ranks(
    photos: Path, endless: list[str], tmp_path: Path
) -> None:
    """All ranks stop after the same step, save, and end in time."""
    run = Run(photos, tmp_path / "run", *endless, "--processes", "2", "--keep", "1")
    assert run.until(lambda: run.steps() >= 3)
    asked = time.monotonic()
    run.process.send_signal(signal.SIGTERM)
    code, out, err = run.end()
    assert code == 143, err
    assert time.monotonic() - asked < 30
    assert "--resume" in err
    assert not out
    (folder,) = whole(tmp_path / "run")
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["checkpoint.json", "process-0-of-2.safetensors", "process-1-of-2.safetensors",
                     "shared.safetensors"]  # fmt: skip
    content = json.loads((folder / "checkpoint.json").read_text())
    assert content["values"]["step"] == newest_step(tmp_path / "run")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_before_the_first_step(
    number: signal.Signals, photos: Path, endless: list[str], tmp_path: Path
) -> None:
    run = Run(photos, tmp_path / "run", *endless, "--processes", "2")
    assert run.until(lambda: len(run.children()) == 2)
    run.process.send_signal(number)
    code, out, err = run.end()
    assert (code, out) == (128 + number, "")
    assert err == "stopped; all completed steps are saved\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_before_the_first_step_of_a_single_process(number: signal.Signals) -> None:
    with pytest.raises(SystemExit) as stopped, report_once():
        signal.raise_signal(number)
    assert stopped.value.code == 128 + number


def test_a_signal_that_a_loading_module_catches(capsys: pytest.CaptureFixture[str]) -> None:
    """As torch does: the program ends all the same, before it trains."""
    with pytest.raises(StoppedBySignal), exit_on_signal():  # noqa: PT012  # two statements are the point
        with suppress(BaseException):
            signal.raise_signal(signal.SIGINT)
        with StopRequest():
            pytest.fail("trains")
    with pytest.raises(StoppedBySignal), exit_on_signal(), suppress(BaseException):
        signal.raise_signal(signal.SIGINT)
    with pytest.raises(StoppedBySignal), exit_on_signal():  # noqa: PT012  # two statements are the point
        try:
            signal.raise_signal(signal.SIGTERM)
        except SystemExit:
            raise ImportError("initialization failed") from None
    assert capsys.readouterr().err.splitlines() == [STOPPED_EARLY] * 3


class StartingAgent:
    """An agent that starts its only rank after the second Ctrl-C."""

    def __init__(self) -> None:
        self.workers = [SimpleNamespace(id=None)]

    def get_worker_group(self) -> Any:
        return self

    def run(self) -> Any:
        for _ in range(2):
            time.sleep(0.3)
            os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.3)
        rank = subprocess.Popen(["sleep", "30"], start_new_session=True)
        self.workers[0].id = rank.pid
        rank.wait()
        return SimpleNamespace(failures={})


def test_a_second_ctrl_c_before_the_ranks_start() -> None:
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        _run(StartingAgent())  # type: ignore[arg-type]  # what is used of an agent
    assert time.monotonic() - began < 20


@pytest.mark.parametrize(
    ("number", "more", "expected"),
    [
        (signal.SIGTERM, ["--set", "data.workers=2"], 143),
        pytest.param(
            signal.SIGINT,
            ["--processes", "2", "--set", "data.workers=1"],
            130,
            marks=pytest.mark.slow,
        ),
        pytest.param(signal.SIGTERM, ["--zero-if-stopped"], 0, marks=pytest.mark.slow),
    ],
)
def test_a_signal_to_the_process_group_saves_and_ends(
    number: signal.Signals,
    more: list[str],
    expected: int,
    photos: Path,
    endless: list[str],
    tmp_path: Path,
) -> None:
    """As a terminal or a scheduler sends it: data loader workers get it as well."""
    run = Run(photos, tmp_path / "run", *endless, *more, new_group=True)
    assert run.until(lambda: run.steps() >= 2)
    os.killpg(run.process.pid, number)
    code, out, err = run.end()
    assert (code, out) == (expected, ""), err
    assert "unexpected" not in err
    assert "interrupted" not in err
    assert f"likewise train {photos} --out {tmp_path / 'run'} --resume" in err


@pytest.mark.slow
def test_a_signal_to_one_rank_sets_the_exit_code(
    photos: Path, endless: list[str], tmp_path: Path
) -> None:
    run = Run(photos, tmp_path / "run", *endless, "--processes", "2", "--zero-if-stopped")
    assert run.until(lambda: run.steps() >= 2)
    os.kill(run.children()[1], signal.SIGTERM)
    code, _, err = run.end()
    assert (code, "--resume" in err) == (0, True), err


@pytest.mark.slow
def test_torchrun_gives_the_same_weights(photos: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "recipe.yaml", "schedule.epochs=2")
    arguments = ["--recipe", str(recipe)]
    torchrun = f"torch.distributed.run --nproc-per-node 2 --master-port {free_port()} -m likewise"
    runs = [
        Run(photos, tmp_path / "torchrun", *arguments, "--json", module=torchrun),
        Run(photos, tmp_path / "own", *arguments, "--json", "--processes", "2"),
    ]
    ends = [run.end() for run in runs]
    assert [end[0] for end in ends] == [0, 0], ends
    told = [json.loads(end[1]) for end in ends]  # once, not once a process
    assert [t["finished"] for t in told] == [True, True]
    one, other = (tensors(run.out) for run in runs)
    assert all(bool((one[name] == other[name]).all()) for name in one)


def test_the_message_of_the_network_library_is_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An error that only looks like a lost rank is shown in full, on all ranks."""
    monkeypatch.setattr(time, "sleep", lambda _: None)
    store = dist.HashStore()
    one, other = Processes(), Processes()
    for rank, processes in enumerate((one, other)):
        processes.rank, processes.count, processes.store = rank, 2, store
    error = RuntimeError("NCCL error in ProcessGroupNCCL.cpp:2115,\nunhandled cuda error: ECC")
    with pytest.raises(
        PeerLost, match=r"rank 1 lost the connection to another rank.*2115, unhandled cuda error: E"
    ):
        other.__exit__(RuntimeError, error, None)
    gone = RuntimeError("Connection closed by peer")
    with pytest.raises(
        PeerLost, match=r"rank 1 ended: .*unhandled cuda error: ECC; the other ranks"
    ):
        one.__exit__(RuntimeError, gone, None)


@pytest.mark.parametrize("rank", [pytest.param(0, marks=pytest.mark.slow), 1])
def test_a_killed_rank_is_named_and_the_others_stop(
    rank: int, photos: Path, endless: list[str], tmp_path: Path
) -> None:
    run = Run(photos, tmp_path / "run", *endless, "--processes", "2")
    assert run.until(lambda: run.steps() >= 2)
    died = time.monotonic()
    os.kill(run.children()[rank], signal.SIGKILL)
    code, _, err = run.end()
    assert code == 1
    assert time.monotonic() - died < 60
    (line,) = [line for line in err.splitlines() if line.startswith("likewise:")]
    assert f"rank {rank} ended: killed by SIGKILL" in line
    assert "--resume" in line


def test_an_error_on_all_ranks_is_reported_once(photos: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "recipe.yaml")
    two = make_photos(tmp_path / "two", people=2)
    for name, data, more, problem in (
        ("identities", two, ["--set", "data.val_identities=0"], "3 for 2 identities to train on"),
        ("photos", photos, ["--set", "batch.sampler=plain", "--set", "batch.size=2"],
         "3 for batches of 2 photos"),
    ):  # fmt: skip
        run = Run(data, tmp_path / name, "--recipe", str(recipe), *more, "--processes", "3")
        code, _, err = run.end()
        assert code == 2, err
        (line,) = err.splitlines()
        assert line.startswith("likewise: processes: ")
        assert problem in line


@pytest.mark.slow
def test_a_full_disk_keeps_the_last_good_checkpoint(photos: Path, tmp_path: Path) -> None:
    """A file cannot grow: one line, exit code 1, and the earlier checkpoints stay readable."""
    recipe = write_recipe(tmp_path / "recipe.yaml", "schedule.epochs=1")
    out = tmp_path / "run"
    assert Run(photos, out, "--recipe", str(recipe), "--processes", "2").end()[0] == 0
    before = whole(out)
    sizes = [(folder / "shared.safetensors").stat().st_size for folder in before]
    text = (out / "recipe.yaml").read_text().replace("epochs: 1 ", "epochs: 3 ", 1)
    assert text != (out / "recipe.yaml").read_text()
    (out / "recipe.yaml").write_text(text)
    limit = max(sizes) - 1

    def full() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    ended = subprocess.run(
        [sys.executable, "-m", "likewise", "train", str(photos), "--out", str(out), "--resume",
         "--processes", "2"],
        capture_output=True, text=True, preexec_fn=full,
    )  # fmt: skip
    assert ended.returncode == 1
    (line,) = [line for line in ended.stderr.splitlines() if line.startswith("likewise:")]
    assert "cannot write" in line
    assert "free some space" in line
    assert whole(out) == before
    assert sorted((out / "checkpoints").iterdir()) == before
    assert Run(photos, out, "--resume", "--processes", "2").end()[0] == 0


OWN = {"message": "no photo", "code": 1, "on_all_ranks": False, "secondary": False}
LOST = {"message": "rank 0 lost the connection", "code": 1, "on_all_ranks": False,
        "secondary": True}  # fmt: skip


@pytest.mark.parametrize(
    ("exit_codes", "files", "message"),
    [
        ({1: 1}, {1: OWN}, "rank 1 ended: no photo"),
        ({0: 1, 1: 1}, {0: LOST, 1: OWN}, "rank 1 ended: no photo"),
        ({0: 1, 1: -9}, {0: LOST}, "rank 1 ended: killed by SIGKILL"),
        ({1: -15, 0: 1}, {0: LOST}, "rank 0 lost the connection"),
        ({1: -15, 0: -15}, {}, "rank 1 ended: killed by SIGTERM"),
        ({0: 1}, {0: OWN | {"on_all_ranks": True}}, "^no photo"),
        ({1: 3}, {}, "rank 1 ended: Segmentation fault"),
    ],
)
def test_the_first_cause_is_reported(
    exit_codes: dict[int, int], files: dict[int, dict[str, object]], message: str, tmp_path: Path
) -> None:
    for rank in (0, 1):
        (tmp_path / str(rank)).mkdir()
        (tmp_path / str(rank) / "stderr.log").write_text("a warning\nSegmentation fault\n\n")
    for rank, content in files.items():
        (tmp_path / str(rank) / "error.json").write_text(json.dumps(content))
    with pytest.raises(LikewiseError, match=message):
        _raise_failure(exit_codes, 0, tmp_path)


def test_a_rank_that_a_further_signal_ends_after_it_has_saved(tmp_path: Path) -> None:
    (tmp_path / "0").mkdir()
    content = {"message": "stopped by a signal", "stopped_by": 15}
    (tmp_path / "0" / "error.json").write_text(json.dumps(content))
    with pytest.raises(StoppedBySignal) as stopped:
        _raise_failure({0: -signal.SIGTERM}, 0, tmp_path)
    assert stopped.value.code == 143
