"""What is built from the tree works elsewhere: in an environment of the wheel and what it requires."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from importlib.metadata import Distribution, distribution, distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from anabranch.engine.version import __version__

ROOT = Path(__file__).parent.parent
PACKAGES = ("engine", "scheduler", "nodes", "viz")
SOURCE = {".css", ".html", ".js", ".py", ".pyi", ".svg", ".typed"}
NOT_SOURCE = shutil.ignore_patterns(".*", "build", "dist", "*.egg-info", "__pycache__")

CONSUMER = """
from typing import assert_type

from anabranch.nodes import RunnableLambda

def length(text: str) -> int:
    return len(text)

def half(number: int) -> float:
    return number / 2

chain = RunnableLambda(length) | RunnableLambda(half)
assert_type(chain.invoke("four"), float)
chain.invoke(4)
"""

pytestmark = [pytest.mark.packaging, pytest.mark.together("packaging")]


def run(*command: object, cwd: Path | None = None) -> str:
    """What a command prints; it must succeed."""
    ran = subprocess.run([str(word) for word in command], cwd=cwd, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a source distribution of the tree, and the wheel built from that."""
    folder = tmp_path_factory.mktemp("built")
    shutil.copytree(ROOT, folder / "tree", ignore=NOT_SOURCE)
    run(sys.executable, "-m", "build", "--no-isolation", "--skip-dependency-check", "--outdir", folder, folder / "tree")
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    return next(built.glob("*.whl"))


@pytest.fixture(scope="module")
def elsewhere(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel and, linked from this one so as to need no network, what it requires."""
    home = tmp_path_factory.mktemp("elsewhere") / "venv"
    venv.create(home, symlinks=True)
    python = home / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel)
    packages = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    for entry in required_entries(next(iter(distributions(name="anabranch", path=[str(packages)])))):
        (packages / entry.name).symlink_to(entry)
    return home


def required_entries(wheel: Distribution) -> set[Path]:
    """What the distributions that one requires, and those that these require, have installed here."""
    names, entries = required_names(wheel), set()
    for name in names:
        found = distribution(name)
        names += [needed for needed in required_names(found) if needed not in names]
        tops = {path.parts[0] for path in found.files or []} - {"..", "__pycache__"}
        entries |= {Path(str(found.locate_file(top))) for top in tops}
    return entries


def required_names(found: Distribution) -> list[str]:
    """The names of the distributions that one requires without any extra."""
    requirements = [Requirement(line) for line in found.requires or []]
    return [each.name for each in requirements if not each.marker or each.marker.evaluate({"extra": ""})]


def test_the_version_comes_from_one_place(wheel: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert "version" not in project
    assert wheel.name == f"anabranch-{__version__}-py3-none-any.whl"


def test_the_wheel_holds_every_source_file_and_nothing_else(wheel: Path) -> None:
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    files = [path.relative_to(ROOT) for layer in PACKAGES for path in (ROOT / layer).rglob("*.*")]
    assert inside == {f"anabranch/{path}" for path in files if path.suffix in SOURCE}
    assert {f"anabranch/viz/watch_page/watch.{suffix}" for suffix in ("html", "css", "js")} <= inside
    assert inside >= {f"anabranch/{layer}/py.typed" for layer in PACKAGES}


def test_the_source_distribution_holds_what_the_tests_need(built: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    for needed in ("LICENSE", "CHANGELOG.md", "Makefile", "tests/conftest.py", "benchmarks/__main__.py"):
        assert needed in inside


@pytest.mark.parametrize("layer", PACKAGES)
def test_each_package_imports_beside_only_what_it_requires(elsewhere: Path, layer: str) -> None:
    code = f"import anabranch.{layer} as package; print(package.__file__)"
    where = run(elsewhere / "bin" / "python", "-I", "-c", code, cwd=elsewhere)
    assert Path(where).is_relative_to(elsewhere)


def test_a_chain_runs_elsewhere(elsewhere: Path) -> None:
    code = "from anabranch.nodes import RunnableLambda; print((len | RunnableLambda(abs)).invoke('four'))"
    assert run(elsewhere / "bin" / "python", "-I", "-c", code) == "4\n"


def test_the_command_is_installed(elsewhere: Path) -> None:
    assert "anabranch" in run(elsewhere / "bin" / "anabranch", "--help")


def test_a_type_checker_elsewhere_follows_the_types(elsewhere: Path, tmp_path: Path) -> None:
    (tmp_path / "consumer.py").write_text(CONSUMER)
    python = str(elsewhere / "bin" / "python")
    command = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "--python-executable", python]
    checked = subprocess.run([*command, "consumer.py"], cwd=tmp_path, capture_output=True, text=True)
    errors = re.findall(r"consumer\.py:(\d+): error: .*\[([a-z-]+)\]", checked.stdout)
    wrong_input = CONSUMER.splitlines().index("chain.invoke(4)") + 1
    assert errors == [(str(wrong_input), "arg-type")], checked.stdout + checked.stderr
