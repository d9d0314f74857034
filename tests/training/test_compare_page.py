"""The page of a comparison: its plots against numpy and scipy, and in a browser."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from specc.cli.main import main
from specc.training.compare import Comparison, Standing
from specc.training.page.axis import Axis
from specc.training.page.render import page
from specc.training.runs import Outcome
from specc.training.statistics import interval_of, paired
from tests.browser import CHROMIUM, SCREEN, chromium, laid_out

SEEDS = range(4)


def comparison(names: list[str], seeds: range = SEEDS, epochs: int = 6) -> Comparison:
    random = np.random.default_rng(0)
    outcomes: list[Outcome] = []
    for seed in seeds:
        for number, name in enumerate(names):
            metrics = {"loss": 0.5, "accuracy": 0.9 + 0.01 * number + 0.01 * random.random()}
            history = [
                {"loss": 1 / (e + 1), "val_loss": 1.1 / (e + 1), "accuracy": random.random()}
                for e in range(epochs)
            ]
            outcomes.append(Outcome(name, seed, metrics, "test", history, 0.25, "m.keras", False))
    values = {n: [o.metrics["accuracy"] for o in outcomes if o.variant == n] for n in names}
    standings = [
        Standing(
            name,
            1_234,
            interval_of(values[name]),
            None if name == names[0] else paired(values[name], values[names[0]]),
            0.25,
        )
        for name in names
    ]
    return Comparison(
        "accuracy", "test", list(seeds), standings, f"`{names[1]}` is better than `{names[0]}`: x",
        outcomes,
    )  # fmt: skip


def charts(text: str) -> list[ET.Element]:
    return [ET.fromstring(svg) for svg in re.findall(r"<svg viewBox.*?</svg>", text)]


def test_dots_stand_where_the_runs_are() -> None:
    """On one straight scale: the dots of every run, the means, and the ends of the intervals."""
    found = comparison(["a", "b"])
    runs, pairs = charts(page(found))[:2]
    values = {v: [o.metrics["accuracy"] for o in found.outcomes if o.variant == v] for v in "ab"}
    apart = np.subtract(values["b"], values["a"])
    for chart, rows in ((runs, [values["a"], values["b"]]), (pairs, [apart])):
        expected, places = [], []
        for group, row in zip(chart.iter("g"), rows, strict=True):
            places += [float(c.attrib["cx"]) for c in group.iter("circle")]
            expected += list(row)
            interval, mean = (p.attrib["d"] for p in group.iter("path"))
            low, high = re.match(r"M([\d.]+) [\d.]+H([\d.]+)", interval).groups()
            places += [float(low), float(high), float(mean[1:].split()[0])]
            expected += [*stats.t.interval(0.95, 3, np.mean(row), stats.sem(row)), np.mean(row)]
        fit = stats.linregress(expected, places)
        assert fit.slope > 0
        assert np.abs(places - (fit.slope * np.array(expected) + fit.intercept)).max() < 0.1
    zero = next(e for e in pairs.iter("line") if e.attrib["class"] == "zero")
    assert float(zero.attrib["x1"]) == pytest.approx(fit.intercept, abs=0.1)


def test_curves_are_means_in_their_range() -> None:
    found = comparison(["a", "b"])
    accuracy = next(
        c for c in charts(page(found)) if "accuracy (training)" in c.attrib["aria-label"]
    )
    group = next(iter(accuracy.iter("g")))
    band, line = (
        np.array([p.split() for p in re.split("[MLz]", e.attrib["d"]) if p], float)
        for e in group.iter("path")
    )
    values = np.array([[r["accuracy"] for r in o.history] for o in found.outcomes[::2]])
    expected = [*values.mean(0), *values.min(0), *values.max(0)[::-1]]
    places = [*line[:, 1], *band[:, 1]]
    fit = stats.linregress(expected, places)
    assert fit.slope < 0  # up is less, in SVG
    assert np.abs(places - (fit.slope * np.array(expected) + fit.intercept)).max() < 0.1
    assert np.diff(line[:, 0]) == pytest.approx(np.diff(line[:, 0]).mean(), abs=0.11)


@pytest.mark.parametrize(
    ("values", "whole", "labels"),
    [
        ([0.0, 1.0], False, ["0.00", "0.25", "0.50", "0.75", "1.00"]),
        ([-3e-4, 6e-4], False, ["-0.00025", "0.00000", "0.00025", "0.00050"]),
        ([1, 3], True, ["1", "2", "3"]),
        ([1, 1], True, ["1", "2"]),
        ([1, 4000], True, ["1000", "2000", "3000", "4000"]),
        ([0.5, 0.5], False, ["0.48", "0.49", "0.50", "0.51", "0.52"]),
        ([float("nan"), float("inf")], False, ["-1.0", "-0.5", "0.0", "0.5", "1.0"]),
        ([2e6, 8e6], False, ["2e+06", "4e+06", "6e+06", "8e+06"]),
    ],
)
def test_ticks(values: list[float], whole: bool, labels: list[str]) -> None:
    axis = Axis(values, 0, 100, whole=whole)
    assert [axis.label(tick) for tick in axis.ticks] == labels


def test_a_page_of_one_seed_and_one_epoch() -> None:
    text = page(comparison(["a", "b"], range(1), 1), ["they differ in epochs: 1, 2"])
    assert "1 seed<" in text
    assert "nan" not in text.lower()
    assert "they differ in epochs" in text


def test_a_page_needs_nothing_else_and_texts_are_escaped() -> None:
    text = page(comparison(["a<b>", "c&d", *(f"v{n}" for n in range(8))]))
    assert not re.findall(r"https?://|src=|@import|url\(", text)
    assert not re.findall(r"<(?:script|link|img|iframe|b)\b", text)
    assert "a&lt;b&gt;" in text
    assert "c&amp;d" in text
    assert "line again" in text  # the colours come again, dashed


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (Debian's package is `chromium`)")
def test_the_first_screen_has_verdict_and_table(tmp_path: Path) -> None:
    text = page(comparison(["first", "second"]))
    wanted = ["Verdict", "is better than", "Difference", "1,234", "Each run, and the mean"]
    data = laid_out(text, wanted, tmp_path)
    assert set(data["found"]) == set(wanted)
    for what, (left, top, right, bottom) in data["found"].items():
        assert 0 <= left < right <= SCREEN[0], what
        assert 0 <= top < bottom <= SCREEN[1], what
    tops = [data["found"][what][1] for what in wanted]
    assert tops == sorted(tops)
    assert data["width"] <= SCREEN[0]
    written = tmp_path / "page.html"
    written.write_text(text, encoding="utf-8")
    picture = tmp_path / "page.png"
    chromium(written, f"--screenshot={picture}")
    assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert picture.stat().st_size > 20_000


def test_a_place_that_cannot_be_written_is_told_before_anything_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.training.test_compare import SPEC

    monkeypatch.chdir(tmp_path)
    Path("small.spec").write_text(SPEC, encoding="utf-8")
    for place, said in (
        (".", "cannot write `.`: it is a directory"),
        ("small.spec/page.html", "cannot write `small.spec/page.html`: `small.spec` is not a"),
    ):
        command = ["compare", "small.spec", "--sweep", "units=1,2", "--html", place]
        assert main(command) == 2
        printed = capsys.readouterr()
        assert said in printed.err
        assert printed.out == ""
    assert [path.name for path in tmp_path.iterdir()] == ["small.spec"]
