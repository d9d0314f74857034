"""What README.md promises, done as a newcomer would do it."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest


def block_after(text: str, words: str) -> str:
    """The fenced block that follows some words."""
    rest = text[text.index(words) :]
    match = re.search(r"```\w*\n(.*?)```", rest, re.DOTALL)
    assert match, words
    return match[1]


@pytest.fixture(scope="module")
def readme(repository: Path) -> str:
    return (repository / "README.md").read_text(encoding="utf-8")


@pytest.mark.network
def test_the_first_command_prints_what_the_readme_shows(
    readme: str, repository: Path, tmp_path: Path
) -> None:
    """In a fresh clone, with nothing but Python: makes an environment and installs everything."""
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", str(repository), str(clone)], check=True)
    command = block_after(readme, "## Try it").strip()
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "SPECC"))}
    done = subprocess.run(
        command,
        shell=True,
        cwd=clone,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=1800,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == block_after(readme, "It ends in")
    assert sorted(path.name for path in (clone / "build").iterdir()) == [
        "bn_after.json",
        "bn_after.keras",
    ]


def test_the_example_spec_is_sound(readme: str) -> None:
    import specc

    model = specc.compile_text(block_after(readme, "# specc")).model()
    assert model.params.total == 271_346


def test_the_larger_example_is_sound_with_another_parameter(readme: str) -> None:
    import specc

    model = specc.compile_text(block_after(readme, "## It grows"), params={"classes": 4}).model()
    assert str(model.outputs[0].type) == "float32[4]"


def test_the_error_is_what_specc_prints(
    readme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from specc.cli.main import main

    shown = block_after(readme, "A mistake is shown where it is")
    line = re.search(r"^5 \| (.*)$", shown, re.MULTILINE)
    assert line
    monkeypatch.chdir(tmp_path)
    spec = tmp_path / "specs" / "typo.spec"
    spec.parent.mkdir()
    spec.write_text(
        f"model typo {{\n    input image: float32[28, 28]\n\n    Flatten\n{line[1]}\n}}\n",
        encoding="utf-8",
    )
    assert main(["check", "specs/typo.spec"]) == 1
    assert capsys.readouterr().err == shown


@pytest.mark.usefixtures("keras_backend")
def test_the_export_prints_what_the_readme_shows(
    readme: str,
    repository: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """But for the differences, which are roundings and depend on the processor."""
    from specc.cli.main import main

    monkeypatch.chdir(tmp_path)
    (tmp_path / "specs").symlink_to(repository / "specs")
    assert main(["export", "--onnx", "specs/bn_after.spec"]) == 0

    def fixed(text: str) -> str:
        return re.sub(r"\d\.\de-\d\d", "X", text)

    assert fixed(capsys.readouterr().out) == fixed(block_after(readme, "An export is verified"))


@pytest.mark.usefixtures("keras_backend")
def test_the_python_example_runs(
    readme: str, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository)
    exec(block_after(readme, "**From Python**"), {})


@pytest.mark.usefixtures("keras_backend")
def test_the_example_of_the_api_page_runs(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (repository / "docs" / "api.md").read_text(encoding="utf-8")
    monkeypatch.chdir(repository)
    exec(block_after(page, "## An example"), {})


@pytest.mark.usefixtures("keras_backend")
def test_the_examples_of_training_run(
    repository: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = (repository / "docs" / "api.md").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "specs").symlink_to(repository / "specs")
    exec(block_after(page, "## Training"), {})
    exec(block_after(page, "## Comparing"), {})
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("test 0.")
    assert second.endswith(", 2 seeds")


def test_the_failing_expectation_is_what_specc_prints(
    repository: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from specc.cli.main import main

    page = (repository / "docs" / "batch-normalization.md").read_text(encoding="utf-8")
    name = "bn_before_as_printed.spec"
    text = (repository / "specs" / name).read_text(encoding="utf-8")
    meant = block_after(page, "One line says what").strip()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "specs").mkdir()
    changed = text.replace("    expect output = float32[100]", f"    {meant}")
    (tmp_path / "specs" / name).write_text(changed, encoding="utf-8")
    assert main(["check", f"specs/{name}"]) == 1
    assert capsys.readouterr().err == block_after(page, "`specc check` says")
