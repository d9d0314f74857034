"""Values for a program's parameters, from the command line and from Python."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from specc.files import UsageError
from specc.records import record
from specc.semantics.modules import Module
from specc.semantics.parameters import TYPES, is_of_type
from specc.syntax import ast


@record
class Written:
    """A value as text, `-p classes=100`; what it means depends on the parameter's type."""

    text: str


WORDS: dict[str, bool | None] = {"True": True, "true": True, "False": False, "false": False}


def settings_for(module: Module, params: Mapping[str, Any]) -> dict[str, Any]:
    """The values for the parameters of a file's models.

    Raises:
        UsageError: where no model has a parameter of a name, or it cannot have the value.
    """
    known = {
        item.parameter.name.text: item.parameter
        for model in module.file.models
        for item in model.body
        if isinstance(item, ast.Param)
    }
    values: dict[str, Any] = {}
    for name, value in params.items():
        if name not in known:
            raise UsageError(f"`{module.source.name}` has no param `{name}`", _known(name, known))
        values[name] = _value(known[name], value)
    return values


def _known(name: str, known: Mapping[str, object]) -> str:
    from specc.diagnostics.suggest import closest

    if not known:
        return "a model declares one with `param classes: int = 10`"
    guess = closest(name, known)
    return f"did you mean `{guess}`?" if guess else f"its params: {', '.join(known)}"


def _value(parameter: ast.Parameter, value: Any) -> Any:
    type_ = parameter.type.text if parameter.type is not None else _type_of(parameter.default)
    if isinstance(value, Written):
        value = _read(parameter, value.text, type_)
    elif isinstance(value, list):
        value = tuple(cast("list[Any]", value))
    if type_ in TYPES and value is not None and not is_of_type(value, type_):
        _refuse(parameter, value, type_)
    return value


def _type_of(default: ast.Expression | None) -> str:
    """The type of a parameter that says none, from its default."""
    if isinstance(default, ast.Literal) and default.value is not None:
        return type(default.value).__name__
    return ""


def _read(parameter: ast.Parameter, text: str, type_: str) -> Any:
    if type_ == "str":
        return text
    if type_ == "bool":
        value = WORDS.get(text)
        return _refuse(parameter, text, type_) if value is None else value
    value = _constant(text)
    if value is ...:
        return text if type_ == "" else _refuse(parameter, text, type_)
    return float(value) if type_ == "float" and isinstance(value, int) else value


def _constant(text: str) -> Any:
    """The value of a number or of a list of constants; `...` for other text."""
    from specc.semantics.constants import constant_of_text

    return constant_of_text(text)


def _refuse(parameter: ast.Parameter, value: object, type_: str) -> Any:
    raise UsageError(
        f"the param `{parameter.name.text}` takes {TYPES[type_]}, not {value!r}",
        f"it stands at {parameter.span}",
    )
