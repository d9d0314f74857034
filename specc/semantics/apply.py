"""Layers, blocks and operations applied to tensors: the nodes of the graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from specc.diagnostics.diagnostic import Diagnostic
from specc.diagnostics.errors import names as name_errors
from specc.diagnostics.errors import programs as errors
from specc.diagnostics.errors import shapes as shape_errors
from specc.diagnostics.place import Operand, Place, Refused
from specc.graph import (
    BlockUse,
    GraphLayer,
    Node,
    Tensor,
    Variable,
    collect_tensors,
    replace_tensors,
)
from specc.layers import LAYER_NAMES
from specc.layers.base import Layer, TensorArgument
from specc.semantics import construct
from specc.semantics.bind import evaluate_arguments, match
from specc.semantics.composite import BlockLayer, Composite, Poisoned
from specc.semantics.context import MAX_DEPTH
from specc.semantics.frame import Frame
from specc.semantics.functions import FUNCTIONS
from specc.semantics.modules import Definition
from specc.semantics.values import (
    UNKNOWN,
    BlockInstance,
    LayerName,
    LayerUse,
    OperationName,
    WeightOf,
    in_words,
    shown,
)
from specc.source import Span
from specc.syntax import ast
from specc.types import TensorType

if TYPE_CHECKING:
    from specc.semantics.evaluate import Evaluator


EXPANSION_STEPS = 20
"""What expanding a block counts for, beside what stands in it."""


def result_of(outputs: list[Tensor]) -> Any:
    """What an expression that makes these tensors stands for."""
    return outputs[0] if len(outputs) == 1 else tuple(outputs)


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
        return operation(evaluator, usable.name, step, arguments, first, is_step=True)
    if isinstance(usable, BlockInstance):
        given = _named_inputs(evaluator, usable.definition, call)
        if inputs is None or given is None:
            return UNKNOWN
        return expand(evaluator, usable, inputs, given, step.span)
    if isinstance(usable.layer, Composite):
        inputs, training = _inputs_of_composite(evaluator, usable, inputs, call)
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
            return construct.named(
                evaluator, type(value).__name__, value, {}, constructor.span, None, declared_as
            )
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
        known = (*LAYER_NAMES, *evaluator.frame.module.definitions)
        known = tuple([name for name in known if name != evaluator.frame.title])
        layers = [n for n, v in evaluator.frame.names.items() if isinstance(v, LayerUse)]
        every = (*known, *layers, *others)
        if isinstance(callee, ast.Name) and callee.text[0].islower():
            every = (*every, *FUNCTIONS)
        return name_errors.unknown_layer(callee.span, callee.span.text, every)
    return name_errors.not_a_layer(callee.span, "this")


def layer_as_tensor(evaluator: Evaluator, expression: ast.Expression) -> Diagnostic:
    """A layer where a tensor must stand: `y = Dense(10)`, or Keras's `y = Dense(10)(x)`."""
    constructor, call = _split(evaluator, expression)
    title = constructor.span.text.split("(")[0]
    if call is not None and call.positional:
        return name_errors.input_in_parentheses(call.positional[0].span, title)
    return name_errors.layer_without_input(expression.span, title)


# -------------------------------------------------------------------------- layers


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


def _type_of(tensor: Tensor) -> TensorType:
    return tensor.type


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
    call_types = {name: replace_tensors(value, _type_of) for name, value in call.items()}
    batch = frame.building.batch
    try:
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
    return _node(evaluator, graph_layer, inputs, call, outputs, span)


def _node(
    evaluator: Evaluator,
    layer: GraphLayer,
    inputs: list[Tensor],
    call: dict[str, Any],
    outputs: tuple[TensorType, ...],
    span: Span,
) -> Any:
    node = Node(layer, inputs, call, [], span)
    node.outputs = [Tensor(layer.name, type_, span, node) for type_ in outputs]
    layer.nodes.append(node)
    evaluator.frame.building.nodes.append(node)
    return result_of(node.outputs)


def with_batch(type_: TensorType) -> TensorType | None:
    """A type as a layer takes it. What was reshaped may have its batch in an unknown axis."""
    if type_.batched:
        return type_
    if type_.shape and type_.shape[0] is None:
        return TensorType(type_.dtype, type_.shape[1:])
    return None


def shaped_by(tensor: Tensor) -> Span:
    """The layer that gave a tensor its type, past those that passed it on."""
    while tensor.node and tensor.node.inputs and tensor.node.inputs[0].type == tensor.type:
        tensor = tensor.node.inputs[0]
    return tensor.span


def _check_shared(layer: GraphLayer, variables: list[Variable]) -> None:
    """A shared layer's weights are those of its first use; another use must want the same."""
    if len(layer.variables) != len(variables):
        raise Refused(shape_errors.shared_weights_differ, layer.name)
    for first, now in zip(layer.variables, variables, strict=True):
        if first.shape != now.shape:
            raise Refused(
                shape_errors.shared_layer_differs, layer.name, first.name, first.shape, now.shape
            )


# ------------------------------------------------------------------------- blocks


def _named_inputs(
    evaluator: Evaluator, definition: Definition, call: ast.Call | None
) -> dict[str, tuple[Any, Span]] | None:
    """The inputs that a block or model is given by name, in the second parentheses."""
    if call is None:
        return {}
    report = evaluator.context.report
    if call.positional:
        report(name_errors.input_in_parentheses(call.positional[0].span, definition.name))
        return None
    names = construct.input_names(definition)
    given, right = match(definition.name, call, [], names, report)
    if not right:
        return None
    named: dict[str, tuple[Any, Span]] = {}
    for name, expression in given.items():
        value = evaluator.evaluate(expression)
        tensors = evaluator.tensors_of(value, expression)
        if tensors is None:
            return None
        named[name] = (value, expression.span)
    return named


def _inputs_of_composite(
    evaluator: Evaluator, use: LayerUse, inputs: list[Tensor] | None, call: ast.Call | None
) -> tuple[list[Tensor] | None, dict[str, Any]]:
    """The inputs of a model or of a block with weights, in their order, and `training`."""
    layer = use.layer
    assert isinstance(layer, Composite)
    if isinstance(layer, BlockLayer):
        names = layer.input_names
    else:
        names = [tensor.name for tensor in layer.graph.inputs]
    if call is not None and call.positional:
        where = call.positional[0].span
        evaluator.context.report(name_errors.input_in_parentheses(where, layer.title))
        return None, {}
    kinds = layer.call_arguments
    report = evaluator.context.report
    given, right = match(layer.title, call, [], [*names, *kinds], report)
    own = {name: given.pop(name) for name in kinds if name in given and name not in names}
    training = evaluate_arguments(layer.title, own, kinds, evaluator.argument, report)
    if inputs is None or not right or training is None:
        return None, {}
    left = iter(inputs)
    ordered: list[Tensor] = []
    missing: list[str] = []
    for name in names:
        if name in given:
            tensors = evaluator.tensors_of(evaluator.evaluate(given[name]), given[name])
            if tensors is None:
                return None, {}
            ordered += tensors
        else:
            tensor = next(left, None)
            if tensor is None:
                missing.append(name)
            else:
                ordered.append(tensor)
    if missing or next(left, None) is not None or len(ordered) != len(names):
        where = call.span if call is not None else use.span
        evaluator.context.report(
            errors.wrong_inputs_of_block(where, layer.title, names, len(inputs), missing)
        )
        return None, {}
    return ordered, training


def expand(
    evaluator: Evaluator,
    instance: BlockInstance,
    inputs: list[Tensor],
    named: dict[str, tuple[Any, Span]],
    span: Span,
) -> Any:
    """A block's body in the place of its use; gives what the block gives."""
    context, frame = evaluator.context, evaluator.frame
    definition = instance.definition
    if len(context.uses) >= MAX_DEPTH:
        context.give_up(errors.expanded_too_deep(span, definition.name, MAX_DEPTH))
    tree = definition.tree
    assert isinstance(tree, ast.Block)
    names = {name: value for name, value in instance.arguments.items() if name}
    inner = Frame(definition.module, frame.building, definition, "block", definition.name, names)
    inner.prefix = f"{instance.name}."
    inner.instance = instance
    inner.trainable = instance.arguments.get("", True)
    inner.given = list(inputs)
    inner.named = {name: value for name, (value, _) in named.items()}
    context.step(span, EXPANSION_STEPS)
    mistakes = len(context.diagnostics)
    context.uses.append((definition.name, span))
    context.run_body(context, inner, tree.body)
    context.uses.pop()
    first_use = not instance.expanded
    instance.expanded = True
    if len(context.diagnostics) > mistakes or inner.current_unknown:
        return UNKNOWN
    left_out = [use for name, use in instance.layers.items() if name not in inner.made]
    if left_out:
        first = left_out[0]
        return evaluator.fail(errors.shared_block_differs(span, first.span, first.name))
    declared = inner.input_names
    if inner.given or set(inner.named) - set(declared):
        return evaluator.fail(
            errors.wrong_inputs_of_block(span, definition.name, declared, len(inputs), [])
        )
    outputs = [tensor for _, tensor in inner.outputs] or inner.current
    if not outputs:
        return evaluator.fail(errors.block_gives_nothing(span, definition.name))
    if first_use:
        use = BlockUse(instance.name, definition.name, span, outputs)
        frame.building.blocks.append(use)
    return result_of(outputs)


# --------------------------------------------------------------------- operations


def operator(evaluator: Evaluator, sign: str, left: Any, right: Any, span: Span) -> Any:
    """`left sign right`, of which at least one is a tensor."""
    from specc.ops import OPERATORS

    values: list[Any] = []
    for value in (left, right):
        if isinstance(value, Tensor | int | float):
            values.append(value)
        elif isinstance(value, WeightOf):
            return evaluator.fail(errors.weight_outside(span, value.variable.path))
        else:
            reason = f"`{sign}` does not go with a tensor and {in_words(value)}"
            return evaluator.fail(name_errors.not_computable(span, reason))
    return _operate(evaluator, OPERATORS[sign], {"x1": values[0], "x2": values[1]}, span)


def negative(evaluator: Evaluator, value: Tensor, span: Span) -> Any:
    """`-value`."""
    return _operate(evaluator, "negative", {"x": value}, span)


def get_item(evaluator: Evaluator, value: Tensor, key: tuple[Any, ...], span: Span) -> Any:
    """`value[key]`."""
    for item in key:
        if not (item is None or item is ... or isinstance(item, int | slice)):
            reason = "a subscript is a whole number, a slice, None or `...`"
            return evaluator.fail(name_errors.not_computable(span, reason))
    return _operate(evaluator, "get_item", {"x": value, "key": key}, span)


def operation(
    evaluator: Evaluator,
    name: str,
    whole: ast.Expression,
    call: ast.Call | None,
    first: Any = None,
    *,
    is_step: bool = False,
) -> Any:
    """`ops.name(...)`, or as a step `first -> ops.name(...)`."""
    from specc.ops import OPERATION_NAMES, find_operation

    cls = find_operation(name)
    report = evaluator.context.report
    if cls is None:
        callee = call.callee if call is not None else whole
        return evaluator.fail(name_errors.unknown_operation(callee.span, name, OPERATION_NAMES))
    title = f"ops.{name}"
    order = list(cls.signature)
    taken = order[1:] if is_step else order
    arguments, several = _spread(cls.variadic, taken, call)
    given, right = match(title, arguments, taken, taken, report)
    values: dict[str, Any] = {order[0]: first} if is_step and first is not None else {}
    places: dict[str, Span] = {}
    right = right and (not is_step or first is not None)
    for argument, expression in given.items():
        value = evaluator.evaluate(expression)
        values[argument] = value
        places[argument] = expression.span
        right = right and value is not UNKNOWN
    if several:
        tensors = [evaluator.evaluate(expression) for expression in several]
        right = right and UNKNOWN not in tensors
        assert cls.variadic is not None
        values[cls.variadic] = (*values.get(cls.variadic, ()), *tensors)
    for argument in cls.signature.values():
        if right and argument.required and argument.name not in values:
            kind = argument.kind
            report(name_errors.missing_argument(whole.span, title, argument.name, kind.expected))
            right = False
    if not right:
        return UNKNOWN
    for argument, value in values.items():
        kind = cls.signature[argument].kind
        if not kind.accepts(replace_tensors(value, _type_of)):
            where = places.get(argument, whole.span)
            if isinstance(value, Layer | LayerName | LayerUse | BlockInstance):
                return evaluator.fail(layer_as_tensor(evaluator, given[argument]))
            return evaluator.fail(
                name_errors.wrong_argument(
                    where, title, argument, kind.expected, kind.choices, shown(value)
                )
            )
    return _operate(evaluator, name, values, whole.span, places)


def _spread(
    variadic: str | None, order: list[str], call: ast.Call | None
) -> tuple[ast.Call | None, list[ast.Expression]]:
    """The call without the arguments that a variadic parameter takes, and these."""
    if variadic is None or call is None or variadic not in order:
        return call, []
    index = order.index(variadic)
    kept, several = call.positional[:index], call.positional[index:]
    return ast.Call(call.callee, kept, call.keywords, call.span), several


def _operate(
    evaluator: Evaluator,
    name: str,
    values: dict[str, Any],
    span: Span,
    places: dict[str, Span] | None = None,
) -> Any:
    from specc.ops import find_operation

    context, frame = evaluator.context, evaluator.frame
    context.node(span)
    cls = find_operation(name)
    assert cls is not None
    tensors: list[Tensor] = []
    for argument in cls.signature:
        collect_tensors(values.get(argument), tensors)
    try:
        made = cls(**{key: replace_tensors(value, _type_of) for key, value in values.items()})
        outputs = made.apply()
    except Refused as refused:
        operands = [Operand(t.name, t.type, t.span, shaped_by(t)) for t in tensors]
        title = f"ops.{name}" if span.text.startswith("ops.") else _sign_or(name, span)
        return evaluator.fail(refused.at(Place(title, span, places or {}, operands)))
    names = frame.building.names
    full_name = frame.prefix + frame.automatic_name(cls.keras_class)
    while full_name in names:  # taken by a layer's name, or by another use of a shared block
        full_name = frame.prefix + frame.automatic_name(cls.keras_class)
    names[full_name] = span
    layer = GraphLayer(full_name, made, [], span, context.used_at)
    frame.building.layers.append(layer)
    return _node(evaluator, layer, [], values, outputs, span)


def _sign_or(name: str, span: Span) -> str:
    """What a spec calls an operation: its operator, or its name."""
    from specc.ops import OPERATORS

    signs = [sign for sign, operation in OPERATORS.items() if operation == name]
    return signs[0] if signs and signs[0] in span.text else f"ops.{name}"
