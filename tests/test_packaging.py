"""What is promised to whoever installs specc: the README's commands, the wheel, a light start."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

HEAVY = {
    "h5py",
    "jax",
    "keras",
    "lark",
    "numpy",
    "onnx",
    "onnx_ir",
    "onnxruntime",
    "rich",
    "tensorflow",
    "tf2onnx",
    "torch",
}
"""Modules that a check must never wait for."""

MAY_BE_HEAVY = (
    "specc.backends",
    "specc.inference",
    "specc.cli.reports",  # shows a verification, and is imported after one
    "specc.syntax.generate",
    "specc.training",
    "specc.verification",
)
"""Where they are imported at the top of a module; every other module starts light."""


def run(*command: str | Path, cwd: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; its status is the caller's to judge."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "SPECC"))}
    return subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=environment | settings,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )


def succeed(*command: str | Path, cwd: Path) -> str:
    """Run a command that must succeed, and give its standard output."""
    done = run(*command, cwd=cwd)
    assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


# ---------------------------------------------------------------------------- README


def readme_commands(repository: Path) -> dict[str, str]:
    """The ```sh blocks of the README by the heading they stand under."""
    commands: dict[str, str] = {}
    heading, block = "", None
    for line in (repository / "README.md").read_text(encoding="utf-8").splitlines():
        if block is not None and line == "```":
            assert heading not in commands, f"two sh blocks under {heading!r}"
            commands[heading] = "\n".join(block)
            block = None
        elif block is not None:
            block.append(line)
        elif line == "```sh":
            block = []
        elif match := re.fullmatch(r"#+ (.*)", line):
            heading = match[1].strip()
    assert block is None, "the last sh block is not closed"
    return commands


def test_readme_has_the_two_commands(repository: Path) -> None:
    commands = readme_commands(repository)
    assert list(commands) == ["Try it", "Run the tests"]
    for command in commands.values():
        assert len(command.splitlines()) == 1, "a command is one line, to be pasted as it is"
        assert command.startswith("python3 -m venv .venv && "), "it makes what it runs in"
    assert commands["Try it"].endswith(".venv/bin/specc build specs/bn_after.spec")


def test_continuous_integration_runs_the_readme_test_command(repository: Path) -> None:
    script = repository / ".ci" / "run"
    lines = script.read_text(encoding="utf-8").splitlines()
    assert os.access(script, os.X_OK)
    assert "set -euo pipefail" in lines
    assert lines[-1] == readme_commands(repository)["Run the tests"]


# ----------------------------------------------------------------------------- wheel


@pytest.fixture(scope="module")
def distributions(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the sdist, and the wheel built from that sdist.

    Without isolation, so that nothing is downloaded: hatchling comes with `[test]`.
    """
    out = tmp_path_factory.mktemp("dist")
    succeed(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, cwd=repository)
    return out


@pytest.fixture(scope="module")
def wheel(distributions: Path) -> Path:
    (path,) = distributions.glob("specc_nn-*-py3-none-any.whl")
    return path


@pytest.mark.wheel
def test_wheel_holds_the_package_and_nothing_else(wheel: Path, repository: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        grammar = archive.read("specc/grammars/specc.lark")
    assert grammar == (repository / "grammars" / "specc.lark").read_bytes()

    package = repository / "specc"
    wanted = {
        path.relative_to(repository).as_posix()
        for pattern in ("**/*.py", "py.typed", "diagnostics/explain/*.md", "std/*.spec")
        for path in package.glob(pattern)
    }
    assert "specc/py.typed" in wanted
    assert any(name.endswith(".md") for name in wanted), "there are no explain pages"
    assert wanted <= names

    metadata = {name for name in names if re.match(r"specc_nn-[^/]+\.dist-info/", name)}
    assert names - metadata == wanted | {"specc/grammars/specc.lark"}
    assert any(name.endswith("/licenses/LICENSE") for name in metadata)


@pytest.mark.wheel
def test_sdist_holds_the_tests_and_the_specs(distributions: Path) -> None:
    (path,) = distributions.glob("specc_nn-*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"LICENSE", "README.md", "grammars/specc.lark", "pyproject.toml"} <= names
    assert {"specs/bn_after.spec", "tests/conftest.py", "tests/test_packaging.py"} <= names
    assert not [name for name in names if "__pycache__" in name or name.startswith(".venv")]


@pytest.mark.wheel
def test_installed_check_needs_no_dependency(wheel: Path, repository: Path, tmp_path: Path) -> None:
    """In an environment that holds specc alone, `specc check` does all it does elsewhere."""
    venv.create(tmp_path / "venv", with_pip=True)
    scripts = tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin")
    succeed(
        scripts / "python",
        *("-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel),
        cwd=tmp_path,
    )

    spec = repository / "specs" / "bn_after.spec"
    assert "271,346" in succeed(scripts / "specc", "check", spec, cwd=tmp_path)
    assert "271,346" in succeed(scripts / "python", "-m", "specc", "check", spec, cwd=tmp_path)

    report = json.loads(succeed(scripts / "specc", "check", "--json", spec, cwd=tmp_path))
    assert report["ok"] is True
    assert report["models"][0]["params"]["total"] == 271_346

    # And a mistake is reported, not a missing module.
    wrong = tmp_path / "wrong.spec"
    wrong.write_text("model m {\n    input x: float32[4]\n    Dense(3\n}\n", encoding="utf-8")
    done = run(scripts / "specc", "check", wrong, cwd=tmp_path)
    assert done.returncode == 1
    assert "E0106" in done.stderr
    assert "Traceback" not in done.stderr


# ----------------------------------------------------------------------- light start


def imported_by(statements: str, repository: Path) -> set[str]:
    """The heavy modules that a fresh interpreter has imported after some statements."""
    program = f"""
import sys
sys.path.insert(0, {str(repository)!r})
{statements}
print("imported:", *sorted({HEAVY!r} & set(sys.modules)))
"""
    output = succeed(sys.executable, "-c", program, cwd=repository)
    return set(output.splitlines()[-1].split()[1:])


@pytest.mark.parametrize(
    ("statements", "needed"),
    [
        ("import specc", set()),
        ("from specc.cli.main import main; assert main(['--help']) == 0", set()),
        ("from specc.cli.main import main; assert main(['check', SPEC]) == 0", set()),
        ("from specc.cli.main import main; assert main(['explain', 'E0301']) == 0", set()),
        ("from specc.cli.main import main; assert main(['layers']) == 0", set()),
        ("from specc.cli.main import main; assert main(['layers', 'LSTM']) == 0", set()),
        ("from specc.cli.main import main; assert main(['summary', SPEC]) == 0", {"rich"}),
    ],
    ids=["import specc", "--help", "check", "explain", "layers", "layers LSTM", "summary"],
)
def test_nothing_heavy_is_imported(statements: str, needed: set[str], repository: Path) -> None:
    prepared = f"SPEC = 'specs/bn_after.spec'\n{statements}"
    assert imported_by(prepared, repository) <= needed


def test_every_module_above_the_backends_is_light(repository: Path) -> None:
    """A framework is imported where it is used, never at the top of a module up here."""
    modules = [
        ".".join(path.relative_to(repository).with_suffix("").parts).removesuffix(".__init__")
        for path in sorted((repository / "specc").rglob("*.py"))
        if path.name != "__main__.py"
    ]
    light = [module for module in modules if not module.startswith(MAY_BE_HEAVY)]
    assert "specc.compiler" in light
    assert "specc.syntax.parser" in light
    statements = "\n".join(f"import {module}" for module in light)
    assert imported_by(statements, repository) == set()


def test_no_module_takes_the_name_of_something_public(repository: Path) -> None:
    """Importing specc/verify.py would put the module in the place of `specc.verify`."""
    import specc

    package = repository / "specc"
    taken = {path.stem for path in package.glob("*.py")}
    taken |= {path.parent.name for path in package.glob("*/__init__.py")}
    assert not taken & set(specc.__all__)
