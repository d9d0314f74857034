"""What stands behind an arrow, applied to tensors; and the layers of the catalogue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from specc.diagnostics.diagnostic import Diagnostic
from specc.diagnostics.errors import names as name_errors
from specc.diagnostics.errors import programs as errors
from specc.diagnostics.errors import shapes as shape_errors
from specc.diagnostics.place import Operand, Place, Refused
from specc.graph import (
    GraphLayer,
    Tensor,
    Variable,
    replace_tensors,
)
from specc.layers import LAYER_NAMES
from specc.layers.base import Layer, TensorArgument
from specc.layers.names import ACTIVATIONS
from specc.semantics import construct
from specc.semantics.bind import match
from specc.semantics.blocks import expand, inputs_of_composite, named_inputs
from specc.semantics.composite import Composite, Poisoned
from specc.semantics.context import MAX_AXES
from specc.semantics.functions import FUNCTIONS
from specc.semantics.modules import Definition, module_of_block
from specc.semantics.nodes import make_node, result_of, shaped_by, type_of, with_batch
from specc.semantics.values import (
    UNKNOWN,
    BlockInstance,
    LayerName,
    LayerUse,
    OperationName,
    in_words,
    shown,
)
from specc.source import Span
from specc.syntax import ast
from specc.types import TensorType

if TYPE_CHECKING:
    from specc.semantics.evaluate import Evaluator


def apply_all(
    evaluator: Evaluator, steps: list[ast.Expression], inputs: list[Tensor] | None
) -> Any:
    """`inputs -> step -> step`."""
    value: Any = UNKNOWN
    for step in steps:
        value = apply_step(evaluator, step, inputs)
        inputs = None if value is UNKNOWN else evaluator.tensors_of(value, step)
    return value


def apply_step(evaluator: Evaluator, step: ast.Expression, inputs: list[Tensor] | None) -> Any:
    """`inputs -> step`; without inputs, what stands there is still looked at for mistakes."""
    evaluator.context.step(step.span)
    if isinstance(step, ast.Conditional):
        holds = evaluator.condition(step.condition)
        if holds is None:
            return UNKNOWN
        return apply_step(evaluator, step.then if holds else step.otherwise, inputs)
    constructor, call = _split(evaluator, step)
    usable = usable_of(evaluator, constructor)
    if usable is None:
        return UNKNOWN
    if isinstance(usable, OperationName):
        if call is not None:
            title = f"ops.{usable.name}"
            where = call.positional[0].span if call.positional else call.span
            return evaluator.fail(name_errors.input_in_parentheses(where, title))
        first = None if inputs is None else result_of(inputs)
        arguments = step if isinstance(step, ast.Call) else None
        from specc.semantics.operations import operation

        return operation(evaluator, usable.name, step, arguments, first, is_step=True)
    if isinstance(usable, BlockInstance):
        given = named_inputs(evaluator, usable.definition, call)
        if inputs is None or given is None:
            return UNKNOWN
        return expand(evaluator, usable, inputs, given, step.span)
    if isinstance(usable.layer, Composite):
        inputs, training = inputs_of_composite(evaluator, usable, inputs, call)
        if inputs is None:
            return UNKNOWN
        return apply_layer(evaluator, usable, inputs, training, step.span)
    arguments = bind_call(evaluator, usable, call)
    if inputs is None or arguments is None:
        return UNKNOWN
    return apply_layer(evaluator, usable, inputs, arguments, step.span)


def _split(
    evaluator: Evaluator, expression: ast.Expression
) -> tuple[ast.Expression, ast.Call | None]:
    """What makes the layer, and its second pair of parentheses, the call."""
    if isinstance(expression, ast.Call):
        callee = expression.callee
        if isinstance(callee, ast.Call):
            return callee, expression
        if isinstance(callee, ast.Name):
            value = evaluator.frame.names.get(callee.text)
            if isinstance(value, LayerUse | BlockInstance | Layer):
                return callee, expression
    return expression, None


def usable_of(
    evaluator: Evaluator, constructor: ast.Expression, declared_as: ast.Token | None = None
) -> LayerUse | BlockInstance | OperationName | None:
    """What an expression to the right of `->` applies; None after a mistake."""
    call = constructor if isinstance(constructor, ast.Call) else None
    callee = call.callee if call is not None else constructor
    frame = evaluator.frame
    if isinstance(callee, ast.Name):
        value = frame.names.get(callee.text)
        if value is UNKNOWN:
            return None
        if isinstance(value, LayerName):
            return construct.use_of_layer(evaluator, constructor, value.name, call, declared_as)
        if isinstance(value, Definition):
            return construct.use_of_definition(evaluator, constructor, value, call, declared_as)
        if isinstance(value, LayerUse | BlockInstance):
            frame.building.declared.pop(value.name, None)
            return value
        if isinstance(value, Layer):
            base = value.title if isinstance(value, Composite) else type(value).__name__
            return construct.named(evaluator, base, value, {}, constructor.span, None, declared_as)
        if callee.text in frame.names:
            evaluator.context.report(name_errors.not_a_layer(callee.span, in_words(value)))
            return None
        definition = frame.find(callee.text)
        if definition is not None:
            return construct.use_of_definition(
                evaluator, constructor, definition, call, declared_as
            )
        if callee.text in FUNCTIONS:
            evaluator.context.report(name_errors.not_a_layer(callee.span, f"`{callee.text}`"))
            return None
        if evaluator.context.find_layer(callee.text) is not None:
            return construct.use_of_layer(evaluator, constructor, callee.text, call, declared_as)
    elif (
        isinstance(callee, ast.Attribute)
        and isinstance(callee.value, ast.Name)
        and callee.value.text == "ops"
        and "ops" not in frame.names
    ):
        return OperationName(callee.name.text)
    if isinstance(callee, ast.Name) and callee.text in frame.unknown:
        return None
    evaluator.context.report(not_a_layer(evaluator, callee))
    return None


def not_a_layer(
    evaluator: Evaluator, callee: ast.Expression, others: tuple[str, ...] = ()
) -> Diagnostic:
    """What to say of something that is meant to be a layer; `others` could be meant as well."""
    if isinstance(callee, ast.Name | ast.Attribute):
        refused = refusal(callee)
        if refused is not None:
            return refused
        known = (*LAYER_NAMES, *evaluator.frame.module.definitions)
        known = tuple([name for name in known if name != evaluator.frame.title])
        layers = [n for n, v in evaluator.frame.names.items() if isinstance(v, LayerUse)]
        python = evaluator.context.python_layers(callee.span.text)
        every = (*known, *python, *layers, *others)
        if isinstance(callee, ast.Name) and callee.text[0].islower():
            every = (*every, *FUNCTIONS)
        instead: tuple[str, str] | None = None
        if isinstance(callee, ast.Attribute) and callee.name.text not in every:
            bare = callee.name.text
            category = construct.category_of(bare)
            if category is not None:
                instead = (f"{category}s", bare)
            elif bare in ACTIVATIONS:
                instead = ("activations", f'"{bare}"')
        found_in = module_of_block(callee.span.text)
        return name_errors.unknown_layer(callee.span, callee.span.text, every, found_in, instead)
    return name_errors.not_a_layer(callee.span, "this")


def refusal(expression: ast.Name | ast.Attribute) -> Diagnostic | None:
    """What to say of a name of `keras.layers` that a spec cannot have; None for other names."""
    from specc.layers.refused import REFUSED

    name = expression.span.text.rsplit(".", 1)[-1]
    if name not in REFUSED:
        return None
    return name_errors.refused_layer(expression.span, name, *REFUSED[name])


def layer_as_tensor(evaluator: Evaluator, expression: ast.Expression) -> Diagnostic:
    """A layer where a tensor must stand: `y = Dense(10)`, or Keras's `y = Dense(10)(x)`."""
    constructor, call = _split(evaluator, expression)
    title = constructor.span.text.split("(")[0]
    if call is not None and call.positional:
        return name_errors.input_in_parentheses(call.positional[0].span, title)
    return name_errors.layer_without_input(expression.span, title)


def bind_call(evaluator: Evaluator, use: LayerUse, call: ast.Call | None) -> dict[str, Any] | None:
    """The call arguments of a use: constants, and tensors where they are taken."""
    if call is None:
        return {}
    report = evaluator.context.report
    title = type(use.layer).__name__
    kinds = use.layer.call_arguments
    if call.positional:
        report(name_errors.input_in_parentheses(call.positional[0].span, title))
        return None
    given, right = match(title, call, [], tuple(kinds), report)
    bound: dict[str, Any] = {}
    for argument, expression in given.items():
        kind = kinds[argument]
        if isinstance(kind, TensorArgument):
            value = evaluator.evaluate(expression)
            if value is None:
                continue
            tensors = evaluator.tensors_of(value, expression)
            if tensors is None:
                right = False
            elif kind.several:
                bound[argument] = tensors
            elif len(tensors) == 1:
                bound[argument] = tensors[0]
            else:
                report(name_errors.not_one_tensor(expression.span, len(tensors)))
                right = False
            continue
        value = evaluator.argument(expression, kind)
        if value is UNKNOWN:
            right = False
        elif not kind.accepts(value):
            report(
                name_errors.wrong_argument(
                    expression.span, title, argument, kind.expected, kind.choices, shown(value)
                )
            )
            right = False
        else:
            bound[argument] = value
    return bound if right else None


def apply_layer(
    evaluator: Evaluator,
    use: LayerUse,
    inputs: list[Tensor],
    call: dict[str, Any],
    span: Span,
) -> Any:
    """The tensors that a use of a layer gives."""
    context, frame = evaluator.context, evaluator.frame
    layer = use.layer
    title = getattr(layer, "kind", type(layer).__name__)
    types: list[TensorType] = []
    for tensor in inputs:
        type_ = with_batch(tensor.type)
        if type_ is None:
            return evaluator.fail(errors.no_batch_axis(span, title, tensor.type))
        types.append(type_)
    call_types = {name: replace_tensors(value, type_of) for name, value in call.items()}
    batch = frame.building.batch
    try:
        if layer.only_within:
            raise Refused(shape_errors.only_within, layer.only_within)
        layer.check_batch(batch[0] if batch else None)
        outputs = layer.apply(types, call_types)
        layer.check_call(types, **call_types)
        graph_layer = use.graph_layer
        variables = [
            Variable(use.name, weight.name, weight.shape, weight.dtype, weight.trainable)
            for weight in layer.variables(types, call_types)
        ]
        # A nested model counts for what is in it: models in models would grow without end.
        context.node(span, 1 + len(variables) // 4)
        if graph_layer is None:
            graph_layer = GraphLayer(use.name, layer, variables, use.span, context.used_at)
            use.graph_layer = graph_layer
            frame.building.layers.append(graph_layer)
        else:
            _check_shared(graph_layer, variables)
    except Refused as refused:
        operands = [
            Operand(tensor.name, type_, tensor.span, shaped_by(tensor))
            for tensor, type_ in zip(inputs, types, strict=True)
        ]
        return evaluator.fail(refused.at(Place(title, span, use.arguments, operands)))
    except Poisoned:
        return UNKNOWN
    if any(len(type_.shape) > MAX_AXES for type_ in outputs):
        return evaluator.fail(errors.too_many_axes(span, MAX_AXES))
    return make_node(evaluator, graph_layer, inputs, call, outputs, span)


def _check_shared(layer: GraphLayer, variables: list[Variable]) -> None:
    """A shared layer's weights are those of its first use; another use must want the same."""
    if len(layer.variables) != len(variables):
        raise Refused(shape_errors.shared_weights_differ, layer.name)
    for first, now in zip(layer.variables, variables, strict=True):
        if first.shape != now.shape:
            raise Refused(
                shape_errors.shared_layer_differs, layer.name, first.name, first.shape, now.shape
            )
