"""The sections of a report's page; each is empty where the report has nothing for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from specc.verification.page.histogram import histogram
from specc.verification.page.tables import Row, number, section, share_text, table

Data = Mapping[str, Any]


def tiles(report: Data) -> str:
    """The figures that one looks for first."""
    found: list[tuple[str, str]] = []
    runs: list[Data] = report["runs"]
    if runs:
        good = sum(_fine(run) for run in runs)
        found.append((f"{good:,} of {len(runs):,}", "runs agree"))
        found.append((number(max(runs, key=_error)["max_abs_error"]), "largest difference"))
        closest = max(runs, key=_share)
        found.append((share_text(_share(closest)), "of what is allowed, at most"))
    rows = sum(run.get("rows", 0) for run in runs)
    if rows:
        agreeing = sum(run["rows_agreeing"] for run in runs)
        found.append((f"{agreeing:,} of {rows:,}", "rows with the same arg-max"))
    checks: list[Data] = report.get("checks", [])
    if checks:
        sound = sum(_share(check) <= 1 for check in checks)
        found.append((f"{sound:,} of {len(checks):,}", "layers right by themselves"))
    inside = "".join(
        f'<div class="tile"><div class="value">{escape(value)}</div>'
        f'<div class="what">{escape(what)}</div></div>'
        for value, what in found
    )
    return f'<div class="tiles">{inside}</div>' if found else ""


def backends(report: Data) -> str:
    """One row for each backend: what ran, and how far it was from the reference."""
    rows = [
        (
            bool(backend.get("ok", True)),
            [
                backend["name"],
                backend.get("status", ""),
                number(backend.get("max_abs_error")),
                number(backend.get("max_rel_error")),
                number(backend.get("max_ulp_error")),
                *_on_given(backend),
            ],
        )
        for backend in _backends(report)
    ]
    titles = ("Backend", "", "Largest difference", "Relative", "ULP", "Arg-max on samples",
              "Accuracy")  # fmt: skip
    return section("Backends", table(titles, rows))


def _on_given(backend: Data) -> list[str]:
    """What came of samples that were given: rows with the same arg-max, and the accuracy."""
    rows, accuracy = backend.get("given_rows"), backend.get("accuracy")
    alike = f"{backend['given_rows_agreeing']:,} of {rows:,}" if rows else ""
    return [alike, "" if accuracy is None else f"{accuracy:.2%}"]


def _backends(report: Data) -> list[Data]:
    """Those of the report; of one that lists none, the one that ran."""
    listed: list[Data] | None = report.get("backends")
    if listed is not None:
        return listed
    runs: list[Data] = report["runs"]
    worst = {
        key: max(run[key] for run in runs)
        for key in ("max_abs_error", "max_rel_error", "max_ulp_error")
        if runs and all(isinstance(run.get(key), int | float) for run in runs)
    }
    if report["kind"] == "pair":
        first, second = report["runs_on"]
        said = f"beside {first}"
        return [{"name": second, "status": said, "ok": report["ok"], **worst}]
    if not report["provider"]:
        return [{"name": "onnxruntime", "status": f"not run: {report.get('no_samples')}"}]
    agrees = "agrees" if all(map(_fine, runs)) else "does not agree"
    name = f"onnxruntime ({report['provider']})"
    return [{"name": name, "status": agrees, "ok": all(map(_fine, runs)), **worst}]


def charts(report: Data) -> str:
    """How the errors of runs, and of layers by themselves, are spread."""
    found: list[str] = []
    if report["runs"]:
        shares = [_share(run) for run in report["runs"]]
        found.append(histogram(f"{_counted(len(shares), 'run')} of the whole model", shares))
    if report.get("checks"):
        shares = [_share(check) for check in report["checks"]]
        found.append(histogram(f"{_counted(len(shares), 'layer')}, each by itself", shares))
    if not found:
        return ""
    return section("Errors", f'<div class="charts">{"".join(found)}</div>')


def layers(report: Data) -> str:
    """Each layer: its parameters, and its own error beside what is allowed."""
    kind = report["kind"]
    if kind == "file":
        rows = [
            (
                layer["recorded"] == layer["found"],
                [layer["layer"], layer["recorded"], layer["found"]],
            )
            for layer in report["params"]["layers"]
        ]
        return section("Layers", table(("Layer", "Recorded", "In the file"), rows))
    if kind == "pair":
        if report["layers"] is None:
            text = "<p>Outputs alone are compared: not both files say which layers they have.</p>"
            return section("Layers", text)
        rows = [(False, [x["layer"], x["message"]]) for x in report["layers"]]
        empty = "<p>Each layer has the same weights and operators in both.</p>"
        return section("Layers", table(("Layer", "What differs"), rows) if rows else empty)
    checks = {check["name"]: check for check in report["checks"]}
    joined = {name: check["name"] for check in report["checks"] for name in check["together"]}
    rows = []
    for layer in report["layers"]:
        check = checks.get(layer["name"])
        with_ = joined.get(layer["name"])
        cells = [
            layer["name"], layer["kind"], layer["line"], layer["keras_params"],
            layer["onnx_params"], layer["account"],
        ]  # fmt: skip
        if with_:
            cells[-1] = f"{cells[-1]}; run together with {with_}"
        if check is not None:
            own = [number(check["max_abs_error"]), number(check["allowed"]),
                   number(check["keras_error"])]  # fmt: skip
            rows.append((_share(check) <= 1, [*cells, *own]))
        else:
            rows.append((True, [*cells, "", "", ""]))
    titles = ("Layer", "Kind", "Line", "Keras", "ONNX", "Account", "Own error", "Allowed",
              "Keras float32")  # fmt: skip
    note = (
        '<p class="quiet">The own error is that of a layer of the file run by itself, on what '
        "Keras gives it, so that a mistake shows where it is made and nowhere behind.</p>"
    )
    return section("Layers", (note if checks else "") + table(titles, rows))


def parameters(report: Data) -> str:
    """The sum of all parameters, in words, down to zero."""
    said = report["params"]
    if report["kind"] == "pair":
        first, second = said
        text = f"{first:,} in the first model, {second:,} in the second."
        return section("Parameters", f"<p>{text}</p>")
    if report["kind"] == "file":
        recorded = sum(layer["recorded"] for layer in said["layers"])
        found = sum(layer["found"] for layer in said["layers"])
        rows = [
            (recorded, "numbers of layers were recorded when the file was exported"),
            (-found, "are in the file"),
            (recorded - found, "are left over"),
        ]
        return section("Parameters", _sum(rows))
    rows = [
        (said["keras"], "parameters in Keras"),
        (-said["folded_from"], "whose numbers are folded into others"),
        (said["folded_into"], "that these were folded into"),
        (-said["dropped"], "that no operation of the exported graph reads"),
        (said["copies"], "that stand in the file a second time"),
        (-said["onnx"], "parameters in the ONNX file"),
    ]
    left = sum(count for count, _ in rows)
    kept = [row for n, row in enumerate(rows) if row[0] or n in (0, len(rows) - 1)]
    constants = ""
    if said["constants"]:
        count = f"{said['constants']:,} numbers of the file are constants (shapes, epsilons)"
        constants = f'<p class="quiet under">{count}, which are no parameters.</p>'
    rest = "are left over: the sum closes" if left == 0 else "are left over"
    return section("Parameters", _sum([*kept, (left, rest)]) + constants)


def _sum(rows: Sequence[tuple[int, str]]) -> str:
    lines: list[str] = []
    for n, (count, text) in enumerate(rows):
        total = ' class="total"' if n == len(rows) - 1 else ""
        sign = "&minus;" if count < 0 else "" if n in (0, len(rows) - 1) else "+"
        value = f"{sign} {abs(count):,}".strip()
        lines.append(f'<tr{total}><td class="n">{value}</td><td>{escape(text)}</td></tr>')
    return f'<table class="sum">{"".join(lines)}</table>'


def inputs(report: Data) -> str:
    """Every run: what went in, and how far what came out was off."""
    rows: list[Row] = []
    for run in report["runs"]:
        cells = [run["case"]]
        if "weights" in run:
            cells.append(run["weights"])
        cells += [run["output"], number(run["max_abs_error"]), number(run.get("max_rel_error")),
                  number(run["allowed"]), share_text(_share(run))]  # fmt: skip
        rows.append((_fine(run), cells))
    weights = ("Weights",) if any("weights" in run for run in report["runs"]) else ()
    titles = ("Inputs", *weights, "Output", "Difference", "Relative", "Allowed", "Share")
    undefined = report.get("undefined", 0)
    more = f'<p class="quiet">{undefined:,} more give NaN in Keras itself.</p>' if undefined else ""
    return section("Inputs", table(titles, rows) + more) if rows else ""


FORMULA = (
    "<p><code>steps &times; (&epsilon; &times; scale + sensitivity) + 4 &times; noise + "
    "1.8e-7 &times; sigmoids{more}</code></p>"
)
WITH_TF32 = " + 2 &times; TF32"
OF_TF32 = (
    " TF32: how far the output moves on the CPU when factors of products of float32 are rounded to "
    "TF32's 11 bits, which the provider may do."
)
MEANINGS = (
    "steps: for each layer 1 and the square root of the number of products it sums; &epsilon;: "
    "float32's, 1.2e-7; scale: the output's largest value; sensitivity: how far the output moves "
    "when each input moves by one rounding; noise: how far Keras in float32 is from float64."
)
OF_KIND = {
    "spec": "",
    "file": " It was worked out when the file was exported, and rounded up to a power of two.",
    "pair": " Between two models the sensitivity is measured on the first one in float32, so that "
    "it has the noise in it.",
}


def tolerance(report: Data) -> str:
    """What was allowed, and why."""
    said: Data = report.get("tolerance") or {}
    if said.get("rtol") is not None:
        text = (
            f"Set by hand: {said['rtol']:g} of an output's largest value, and {said['atol']:g}, in "
            "the place of what rounding explains."
        )
        return section("Tolerance", f"<p>{escape(text)}</p>")
    tf32 = bool(said.get("tf32"))
    meanings = f"{MEANINGS}{OF_TF32 if tf32 else ''}{OF_KIND[report['kind']]}"
    formula = FORMULA.format(more=WITH_TF32 if tf32 else "")
    return section("Tolerance", f'{formula}<p class="quiet">{meanings}</p>')


# ------------------------------------------------------------------------- figures


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'s' * (count != 1)}"


def _error(run: Data) -> float:
    value = float(run["max_abs_error"])
    return float("inf") if value != value else value


def _share(run: Data) -> float:
    """An error as a share of what is allowed; infinite where it is NaN."""
    error = _error(run)
    return error / (float(run["allowed"]) or 1e-300)


def _fine(run: Data) -> bool:
    return _share(run) <= 1 and run.get("rows", 0) == run.get("rows_agreeing", 0)
