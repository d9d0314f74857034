"""The graph and a Keras model's weights as an ONNX model."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple, overload

import numpy as np
import onnx
import onnx_ir as ir

from specc._version import __version__
from specc.backends.adopt import adopt
from specc.backends.collection import no_collection
from specc.backends.fold import Accounting, Bound, bind_weights
from specc.backends.keras_model import BuiltModel, pair_variables
from specc.backends.native.convert import Lowered as LoweredGraph
from specc.backends.native.convert import ir_version, lower
from specc.backends.native.passes.pipeline import Change
from specc.backends.native.precision import Lowered, Precision, lower_precision
from specc.backends.native.precision_rules import LOWER
from specc.backends.onnx_names import name_interface, name_values, sort_nodes
from specc.backends.tf2onnx_graph import convert
from specc.backends.weights import numbers_of
from specc.backends.write import DataFile, needs_data_file, with_tensors, write_model
from specc.files import UsageError
from specc.graph import Graph, Variable
from specc.lowering import NeedsOpset, NotLowered
from specc.manifest import MANIFEST_KEY, manifest, read_manifest
from specc.source import Source

DEFAULT_OPSET = 18
"""Where no layer needs a later one."""

BFLOAT16_OPSET = 22
"""With it came convolutions, pooling and recurrent operators of bfloat16."""

Array = np.ndarray[Any, Any]


class Exported:
    """An ONNX model with the account of its parameters."""

    def __init__(
        self,
        skeleton: onnx.ModelProto,
        tensors: list[ir.TensorProtocol],
        accounting: Accounting,
        lowered: Lowered | None = None,
        exact: Exported | None = None,
    ) -> None:
        self.lowered = lowered
        """What became of it in a lower precision, where that was asked for."""
        self.exact: Exported = exact or self
        """The same in the precision that the spec has."""
        self.skeleton = skeleton
        """The model without its parameters."""
        self.tensors = tensors
        """The parameters, each computed when its numbers are asked for."""
        self.accounting = accounting

    @cached_property
    def model(self) -> onnx.ModelProto:
        """The whole model, in memory."""
        return with_tensors(self.skeleton, self.tensors)

    def say(self, key: str, content: Any) -> None:
        """Add an entry to the manifest."""
        for model in (self.skeleton, self.__dict__.get("model")):
            for entry in model.metadata_props if model is not None else ():
                if entry.key == MANIFEST_KEY:
                    entry.value = json.dumps({**json.loads(entry.value), key: content})

    def check(self) -> None:
        """Have ONNX's own checker look at the model, shapes included.

        The checker does not look at the numbers, so that inputs can stand for the parameters.

        Raises:
            onnx.checker.ValidationError, onnx.shape_inference.InferenceError: where the exporter
                has made something that is no valid model.
        """
        stand_in = onnx.ModelProto()
        stand_in.CopyFrom(self.skeleton)
        for tensor in self.tensors:
            value = onnx.helper.make_tensor_value_info(
                tensor.name or "", int(tensor.dtype), tensor.shape.numpy()
            )
            stand_in.graph.input.append(value)
        onnx.checker.check_model(stand_in, full_check=True)

    def write(self, path: str, data: DataFile | None = None) -> None:
        """Write the model's file.

        Args:
            data: where the parameters go, instead of into the same file.

        Raises:
            UsageError: where they are too large for that and there is no `data`.
        """
        if data is None and needs_data_file(self.tensors):
            raise UsageError(
                "the weights are more than 2 GB, which one ONNX file cannot hold",
                "`--external-data` writes them to a file beside it",
            )
        write_model(self.skeleton, self.tensors, path, data)


class Exporter:
    """Converts a model once, and gives ONNX models of it for any weights."""

    @no_collection()
    def __init__(
        self,
        built: BuiltModel,
        source: Source,
        opset: int | None = None,
        via: str = "native",
        without: Collection[str] = (),
        precision: Precision | None = None,
    ) -> None:
        """Convert.

        Args:
            opset: None for 18, or the first one in which a layer that needs a later one is lowered.
            via: "native", each layer lowering itself, or "tf2onnx"; where a layer has no
                lowering yet, tf2onnx does it after all.
            without: the native exporter's passes to leave out.
            precision: a lower one, which the native exporter alone has.

        Raises:
            UsageError: where that way does not write the opset, or cannot convert the model.
        """
        self._graph = built.graph
        self._source = source
        self._opset = DEFAULT_OPSET if opset is None else opset
        self._without = without
        self.precision = precision
        self._variables = [variable for variable, _ in pair_variables(built)]
        self.fallen_back: str | None = None
        """Why tf2onnx did it, where "native" was asked for."""
        self.via = via
        self.changes: list[Change] = []
        """What the native exporter's passes did."""
        if via == "native":
            try:
                lowered = self._lower(opset is None)
                self.changes = lowered.changes
                self._bound, self._skeleton = self._bind(lowered.model)
                return
            except NotLowered as reason:
                self.fallen_back, self.via = str(reason), "tf2onnx"
        if precision is not None:
            why = f", and {self.fallen_back}" if self.fallen_back else ""
            raise UsageError(
                f"{precision.to} is for files of specc's own exporter{why}",
                "leave out `--precision`, or `--via tf2onnx` where that is given",
            )
        converted = _with_shapes(convert(built, self._opset))
        self._bound, self._skeleton = self._bind(ir.serde.deserialize_model(converted))

    def _lower(self, free: bool) -> LoweredGraph:
        """Lower the graph; where the opset is free, in a later one if that is needed."""
        try:
            return lower(self._graph, self._opset, self._without)
        except NeedsOpset as needed:
            if not free:
                raise UsageError(
                    f"opset {self._opset} is too old: {needed}", f"`--opset {needed.opset}`"
                ) from needed
            lowered = lower(self._graph, needed.opset, self._without)
            self._opset = needed.opset
            return lowered

    def _bind(self, model: ir.Model) -> tuple[Bound, onnx.ModelProto]:
        """What becomes of the weights, and the model without them, named and in order."""
        sort_nodes(model.graph)
        inputs = len(self._graph.inputs)
        # The weights first: an input of the spec may be called w0 as well.
        bound = bind_weights(model, self._variables, [layer.name for layer in self._graph.layers])
        name_interface(model.graph, self._graph)
        name_values(model.graph, self._graph)
        model.ir_version = ir_version(self._opset)
        model.producer_name, model.producer_version = "specc", __version__
        model.graph.name = self._graph.name
        used = {node.domain for node in model.graph.all_nodes()} | {""}
        for domain in set(model.opset_imports) - used:
            del model.opset_imports[domain]
        model.graph.doc_string = None  # tf2onnx's number of the traced function
        skeleton = onnx.shape_inference.infer_shapes(ir.serde.serialize_model(model))
        del skeleton.graph.input[inputs:]
        return bound, skeleton

    @property
    def variables(self) -> list[Variable]:
        return self._variables

    @no_collection()
    def export(
        self,
        arrays: Sequence[Array],
        weights: dict[str, Any] | None = None,
        labels: Mapping[str, Sequence[str]] | None = None,
    ) -> Exported:
        """The model with these values of `variables`.

        Args:
            arrays: they are read when the model is written.
            weights: what the manifest is to say of where they are from.
            labels: the names of classes, by output, for the manifest.
        """
        accounting = self._bound.accounting
        content = manifest(
            self._graph,
            self._source,
            weights or {},
            opset=self._opset,
            exporter=self.via,
            without=sorted(self._without),
            **({"precision": self.precision._asdict()} if self.precision else {}),
            **({"labels": dict(labels)} if labels else {}),
            onnx={"params": accounting.onnx_total, "constants": accounting.constants},
        )
        skeleton = onnx.ModelProto()
        skeleton.CopyFrom(self._skeleton)
        skeleton.metadata_props.add(key=MANIFEST_KEY, value=json.dumps(content))
        exact = Exported(skeleton, self._bound.tensors(arrays), accounting)
        return exact if self.precision is None else self._lowered(exact, self.precision)

    def _lowered(self, exact: Exported, precision: Precision) -> Exported:
        lowered = lower_precision(exact.skeleton, exact.tensors, precision)
        if not lowered.nodes:
            raise UsageError(
                f"`{self._graph.name}` has nothing that would be better off in {precision.to}",
                _ways_out(precision, self._opset),
            )
        return Exported(lowered.skeleton, lowered.tensors, exact.accounting, lowered, exact)


def _ways_out(precision: Precision, opset: int) -> str:
    ways = ["leave out `--precision`"]
    if precision.io == "float32":
        ways.append("add `--io same`")
    if precision.to == "bfloat16" and opset < BFLOAT16_OPSET:
        ways.append(f"`--opset {BFLOAT16_OPSET}`, which has more operators of it")
    return ", or ".join(ways)


def _with_shapes(model: onnx.ModelProto) -> onnx.ModelProto:
    return onnx.shape_inference.infer_shapes(model, data_prop=True)


class Origin(NamedTuple):
    """How an ONNX model was exported."""

    opset: int
    via: str
    without: tuple[str, ...]
    precision: Precision | None
    quantized: dict[str, Any] | None
    """What the manifest says of weights in 8 bits."""


def origin_of(model: onnx.ModelProto) -> Origin:
    """How a model was exported, by its manifest; as by default where that does not say."""
    content = read_manifest({entry.key: entry.value for entry in model.metadata_props})
    versions = [o.version for o in model.opset_import if o.domain in ("", "ai.onnx")]
    without = content.get("without", [])
    return Origin(
        versions[0] if versions else DEFAULT_OPSET,
        "tf2onnx" if content.get("exporter") == "tf2onnx" else "native",
        tuple([str(name) for name in without]) if isinstance(without, list) else (),
        _precision_of(content.get("precision")),
        content["quantized"] if isinstance(content.get("quantized"), dict) else None,
    )


def _precision_of(said: Any) -> Precision | None:
    if not isinstance(said, dict) or said.get("to") not in LOWER:
        return None
    return Precision(said["to"], "same" if said.get("io") == "same" else "float32")


def export_onnx(
    graph: Graph,
    keras_model: Any,
    *,
    source: Source,
    opset: int | None = None,
    via: str = "native",
    weights: dict[str, Any] | None = None,
) -> Exported:
    """Export a Keras model of a graph, with the weights it has now.

    Raises:
        UsageError: where the Keras model is not one of this graph.
    """
    built = adopt(graph, keras_model)
    exporter = Exporter(built, source, opset, via)
    return exporter.export(current_weights(built), weights)


class CurrentWeights(Sequence[Array]):
    """The values that the variables of a Keras model have, read one by one when asked for."""

    def __init__(self, built: BuiltModel) -> None:
        self._variables = [keras_variable for _, keras_variable in pair_variables(built)]

    def __len__(self) -> int:
        return len(self._variables)

    @overload
    def __getitem__(self, index: int) -> Array: ...
    @overload
    def __getitem__(self, index: slice) -> list[Array]: ...
    def __getitem__(self, index: int | slice) -> Array | list[Array]:
        if isinstance(index, slice):
            return [numbers_of(variable) for variable in self._variables[index]]
        return numbers_of(self._variables[index])


def current_weights(built: BuiltModel) -> list[Array]:
    """The values of every variable now, in the order of `pair_variables`."""
    return list(CurrentWeights(built))
