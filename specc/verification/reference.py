"""Keras's side of a comparison: the same for every file of one model."""

from __future__ import annotations

from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from specc.backends.export import Exported, Exporter, current_weights
from specc.backends.keras_model import BuiltModel, assign, build_keras
from specc.backends.native.tensors import Place, read
from specc.verification.differences import keras_outputs
from specc.verification.inputs import DRAWS, ENOUGH, Case, farthest, nudged

Array = np.ndarray[Any, Any]

OWN, RANDOMISED = "own", "randomised"
"""The weights as they are, and with every constant vector replaced by random numbers."""


class Answers(NamedTuple):
    """What Keras gives for a case, by output."""

    single: list[Array]
    fresh: list[Array]
    double: list[Array]
    moved: list[Array]
    """In float64, with each input moved by one rounding: of several draws, each number that is
    farthest from `double`."""


class Reference:
    """A Keras model, twins of it in float32 and in float64, and what an export of it gives."""

    def __init__(
        self, built: BuiltModel, exporter: Exporter, seed: int = 0, *, keep: bool = False
    ) -> None:
        """Nothing is computed yet.

        Args:
            built: the model that files are compared with, with its weights.
            seed: of the randomised weights.
            keep: keep what Keras gives, to compare more files with it.
        """
        self.built = built
        self.exporter = exporter
        self.seed = seed
        self.own = current_weights(built)
        self._kept: dict[tuple[str, int], Answers] | None = {} if keep else None
        self._loaded: str | None = None

    @cached_property
    def randomised(self) -> list[Array]:
        return randomise(self.own, [v.name for v in self.exporter.variables], self.seed)

    @cached_property
    def expected(self) -> Exported:
        """What an export gives."""
        return self.exporter.export(self.own)

    @cached_property
    def expected_randomised(self) -> Exported:
        return self.exporter.export(self.randomised)

    @cached_property
    def places(self) -> dict[str, Place]:
        """Where the outputs of layers stand in a sound file."""
        return read(self.expected.skeleton)

    @cached_property
    def single(self) -> BuiltModel:
        """Built from the spec in float32. Where the model that files are compared with is another
        one, this one's difference to `double` is rounding and nothing else.
        """
        return build_keras(self.built.graph)

    @cached_property
    def double(self) -> BuiltModel:
        """The same in float64."""
        return build_keras(self.built.graph, dtype="float64")

    def compared_with(self, weights: str) -> BuiltModel:
        """The model that a file with these weights is compared with."""
        return self.built if weights == OWN else self.single

    def load(self, weights: str) -> None:
        """Give the twins these weights."""
        if self._loaded != weights:
            before = self._arrays(self._loaded) if self._loaded is not None else None
            assign(self.double, self._arrays(weights), before)
            assign(self.single, self._arrays(weights), before)
            self._loaded = weights

    def _arrays(self, weights: str) -> list[Array]:
        return self.own if weights == OWN else self.randomised

    def answers(self, weights: str, number: int, case: Case) -> Answers:
        """What Keras gives for a case, of which this is the number.

        The twins must have these weights.
        """
        if self._kept is not None and (weights, number) in self._kept:
            return self._kept[weights, number]
        fresh = keras_outputs(self.single, case)
        compared = self.compared_with(weights)
        answers = Answers(
            fresh if compared is self.single else keras_outputs(compared, case),
            fresh,
            double := keras_outputs(self.double, case),
            self._moved(case, double),
        )
        if self._kept is not None:
            self._kept[weights, number] = answers
        return answers

    def _moved(self, case: Case, double: list[Array]) -> list[Array]:
        draws = DRAWS if case.batch < ENOUGH else 1
        seeds = range(self.seed, self.seed + draws)
        each = [keras_outputs(self.double, nudged(case, seed)) for seed in seeds]
        return [farthest(double[i], [outputs[i] for outputs in each]) for i in range(len(double))]


def randomise(arrays: list[Array], names: list[str], seed: int) -> list[Array]:
    """Weights with every constant vector replaced by random numbers.

    A weight whose numbers are all the same (a fresh bias, gamma, beta, moving mean or
    variance) could be dropped, swapped or misplaced unseen. Variances stay positive.
    """
    random = np.random.default_rng(seed)
    result: list[Array] = []
    for array, name in zip(arrays, names, strict=True):
        if array.dtype.kind != "f" or (array.size and np.ptp(array) > 0):
            result.append(array)
        elif "variance" in name or "stddev" in name:
            result.append(random.uniform(0.5, 2.0, array.shape).astype(array.dtype))
        else:
            noise = 0.3 * random.standard_normal(array.shape)
            result.append((array + noise).astype(array.dtype))
    return result
