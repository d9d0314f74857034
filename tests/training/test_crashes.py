"""Runs that are killed, stopped, or have no room on the disk go on where they were."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.training.crashes import kill_and_resume


def test_killed_runs_end_with_the_weights_of_an_undisturbed_one(tmp_path: Path) -> None:
    kills, runs = kill_and_resume(tmp_path, 2, seed=0)
    assert (kills, runs >= 1) == (2, True)


@pytest.mark.slow
def test_fifty_kills(tmp_path: Path) -> None:
    kills, runs = kill_and_resume(tmp_path, 50, seed=1)
    print(f"{kills} kills, {runs} runs")
