"""What a manifest says of a file, so that the file can be checked later and without Keras."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir

from specc.backends.export import Exported
from specc.backends.keras_model import assign, build_keras
from specc.backends.native.precision_rules import LOWER
from specc.backends.native.widened import widened
from specc.graph import Graph
from specc.verification.differences import (
    keras_outputs,
    largest_difference,
    numbered,
    with_numbers,
)
from specc.verification.fingerprint import (
    digest_of_all,
    digest_of_tensor,
    digests_of_initializers,
    digests_of_layers,
    interface_of,
    params_by_layer,
)
from specc.verification.inputs import Case, nudged
from specc.verification.lowered import (
    LowSide,
    allowed_difference,
    overflowing_layer,
    representable,
    round_weights,
    rounded_answers,
)
from specc.verification.parameters import exported_initializers
from specc.verification.reference import OWN, Answers, Reference
from specc.verification.samples import MOST, RECORDED, numbers_of, recipes_of
from specc.verification.tolerance import gates, rounding_steps, tolerance

VERSION = 1
"""Of what a record holds and of how its inputs are made."""

REDUCED = "weights in 8 bits are judged by the noise of many samples, when the file is exported"
NOT_RUN = "onnxruntime has no kernels for bfloat16 on CPUs, and the file could not be run there"


def record(reference: Reference, exported: Exported) -> dict[str, Any]:
    """The record of a file that is about to be written.

    Hashes of its initializers and of each layer's operators, how many numbers each layer has in
    it, where the layer stands, and a few inputs with what Keras makes of them in float64. A file of
    bfloat16, or of weights in 8 bits, has no such samples.
    """
    graph = reference.built.graph
    digests = digests_of_initializers(exported.skeleton.graph.initializer)
    sizes = {t.name: int(np.prod(t.dims)) for t in exported.skeleton.graph.initializer}
    for tensor in exported.tensors:
        name = tensor.name or ""
        digests[name] = digest_of_tensor(int(tensor.dtype), tensor.numpy())
        sizes[name] = tensor.size
    found: dict[str, Any] = {
        "version": VERSION,
        "weights": digest_of_all(digests),
        "initializers": digests,
        "operators": digests_of_layers(exported.skeleton.graph),
        "interface": interface_of(exported.skeleton.graph),
        "params": params_by_layer(sizes),
        "places": places_of(graph),
    }
    low = None
    if exported.exact is not exported:
        if exported.lowered is None:
            return {**found, "no_samples": REDUCED}
        low = _low_side(reference, exported)
        if low.lower != ir.DataType.FLOAT16:
            return {**found, "no_samples": NOT_RUN}
    recipes = recipes_of(graph)
    found["inputs"] = {name: recipe.as_json() for name, recipe in recipes.items()}
    found["samples"] = []
    reference.load(OWN)
    for number, (kind, batch) in enumerate(RECORDED):
        batch = graph.batch_size or batch
        inputs = {
            name: recipe.make(kind, batch, (number, index))
            for index, (name, recipe) in enumerate(recipes.items())
        }
        case = Case(kind, batch, inputs)
        answers = reference.answers(OWN, -1 - number, case)
        names = found["interface"]["outputs"]
        outputs = (
            _outputs(graph, names, answers, number)
            if low is None
            else _low_outputs(reference, low, names, answers, case, number)
        )
        found["samples"].append({"kind": kind, "batch": batch, "outputs": outputs})
    return found


def _outputs(graph: Graph, names: list[str], answers: Answers, case: int) -> dict[str, Any]:
    """What is recorded of each output, by its name in the file."""
    most = max(MOST // len(graph.outputs), 1)
    steps, sigmoids = rounding_steps(graph.nodes), gates(graph.nodes)
    found: dict[str, Any] = {}
    for index, name in enumerate(names):
        single, truth, moved = (
            answer[index] for answer in (answers.fresh, answers.double, answers.moved)
        )
        allowed = 0.0
        if truth.dtype.kind == "f":
            scale = float(np.max(np.abs(truth[np.isfinite(truth)]), initial=0.0))
            noise, sensitivity = _apart(truth, single), _apart(truth, moved)
            allowed = tolerance(steps, scale, sensitivity, noise, sigmoids)
        found[name] = numbers_of(truth, allowed, most, (case, index, 1)).as_json()
    return found


def _low_side(reference: Reference, exported: Exported) -> LowSide:
    assert reference.exporter.precision is not None
    lower = LOWER[reference.exporter.precision.to]
    rounded = build_keras(reference.built.graph)
    assign(rounded, round_weights(reference.own, lower))
    model = exported.model
    twin = widened(model, lower, exported_initializers(exported.exact))
    return LowSide(model, rounded, lower, twin)


def _low_outputs(
    reference: Reference, low: LowSide, names: list[str], answers: Answers, case: Case, number: int
) -> dict[str, Any]:
    """The same for a file of lower precision: of the samples that stay in the range of the type;
    nothing where something inside does not."""
    if overflowing_layer(low, case, "cpu") is not None:
        return {}
    graph, seed = reference.built.graph, reference.seed
    moved = keras_outputs(reference.double, nudged(case, seed, low.epsilon))
    rough = rounded_answers(low, case, seed)
    exactly = _outputs(graph, names, answers, number)
    most = max(MOST // len(graph.outputs), 1)
    found: dict[str, Any] = {}
    for index, name in enumerate(names):
        truth = answers.double[index]
        if truth.dtype.kind != "f":
            continue  # rounding may have decided otherwise
        every = truth, moved[index], *(one[index] for one in rough)
        kept = with_numbers(*every[:2]) & representable(low.lower, truth, *every[2:])
        if not kept.any():
            continue
        scale = float(np.max(np.abs(truth[kept]), initial=0.0))
        sensitivity, *noise = (largest_difference(truth[kept], x[kept]) for x in every[1:])
        within = float(exactly[name]["allowed"])
        allowed = allowed_difference(low, scale, max(noise), sensitivity, within)
        truth = truth.copy()
        truth[~kept] = np.nan
        found[name] = numbers_of(truth, allowed, most, (number, index, 1)).as_json()
    return found


def _apart(truth: Any, other: Any) -> float:
    """How far apart two arrays are where both have numbers."""
    a, b = numbered(truth, other)
    both = np.isfinite(a) & np.isfinite(b)
    return largest_difference(a[both], b[both])


def places_of(graph: Graph) -> dict[str, str]:
    """File and line of each layer; none of a model that no spec was written for."""
    return {
        layer.name: f"{layer.span.source.name}:{layer.line}"
        for layer in graph.layers
        if layer.span.source.text
    }
