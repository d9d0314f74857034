"""Moves transpositions down the graph until they cancel.

Keras's convolutions have their channels last and ONNX's first, so each is lowered between two
transpositions. Here a transposition waits until somebody needs its result in that very order:
operators that work on each element, along an axis or over several axes do their work on what was
there before it, along the axis that it came from. Two that meet cancel. What is left in a network
of convolutions is one at its input, and one at its end if channels matter there.

Needs: shapes of the values, as far as they can be inferred.
Keeps: what is computed, to the bit but for the order in which a reduction adds up.
Gives: no transposition of a transposition; none of weights but at the time of writing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import onnx_ir as ir

from specc.backends.native import tensors
from specc.backends.native.constants import ints, make_constant
from specc.backends.native.passes.layout_rules import EACH, RULES, TOGETHER

WEIGHT = re.compile(r"w\d+")
"""The names of the inputs that stand for weights."""

ELEMENTWISE = {*EACH, *TOGETHER, "Pad"}

Perm = tuple[int, ...]
Shape = tuple[int | None, ...]


def sink_transpositions(graph: ir.Graph) -> int:
    """Run the pass; returns how many transpositions of activations it removed."""
    return Sinking(graph).run()


class Sinking:
    def __init__(self, graph: ir.Graph) -> None:
        self.graph = graph
        self.shapes: dict[ir.Value, Shape] = {}
        self.waiting: dict[ir.Value, tuple[ir.Value, Perm]] = {}
        """Of a value that is not made any more: what it is the transposition of, and how."""
        self.done: dict[tuple[ir.Value, Perm], ir.Value] = {}
        """Transpositions that were made after all."""
        self.static: set[ir.Value] = set()
        """What depends on weights and constants alone."""
        self.first: set[ir.Node] = set()
        """Transpositions of inputs, which stay where they are."""
        self.dead: list[ir.Node] = []
        self.removed = 0
        self.made = 0

    def run(self) -> int:
        self._find_shapes()
        self.static |= set(self.graph.initializers.values())
        self.static |= {v for v in self.graph.inputs if WEIGHT.fullmatch(v.name or "")}
        self._turn_inputs()
        for node in list(self.graph):
            if node in self.first:
                continue
            if _bodies(node):
                self._through(node)
            elif node.inputs and all(x is None or x in self.static for x in node.inputs):
                self.static.update(node.outputs)
            elif node.op_type == "Transpose" and not node.domain:
                self._wait(node)
            elif any(x in self.waiting for x in node.inputs):
                self._through(node)
        for place, output in enumerate(self.graph.outputs):
            if output in self.waiting:
                self._put_out(place, output)
        for node in reversed(self.dead):
            self.graph.remove(node, safe=True)
        return self.removed - self.made

    def _find_shapes(self) -> None:
        values = [*self.graph.inputs, *self.graph.initializers.values()]
        values += [value for node in self.graph for value in node.outputs]
        for value in values:
            if value.shape is not None:
                self.shapes[value] = tuple(n if isinstance(n, int) else None for n in value.shape)

    # -------------------------------------------------------------------- inputs

    def _turn_inputs(self) -> None:
        """Transpose an input at once that is transposed after work on each element.

        With a number for each channel, that work is many times faster with the channels first.
        """
        static = set(self.static)
        for node in self.graph:
            if node.inputs and all(x is None or x in static for x in node.inputs):
                static.update(node.outputs)
        for x in self.graph.inputs:
            perm = None if x in static else _transposed_later(x, static)
            shape = self.shapes.get(x)
            if perm is None or shape is None:
                continue
            node = ir.node("Transpose", [x], {"perm": perm})
            node.name = f"{x.name}/Transpose"
            self.graph.insert_before(self.graph[0], node)
            y = self._described(node, x, [shape[axis] for axis in perm])
            back = tuple([perm.index(axis) for axis in range(len(perm))])
            self.waiting[x], self.done[y, back] = (y, back), x
            self.first.add(node)
            self.made += 1

    # ------------------------------------------------------------ transpositions

    def _wait(self, node: ir.Node) -> None:
        """Take a transposition out of the graph; what it gives is made when it is needed."""
        (x,), (y,) = node.inputs, node.outputs
        assert x is not None
        perm = tuple(node.attributes["perm"].as_ints())
        source, before = self.waiting.get(x, (x, tuple(range(len(perm)))))
        self.dead.append(node)
        self.removed += 1
        reshaped = self._permuted_reshape(x, perm) if source is x else None
        if reshaped is not None:
            self._stands_for(y, reshaped, tuple(range(len(perm))))
        else:
            self._stands_for(y, source, tuple([before[axis] for axis in perm]))

    def _stands_for(self, y: ir.Value, source: ir.Value, perm: Perm) -> None:
        """Note that a value is `Transpose(source, perm)`."""
        tensors.moved(y, source, perm)
        if perm == tuple(range(len(perm))):
            for user, index in list(y.uses()):
                user.replace_input_with(index, source)
            if y in self.shapes:
                self.shapes[source] = self.shapes[y]
            if not y.is_graph_output():
                return
        self.waiting[y] = (source, perm)

    def _permuted_reshape(self, x: ir.Value, perm: Perm) -> ir.Value | None:
        """`Transpose(Reshape(z), perm)` as another reshape, where no element changes its place."""
        node = x.producer()
        if node is None or node.op_type != "Reshape" or not self.moves_nothing(x, perm):
            return None
        z, target = node.inputs[0], ints(node.inputs[1])
        if z in self.waiting or target is None:
            return None
        if any(n == 0 and perm[i] != i for i, n in enumerate(target)):
            return None
        made = ir.node("Reshape", [z, self._constant([target[axis] for axis in perm])])
        made.name = f"{node.name}/permuted"
        self.graph.insert_after(node, made)
        return self._described(made, x, [self.shapes[x][axis] for axis in perm])

    def moves_nothing(self, x: ir.Value, perm: Perm) -> bool:
        """Whether a transposition of a value only moves axes of size 1 past others."""
        shape = self.shapes.get(x)
        if shape is None:
            return False
        moved = [axis for axis in perm if shape[axis] != 1]
        return moved == sorted(moved)

    def needed(self, x: ir.Value, before: ir.Node) -> ir.Value:
        """A value that is made after all."""
        if x not in self.waiting:
            return x
        source, perm = self.waiting[x]
        if (source, perm) not in self.done:
            node = ir.node("Transpose", [source], {"perm": perm})
            node.name = f"{before.name}/Transpose_{len(self.done)}"
            self.graph.insert_before(before, node)
            self.done[source, perm] = self._described(node, x, self.shapes.get(x))
            self.made += 1
        return self.done[source, perm]

    def _put_out(self, place: int, output: ir.Value) -> None:
        """An output of the graph, made after all."""
        source, perm = self.waiting[output]
        in_order = perm == tuple(range(len(perm)))
        made, producer = source, source.producer()
        if not in_order or producer is None or source.is_graph_output():
            operator = "Identity" if in_order else "Transpose"
            node = ir.node(operator, [source], None if in_order else {"perm": perm})
            node.name = f"{producer.name if producer else ''}/output_{place}"
            self.graph.append(node)
            made = node.outputs[0]
            self.made += not in_order
        made.name, made.type, made.shape = output.name, output.type, output.shape
        output.name = f"{output.name}/not_made"
        self.graph.outputs[place] = made

    # --------------------------------------------------------------- other nodes

    def _through(self, node: ir.Node) -> None:
        """Let a node work on what its inputs stand for, or make them."""
        rule = RULES.get(node.op_type) if not node.domain and not _bodies(node) else None
        if rule is not None and rule(self, node):
            return
        for inner in (node, *(inner for body in _bodies(node) for inner in body.all_nodes())):
            for index, x in enumerate(inner.inputs):
                if x is not None and x in self.waiting:
                    inner.replace_input_with(index, self.needed(x, node))

    def turned(
        self, node: ir.Node, inputs: Sequence[ir.Value | None], perm: Perm, **attributes: Any
    ) -> bool:
        """Put a node that makes its outputs in another order in the place of one.

        Args:
            inputs: of the new node.
            perm: `Transpose(new output, perm)` is the old one.
            attributes: what differs.

        Returns:
            True, for rules to return.
        """
        changed = [ir.convenience.convert_attribute(n, value) for n, value in attributes.items()]
        kept = [a for name, a in node.attributes.items() if name not in attributes]
        made = ir.Node(
            "",
            node.op_type,
            inputs,
            [*kept, *changed],
            num_outputs=len(node.outputs),
            name=node.name,
        )
        self.graph.insert_before(node, made)
        for old, new in zip(node.outputs, made.outputs, strict=True):
            new.name, new.type = f"{old.name}/turned", old.type
            if old.shape is not None and len(old.shape) == len(perm):
                sizes = [old.shape[perm.index(axis)] for axis in range(len(perm))]
                new.shape = ir.Shape(sizes)
                self.shapes[new] = tuple([n if isinstance(n, int) else None for n in sizes])
            self._stands_for(old, new, perm)
        self.dead.append(node)
        return True

    def rank(self, x: ir.Value) -> int | None:
        shape = self.shapes.get(x)
        return None if shape is None else len(shape)

    def in_order(self, x: ir.Value, perm: Perm, node: ir.Node) -> ir.Value | None:
        """What a value is the transposition of, by `perm`; None where that would have to be
        computed when the model runs.
        """
        if x in self.waiting:
            source, own = self.waiting[x]
            return source if own == perm else None
        shape = self.shapes.get(x)
        if shape is None or len(shape) > len(perm):
            return None
        if all(n == 1 for n in shape):
            return x
        # Aligned at their ends, as ONNX does.
        whole = (1,) * (len(perm) - len(shape)) + shape
        order = tuple([perm.index(axis) for axis in range(len(perm))])
        sizes = [whole[axis] for axis in order]
        least = sizes[next(i for i, n in enumerate(sizes) if n != 1) :]
        if tuple(least) == shape and order[-len(shape) :] == tuple(range(len(perm)))[-len(shape) :]:
            return x
        if x not in self.static:
            return self._permuted_reshape(x, order) if len(shape) == len(perm) else None
        if None in whole:
            return None
        moved = [axis for axis in order if whole[axis] != 1]
        if moved == sorted(moved):
            return self._reshaped(x, [n or 0 for n in least], node)
        if len(shape) < len(perm):
            x = self._reshaped(x, [n or 0 for n in whole], node)
        return self._static(ir.node("Transpose", [x], {"perm": order}), node, x, sizes)

    def _reshaped(self, x: ir.Value, sizes: list[int], before: ir.Node) -> ir.Value:
        made = ir.node("Reshape", [x, self._constant(sizes)])
        return self._static(made, before, x, sizes)

    def _static(
        self, made: ir.Node, before: ir.Node, like: ir.Value, shape: Sequence[int | None]
    ) -> ir.Value:
        made.name = f"{before.name}/{made.op_type}_{len(self.static)}"
        self.graph.insert_before(before, made)
        y = self._described(made, like, shape)
        self.static.add(y)
        return y

    def _described(
        self, made: ir.Node, like: ir.Value, shape: Sequence[int | None] | None
    ) -> ir.Value:
        """The output of a new node, with its name, dtype and shape."""
        y = made.outputs[0]
        y.name = f"{made.name}:0"
        y.type = like.type
        if shape is not None:
            y.shape = ir.Shape(shape)
            self.shapes[y] = tuple(shape)
        return y

    def like(self, old: ir.Value | None, numbers: Sequence[int | float]) -> ir.Value:
        """A constant vector of the dtype of another one."""
        assert old is not None
        assert old.dtype is not None
        return self._constant(numbers, old.dtype)

    def _constant(
        self, numbers: Sequence[int | float], dtype: ir.DataType = ir.DataType.INT64
    ) -> ir.Value:
        value = make_constant(self.graph, numbers, dtype)
        self.static.add(value)
        self.shapes[value] = (len(numbers),)
        return value


def _transposed_later(x: ir.Value, static: set[ir.Value]) -> Perm | None:
    """How a value is transposed behind work on each element that has a number for each channel;
    None where it is not, or where anything else is done with it.
    """
    by_channel = False
    while len(x.uses()) == 1 and not x.is_graph_output():
        ((node, _),) = x.uses()
        if node.op_type == "Transpose" and not node.domain:
            return tuple(node.attributes["perm"].as_ints()) if by_channel else None
        others = [other for other in node.inputs if other is not None and other is not x]
        if node.domain or node.op_type not in ELEMENTWISE or not static.issuperset(others):
            return None
        sizes = [other.shape for other in others] if node.op_type in TOGETHER else []
        by_channel |= any(shape is not None and shape.numpy() not in ((), (1,)) for shape in sizes)
        x = node.outputs[0]
    return None


def _bodies(node: ir.Node) -> list[ir.Graph]:
    return [a.as_graph() for a in node.attributes.values() if a.type == ir.AttributeType.GRAPH]
