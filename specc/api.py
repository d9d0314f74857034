"""The public interface: a spec's text in, models out.

    program = specc.compile("specs/bn_after.spec")
    model = program.model()
    keras_model = model.to_keras()
    onnx_model = model.to_onnx(keras_model)
    report = specc.verify(model, keras_model, onnx_model)

    predictor = specc.load("build/bn_after.onnx")
    classes = predictor.predict(images).argmax(axis=1)

Compiling needs no framework; each conversion imports what it needs.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from specc.compiler import Compilation, compile_source
from specc.files import UsageError, read_source
from specc.graph import Graph, Params, Variable
from specc.layers.base import Layer
from specc.library import loader_below, standard_library_only
from specc.source import Source
from specc.types import Port, TensorType

if TYPE_CHECKING:
    from specc.inference.predictor import Predictor
    from specc.semantics.sections import Section
    from specc.verification.report import Report


class LayerInfo(NamedTuple):
    """A layer of a model."""

    name: str
    kind: str
    """The Keras class, such as "Dense"."""
    outputs: tuple[TensorType, ...]
    """What its first use gives; the batch axis is implied."""
    params: Params
    variables: tuple[Variable, ...]
    line: int
    """The line of the spec it stands on, from 1."""


class Model:
    """A checked model. `params` counts numbers, not bytes."""

    def __init__(self, graph: Graph, source: Source, sections: Sequence[Section] = ()) -> None:
        self.graph = graph
        self.source = source
        self._sections = sections

    def __repr__(self) -> str:
        return f"<specc model {self.name!r}, {self.params.total:,} parameters>"

    @property
    def name(self) -> str:
        return self.graph.name

    @property
    def params(self) -> Params:
        """`.total`, `.trainable` and `.non_trainable`."""
        return self.graph.params

    @property
    def inputs(self) -> tuple[Port, ...]:
        return tuple(Port(tensor.name, tensor.type) for tensor in self.graph.inputs)

    @property
    def outputs(self) -> tuple[Port, ...]:
        pairs = zip(self.graph.output_names, self.graph.outputs, strict=True)
        return tuple(Port(name, tensor.type) for name, tensor in pairs)

    @property
    def layers(self) -> tuple[LayerInfo, ...]:
        """In the order of their first use."""
        return tuple(
            LayerInfo(
                layer.name,
                layer.kind,
                tuple(tensor.type for tensor in layer.outputs),
                layer.params,
                tuple(layer.variables),
                layer.line,
            )
            for layer in self.graph.layers
        )

    @property
    def labels(self) -> dict[str, tuple[str, ...]]:
        """The names of the classes that an output tells apart, where the model has one output and
        its data have names for them (`classes = [...]`)."""
        from specc.lints.losses import data_of

        data = data_of(list(self._sections), self.graph)
        names = None if data is None else data.entries.get("classes")
        if not isinstance(names, tuple) or len(self.graph.outputs) != 1:
            return {}
        (output,) = self.outputs
        texts = tuple([str(name) for name in cast("tuple[Any, ...]", names)])
        return {output.name: texts} if output.type.shape[-1:] == (len(texts),) else {}

    def section(self, kind: str) -> Section | None:
        """What the spec says about training ("train") or exporting ("export") this model."""
        mine = (s for s in self._sections if s.kind == kind and s.name == self.name)
        return next(mine, None)

    def to_keras(self, *, seed: int | None = None) -> Any:
        """The model as a `keras.Model` with fresh weights, ready to compile and fit.

        Args:
            seed: makes the weights the same each time (it sets Keras's global seed).

        Raises:
            UsageError: where Keras or TensorFlow is not installed.
        """
        from specc.backends.keras_model import build_keras

        return build_keras(self.graph, seed=seed).keras_model

    def to_onnx(self, keras_model: Any, *, opset: int | None = None, via: str = "native") -> Any:
        """The model with a Keras model's weights as an `onnx.ModelProto`.

        Inputs and outputs have the spec's names, the batch axis is dynamic and called
        "batch". The result is not verified; `specc.verify` does that.

        Args:
            keras_model: a model that `to_keras` made, trained or not, or a loaded copy.
            opset: the ONNX operator set, 18 to 22; by tf2onnx 15 to 18. None is 18, or a later one
                where a layer needs it.
            via: "native", where each layer lowers itself, or "tf2onnx", which also does what the
                first one does not know.

        Raises:
            UsageError: where the Keras model is not one of this spec, or the opset is not
                to be had.
        """
        from specc.backends.export import export_onnx

        source = self.source
        return export_onnx(self.graph, keras_model, source=source, opset=opset, via=via).model


class Program:
    """A compiled spec."""

    def __init__(self, source: Source, compilation: Compilation) -> None:
        self.source = source
        self.module = compilation.module
        """The syntax tree, and the definitions it can use."""
        self.sections = tuple(compilation.sections)
        """Its blocks about data, training and export."""
        self.models = tuple([Model(graph, source, self.sections) for graph in compilation.graphs])

    def __repr__(self) -> str:
        return f"<specc program {self.source.name!r}: {', '.join(m.name for m in self.models)}>"

    def model(self, name: str | None = None) -> Model:
        """The model of a name; without a name the only one.

        Raises:
            KeyError: where there is no such model, or no name and several models.
        """
        if name is None:
            if len(self.models) == 1:
                return self.models[0]
            names = ", ".join(model.name for model in self.models)
            raise KeyError(f"there are several models, name one of {names}")
        for model in self.models:
            if model.name == name:
                return model
        raise KeyError(f"there is no model {name!r}")


def compile(path: str | os.PathLike[str], *, params: Mapping[str, Any] | None = None) -> Program:
    """Check the spec in a file, and the files beside it that it imports.

    Args:
        params: values for the parameters of its models: `params={"classes": 100}`.

    Raises:
        SpecError: where the spec is wrong; `.diagnostics` says everything that is.
        UsageError: where the file cannot be read, or no model has such a parameter.
    """
    return compile_program(read_source(path), params)


def compile_text(
    text: str, name: str = "<text>", *, params: Mapping[str, Any] | None = None
) -> Program:
    """Check a spec given as text; `name` stands for the file in messages.

    It can import what ships with specc, `std/...`, and nothing else.

    Raises:
        SpecError: where the spec is wrong; `.diagnostics` says everything that is.
        UsageError: where no model has such a parameter.
    """
    return compile_program(Source(name, text), params)


def compile_program(
    source: Source,
    params: Mapping[str, Any] | None = None,
    extra_layers: Mapping[str, type[Layer]] | None = None,
) -> Program:
    """Check a source that has been read already. What it imports lies below its folder."""
    loader = standard_library_only
    if source.path is not None:
        loader = loader_below(os.path.dirname(source.path) or ".")
    return Program(source, compile_source(source, loader, params, extra_layers))


def export(
    keras_model: Any,
    path: str | os.PathLike[str],
    *,
    opset: int | None = None,
    precision: str | None = None,
    io: str = "float32",
    quantize: str | None = None,
    calibrate: str | os.PathLike[str] | None = None,
    evaluate: str | os.PathLike[str] | None = None,
    external_data: bool = False,
    provider: str = "auto",
) -> Report:
    """Write a Keras model that no spec was written for as a verified ONNX file.

    Args:
        keras_model: a functional or Sequential model of layers of Keras's catalogue.
        path: of the file, which appears only where the report is good.
        opset: the ONNX operator set; None is 18, or a later one where a layer needs it.
        precision: "float16" or "bfloat16" to compute in.
        io: with `precision`, what inputs and outputs of floats are: "float32", or "same".
        quantize: "int8" for weights in 8 bits.
        calibrate: with `quantize`, a file of samples for the ranges of values.
        evaluate: a file of samples to judge the result with, as `specc export --evaluate` takes it.
        external_data: write the weights to a file beside it, as is done with more than 2 GB of
            them in any case.
        provider: where onnxruntime runs it to compare: "auto", "cpu", "cuda", "cuda-tf32" or
            "tensorrt".

    Returns:
        The report of the comparison with Keras, as `verify` gives it; look at `.ok`.

    Raises:
        UsageError: where a layer is not of the catalogue, or the file cannot be written.
        DeviceError: where the provider asked for is not to be had.
    """
    from specc.backends.from_keras import from_keras
    from specc.backends.native.precision import precision_named
    from specc.backends.quantize import quantization_named
    from specc.verification.verified_export import export_verified

    if precision and quantize:
        raise UsageError("`precision` and `quantize` are two ways to a smaller file")
    lower = precision_named(precision, io)
    whole = quantization_named(quantize, None if calibrate is None else os.fspath(calibrate))
    built = from_keras(keras_model)
    return export_verified(
        built,
        built.graph.span.source,
        os.fspath(path),
        opset=opset,
        precision=lower,
        quantization=whole,
        evaluate=None if evaluate is None else os.fspath(evaluate),
        external_data=external_data,
        provider=provider,
    ).report


def verify(
    model: Model,
    keras_model: Any,
    onnx_model: Any,
    *,
    provider: str = "auto",
    seed: int = 0,
    layers: bool = False,
    backends: Sequence[str] = (),
    rtol: float | None = None,
    atol: float | None = None,
) -> Report:
    """Run the same inputs through Keras and onnxruntime and account for every parameter.

    Args:
        onnx_model: an `onnx.ModelProto` or the path of a file.
        provider: where onnxruntime runs: "auto", "cpu", "cuda", "cuda-tf32" or "tensorrt".
        seed: of the inputs drawn.
        layers: run each layer of the file by itself too; see `.checks`.
        backends: what else to run the model on, such as "jax", "torch", "reference" or "tf2onnx"
            (`specc verify --help` lists them); see `.backends`. Of what is not installed the
            report says so.
        rtol: how far an output may be off, as a share of its largest value; the sum of this and
            `atol` takes the place of what rounding explains.
        atol: the same in numbers.

    Returns:
        A report: `.ok`, `.max_abs_error`, `.max_rel_error`, `.params`, `.layers`, ...

    Raises:
        DeviceError: where the provider asked for is not to be had.
    """
    from specc.verification.tolerance import bounds_of
    from specc.verification.verify import verify_onnx

    return verify_onnx(
        model.graph,
        keras_model,
        onnx_model,
        provider=provider,
        seed=seed,
        layers=layers,
        backends=backends,
        bounds=bounds_of(rtol, atol),
    )


def load(path: str | os.PathLike[str], *, provider: str = "auto") -> Predictor:
    """Open an ONNX file to predict with; it need not be one of specc's.

    Args:
        provider: where onnxruntime runs: "auto", "cpu", "cuda", "cuda-tf32" or "tensorrt".

    Returns:
        A predictor: `.predict(x, batch_size=32)`, `.inputs`, `.outputs`, `.provider`,
        `.manifest`, `.labels`.

    Raises:
        DeviceError: where the provider asked for is not to be had.
        UsageError: where the file cannot be read, or onnxruntime does not take it.
    """
    from specc.inference.predictor import load

    return load(path, provider)
