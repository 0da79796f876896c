"""What is built is whole: the wheel from the sdist imports on its own, with its data."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SUBPACKAGES = ("envs", "agents", "rollout", "learners", "support", "study")
IMPORT_ALL = """
import importlib, pkgutil, sys
import reachgym
assert reachgym.__file__.startswith(sys.argv[1]), reachgym.__file__
names = [m.name for m in pkgutil.walk_packages(reachgym.__path__, "reachgym.")]
for name in names:
    if name != "reachgym.__main__":
        assert importlib.import_module(name).__file__.startswith(sys.argv[1]), name
print("\\n".join(names))
"""


def build(kind: str, source: Path, target: Path) -> Path:
    command = [sys.executable, "-m", "build", "--no-isolation", f"--{kind}", "--outdir", target]
    ran = subprocess.run(
        [*command, source], check=False, capture_output=True, text=True, timeout=120
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    (built,) = target.iterdir()
    return built


@pytest.fixture(scope="module")
def sdist(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("sdist")
    with tarfile.open(build("sdist", ROOT, folder / "built")) as archive:
        archive.extractall(folder, filter="data")
    (unpacked,) = (entry for entry in folder.iterdir() if entry.name != "built")
    return unpacked


@pytest.fixture(scope="module")
def installed(sdist, tmp_path_factory) -> Path:
    """The wheel that is built from the sdist alone, unpacked."""
    folder = tmp_path_factory.mktemp("wheel")
    with zipfile.ZipFile(build("wheel", sdist, folder / "built")) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_the_sdist_holds_the_sources_the_tests_and_what_goes_with_them(sdist):
    for name in ("pyproject.toml", "README.md", "LICENSE", "configs/quickstart.yaml"):
        assert (sdist / name).is_file(), name
    for name in SUBPACKAGES:
        assert (sdist / "reachgym" / name / "__init__.py").is_file(), name
    assert (sdist / "tests" / "test_packaging.py").is_file()


def test_the_wheel_installs_nothing_but_the_package(installed):
    names = {entry.name for entry in installed.iterdir() if not entry.name.endswith(".dist-info")}
    assert names == {"reachgym"}
    assert not list(installed.rglob("tests"))


@pytest.mark.parametrize(
    "name", ["py.typed", "study/report/page.html.j2", "study/report/style.css"]
)
def test_the_wheel_holds_the_data(name, installed):
    packed = installed / "reachgym" / name
    assert packed.read_bytes() == (ROOT / "reachgym" / name).read_bytes()


def test_every_module_of_the_wheel_imports_from_another_folder(installed, tmp_path):
    script = f"import sys; sys.path.insert(0, sys.argv[1])\n{IMPORT_ALL}"
    ran = subprocess.run(
        [sys.executable, "-P", "-c", script, str(installed)],
        check=False,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr
    imported = set(ran.stdout.split())
    assert {f"reachgym.{name}" for name in SUBPACKAGES} <= imported


def test_the_wheel_offers_the_command(installed):
    (entry_points,) = installed.glob("*.dist-info/entry_points.txt")
    assert "reachgym = reachgym.study.cli:main" in entry_points.read_text()
