"""What is compared: models with their settings, and values of their parameters."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any

from specc.api import Model, Program
from specc.files import UsageError
from specc.records import record
from specc.training.settings import Settings, settings_of


@record
class Variant:
    """A model to be trained with several seeds."""

    name: str
    """Also of its folder."""
    program: Program
    model: Model
    settings: Settings
    params: dict[str, str]
    """What the sweep gives its parameters."""


def sweep_of(texts: Sequence[str]) -> dict[str, list[str]]:
    """The values for each parameter, of texts such as `units=100,300`.

    Raises:
        UsageError: where one is not of that form, or a parameter is there twice.
    """
    found: dict[str, list[str]] = {}
    for text in texts:
        name, equals, values = text.partition("=")
        each = [value.strip() for value in values.split(",")]
        if not (equals and name.isidentifier() and all(each)):
            raise UsageError(f"`--sweep {text}` has no values", "`--sweep units=100,300,500`")
        if name in found or len(set(each)) < len(each):
            raise UsageError(f"`--sweep {text}` says something twice")
        found[name] = each
    return found


def variants_of(
    paths: Sequence[str],
    sweep: Mapping[str, Sequence[str]],
    read: Callable[[str, dict[str, str]], Program],
    **instead: Any,
) -> list[Variant]:
    """Each trained model of each spec, with each combination of the sweep's values.

    Args:
        read: compiles a spec with values for its parameters.
        instead: settings that hold whatever the specs say.

    Raises:
        SpecError, UsageError: where a spec is wrong, or has no model that is trained.
    """
    found: list[Variant] = []
    for path in paths:
        for values in product(*sweep.values()):
            params = dict(zip(sweep, values, strict=True))
            program = read(path, params)
            for model in _trained(program, path):
                settings = settings_of(program, model, **instead)
                found.append(Variant(_name(model, params), program, model, settings, params))
    _tell_apart(found)
    return found


def _trained(program: Program, path: str) -> list[Model]:
    models = [model for model in program.models if model.section("train") is not None]
    if not models:
        raise UsageError(
            f"`{path}` does not say how a model is trained",
            "write a block `train NAME { ... }` with an optimizer and a loss",
        )
    return models


def _name(model: Model, params: Mapping[str, str]) -> str:
    return " ".join([model.name, *(f"{name}={value}" for name, value in params.items())])


def _tell_apart(variants: list[Variant]) -> None:
    """Where models of several files have one name, that of the file comes before it.

    Raises:
        UsageError: where that does not tell them apart either.
    """
    names = [variant.name for variant in variants]
    for variant in variants:
        if names.count(variant.name) > 1:
            stem = os.path.splitext(os.path.basename(variant.model.source.name))[0]
            variant.name = f"{stem}: {variant.name}"
    names = [folder_of(variant.name) for variant in variants]
    for variant, name in zip(variants, names, strict=True):
        if names.count(name) > 1:
            raise UsageError(f"two variants are called `{variant.name}`", "name each spec once")


def folder_of(name: str) -> str:
    """A name as one for a folder."""
    return re.sub(r"[^A-Za-z0-9_.=-]+", "-", name)


def unlike(variants: Sequence[Variant]) -> Iterator[str]:
    """In which settings variants differ that should have the same budget."""
    for name in ("epochs", "batch_size"):
        values = dict.fromkeys(variant.settings[name] for variant in variants)
        if len(values) > 1:
            yield f"they differ in {name}: {', '.join(map(str, values))}"
