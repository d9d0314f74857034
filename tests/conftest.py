"""Fixtures that several test modules share."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
GOLDEN = Path(__file__).with_name("golden")

Golden = Callable[[str, str], None]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="write what the tests found to tests/golden/ instead of comparing",
    )


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout that the tests belong to."""
    return REPOSITORY


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """`golden(name, text)` compares a text with tests/golden/<name>.

    After a change that is meant, `pytest --update-golden` writes the files anew, and the
    diff of the commit shows what changed.
    """
    update: bool = request.config.getoption("--update-golden")

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        if update:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())
            return
        if not path.exists():
            pytest.fail(f"{path} is missing; write it by `pytest --update-golden`", pytrace=False)
        expected = path.read_bytes().decode()
        if text == expected:
            return
        difference = list(
            difflib.unified_diff(
                expected.splitlines(), text.splitlines(), f"golden/{name}", "found", lineterm=""
            )
        ) or [f"only line ends differ: {expected[-20:]!r} at the end, found {text[-20:]!r}"]
        pytest.fail(
            f"{name} is not what it was (if that is meant: `pytest --update-golden`)\n"
            + "\n".join(difference),
            pytrace=False,
        )

    return compare


@pytest.fixture(scope="session")
def keras_backend() -> Any:
    """The `keras` module on TensorFlow, imported once for all tests, and quietly."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import keras

    return keras
