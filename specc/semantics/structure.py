"""Whether a resolved model hangs together: it has an output, and everything reaches one."""

from __future__ import annotations

from specc.diagnostics.diagnostic import Diagnostic
from specc.diagnostics.errors import names as name_errors
from specc.diagnostics.errors import structure as structure_errors
from specc.semantics.resolved import ResolvedModel, Step, Value
from specc.source import Span


def check_structure(model: ResolvedModel, unused_layers: dict[str, Span]) -> list[Diagnostic]:
    """The mistakes in how a model's parts are connected.

    A layer that reaches no output would not be part of the Keras model, and its parameters
    not of the count that the reader sees, so it is an error and not a warning.
    """
    if not model.inputs:
        return [structure_errors.no_input(model.span, model.name)]
    if not model.outputs:
        return [structure_errors.no_output(model.span, model.name)]
    diagnostics = _outputs_twice(model)
    used_steps, used_inputs = _reached(model)
    names = [name for name, _ in model.outputs]
    # One mistake, one error: of a dead branch only its end is named.
    feeds_a_step = {value for step in model.steps for value in _taken(step)}
    for item in model.inputs:
        if item.value not in used_inputs and item.value not in feeds_a_step:
            diagnostics.append(structure_errors.unused_input(item.span, item.name))
    for step in model.steps:
        if step not in used_steps and not feeds_a_step.intersection(step.outputs):
            label = step.outputs[0].label
            diagnostics.append(structure_errors.unused_layer(step.span, f"`{label}`", names))
    for name, span in unused_layers.items():
        diagnostics.append(structure_errors.unused_layer(span, f"the layer `{name}`", names))
    return diagnostics


def _outputs_twice(model: ResolvedModel) -> list[Diagnostic]:
    first: dict[str, Value] = {}
    diagnostics: list[Diagnostic] = []
    for name, value in model.outputs:
        if name not in first:
            first[name] = value
        elif value.step is not None and value in value.step.outputs[1:]:
            # The last line's layer gives several tensors, and no names tell them apart.
            return [name_errors.not_one_tensor(value.span, len(value.step.outputs))]
        else:
            diagnostics.append(structure_errors.output_twice(value.span, first[name].span, name))
    return diagnostics


def _taken(step: Step) -> list[Value]:
    """Every tensor that a step takes, as input or as call argument."""
    taken = list(step.inputs)
    for argument in step.call.values():
        if isinstance(argument, Value):
            taken.append(argument)
        elif isinstance(argument, list):
            taken += argument
    return taken


def _reached(model: ResolvedModel) -> tuple[set[Step], set[Value]]:
    """The steps and the inputs from which an output can be reached."""
    steps: set[Step] = set()
    inputs: set[Value] = set()
    pending = [value for _, value in model.outputs]
    while pending:
        value = pending.pop()
        if value.step is None:
            inputs.add(value)
        elif value.step not in steps:
            steps.add(value.step)
            pending += _taken(value.step)
    return steps, inputs
