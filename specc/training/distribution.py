"""What a run is spread over. Imports no framework.

    Spread      one device: every run has one of these, and asks it what may be another way
    Mirrored    TensorFlow's `MirroredStrategy`, over the devices of a machine (`mirrored.py`)
    Mesh        Keras's `distribution` on JAX, over devices and machines (`mesh.py`)

The same weights on every device, and a part of each batch: the losses are those of one device with
the whole batch, to rounding. So a spread is no part of what a run is, and a checkpoint can be
continued with another one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from specc.files import UsageError
from specc.graph import Graph
from specc.records import record
from specc.training.settings import Settings
from specc.training.signals import StopRequest

TIMEOUT = 100
"""Seconds after which a process that does not answer is lost; JAX's own."""

JOINED = "specc: all processes have joined"
"""What stands in the log of a process once they have."""

AUTO = "auto"
"""A coordinator that JAX finds by itself, under Slurm, Open MPI, Kubernetes or on a Cloud TPU."""


BATCH, MODEL = "batch", "model"
"""The axes of a mesh of devices: parts of a batch along the one, parts of weights on the other."""

Layouts = dict[str, tuple[str | None, ...]]
"""Regular expressions for the paths of weights, and along which axis each of theirs is parted."""


@record
class Distribution:
    """What is wished for: by the command line, or from Python."""

    how: str = "data"
    """"data": all weights on each device; "model": parts of them."""
    devices: int | None = None
    """Of each process; None for every GPU. Without a GPU, into how many the CPU is parted."""
    coordinator: str | None = None
    """`HOST:PORT` of process 0, or `AUTO`; None for this process alone."""
    processes: int | None = None
    process: int | None = None
    """The number of this one, from 0."""
    timeout: int = TIMEOUT
    """Seconds: for the others to come, and for one to answer."""
    layout: Layouts | None = None
    """For "model"."""
    split: int | None = None
    """For "model": among how many devices weights are parted; None for all. The other devices
    have copies, and each copy a part of the batch."""

    @property
    def several(self) -> bool:
        """Whether there are other processes."""
        return self.coordinator is not None


class Spread:
    """A run on one device; the base of those on several."""

    devices = 1
    """Of all processes together."""
    replicas = 1
    """Into how many parts a batch goes."""
    processes = 1
    process = 0
    one_step = False
    """Whether an execution can be of one step only."""
    whole = False
    """Whether batches are not parted now: each device has all of them."""

    @property
    def first(self) -> bool:
        """Whether this process writes and tells, as one does."""
        return self.process == 0

    @property
    def alone(self) -> bool:
        """Whether there is no other process."""
        return self.processes == 1

    def begin(self) -> None:
        """Take the devices, and wait for the other processes.

        The backend has been imported, and has not looked for devices yet.

        Raises:
            UsageError: where that cannot be.
        """

    def check(self, graph: Graph, settings: Settings) -> list[str]:  # noqa: ARG002
        """What is to be said of a run that is spread.

        Raises:
            UsageError: where it would not train as on one device.
        """
        return []

    @contextmanager
    def scope(self) -> Generator[None]:
        """Models that are made and trained in the block are spread."""
        yield

    def parts(self, count: int, batch_size: int, steps: int | None = None) -> bool:
        """Whether the devices can have equal parts of each batch of an epoch, the last included."""
        last = last_batch(count, batch_size, steps)
        return not batch_size % self.replicas and not last % self.replicas

    def built(self, model: Any) -> None:
        """Look at the Keras model that was made in the scope.

        Raises:
            UsageError: where it cannot be spread as was wished for.
        """

    def share(self, make: Callable[[], bytes]) -> bytes:
        """What the first process makes, on every one.

        Raises:
            UsageError: where the first one does.
        """
        return make()

    def agree(self, make: Callable[[], dict[str, str]]) -> None:
        """Make sure that the processes train the same, of which `make` gives the parts.

        Raises:
            UsageError: on all of them, where they do not.
        """

    def wish(self, request: StopRequest) -> int | None:
        """The signal by which someone wants the run to end here. All processes ask at the same
        steps and get the answer at the same one."""
        return request.signal

    def end(self) -> None:
        """The training is over; from here on each process is for itself."""


def last_batch(count: int, batch_size: int, steps: int | None) -> int:
    """How many samples are in the last batch of an epoch."""
    seen = count if steps is None else min(count, steps * batch_size)
    return (seen - 1) % batch_size + 1


def require_parts(spread: Spread, count: int, batch_size: int, steps: int) -> None:
    """Make sure that every batch of the training goes into equal parts.

    Keras would take the mean of the means of unequal parts, which is not that of the batch.

    Raises:
        UsageError: where one does not.
    """
    number = spread.replicas
    if batch_size % number:
        near = max(number, round(batch_size / number) * number)
        raise UsageError(
            f"a batch of {batch_size} does not go into {number} equal parts, one a device",
            f"another batch size, such as {near}, or another number of devices",
        )
    if not spread.parts(count, batch_size, steps):
        rest = last_batch(count, batch_size, steps)
        full = count // batch_size
        help = "another batch size, or another number of devices"
        if full:
            help = (
                f"`steps_per_epoch = {full}` in the `train` block leaves the last batch out; the "
                "order is another one each epoch, so every sample has its turn"
            )
        raise UsageError(
            f"the last batch of an epoch has {rest} of the {count} samples, which do not go into "
            f"{number} equal parts, one a device",
            help,
        )


def check_wish(wished: Distribution, backend: str) -> None:
    """Look at a wish, without any framework.

    Raises:
        UsageError: where the backend cannot, or it contradicts itself.
    """
    if backend == "torch":
        raise UsageError(
            "Keras trains on one device with PyTorch",
            "`--backend tensorflow` has the devices of a machine, `--backend jax` several machines",
        )
    _check_layouts(wished, backend)
    numbers = (wished.processes, wished.process)
    if not wished.several:
        if numbers != (None, None):
            raise UsageError(
                "several processes need to know where they meet",
                "`--coordinator HOST:PORT` is the address of process 0, the same for all of them",
            )
        return
    if backend == "tensorflow":
        raise UsageError(
            "Keras's `fit` on TensorFlow has the devices of one process only",
            "`--backend jax` goes over several",
        )
    if wished.coordinator == AUTO:
        if numbers != (None, None):
            raise UsageError(
                "`--coordinator auto` finds out how many processes there are",
                "leave out --processes and --process, or name the coordinator",
            )
        return
    host, _, port = str(wished.coordinator).rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise UsageError(
            f"`{wished.coordinator}` is no address of a coordinator",
            "host and port of process 0, such as `10.0.0.1:4321`, or `auto`",
        )
    if wished.processes is None or wished.process is None:
        raise UsageError(
            "the processes of a run are to be numbered",
            "`--processes 2 --process 0` for the first of two, `--process 1` for the other",
        )
    if wished.processes < 2:
        raise UsageError("one process needs no coordinator", "leave out --coordinator")
    if not 0 <= wished.process < wished.processes:
        raise UsageError(
            f"there is no process {wished.process} of {wished.processes}",
            f"their numbers go from 0 to {wished.processes - 1}",
        )


def _check_layouts(wished: Distribution, backend: str) -> None:
    if wished.how == "data":
        if wished.layout or wished.split:
            raise UsageError(
                "with `--distribute data` each device has all weights",
                "`--distribute model` parts them as --layout says",
            )
        return
    if backend != "jax":
        raise UsageError("Keras parts weights on JAX only", "`--backend jax`")
    if wished.several:
        raise UsageError(
            "weights are parted among the devices of one process only",
            "leave out --coordinator, or `--distribute data`",
        )
    if not wished.layout:
        raise UsageError(
            "`--distribute model` needs to know which weights are parted along which axis",
            "such as `--layout 'dense.*/kernel=None,model'`: the kernels, by their columns",
        )


def layout_of(text: str) -> tuple[str, tuple[str | None, ...]]:
    """A pattern and its axes, of the form `PATTERN=AXIS,AXIS`.

    Raises:
        ValueError: with the reason, where it is none.
    """
    pattern, equals, axes = text.rpartition("=")
    names = [axis.strip() for axis in axes.split(",")]
    if not equals or not pattern or any(n not in (BATCH, MODEL, "None") for n in names):
        raise ValueError(f"`{text}` is not PATTERN=AXIS,AXIS with axes `model`, `batch` or `None`")
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"`{pattern}` is no regular expression: {error}") from None
    return pattern, tuple(None if name == "None" else name for name in names)


def require_devices(found: int, wished: Distribution, kind: str) -> None:
    """Make sure that there are as many devices as are wished for, and several.

    Args:
        found: by this process.

    Raises:
        UsageError: where there are not.
    """
    number = wished.devices
    if number is not None and found < number:
        have = f"there {'is' if found == 1 else 'are'} {found} {kind}{'s' if found != 1 else ''}"
        raise UsageError(f"{have} here, and {number} were asked for")
    if not wished.several and (number or found) < 2:
        raise UsageError(
            "there is one device to spread a run over",
            "`--devices 2` parts a CPU in two, to try it out; "
            "`--coordinator` adds the devices of other processes",
        )


def only_known(values: dict[str, Any]) -> Distribution | None:
    """A wish of options, without those that are not given.

    Raises:
        UsageError: where some are given, and that the run is spread is not.
    """
    given = {name: value for name, value in values.items() if value is not None}
    how = given.pop("distribute", None)
    if how is not None:
        return Distribution(how, **given)
    if given:
        name = next(iter(given))
        raise UsageError(f"`--{name}` is for runs that are spread", "add `--distribute data`")
    return None
