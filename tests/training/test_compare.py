"""`specc compare`: the same seeds for several models, and what that tells."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import specc
from specc.cli.main import main
from specc.training.statistics import holm, interval_of, paired
from specc.training.variants import sweep_of

SPEC = """\
data digits {
    source = digits()
    scale = 1 / 16
    test = stratified(360, seed=1)
}

model small {
    param units: int = 8
    input image: float32[8, 8]

    Flatten
    Dense(units, activation="relu")
    Dense(10, activation="softmax")
}

train small {
    optimizer = "adam"
    loss = "sparse_categorical_crossentropy"
    metrics = ["accuracy"]
    epochs = 2
    batch_size = 64
}
"""

# ---------------------------------------------------------------------- statistics


def test_intervals_are_those_of_students_t() -> None:
    values = [0.91, 0.93, 0.92, 0.97]
    mean, half = interval_of(values)
    low, high = stats.t.interval(0.95, 3, np.mean(values), stats.sem(values))
    assert (mean - half, mean + half) == pytest.approx((low, high))


def test_pairs_are_compared_by_seed() -> None:
    a, b = [0.90, 0.80, 0.85, 0.95], [0.89, 0.78, 0.85, 0.92]
    found = paired(a, b)
    assert found.p == pytest.approx(stats.ttest_rel(a, b).pvalue)
    low, high = stats.ttest_rel(a, b).confidence_interval(0.95)
    assert (found.mean - found.half, found.mean + found.half) == pytest.approx((low, high))


def test_differences_without_spread() -> None:
    assert paired([0.5, 0.7], [0.5, 0.7]).p == 1
    assert paired([0.5, 0.75], [0.25, 0.5]).p == 0
    assert math.isnan(paired([0.5], [0.25]).p)


def test_p_values_for_several_comparisons() -> None:
    """By hand: 3 x 0.01, 2 x 0.03, and the largest is no smaller than that before it."""
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


# ------------------------------------------------------------------------ variants


def test_a_sweep() -> None:
    assert sweep_of(["units=1,2", "depth=3"]) == {"units": ["1", "2"], "depth": ["3"]}
    for wrong in (["units"], ["units="], ["units=1,,2"], ["units=1,1"], ["u=1", "u=2"]):
        with pytest.raises(specc.UsageError, match=f"--sweep {wrong[-1]}"):
            sweep_of(wrong)


# --------------------------------------------------------------------- the command


@pytest.mark.usefixtures("keras_backend")
def test_a_comparison_and_the_same_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is finished is not repeated; the figures are those of the runs."""
    monkeypatch.chdir(tmp_path)
    Path("small.spec").write_text(SPEC, encoding="utf-8")
    command = ["compare", "small.spec", "--sweep", "units=1,24", "-o", "out"]
    assert main([*command, "--seeds", "1", "--no-latency", "--json"]) == 0
    alone = json.loads(capsys.readouterr().out)
    assert alone["variants"][1]["difference"]["p"] is None
    assert "one seed tells nothing" in alone["verdict"]

    assert main([*command, "--seeds", "3", "--json"]) == 0
    printed = capsys.readouterr()
    found = json.loads(printed.out)
    assert [run["already"] for run in found["runs"]] == [True] * 2 + [False] * 4
    assert [line.rsplit(", ", 1)[1] for line in printed.err.splitlines()] == (
        ["was there"] * 2 + ["done"] * 4
    )
    with open("out/runs.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["units"], row["seed"]) for row in rows] == [
        (units, seed) for seed in "012" for units in ("1", "24")
    ]
    values = {u: [float(r["accuracy"]) for r in rows if r["units"] == u] for u in ("1", "24")}
    one, many = found["variants"]
    assert one["mean"] == pytest.approx(np.mean(values["1"]))
    assert many["difference"]["p"] == pytest.approx(
        stats.ttest_rel(values["24"], values["1"]).pvalue
    )
    assert found["verdict"].startswith("`small units=24` is better than `small units=1`: +0.")
    assert one["params"] == 64 + 1 + 10 + 10
    assert 0 < one["latency"] < 1
    assert found["written"] == ["out/runs.csv", "out/comparison.json", "out/curves.png"]

    assert main([*command, "--seeds", "3", "--no-latency", "--html", "page.html"]) == 0
    shown = capsys.readouterr()
    assert "out/curves.png, page.html" in shown.out
    page = Path("page.html").read_text(encoding="utf-8")
    assert found["verdict"].partition(": ")[2] in page
    assert page.count('class="dot"') == 6 + 3
    assert "done" not in shown.err
    assert found["verdict"].split(":")[0] in shown.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["small.spec"], "alone is nothing to compare"),
        (["small.spec", "--sweep", "width=1,2"], "no param `width`"),
        (["small.spec", "small.spec"], "two variants are called"),
        (["bare.spec", "small.spec"], "does not say how a model is trained"),
    ],
)
def test_what_cannot_be_compared(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("small.spec").write_text(SPEC, encoding="utf-8")
    Path("bare.spec").write_text(SPEC[: SPEC.index("train small")], encoding="utf-8")
    assert main(["compare", *arguments]) == 2
    printed = capsys.readouterr()
    assert said in printed.err
    assert printed.out == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bare.spec", "small.spec"]
