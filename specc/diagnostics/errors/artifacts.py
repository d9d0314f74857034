"""E06: built and exported models that are not what the spec says."""

from __future__ import annotations

from collections.abc import Sequence

from specc.diagnostics.diagnostic import Diagnostic, Label
from specc.diagnostics.errors.words import listed
from specc.source import Span


def keras_differs(where: Span, layer: str, what: str, said: str, found: str) -> Diagnostic:
    return Diagnostic(
        "E0601",
        f"Keras makes another {what} of `{layer}` than the checker said",
        Label(where, f"checked: {said}"),
        notes=[f"Keras: {found}"],
        help="this is a defect of specc; please report it with this spec",
    )


def parameter_differs(
    where: Span,
    name: str,
    file: str,
    index: Sequence[int],
    found: float,
    expected: float,
    count: int,
    size: int,
) -> Diagnostic:
    place = f"[{', '.join(str(i) for i in index)}]"
    return Diagnostic(
        "E0602",
        f"`{name}` in {file} is not what Keras has",
        Label(where, f"{place} is {found:.7g} in the file and {expected:.7g} in Keras"),
        notes=[f"{count:,} of {size:,} numbers differ"],
        help="export again, or give the weights it was exported from: `--weights FILE.keras`",
    )


def parameter_missing(where: Span, name: str, file: str) -> Diagnostic:
    return Diagnostic(
        "E0603",
        f"`{name}` is not in {file}",
        Label(where, "no initializer holds it"),
        help="verify a file that `specc export --onnx` wrote for this spec",
    )


def parameter_reshaped(where: Span, name: str, file: str, found: str, expected: str) -> Diagnostic:
    return Diagnostic(
        "E0604",
        f"`{name}` in {file} has another type",
        Label(where, f"found {found}, expected {expected}"),
        help="export again: the spec has changed since",
    )


def layer_differs(
    where: Span,
    layer: str,
    file: str,
    error: float,
    case: str,
    before: str | None,
    effect: str,
    joined: Sequence[str],
    beside: str = "Keras",
) -> Diagnostic:
    others = " and ".join([f"`{name}`" for name in joined])
    return Diagnostic(
        "E0605",
        f"{file} parts from {beside} in `{layer}`",
        Label(where, f"its output is off by {error:.2g}"),
        notes=[
            f"with {case}: {effect}",
            f"the last layer that agrees is `{before}`" if before else "no layer before it",
            *([f"the file computes {others} together with it"] if others else []),
        ],
    )


def outputs_differ(
    where: Span,
    output: str,
    file: str,
    error: float,
    allowed: float,
    case: str,
    *,
    set_by_hand: bool = False,
) -> Diagnostic:
    seen = "every layer whose output can be seen agrees"
    return Diagnostic(
        "E0606",
        f"the output `{output}` of {file} is not Keras's",
        Label(where, f"off by {error:.2g}, allowed {allowed:.2g}"),
        notes=[
            f"with {case}",
            f"{seen}, within what rounding explains" if set_by_hand else seen,
            *(["what is allowed was set by hand"] if set_by_hand else []),
        ],
    )


def interface_differs(
    where: Span, what: str, file: str, expected: Sequence[str], found: Sequence[str]
) -> Diagnostic:
    return Diagnostic(
        "E0607",
        f"{file} has other {what} than the model",
        Label(where, f"the spec has {listed(expected)}"),
        notes=[f"the file has {listed(found) or 'none'}"],
        help="verify a file that `specc export --onnx` wrote for this spec",
    )


def sum_does_not_close(where: Span, model: str) -> Diagnostic:
    return Diagnostic(
        "E0608",
        f"the parameters of `{model}` in the ONNX file do not add up to Keras's",
        Label(where),
        help="this is a defect of specc; please report it with this spec",
    )


def keras_refuses(where: Span, layer: str, said: str) -> Diagnostic:
    return Diagnostic(
        "E0609",
        f"Keras does not take `{layer}` as the spec has it",
        Label(where),
        notes=[f"Keras says: {said}"],
        help="the checker should have seen this; please report it with this spec",
    )


def never_a_number(where: Span, output: str, weights: str) -> Diagnostic:
    return Diagnostic(
        "E0610",
        f"Keras gives NaN in the output `{output}` for every input that was tried",
        Label(where, f"with the {weights} weights"),
        help="with nothing to compare, nothing is proved; look for NaN in the weights",
    )


def never_in_range(where: Span, output: str, weights: str) -> Diagnostic:
    return Diagnostic(
        "E0611",
        f"the output `{output}` is beyond the range of the type for every input that was tried",
        Label(where, f"with the {weights} weights"),
        help="export in float32, or with `--precision bfloat16`, whose range is float32's",
    )


def lowered_differs(
    where: Span, output: str, file: str, to: str, error: float, allowed: float, case: str
) -> Diagnostic:
    return Diagnostic(
        "E0612",
        f"the output `{output}` of {file} is not Keras's, {to}'s rounding allowed for",
        Label(where, f"off by {error:.2g}, allowed {allowed:.2g}"),
        notes=[f"with {case}", "in float32 the same graph agrees with Keras"],
        help="export in float32; if the file is as specc wrote it, please report it",
    )


def constant_differs(where: Span, name: str, file: str) -> Diagnostic:
    return Diagnostic(
        "E0613",
        f"the constant `{name}` in {file} is not what the exporter writes",
        Label(where),
        help="export again: the file has been changed, or is of another version of specc",
    )


def quantized_differs(
    where: Span,
    name: str,
    file: str,
    index: Sequence[int],
    found: float,
    expected: float,
    step: float,
    count: str,
) -> Diagnostic:
    place = f"[{', '.join(str(i) for i in index)}]"
    return Diagnostic(
        "E0614",
        f"`{name}` in {file} is not what Keras has, rounded to 8 bits",
        Label(
            where,
            f"{place} stands for {found:.7g} in the file and is {expected:.7g} in Keras; "
            f"half a step is {step / 2:.2g}",
        ),
        notes=[count],
        help="export again, or give the weights it was exported from: `--weights FILE.keras`",
    )


def quantized_too_far(
    where: Span, output: str, file: str, found: float, asked: float, case: str
) -> Diagnostic:
    return Diagnostic(
        "E0615",
        f"the output `{output}` of {file} has lost too much in 8 bits",
        Label(where, f"{found:.1f} dB above the noise, {asked:g} are asked for"),
        notes=[case],
        help="`--calibrate` with samples like those to come, `--precision float16`, or another "
        "`--min-snr`",
    )


def batchnorm_in_training(where: Span, layer: str) -> Diagnostic:
    return Diagnostic(
        "E0616",
        f"`{layer}` is in training mode in the ONNX file",
        Label(where, "it normalizes with the batch at hand, not with its moving statistics"),
        help="export for inference: `specc export --onnx` does; PyTorch needs `model.eval()` first",
    )


def batchnorm_differs(
    where: Span, layer: str, what: str, found: float, expected: float, folded: Sequence[str]
) -> Diagnostic:
    into = " and ".join([f"`{name}`" for name in folded])
    return Diagnostic(
        "E0617",
        f"`{layer}` has another {what} in the ONNX file",
        Label(where, f"{found:.3g} in the file, {expected:g} in the spec"),
        notes=[f"it shows in {into}, which the normalization is folded into"] if folded else [],
        help="export again; frameworks have different defaults: Keras 0.001, PyTorch 1e-05",
    )


def batchnorm_not_updated(where: Span, layer: str) -> Diagnostic:
    return Diagnostic(
        "E0618",
        f"the moving statistics of `{layer}` were never updated",
        Label(where, "its means are all 0 and its variances all 1"),
        notes=["other weights are not those of a fresh model"],
        help="was it called with `training=True` in training? a loop of one's own has to do that",
        severity="warning",
    )


def layer_not_of_keras(where: Span, kind: str) -> Diagnostic:
    return Diagnostic(
        "E0620",
        f"`{kind}` is not a layer of Keras, so that a Keras file cannot hold it",
        Label(where, "defined in Python, outside the spec"),
        help="write the layer as a block with `weight` lines, or build the model with specc",
    )
