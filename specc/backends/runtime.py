"""onnxruntime sessions, on the provider that was asked for.

Asked for a GPU that it cannot use, onnxruntime runs on the CPU and says so in a log line at
most. Here that is an error with its reason; what a session really runs on is read from the
session, never from the list of providers that the wheel was built with.
"""

from __future__ import annotations

import ctypes
import os
import re
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple

from specc.backends.silence import Output, captured
from specc.files import DeviceError, UsageError
from specc.records import record

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Arrays = dict[str, NDArray[Any]]

ONNXRUNTIME_RANGE = ">=1.24.4,<1.27"
GPU_WHEEL = f'python -m pip install "onnxruntime-gpu{ONNXRUNTIME_RANGE}"'
FRESH_WHEEL = f"python -m pip uninstall -y onnxruntime onnxruntime-gpu && {GPU_WHEEL}"
CUDA_LIBRARIES = 'python -m pip install "specc-nn[gpu]"'
TENSORRT_LIBRARIES = 'python -m pip install "tensorrt-cu12<11"'

ERRORS_ONLY = 3
"""onnxruntime's number for the log severity `error`."""

FATAL_ONLY = 4
"""What ends in an exception is logged as an error too; this leaves the log line out."""


class Provider(StrEnum):
    """Where onnxruntime runs a model; `auto` is `cuda` where that works, else `cpu`."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"
    CUDA_TF32 = "cuda-tf32"
    """CUDA, with products of float32 that take 11 bits of each factor."""
    TENSORRT = "tensorrt"


PLACES = (Provider.CPU, Provider.CUDA, Provider.TENSORRT)
"""Providers that differ in more than an option."""

LONG_NAMES = {
    Provider.CPU: "CPUExecutionProvider",
    Provider.CUDA: "CUDAExecutionProvider",
    Provider.CUDA_TF32: "CUDAExecutionProvider",
    Provider.TENSORRT: "TensorrtExecutionProvider",
}
SHORT_NAMES = {LONG_NAMES[place]: place for place in PLACES}


class Value(NamedTuple):
    """An input or an output, as onnxruntime describes it."""

    name: str
    type: str
    """In ONNX's notation: "tensor(float)"."""
    shape: tuple[int | str | None, ...]
    """Empty for a scalar, and where nothing is known of the shape."""


class Session:
    """A model opened in onnxruntime."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._quietly = _onnxruntime().RunOptions()
        self._quietly.log_severity_level = FATAL_ONLY

    @property
    def provider(self) -> Provider:
        """What the session really runs on; operators that it lacks run on the CPU."""
        name = self._session.get_providers()[0]
        options = self._session.get_provider_options().get(name, {})
        if SHORT_NAMES[name] is Provider.CUDA and options.get("use_tf32") == "1":
            return Provider.CUDA_TF32
        return SHORT_NAMES[name]

    @property
    def inputs(self) -> list[Value]:
        return [Value(v.name, v.type, tuple(v.shape)) for v in self._session.get_inputs()]

    @property
    def outputs(self) -> list[Value]:
        return [Value(v.name, v.type, tuple(v.shape)) for v in self._session.get_outputs()]

    @property
    def input_names(self) -> list[str]:
        return [value.name for value in self._session.get_inputs()]

    @property
    def output_names(self) -> list[str]:
        return [value.name for value in self._session.get_outputs()]

    @property
    def metadata(self) -> dict[str, str]:
        """The file's `metadata_props`."""
        return dict(self._session.get_modelmeta().custom_metadata_map)

    def run(
        self, inputs: Mapping[str, NDArray[Any]], outputs: Sequence[str] | None = None
    ) -> Arrays:
        """Run the model once.

        Args:
            inputs: an array for each input, of the input's dtype and shape.
            outputs: the outputs to compute; all of them by default.

        Raises:
            onnxruntime's own exceptions, where an input is missing or does not fit.
        """
        names = self.output_names if outputs is None else list(outputs)
        results = self._session.run(names, dict(inputs), self._quietly)
        return dict(zip(names, results, strict=True))

    def bind(
        self, inputs: Mapping[str, NDArray[Any]], outputs: Mapping[str, NDArray[Any]], device: str
    ) -> Callable[[], None]:
        """A call that runs the model on inputs, and into outputs, that stay on a device.

        Nothing is copied to the device or from it, and every address stays the same, which
        is what a CUDA graph needs.

        Args:
            outputs: arrays of the shapes and dtypes that the outputs will have.
            device: "cpu" or "cuda".
        """
        place = _onnxruntime().OrtValue.ortvalue_from_numpy
        binding = self._session.io_binding()
        for name, array in inputs.items():
            binding.bind_ortvalue_input(name, place(array, device, 0))
        for name, array in outputs.items():
            binding.bind_ortvalue_output(name, place(array, device, 0))
        return lambda: self._session.run_with_iobinding(binding, self._quietly)


@record
class Probe:
    """What became of a one-node model that was to run on a provider."""

    wanted: Provider
    got: Provider | None
    """What ran, or would have; None without onnxruntime."""
    reason: str = ""
    """Why that is something else, in words that end a sentence."""
    help: str = ""

    @property
    def works(self) -> bool:
        return self.got is self.wanted


def open_session(
    model: bytes | str,
    provider: str = "auto",
    *,
    threads: int | None = None,
    cuda_graph: bool = False,
    outside: Mapping[str, NDArray[Any]] | None = None,
) -> Session:
    """Open a model on a provider.

    On CUDA, matrix products keep the 23 bits of a float32 (onnxruntime's default there is
    TF32 with 10), so that results compare with a CPU's; not on `cuda-tf32`, nor on TensorRT.

    Args:
        model: the bytes of an ONNX file, or its path (a must where weights lie beside it).
        provider: one of `Provider`.
        threads: how many compute one operator on the CPU; onnxruntime takes a thread for each
            core by default.
        cuda_graph: record on CUDA what is launched in the first runs, and launch it as one
            graph in those that follow; only for `Session.bind`.
        outside: the initializers that the model says to be in another file, by name.

    Raises:
        DeviceError: where a provider was asked for by name and another one runs.
        UsageError: where there is no such provider, or no onnxruntime.
        onnxruntime's own exceptions, where the model is not one.
    """
    wanted = _parse(provider)
    if wanted is Provider.AUTO:
        gpu = has_nvidia_driver() and probe(Provider.CUDA).works
        wanted = Provider.CUDA if gpu else Provider.CPU
    output = Output()
    try:
        with captured(output):
            session = _open(model, wanted, threads, cuda_graph, outside)
    except UsageError:
        raise
    except Exception:
        # The model's fault, or the provider's? A model that is sound tells.
        outcome = probe(wanted)
        if outcome.works:
            raise
        raise _refusal(outcome) from None
    if session.provider is not wanted:
        raise _refusal(Probe(wanted, session.provider, *_why(wanted, output.text)))
    # What onnxruntime logs as an error of a session that runs, the user should see.
    sys.stderr.write(output.text)
    return session


@cache
def probe(wanted: Provider) -> Probe:
    """Try a provider with a model of one node; never fails."""
    output = Output()
    try:
        with captured(output):
            session = _open(ONE_NODE, wanted)
            _run_one_node(session)
    except UsageError as error:
        return Probe(wanted, None, str(error), error.help or "")
    except Exception as error:
        # TensorRT is refused with an exception, CUDA by running on the CPU.
        reason, remedy = _why(wanted, f"{output.text}\n{error}")
        below = Provider.CUDA if wanted is Provider.TENSORRT else Provider.CPU
        instead = probe(below).got if below is not wanted else None
        return Probe(wanted, instead, reason, remedy)
    if session.provider is wanted:
        return Probe(wanted, wanted)
    return Probe(wanted, session.provider, *_why(wanted, output.text))


def has_nvidia_driver() -> bool:
    """Whether the driver's own library is there; the CUDA wheels do not bring it."""
    return _loads("libcuda.so.1")


# --------------------------------------------------------------------------- opening

ONE_NODE = (
    b'\x08\x08:5\n\x0e\n\x01x\n\x01x\x12\x01y"\x03Add\x12\x01g'
    b"Z\x0f\n\x01x\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01"
    b"b\x0f\n\x01y\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01B\x04\n\x00\x10\r"
)
"""y = Add(x, x) on float32[1], opset 13, IR version 8."""


def _parse(name: str) -> Provider:
    try:
        return Provider(name)
    except ValueError:
        choices = ", ".join(f"`{provider}`" for provider in Provider)
        raise UsageError(f"there is no provider `{name}`", f"there are {choices}") from None


def _open(
    model: bytes | str,
    wanted: Provider,
    threads: int | None = None,
    cuda_graph: bool = False,
    outside: Mapping[str, NDArray[Any]] | None = None,
) -> Session:
    """Open a session; what it runs on may be something else than was wanted."""
    onnxruntime = _onnxruntime()
    if wanted is not Provider.CPU and has_nvidia_driver():
        _load_libraries(wanted)
    onnxruntime.set_default_logger_severity(ERRORS_ONLY)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = ERRORS_ONLY
    if threads is not None:
        options.intra_op_num_threads = threads
    if outside:
        values = [onnxruntime.OrtValue.ortvalue_from_numpy(array) for array in outside.values()]
        options.add_external_initializers(list(outside), values)
    graph = {"enable_cuda_graph": "1"} if cuda_graph else {}
    use_tf32 = "1" if wanted is Provider.CUDA_TF32 else "0"
    cuda = (LONG_NAMES[Provider.CUDA], {"use_tf32": use_tf32, **graph})
    providers: dict[Provider, list[Any]] = {
        Provider.CPU: [],
        Provider.CUDA: [cuda],
        Provider.CUDA_TF32: [cuda],
        # What TensorRT leaves out stays on the GPU.
        Provider.TENSORRT: [LONG_NAMES[Provider.TENSORRT], cuda],
    }
    available = onnxruntime.get_available_providers()
    asked = [
        item
        for item in [*providers[wanted], LONG_NAMES[Provider.CPU]]
        if (item if isinstance(item, str) else item[0]) in available
    ]
    # Without the fallback, onnxruntime does not print a banner and try again on less.
    session = onnxruntime.InferenceSession(
        model, sess_options=options, providers=asked, enable_fallback=0
    )
    session.disable_fallback()
    return Session(session)


def _onnxruntime() -> Any:
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise UsageError(f"{error.name} is not installed", f"`{GPU_WHEEL}`") from None
    except ImportError as error:
        why = str(error).splitlines()[0]
        raise UsageError(f"onnxruntime cannot be imported: {why}", f"`{FRESH_WHEEL}`") from None
    if not hasattr(onnxruntime, "InferenceSession"):
        # What is left when one of the two wheels that share the directory is uninstalled.
        raise UsageError("onnxruntime's files are not complete", f"`{FRESH_WHEEL}`")
    return onnxruntime


def _run_one_node(session: Session) -> None:
    import numpy

    doubled = session.run({"x": numpy.ones(1, numpy.float32)})["y"]
    if doubled[0] != 2:
        raise RuntimeError(f"1 + 1 is {doubled[0]} there")


@cache
def _load_libraries(wanted: Provider) -> None:
    """Load the libraries that wheels brought, which the dynamic linker does not find."""
    _onnxruntime().preload_dlls()
    spec = find_spec("tensorrt_libs") if wanted is Provider.TENSORRT else None
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for name in ("libnvinfer.so.10", "libnvonnxparser.so.10"):
            _loads(os.path.join(folder, name))


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


# --------------------------------------------------------------------------- refusing


def _refusal(outcome: Probe) -> DeviceError:
    return DeviceError(
        f"the provider `{outcome.wanted}` was asked for, but onnxruntime "
        f"runs on `{outcome.got}` instead: {outcome.reason}",
        outcome.help,
    )


def _why(wanted: Provider, log: str) -> tuple[str, str]:
    """The reason why a provider is not had, and what mends it.

    Args:
        log: what onnxruntime said.
    """
    onnxruntime = _onnxruntime()
    available = LONG_NAMES[wanted] in onnxruntime.get_available_providers()
    place = SHORT_NAMES[LONG_NAMES[wanted]]
    return explain_refusal(place, log, driver=has_nvidia_driver(), built_in=available)


def explain_refusal(wanted: Provider, log: str, *, driver: bool, built_in: bool) -> tuple[str, str]:
    """The same, from facts alone.

    Args:
        driver: whether there is an NVIDIA driver.
        built_in: whether the wheel has the provider.
    """
    if not driver:
        return (
            "there is no NVIDIA driver",
            "`nvidia-smi` lists the GPUs of a machine with a driver; the provider `cpu` needs none",
        )
    if not built_in:
        return (
            f"the installed onnxruntime is built without {wanted}",
            f"`{FRESH_WHEEL}`",
        )
    missing = re.search(r"(lib[\w.+-]*\.so[.\d]*): cannot open shared object file", log)
    if missing:
        tensorrt = missing[1].startswith(("libnvinfer", "libnvonnxparser"))
        command = TENSORRT_LIBRARIES if tensorrt else CUDA_LIBRARIES
        return f"{missing[1]} is missing", f"`{command}`"
    failure = re.search(r"CUDA failure \d+: ([^;\n]+)", log)
    if failure:
        return f"CUDA says: {failure[1].strip()}", "`nvidia-smi` shows the driver and the GPUs"
    return "onnxruntime does not say why", "`specc doctor` shows what is installed"


@contextmanager
def blaming(file: str) -> Generator[None]:
    """Turn what onnxruntime raises into an error that names the file.

    Raises:
        UsageError: where the file is one that onnxruntime does not open or run.
    """
    try:
        yield
    except UsageError:
        raise
    except Exception as error:  # onnxruntime has a class of its own for each of its states
        why = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UsageError(f"onnxruntime cannot run {file}: {why}") from error
