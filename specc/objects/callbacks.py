"""Keras's callbacks, as far as their arguments can be written."""

from __future__ import annotations

from typing import Any, ClassVar

from specc.diagnostics.errors import shapes as errors
from specc.diagnostics.place import Refused
from specc.layers.arguments import BOOL, Choice, Float, Int, Optional, Sizes, Text, arg
from specc.objects.base import TrainingObject
from specc.objects.kinds import AMOUNT, Between, Either, FileName

COUNT = Int(at_least=0)
MODE = Choice("auto", "min", "max")
HOW_OFTEN = Either(Choice("epoch"), Int(at_least=1))


class _Callback(TrainingObject):
    category: ClassVar[str] = "callback"


class EarlyStopping(_Callback):
    """Ends the training when nothing gets better."""

    monitor: str = arg(Text(), default="val_loss")
    min_delta: float = arg(AMOUNT, default=0)
    patience: int = arg(COUNT, default=0)
    verbose: int = arg(COUNT, default=0)
    mode: str = arg(MODE, default="auto")
    baseline: float | None = arg(Optional(Float()), default=None)
    restore_best_weights: bool = arg(BOOL, default=False)
    start_from_epoch: int = arg(COUNT, default=0)


class ReduceLROnPlateau(_Callback):
    """Makes the learning rate smaller when nothing gets better."""

    monitor: str = arg(Text(), default="val_loss")
    factor: float = arg(Between(0, 1), default=0.1)
    patience: int = arg(COUNT, default=10)
    verbose: int = arg(COUNT, default=0)
    mode: str = arg(MODE, default="auto")
    min_delta: float = arg(AMOUNT, default=1e-4)
    cooldown: int = arg(COUNT, default=0)
    min_lr: float = arg(AMOUNT, default=0.0)


class ModelCheckpoint(_Callback):
    """Writes the model, or its weights, while it is trained."""

    filepath: str = arg(FileName())
    monitor: str = arg(Text(), default="val_loss")
    verbose: int = arg(COUNT, default=0)
    save_best_only: bool = arg(BOOL, default=False)
    save_weights_only: bool = arg(BOOL, default=False)
    mode: str = arg(MODE, default="auto")
    save_freq: int | str = arg(HOW_OFTEN, default="epoch")
    initial_value_threshold: float | None = arg(Optional(Float()), default=None)

    def validate(self) -> None:
        weights = self.save_weights_only
        endings = (".weights.h5",) if weights else (".keras", ".h5")
        if not self.filepath.endswith(endings):
            what = "the file of weights" if weights else "the file of a model"
            reason = f"{what} ends in `{endings[0]}`"
            raise Refused(errors.arguments_conflict, "filepath", reason)


class BackupAndRestore(_Callback):
    """Goes on where a training was interrupted."""

    backup_dir: str = arg(FileName())
    save_freq: int | str = arg(HOW_OFTEN, default="epoch")
    double_checkpoint: bool = arg(BOOL, default=False)
    delete_checkpoint: bool = arg(BOOL, default=True)


class CSVLogger(_Callback):
    """Writes a line an epoch."""

    filename: str = arg(FileName())
    separator: str = arg(Text(), default=",")
    append: bool = arg(BOOL, default=False)


class SwapEMAWeights(_Callback):
    """Evaluates with the averages of the weights that `use_ema=True` keeps."""

    swap_on_epoch: bool = arg(BOOL, default=False)


class TensorBoard(_Callback):
    """Writes what TensorBoard shows."""

    log_dir: str = arg(FileName(), default="logs")
    histogram_freq: int = arg(COUNT, default=0)
    write_graph: bool = arg(BOOL, default=True)
    write_images: bool = arg(BOOL, default=False)
    write_steps_per_second: bool = arg(BOOL, default=False)
    update_freq: int | str = arg(Either(Choice("epoch", "batch"), Int(at_least=1)), default="epoch")
    profile_batch: Any = arg(Sizes(2, at_least=0), default=0)
    embeddings_freq: int = arg(COUNT, default=0)
    embeddings_metadata: str | None = arg(Optional(FileName()), default=None)


class TerminateOnNaN(_Callback):
    """Ends the training when the loss is no number."""

    raise_error: bool = arg(BOOL, default=False)
