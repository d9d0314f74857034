"""L0008: a window larger than what it moves over."""

from __future__ import annotations

from typing import Any

from specc.diagnostics.diagnostic import Label
from specc.graph import Node
from specc.layers.base import spatial_axis, split_channels
from specc.layers.windowed import SPATIAL_AXES
from specc.lints.base import HINT, WARNING, Lint, Report
from specc.lints.facts import DEPTHWISE, SEPARABLE, kind_of
from specc.lints.subject import Subject

CONVOLUTIONS = ("Conv1D", "Conv2D", "Conv3D", *DEPTHWISE, *SEPARABLE)
POOLINGS = tuple([f"{kind}Pooling{n}D" for kind in ("Max", "Average") for n in (1, 2, 3)])


def _check(subject: Subject, report: Report) -> None:
    for _, node in subject.nodes:
        kind, layer = kind_of(node), node.layer.layer
        if kind not in (*CONVOLUTIONS, *POOLINGS) or getattr(layer, "padding", "") != "same":
            continue
        sizes: tuple[int, ...] = getattr(layer, "kernel_size", ()) or getattr(layer, "pool_size")  # noqa: B009
        strides: tuple[int, ...] = getattr(layer, "strides", None) or sizes
        dilations: tuple[int, ...] = getattr(layer, "dilation_rate", (1,) * len(sizes))
        data_format: str | None = getattr(layer, "data_format", None)
        spatial, _ = split_channels(node.inputs[0].type, data_format, *SPATIAL_AXES[len(sizes)])
        what = "kernel" if kind in CONVOLUTIONS else "pool"
        worst: tuple[int, int, int, int] | None = None
        for i, size in enumerate(spatial):
            window = dilations[i] * (sizes[i] - 1) + 1
            if isinstance(size, int) and window > size:
                idle = _idle(size, sizes[i], strides[i], dilations[i])
                if worst is None or idle > worst[0]:
                    worst = idle, i, window, size
        if worst is None:
            continue
        idle, i, window, size = worst
        spans = f"spans {window}" if dilations[i] > 1 else f"is {window} long"
        never = f"{idle} of the {sizes[i]} positions of the {what} only ever meet padding"
        report(
            node.layer.span,
            f"the {what} of this {kind} is larger than its input",
            f"the {what} {spans} on axis {spatial_axis(i, data_format)}, the input {size}",
            also=_use_of(node),
            notes=[never] if idle else [],
            help="leave the dilation out, or make it less"
            if dilations[i] > 1
            else f"a {what} of {size} sees all of the input",
            severity=WARNING if idle else HINT,
        )


def _use_of(node: Node) -> list[Label]:
    uses = node.layer.used_at
    return [Label(uses[-1], "in this use")] if uses else []


def _idle(size: int, taps: int, stride: int, dilation: int) -> int:
    """How many positions of a window meet nothing but the padding, wherever it stands."""
    window = dilation * (taps - 1) + 1
    windows = -(-size // stride)
    padding = max((windows - 1) * stride + window - size, 0)
    starts = [i * stride - padding // 2 for i in range(windows)]
    meets: list[Any] = [
        any(0 <= start + tap * dilation < size for start in starts) for tap in range(taps)
    ]
    return meets.count(False)


LINTS = [
    Lint(
        "L0008",
        WARNING,
        "Dumoulin and Visin 2016, A Guide to Convolution Arithmetic for Deep Learning, section 2.2",
        _check,
    )
]
