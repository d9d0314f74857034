"""Subjects, each converted once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import pytest

import specc
from verification.subjects import SMALL, SPECS, Subject, Subjects, subject


@pytest.fixture(scope="session")
def subjects(keras_backend: Any) -> Subjects:  # noqa: ARG001
    """A shipped spec by name, or "small"; made when first asked for."""
    made: dict[tuple[str, str], Subject] = {}

    def get(name: str, via: str = "native") -> Subject:
        if (name, via) not in made:
            text = SMALL if name == "small" else (SPECS / f"{name}.spec").read_text("utf-8")
            made[name, via] = subject(specc.compile_text(text, f"{name}.spec").model(), via)
        return made[name, via]

    return get


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, subjects: Subjects) -> Path:
    """A directory with small.spec and the sound file build/small.onnx."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.spec").write_text(SMALL, encoding="utf-8")
    (tmp_path / "build").mkdir()
    onnx.save(subjects("small").file, tmp_path / "build" / "small.onnx")
    return tmp_path
