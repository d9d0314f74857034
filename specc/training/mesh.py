"""Keras's `distribution` on JAX: devices of this machine, and of others.

Imports Keras and JAX: only where the backend has been chosen.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from typing import Any

import jax
import keras
import numpy as np
from jax.experimental import multihost_utils

from specc.files import DeviceError, UsageError
from specc.training.distribution import AUTO, JOINED, Distribution, Spread, require_devices
from specc.training.signals import StopRequest

CHUNK = 64 << 20
"""Bytes that go to the other processes at a time."""

GRACE = 10
"""Seconds after which JAX has surely ended a process that has lost another one."""

LOOPBACK = ("localhost", "127.0.0.1")


class Mesh(Spread):
    """The weights on each device, a part of each batch on each."""

    def __init__(self, wished: Distribution) -> None:
        self.wished = wished
        self._asked = 0

    def begin(self) -> None:
        wished = self.wished
        if wished.devices is not None:  # parts of the CPU, where there is nothing else
            with suppress(RuntimeError):  # JAX has looked at them already; what there is counts
                jax.config.update("jax_num_cpu_devices", wished.devices)
        if wished.several:
            self._join()
        here = [d for d in jax.devices() if d.process_index == jax.process_index()]
        require_devices(len(here), wished, here[0].platform.upper())
        self.processes, self.process = jax.process_count(), jax.process_index()
        names = [f"{d.platform}:{d.id}" for d in self._chosen()]
        self.devices = self.replicas = len(names)
        if wished.how == "data":
            self._distribution = _Data(self, names)
            return
        from specc.training.layouts import Parted

        split = wished.split or len(names)
        if len(names) % split:
            raise UsageError(
                f"{len(names)} devices do not go into groups of {split}",
                "--split has to divide the number of devices",
            )
        self.replicas = len(names) // split
        self._distribution = Parted(self, names, wished.layout or {}, split)

    def _join(self) -> None:
        """Wait for the other processes. JAX ends this one where that takes too long."""
        wished = self.wished
        # What CPUs talk to each other by; GPUs have NCCL.
        jax.config.update("jax_cpu_collectives_implementation", "gloo")
        options: dict[str, Any] = {
            "initialization_timeout": wished.timeout,
            "heartbeat_timeout_seconds": wished.timeout,
            "shutdown_timeout_seconds": wished.timeout,
        }
        if wished.coordinator != AUTO:
            host, _, port = str(wished.coordinator).rpartition(":")
            options |= {
                "coordinator_address": wished.coordinator,
                "num_processes": wished.processes,
                "process_id": wished.process,
                "cluster_detection_method": "deactivate",
            }
            if host in LOOPBACK:
                options["coordinator_bind_address"] = wished.coordinator
            if wished.process == 0:
                _require_free(int(port))
        try:
            jax.distributed.initialize(**options)
        except (RuntimeError, ValueError) as error:
            if wished.coordinator != AUTO:
                raise DeviceError(f"the processes do not meet: {_line(error)}") from None
            raise UsageError(
                "JAX finds no cluster here: no variables of Slurm, Open MPI, Kubernetes or a TPU",
                "`--coordinator HOST:PORT --processes N --process I` says where processes meet",
            ) from None
        os.write(2, f"{JOINED}\n".encode())

    def _chosen(self) -> list[Any]:
        """The devices of all processes, those of each side by side.

        Raises:
            UsageError: where one has more than another.
        """
        by_process: dict[int, list[Any]] = {}
        for device in jax.devices():
            by_process.setdefault(device.process_index, []).append(device)
        number = self.wished.devices
        counts = {len(devices[:number]) for devices in by_process.values()}
        if len(counts) > 1:
            low, high = min(counts), max(counts)
            raise UsageError(
                f"one process has {low} devices and another one {high}",
                f"`--devices {low}` takes as many of each",
            )
        return [d for process in sorted(by_process) for d in by_process[process][:number]]

    @contextmanager
    def scope(self) -> Generator[None]:
        with self._distribution.scope(), self._watching():
            yield

    @contextmanager
    def _watching(self) -> Generator[None]:
        """Say of an operation that failed between processes that one is lost."""
        try:
            yield
        except Exception as error:
            if self.alone or not _between_processes(error):
                raise
            # JAX finds out which one it is, writes that down and ends this process.
            time.sleep(self.wished.timeout + GRACE)
            raise DeviceError(f"another process is lost: {_line(error)}") from None

    def built(self, model: Any) -> None:
        if isinstance(self._distribution, _Data):
            return
        self._distribution.check(model)

    def share(self, make: Callable[[], bytes]) -> bytes:
        if self.alone:
            return make()
        content = b""
        if self.first:
            try:
                content = b"\0" + make()
            except UsageError as error:
                content = b"\1" + json.dumps([str(error), error.help]).encode()
        content = _from_first(content)
        if content[:1] == b"\1":
            self.end()  # together: who is left by another one says only that
            raise UsageError(*json.loads(content[1:]))
        return content[1:]

    def agree(self, make: Callable[[], dict[str, str]]) -> None:
        if self.alone:
            return
        identity = {**make(), "jax": jax.__version__}
        firsts = json.loads(self.share(lambda: json.dumps(identity).encode()))
        other = sorted(n for n in {*firsts, *identity} if firsts.get(n) != identity.get(n))
        differing = multihost_utils.process_allgather(np.array([bool(other)])).reshape(-1)
        if not differing.any():
            return
        self.end()
        number = int(differing.argmax())
        what = "it says what differs"
        if other:
            number = self.process
            what = ", ".join(f"`{name}`" for name in other)
            what += " differs" if len(other) == 1 else " differ"
        raise UsageError(
            f"process {number} would not train what process 0 does: {what}",
            "all of them need the same spec, data, options and versions",
        )

    def wish(self, request: StopRequest) -> int | None:
        if self.alone:
            return request.signal
        self._asked += 1
        if multihost_utils.reached_preemption_sync_point(self._asked):
            return request.signal or signal.SIGTERM
        return None

    def end(self) -> None:
        if not self.alone:
            with self._watching():
                jax.distributed.shutdown()


class _Data(keras.distribution.DataParallel):
    """Keras's, but a batch that does not go into equal parts can be on each device whole."""

    def __init__(self, spread: Spread, devices: list[str]) -> None:
        super().__init__(devices=devices, auto_shard_dataset=False)
        self._spread = spread

    def get_data_layout(self, data_shape: Any) -> Any:
        if not self._spread.whole:
            return super().get_data_layout(data_shape)
        return keras.distribution.TensorLayout([None] * len(data_shape), self.device_mesh)


def _from_first(content: bytes) -> bytes:
    """The bytes that process 0 has, on every one; those of the others do not matter."""
    length = np.frombuffer(len(content).to_bytes(8, "little"), "uint8")
    length = multihost_utils.broadcast_one_to_all(length)
    count = int.from_bytes(np.asarray(length, "uint8").tobytes(), "little")
    parts: list[bytes] = []
    for start in range(0, count, CHUNK):
        size = min(CHUNK, count - start)
        own = content[start : start + size].ljust(size, b"\0")[:size]
        array = multihost_utils.broadcast_one_to_all(np.frombuffer(own, "uint8"))
        parts.append(np.asarray(array, "uint8").tobytes())
    return b"".join(parts)


def _between_processes(error: Exception) -> bool:
    """Whether an operation failed because another process did not do its part."""
    text = str(error)
    if isinstance(error, jax.errors.JaxRuntimeError):
        return not text.startswith(("RESOURCE_EXHAUSTED", "INVALID_ARGUMENT"))
    return isinstance(error, ValueError) and "Gloo" in text  # jaxlib's for failures on a CPU


def _require_free(port: int) -> None:
    """Make sure that the coordinator can have its port; JAX would end the process.

    Raises:
        UsageError: where it cannot.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError as error:
            raise UsageError(
                f"process 0 cannot have port {port}: {error.strerror}", "take another port"
            ) from None


def _line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
