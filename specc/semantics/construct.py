"""Layers, blocks, models and Keras's small objects, made from what stands in a spec."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from specc.diagnostics.diagnostic import Diagnostic
from specc.diagnostics.errors import names as name_errors
from specc.diagnostics.errors import programs as errors
from specc.diagnostics.errors import sections as section_errors
from specc.diagnostics.place import Place, Refused
from specc.graph import Graph
from specc.layers.arguments import COMMON, Kind
from specc.layers.base import Layer
from specc.records import record
from specc.semantics import lifted
from specc.semantics.bind import evaluate_arguments, match, missing
from specc.semantics.composite import BlockLayer, ModelLayer
from specc.semantics.modules import Definition
from specc.semantics.parameters import bind_parameters, check_given
from specc.semantics.values import UNKNOWN, BlockInstance, LayerUse
from specc.source import Span
from specc.syntax import ast
from specc.types import TensorType

if TYPE_CHECKING:
    from specc.semantics.evaluate import Evaluator

LAYER_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.\-]*")

USE_KINDS: dict[str, Kind] = {name: COMMON[name] for name in ("name", "trainable")}
"""What blocks and models take besides their parameters."""


@record
class ObjectName:
    """One of Keras's small objects that is not constructed yet: `HeNormal`."""

    category: str
    name: str


def find_object(category: str, name: str) -> Any:
    """The class of one of Keras's small objects, or None."""
    from specc import objects

    return objects.find_object(category, name)


def names_of(category: str | None) -> tuple[str, ...]:
    """The names of a category's objects."""
    from specc import objects

    return () if category is None else objects.object_names(category)


def category_of(name: str) -> str | None:
    """The category of the objects of models that have this name, if any has."""
    from specc import objects

    return objects.category_of(name, objects.IN_MODELS)


def refused_object(name: ast.Name, category: str | None) -> Diagnostic | None:
    """What to say of an object that Keras has and a spec cannot; None where it is none."""
    from specc import objects

    found, reason = objects.REFUSED.get(name.text, ("", ""))
    if found != category:
        return None
    return section_errors.refused_object(name.span, found, reason)


# ------------------------------------------------------------- values for arguments


def keras_object(
    evaluator: Evaluator, whole: ast.Expression, found: ObjectName, call: ast.Call | None
) -> Any:
    """The object of `L2(0.01)`."""
    cls = find_object(found.category, found.name)
    return _configured(evaluator, found.name, cls, whole, call)[0]


def layer_object(
    evaluator: Evaluator, whole: ast.Expression, name: str, call: ast.Call | None
) -> Any:
    """The layer of `LSTM(64)`, as an argument of another layer: without a name of its own."""
    layer_class = evaluator.context.find_layer(name)
    assert layer_class is not None
    layer, common, _ = _configured(evaluator, layer_class.__name__, layer_class, whole, call)
    if "name" in common:
        layer.inner_name = common["name"]
    return layer


def definition_object(
    evaluator: Evaluator, whole: ast.Expression, definition: Definition, call: ast.Call | None
) -> Any:
    """A block or a model as an argument of a layer: `TimeDistributed(encoder)`."""
    bound = _bind_definition(evaluator, whole, definition, call)
    if bound is None:
        return UNKNOWN
    arguments, common, _ = bound
    return _as_layer(evaluator, definition, arguments, common.get("trainable", True), whole.span)


def _configured(
    evaluator: Evaluator,
    title: str,
    cls: Any,
    whole: ast.Expression,
    call: ast.Call | None,
) -> tuple[Any, dict[str, Any], dict[str, Span]]:
    """An object of a class with a signature, its common arguments and their places."""
    report = evaluator.context.report
    signature = cls.signature
    is_layer = issubclass(cls, Layer)
    kinds = {name: argument.kind for name, argument in signature.items()}
    if is_layer:
        kinds.update({n: k for n, k in cls.common_arguments().items() if n not in kinds})

    def way_out(keyword: ast.KeywordArgument) -> str | None:
        return lifted.way_out(cls, keyword, evaluator.evaluate) if is_layer else None

    given, right = match(title, call, cls.positional, list(kinds), report, way_out)
    values = evaluate_arguments(title, given, kinds, evaluator.argument, report)
    if missing(title, whole, given, signature, report) or values is None or not right:
        return UNKNOWN, {}, {}
    places = {argument: expression.span for argument, expression in given.items()}
    name = values.pop("name", None) if is_layer else None
    common = {} if name is None else {"name": name}
    if is_layer and not evaluator.frame.trainable and "trainable" in cls.common:
        values["trainable"] = False
    try:
        return cls(**values), common, places
    except Refused as refused:
        report(refused.at(Place(title, whole.span, places)))
        return UNKNOWN, {}, {}


# ----------------------------------------------------------------------- named uses


def use_of_layer(
    evaluator: Evaluator,
    whole: ast.Expression,
    name: str,
    call: ast.Call | None,
    declared_as: ast.Token | None = None,
) -> LayerUse | None:
    """The layer of `Dense` or `Dense(300, ...)`, with its name; None after a mistake."""
    layer_class = evaluator.context.find_layer(name)
    assert layer_class is not None
    title = layer_class.__name__
    layer, common, places = _configured(evaluator, title, layer_class, whole, call)
    if layer is UNKNOWN:
        return None
    given = (common["name"], places["name"]) if "name" in common else None
    base = getattr(layer_class, "keras_class", title)  # what Keras names such layers after
    return named(evaluator, base, layer, places, whole.span, given, declared_as)


def named(
    evaluator: Evaluator,
    base: str,
    layer: Layer,
    places: dict[str, Span],
    where: Span,
    given: tuple[str, Span] | None = None,
    declared_as: ast.Token | None = None,
) -> LayerUse | None:
    """A layer under its name: the given one, the declared one, or Keras's.

    In a later use of a shared block it is the layer that the first use made.
    """
    local, name_span = _local_name(evaluator, base, where, given, declared_as)
    instance = evaluator.frame.instance
    evaluator.frame.made.add(local)
    if instance is not None and instance.expanded:
        known = instance.layers.get(local)
        alike = isinstance(known, LayerUse) and type(known.layer) is type(layer)
        if not alike or not _same_arguments(known.layer, layer):  # pyright: ignore
            if not evaluator.frame.current_unknown:
                first = known.span if known is not None else instance.span
                evaluator.context.report(errors.shared_block_differs(where, first, local))
            return None
        assert isinstance(known, LayerUse)
        return known
    name = evaluator.frame.prefix + local
    claim(evaluator, name, name_span)
    use = LayerUse(name, layer, where, places)
    if instance is not None:
        instance.layers[local] = use
    return use


def _same_arguments(first: Layer, second: Layer) -> bool:
    from specc.semantics.composite import Composite

    if isinstance(first, Composite):
        return True
    return repr(first) == repr(second)


def _local_name(
    evaluator: Evaluator,
    base: str,
    where: Span,
    given: tuple[str, Span] | None,
    declared_as: ast.Token | None,
) -> tuple[str, Span]:
    if given is not None:
        name, name_span = given
        if not LAYER_NAME.fullmatch(name):
            evaluator.context.report(name_errors.bad_layer_name(name_span, name))
        return name, name_span
    if declared_as is not None:
        return declared_as.text, declared_as.span
    return evaluator.frame.automatic_name(base), where


def claim(evaluator: Evaluator, name: str, where: Span) -> bool:
    """Take a name that inputs, layers and blocks share, if it is not taken yet."""
    names = evaluator.frame.building.names
    if name in names:
        evaluator.context.report(name_errors.layer_name_twice(where, names[name], name))
        return False
    names[name] = where
    return True


# -------------------------------------------------------------- blocks and models


def use_of_definition(
    evaluator: Evaluator,
    whole: ast.Expression,
    definition: Definition,
    call: ast.Call | None,
    declared_as: ast.Token | None = None,
) -> LayerUse | BlockInstance | None:
    """A block or a model under a name; None after a mistake."""
    bound = _bind_definition(evaluator, whole, definition, call)
    if bound is None:
        return None
    arguments, common, places = bound
    given = (common["name"], places["name"]) if common.get("name") is not None else None
    trainable = common.get("trainable", True) and evaluator.frame.trainable
    if isinstance(definition.tree, ast.Model) and given is None and declared_as is None:
        # Without a name of its own, every use of a model is the same layer.
        key = (id(definition.tree), trainable, _hashable(arguments))
        known = evaluator.frame.building.nested.get(key)
        if known is None:
            known = _model_use(evaluator, definition, arguments, trainable, whole, places)
            if known is None:
                return None
            evaluator.frame.building.nested[key] = known
        return known
    if isinstance(definition.tree, ast.Model) or definition.has_weights:
        layer = _as_layer(evaluator, definition, arguments, trainable, whole.span)
        if layer is UNKNOWN:
            return None
        return named(evaluator, definition.name, layer, places, whole.span, given, declared_as)
    local, name_span = _local_name(evaluator, definition.name, whole.span, given, declared_as)
    instance = evaluator.frame.instance
    evaluator.frame.made.add(local)
    if instance is not None and instance.expanded:
        known_block = instance.layers.get(local)
        if isinstance(known_block, BlockInstance) and known_block.definition is definition:
            return known_block
        first = known_block.span if known_block is not None else instance.span
        evaluator.context.report(errors.shared_block_differs(whole.span, first, local))
        return None
    name = evaluator.frame.prefix + local
    claim(evaluator, name, name_span)
    arguments = {**arguments, "": trainable} if not trainable else arguments
    use = BlockInstance(name, definition, arguments, whole.span)
    if instance is not None:
        instance.layers[local] = use
    return use


def _model_use(
    evaluator: Evaluator,
    definition: Definition,
    arguments: dict[str, Any],
    trainable: bool,
    whole: ast.Expression,
    places: dict[str, Span],
) -> LayerUse | None:
    layer = _as_layer(evaluator, definition, arguments, trainable, whole.span)
    if layer is UNKNOWN:
        return None
    return named(evaluator, definition.name, layer, places, whole.span)


def _bind_definition(
    evaluator: Evaluator, whole: ast.Expression, definition: Definition, call: ast.Call | None
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Span]] | None:
    """The parameters of a use, its common arguments, and the places of all."""
    report = evaluator.context.report
    tree = definition.tree
    parameters = (
        tree.parameters
        if isinstance(tree, ast.Block)
        else [item.parameter for item in tree.body if isinstance(item, ast.Param)]
    )
    names = [parameter.name.text for parameter in parameters]
    positional = names if isinstance(tree, ast.Block) else []
    given, right = match(definition.name, call, positional, [*names, *USE_KINDS], report)
    own = {name: value for name, value in given.items() if name not in names}
    common = evaluate_arguments(definition.name, own, USE_KINDS, evaluator.argument, report)
    places = {argument: expression.span for argument, expression in given.items()}
    values: dict[str, Any] = {}
    for name in names:
        if name in given:
            values[name] = evaluator.evaluate(given[name])
    if common is None or not right or any(value is UNKNOWN for value in values.values()):
        return None
    if isinstance(tree, ast.Model):
        fine = check_given(evaluator, definition, parameters, values, places)
        return (values, common, places) if fine else None
    bound = bind_parameters(evaluator, definition, parameters, values, places, whole.span)
    return None if bound is None else (bound, common, places)


def _hashable(arguments: dict[str, Any]) -> tuple[tuple[str, str, str], ...]:
    return tuple([(name, type(v).__name__, repr(v)) for name, v in sorted(arguments.items())])


def _as_layer(
    evaluator: Evaluator,
    definition: Definition,
    arguments: dict[str, Any],
    trainable: bool,
    where: Span,
) -> Any:
    from specc.semantics.elaborate import elaborate_layer, elaborate_model

    context = evaluator.context
    if isinstance(definition.tree, ast.Model):
        graph = elaborate_model(context, definition, arguments, where)
        if graph is None:
            return UNKNOWN
        return ModelLayer(definition.name, graph, trainable=trainable)

    def inside(types: list[TensorType]) -> Graph | None:
        return elaborate_layer(context, definition, arguments, types, where)

    inputs = input_names(definition)
    return BlockLayer(definition.name, inputs, inside, trainable=trainable)


def input_names(definition: Definition) -> list[str]:
    """The names of a definition's inputs, where no choice decides on them."""
    return [item.name.text for item in definition.tree.body if isinstance(item, ast.Input)]
