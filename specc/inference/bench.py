"""The ways to run a model whose times are compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from specc.backends.frameworks import import_tensorflow
from specc.backends.runtime import Provider, Session, blaming
from specc.files import UsageError
from specc.inference.interface import Array, Interface, numpy_dtype, read_interface, shape_text
from specc.inference.predictor import open_model
from specc.inference.timing import Candidate
from specc.types import Port

RUN = "run"
"""Arrays in, arrays out: on a GPU, with what copying them takes."""

BOUND = "bound"
"""Inputs and outputs stay on the GPU."""

GRAPH = "graph"
"""The same, and what is launched there is launched as one recorded graph."""

PREDICT = "predict_on_batch"
COMPILED = "compiled call"
"""Keras's model as one `tf.function`, as `predict` runs it, without what `predict` does around."""

Arrays = dict[str, Array]
Call = Callable[[], object]


class Plan(NamedTuple):
    """What is to be timed, and what could not be."""

    calls: dict[Candidate, Call]
    inputs: dict[int, Arrays]
    """The samples, by batch size; the same for every candidate."""
    not_run: list[str]
    """Ways that do not exist here, and why."""


def plan(
    path: str,
    *,
    providers: Sequence[str] = ("auto",),
    threads: Sequence[int | None] = (None,),
    batches: Sequence[int] | None = None,
    sizes: Mapping[str, int] | None = None,
    seed: int = 0,
) -> Plan:
    """Open a file in all the ways that are asked for, and run each once.

    Args:
        threads: numbers of threads on the CPU; a GPU is not divided by them.
        batches: sizes of batches; by default 1 and 32, or the only one that the file takes.
        sizes: of axes whose size is not fixed, by their names.
        seed: of the inputs drawn.

    Raises:
        DeviceError: where a provider is not to be had.
        UsageError: where the file cannot be run on such batches.
    """
    calls: dict[Candidate, Call] = {}
    not_run: list[str] = []
    inputs: dict[int, Arrays] = {}
    for wanted in providers:
        # The provider first: without it nothing else matters.
        session = open_model(path, wanted, threads=threads[0])
        if not inputs:
            interface = read_interface(session, path)
            inputs = {
                batch: draw(interface, batch, sizes or {}, seed)
                for batch in _batches(interface, batches)
            }
        if session.provider is Provider.CPU:
            for number in threads:
                if number != threads[0]:
                    session = open_model(path, Provider.CPU, threads=number)
                for batch, arrays in inputs.items():
                    found = Candidate("onnxruntime", Provider.CPU, RUN, number, batch)
                    calls[found] = tried(session, arrays, path)
        else:
            for batch, arrays in inputs.items():
                _add_gpu(calls, not_run, session, path, batch, arrays)
    if not any(candidate.way == BOUND for candidate in calls):
        not_run.append("IO binding and CUDA graphs: only with the provider `cuda`")
    return Plan(calls, inputs, not_run)


def _batches(interface: Interface, asked: Sequence[int] | None) -> Sequence[int]:
    if interface.batched and interface.batch is None:
        return asked or (1, 32)
    only = interface.batch or 1
    if asked and list(asked) != [only]:
        raise UsageError(
            f"`{interface.file}` takes {only} samples at a time"
            if interface.batch
            else f"`{interface.file}` has no batch axis",
            f"`--batch {only}`, or none",
        )
    return (only,)


def tried(session: Session, arrays: Arrays, path: str) -> Call:
    """A call, after it has been made once."""
    with blaming(f"`{path}` on inputs drawn for it"):
        session.run(arrays)
    return lambda: session.run(arrays)


def _add_gpu(
    calls: dict[Candidate, Call],
    not_run: list[str],
    session: Session,
    path: str,
    batch: int,
    arrays: Arrays,
) -> None:
    """Add what there is on a GPU; what cannot be recorded as a graph is said."""

    def candidate(way: str) -> Candidate:
        return Candidate("onnxruntime", str(session.provider), way, None, batch)

    calls[candidate(RUN)] = tried(session, arrays, path)
    outputs = session.run(arrays)
    calls[candidate(BOUND)] = session.bind(arrays, outputs, "cuda")
    if session.provider not in (Provider.CUDA, Provider.CUDA_TF32):
        return
    try:
        # A session records one graph, and a graph is of one batch size.
        recorded = open_model(path, session.provider, cuda_graph=True).bind(arrays, outputs, "cuda")
        for _ in range(3):  # onnxruntime records in one of the first runs
            recorded()
        calls[candidate(GRAPH)] = recorded
    except Exception as error:  # onnxruntime's own, for operators that run on the CPU and others
        why = (str(error).strip().splitlines() or [type(error).__name__])[0]
        not_run.append(f"CUDA graph, batch {batch}: {why}")


# ----------------------------------------------------------------------------- inputs


def draw(interface: Interface, batch: int, sizes: Mapping[str, int], seed: int) -> Arrays:
    """Samples for every input.

    Whole numbers are 0 and 1: they may be looked up in a table, and no table is smaller.

    Raises:
        UsageError: where an axis has no size and is given none.
    """
    names = [name for port in interface.inputs.values() for name in free_axes(port).values()]
    for name in sizes:
        if name not in names:
            known = ", ".join(f"`{n}`" for n in dict.fromkeys(names)) or "all sizes are fixed"
            raise UsageError(f"`{interface.file}` has no axis `{name}` of free size", known)
    missing = [name for name in dict.fromkeys(names) if name not in sizes]
    if missing:
        raise UsageError(
            f"`{interface.file}` leaves the size of {', '.join(f'`{n}`' for n in missing)} open",
            " ".join(f"--size {name}=N" for name in missing),
        )
    random = np.random.default_rng(seed)
    arrays: Arrays = {}
    for name, port in interface.inputs.items():
        free = free_axes(port)
        shape = [sizes[free[i]] if i in free else n for i, n in enumerate(port.type.shape)]
        shape = [batch] * port.type.batched + [n for n in shape if isinstance(n, int)]
        if port.type.is_float:
            arrays[name] = random.standard_normal(shape).astype(numpy_dtype(port))
        elif port.type.dtype == "string":
            arrays[name] = np.full(shape, "a", dtype=object)
        else:
            arrays[name] = random.integers(0, 2, shape).astype(numpy_dtype(port))
    return arrays


def free_axes(port: Port) -> dict[int, str]:
    """The axes of a sample whose size the file leaves open, with their names.

    One without a name has the name that specc's exports give.
    """
    return {
        index: size if size is not None else f"{port.name}_axis_{index + 1}"
        for index, size in enumerate(port.type.shape)
        if not isinstance(size, int)
    }


# ------------------------------------------------------------------------------ Keras


def keras_calls(keras_model: Any, inputs: Mapping[int, Arrays]) -> dict[Candidate, Call]:
    """Two ways to run a Keras model on the same samples; each has been run once.

    Raises:
        UsageError: where the samples do not fit the model.
    """
    tensorflow = import_tensorflow()
    device = "gpu" if tensorflow.config.list_physical_devices("GPU") else "cpu"
    threads: int | None = tensorflow.config.threading.get_intra_op_parallelism_threads() or None
    compiled = tensorflow.function(lambda x: keras_model(x, training=False))
    calls: dict[Candidate, Call] = {}
    for batch, arrays in inputs.items():
        x = _as_keras_takes(keras_model, arrays)
        ways = {PREDICT: _predict_call(keras_model, x), COMPILED: _compiled_call(compiled, x)}
        for way, call in ways.items():
            call()
            calls[Candidate("keras", device, way, threads, batch)] = call
    return calls


def _predict_call(keras_model: Any, x: Any) -> Call:
    return lambda: keras_model.predict_on_batch(x)


def _compiled_call(compiled: Any, x: Any) -> Call:
    from keras import tree

    # As arrays: what runs on a GPU has not been computed before it is fetched.
    return lambda: tree.map_structure(lambda tensor: tensor.numpy(), compiled(x))


def _as_keras_takes(keras_model: Any, arrays: Arrays) -> Any:
    """Samples in the structure that a Keras model takes, matched by name or by order."""
    from keras import tree

    tensors: list[Any] = list(keras_model.inputs)
    names = [str(tensor.name) for tensor in tensors]
    given = [arrays[name] for name in names] if set(names) == set(arrays) else [*arrays.values()]
    fits = len(given) == len(tensors) and all(
        len(tensor.shape) == array.ndim
        and all(want in (None, have) for want, have in zip(tensor.shape, array.shape, strict=True))
        for tensor, array in zip(tensors, given, strict=True)
    )
    if not fits:
        wanted = ", ".join(f"{tensor.name} {tuple(tensor.shape)}" for tensor in tensors)
        have = ", ".join(f"{name} {shape_text(array.shape)}" for name, array in arrays.items())
        raise UsageError(
            f"the Keras model does not take what the ONNX file takes: {wanted}, and not {have}"
        )
    return tree.pack_sequence_as(keras_model.input, given)


def prepare_tensorflow(threads: int | None) -> None:
    """Settings of TensorFlow's that hold only before it computes anything.

    Args:
        threads: of an operator; None leaves the number to TensorFlow.
    """
    tensorflow = import_tensorflow()
    try:
        if threads is not None:
            tensorflow.config.threading.set_intra_op_parallelism_threads(threads)
        for gpu in tensorflow.config.list_physical_devices("GPU"):
            # Else it takes all of the GPU's memory, and onnxruntime has none.
            tensorflow.config.experimental.set_memory_growth(gpu, True)
    except RuntimeError:  # it has computed: its settings stay, and are read where they are shown
        return
