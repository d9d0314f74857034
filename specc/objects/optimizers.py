"""Keras's optimizers."""

from __future__ import annotations

from typing import Any, ClassVar

from specc.diagnostics.errors import shapes as errors
from specc.diagnostics.place import Refused
from specc.layers.arguments import BOOL, Float, Int, KerasObject, Kind, Optional, Text, arg
from specc.objects.base import TrainingObject
from specc.objects.kinds import AMOUNT, FRACTION, NAME, Listed, Positive, Real, Share, Thing

BELOW_ONE = Float(at_least=0, below=1)
"""Of an average over steps, which is divided by what is left to 1."""

CLIPPING = ("clipnorm", "clipvalue", "global_clipnorm")
SHARED = (
    "weight_decay", *CLIPPING, "use_ema", "ema_momentum", "ema_overwrite_frequency",
    "loss_scale_factor", "gradient_accumulation_steps", "name",
)  # fmt: skip
"""The arguments of all optimizers, in Keras's order; an optimizer's own stand before them."""


class LearningRate(Kind):
    """A number, or how it changes with the steps."""

    category = "schedule"
    expected = "a number with a point, such as 0.001, or a schedule"

    def __init__(self, number: Real) -> None:
        self.number = number

    def accepts(self, value: object) -> bool:
        schedule = isinstance(value, KerasObject) and value.is_a("schedule")
        return schedule or self.number.accepts(value)


LEARNING_RATE = LearningRate(Real(at_least=0))


class _Any(TrainingObject):
    category: ClassVar[str] = "optimizer"


class _Optimizer(_Any):
    learning_rate: Any = arg(LEARNING_RATE, default=0.001)
    weight_decay: float | None = arg(Optional(AMOUNT), default=None)
    clipnorm: float | None = arg(Optional(AMOUNT), default=None)
    clipvalue: float | None = arg(Optional(AMOUNT), default=None)
    global_clipnorm: float | None = arg(Optional(AMOUNT), default=None)
    use_ema: bool = arg(BOOL, default=False)
    ema_momentum: float = arg(FRACTION, default=0.99)
    ema_overwrite_frequency: int | None = arg(Optional(Int(at_least=1)), default=None)
    loss_scale_factor: float | None = arg(Optional(Positive()), default=None)
    gradient_accumulation_steps: int | None = arg(Optional(Int(at_least=2)), default=None)
    name: str | None = arg(NAME, default=None)

    def __init_subclass__(cls, first: tuple[str, ...] = (), last: tuple[str, ...] = ()) -> None:
        """Put the signature in Keras's order.

        Args:
            first: what stands before the others, where it is not the learning rate alone.
            last: what stands behind the arguments that all optimizers have.
        """
        super().__init_subclass__()
        first = first or ("learning_rate",)
        own = [name for name in cls.signature if name not in (*first, *SHARED, *last)]
        shared = [name for name in SHARED if name not in first]
        cls.signature = {name: cls.signature[name] for name in (*first, *own, *shared, *last)}

    def validate(self) -> None:
        clipping = [name for name in CLIPPING if getattr(self, name) is not None]
        if len(clipping) > 1:
            reason = f"`{clipping[0]}` clips already, and Keras takes one of them"
            raise Refused(errors.arguments_conflict, clipping[1], reason)


class SGD(_Optimizer):
    """Gradient descent, with momentum if wanted."""

    learning_rate: Any = arg(LEARNING_RATE, default=0.01)
    momentum: float = arg(Real(at_least=0, at_most=1), default=0.0)
    nesterov: bool = arg(BOOL, default=False)


class RMSprop(_Optimizer):
    """Divides by an average of the gradients' sizes."""

    rho: float = arg(FRACTION, default=0.9)
    momentum: float = arg(AMOUNT, default=0.0)
    epsilon: float = arg(AMOUNT, default=1e-7)
    centered: bool = arg(BOOL, default=False)


class _Moments(_Optimizer):
    """Averages of the gradients and of their squares."""

    beta_1: float = arg(BELOW_ONE, default=0.9)
    beta_2: float = arg(BELOW_ONE, default=0.999)
    epsilon: float = arg(AMOUNT, default=1e-7)


class Adam(_Moments):
    """The usual one."""

    amsgrad: bool = arg(BOOL, default=False)


class AdamW(_Moments, first=("learning_rate", "weight_decay")):
    """Adam with weight decay, which it must have."""

    weight_decay: float | None = arg(AMOUNT, default=0.004)
    amsgrad: bool = arg(BOOL, default=False)


class Adamax(_Moments):
    """Adam with the largest gradient in place of an average."""


class Nadam(_Moments):
    """Adam with Nesterov's momentum."""


class Lamb(_Moments):
    """Adam for large batches."""


class ScheduleFreeAdamW(_Moments):
    """Adam that needs no schedule."""

    learning_rate: Any = arg(LEARNING_RATE, default=0.0025)
    beta_1: float = arg(Share(), default=0.9)
    epsilon: float = arg(AMOUNT, default=1e-8)
    warmup_steps: int = arg(Int(at_least=0), default=0)


class Lion(_Optimizer):
    """The signs of the gradients."""

    beta_1: float = arg(Share(), default=0.9)
    beta_2: float = arg(FRACTION, default=0.99)


class Adadelta(_Optimizer):
    """Steps as large as those before."""

    rho: float = arg(FRACTION, default=0.95)
    epsilon: float = arg(AMOUNT, default=1e-7)


class Adagrad(_Optimizer):
    """Smaller steps for what has moved most."""

    initial_accumulator_value: float = arg(AMOUNT, default=0.1)
    epsilon: float = arg(AMOUNT, default=1e-7)


class Adafactor(_Optimizer):
    """Adam with less memory."""

    beta_2_decay: float = arg(Float(), default=-0.8)
    epsilon_1: float = arg(AMOUNT, default=1e-30)
    epsilon_2: float = arg(AMOUNT, default=1e-3)
    clip_threshold: float = arg(Positive(), default=1.0)
    relative_step: bool = arg(BOOL, default=True)


class Ftrl(_Optimizer):
    """For sparse inputs. It divides by the learning rate."""

    learning_rate: Any = arg(LearningRate(Real(above=0)), default=0.001)
    learning_rate_power: float = arg(Float(at_most=0), default=-0.5)
    initial_accumulator_value: float = arg(AMOUNT, default=0.1)
    l1_regularization_strength: float = arg(AMOUNT, default=0.0)
    l2_regularization_strength: float = arg(AMOUNT, default=0.0)
    l2_shrinkage_regularization_strength: float = arg(AMOUNT, default=0.0)
    beta: float = arg(AMOUNT, default=0.0)


class Muon(
    _Optimizer,
    last=(
        "exclude_layers", "exclude_embeddings", "muon_a", "muon_b", "muon_c", "adam_lr_ratio",
        "momentum", "ns_steps", "nesterov", "rms_rate",
    ),
):  # fmt: skip
    """Orthogonal steps for matrices, Adam's for the rest."""

    adam_beta_1: float = arg(BELOW_ONE, default=0.9)
    adam_beta_2: float = arg(BELOW_ONE, default=0.999)
    adam_weight_decay: float = arg(AMOUNT, default=0.004)
    epsilon: float = arg(AMOUNT, default=1e-7)
    weight_decay: float | None = arg(Optional(AMOUNT), default=0.004)
    exclude_layers: tuple[str, ...] | None = arg(
        Optional(Listed(Text(), "strings", at_least=0)), default=None
    )
    exclude_embeddings: bool = arg(BOOL, default=True)
    muon_a: float = arg(Float(), default=3.4445)
    muon_b: float = arg(Float(), default=-4.7750)
    muon_c: float = arg(Float(), default=2.0315)
    adam_lr_ratio: float = arg(AMOUNT, default=1)
    momentum: float = arg(FRACTION, default=0.95)
    ns_steps: int = arg(Int(at_least=0), default=5)
    nesterov: bool = arg(BOOL, default=True)
    rms_rate: float | None = arg(Optional(AMOUNT), default=0.2)


class LossScaleOptimizer(_Any):
    """Another optimizer, with the loss made larger for small floats."""

    inner_optimizer: Any = arg(Thing("optimizer", "an optimizer, such as `Adam()`"))
    initial_scale: float = arg(Positive(), default=2.0**15)
    dynamic_growth_steps: int = arg(Int(at_least=1), default=2000)
    name: str | None = arg(NAME, default=None)
