"""The device that a training runs on, and runs that repeat themselves bit by bit."""

from __future__ import annotations

import os

from specc.backends.frameworks import KERAS_BACKENDS, choose_backend, import_keras, keras_backend
from specc.files import DeviceError, UsageError
from specc.training.distribution import Distribution, Spread, check_wish
from specc.training.settings import Settings

ENVIRONMENT = {
    "cpu": {"CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu"},
    "gpu": {},
}
"""What frameworks read when they are imported."""


def choose_device(
    device: str | None,
    backend: str,
    *,
    deterministic: bool = False,
    wished: Distribution | None = None,
) -> Spread:
    """Import a backend for a device, or for several. Only the first call of a process can choose.

    Args:
        device: "cpu", "gpu" or "gpu:1"; None leaves it to the framework, which takes a GPU where
            one works.
        wished: how the run is spread; None for one device.

    Returns:
        What the run is spread over.

    Raises:
        UsageError: where there is no such kind of device, or the backend is missing.
        DeviceError: where the device is not there.
    """
    kind, _, number = (device or "auto").partition(":")
    if kind not in ("auto", *ENVIRONMENT) or (
        number and not (kind == "gpu" and number.isdecimal())
    ):
        raise UsageError(
            f"there is no device `{device}`", "`cpu`, `gpu`, or one of several: `gpu:1`"
        )
    if wished is not None:
        check_wish(wished, backend)
        if number and not wished.several:
            raise UsageError(
                f"`{device}` is one device, and the run is to be spread over several",
                "`--device gpu` is all of them",
            )
    os.environ.update(ENVIRONMENT.get(kind, {}))
    if number:
        os.environ["CUDA_VISIBLE_DEVICES"] = number
    if deterministic and backend == "jax":
        flags = os.environ.get("XLA_FLAGS", "")
        os.environ["XLA_FLAGS"] = f"{flags} --xla_gpu_deterministic_ops=true".strip()
    choose_backend(backend)
    spread = spread_of(wished, backend)
    spread.begin()
    found = device_in_use()
    if kind != "auto" and found != kind:
        raise DeviceError(
            f"{backend} runs on the {found} here, and `--device {device}` was asked for",
            "`specc doctor` says which devices are there",
        )
    return spread


def spread_of(wished: Distribution | None, backend: str) -> Spread:
    """What does what is wished for, not begun yet; the backend has to be imported.

    Raises:
        UsageError: where the backend cannot, or the wish contradicts itself.
    """
    if wished is None:
        return Spread()
    check_wish(wished, backend)
    if backend == "tensorflow":
        from specc.training.mirrored import Mirrored

        return Mirrored(wished)
    from specc.training.mesh import Mesh

    return Mesh(wished)


def backend_wanted() -> str:
    """What the user has chosen for Keras by its variable; else TensorFlow."""
    found = os.environ.get("KERAS_BACKEND", "")
    return found if found in KERAS_BACKENDS else "tensorflow"


def device_in_use() -> str:
    """ "gpu" where Keras's backend computes on one, else "cpu"."""
    backend = keras_backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return "gpu" if tf.config.list_logical_devices("GPU") else "cpu"
    if backend == "jax":
        import jax

        return "cpu" if jax.default_backend() == "cpu" else "gpu"
    import torch

    return "gpu" if torch.cuda.is_available() else "cpu"


def be_deterministic(settings: Settings) -> None:
    """Have the framework take only operations that give the same bits each time, where asked."""
    if not settings["deterministic"]:
        return
    backend = keras_backend()
    import_keras()
    if backend == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
    elif backend == "torch":
        import torch

        torch.use_deterministic_algorithms(True)
