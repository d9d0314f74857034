"""TensorFlow's hashes of whole numbers, in ONNX.

TensorFlow hashes the text of a number, as it is in the decimal system. ONNX has nothing that reads
a text, but the digits can be computed: at most 20 bytes. The hashes are FarmHash's Fingerprint64
(https://github.com/google/farmhash, `farmhashna`) of up to 32 bytes, SipHash-2-4 (Aumasson and
Bernstein, 2012) where there is a key, and for combinations TensorFlow's FingerprintCat64.

All of it is arithmetic modulo 2^64. onnxruntime multiplies and adds int64, which wraps around to
the same bits; only shifts to the right and the remainder look at the sign, and are of uint64.
"""

from __future__ import annotations

from typing import NamedTuple

from specc.lowering import Builder, Value, where

K0, K1, K2 = 0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F
CAT = 0xC6A4A7935BD1E995
CROSSED = 0xDECAFCAFFE
"""What `tf.sparse.cross_hashed` starts from."""

SIP = (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573)

DIGITS = 20
"""Of 2^64 - 1; those of int64 have 19, and a sign."""

Key = tuple[int, int]


class Text(NamedTuple):
    """The characters of numbers, (*shape, n) each; behind the ends there is 0."""

    length: Value
    """(*shape)."""
    forward: Value
    """The first 24."""
    backward: Value
    """The last 21, from the end."""


def hashed(op: Builder, x: Value, bins: int, key: Key | None = None) -> Value:
    """`tf.strings.to_hash_bucket_fast` of the texts of whole numbers; with a key, `_strong`.

    Args:
        x: (*shape) of any dtype of whole numbers.
        key: two numbers modulo 2^64.

    Returns:
        (*shape) of int64 from 0 to below `bins`.
    """
    word = _Words(op)
    text = word.text(x)
    return word.remainder(word.farm(text) if key is None else word.sip(text, key), bins)


def crossed(op: Builder, numbers: list[Value], bins: int) -> Value:
    """`tf.sparse.cross_hashed` of whole numbers, (*shape) each; (*shape) of int64."""
    word = _Words(op)
    found = op.constant(_signed(CROSSED), "int64")
    for x in numbers:
        found = word.cat(found, op.cast(x, "int64"))
    return word.remainder(found, bins)


class _Words:
    """Arithmetic of 64 bits, kept as int64."""

    def __init__(self, op: Builder) -> None:
        self.op = op

    # --------------------------------------------------------------------- arithmetic

    def constant(self, number: int) -> Value:
        return self.op.constant(_signed(number), "int64")

    def add(self, *terms: Value | int) -> Value:
        return self._chain("Add", terms)

    def times(self, *factors: Value | int) -> Value:
        return self._chain("Mul", factors)

    def xor(self, *terms: Value | int) -> Value:
        return self._chain("BitwiseXor", terms)

    def _chain(self, operator: str, operands: tuple[Value | int, ...]) -> Value:
        first, *others = (self.constant(x) if isinstance(x, int) else x for x in operands)
        for other in others:
            first = getattr(self.op, operator)(first, other)
        return first

    def right(self, x: Value, bits: int) -> Value:
        """Shifted, with zeros from the left."""
        op = self.op
        shifted = op.BitShift(op.cast(x, "uint64"), op.constant(bits, "uint64"), direction="RIGHT")
        return op.cast(shifted, "int64")

    def rotate(self, x: Value, bits: int) -> Value:
        """To the right."""
        return self.add(self.right(x, bits), self.times(x, 1 << (64 - bits)))

    def mixed(self, x: Value) -> Value:
        """FarmHash's ShiftMix."""
        return self.xor(x, self.right(x, 47))

    def remainder(self, x: Value, bins: int) -> Value:
        op = self.op
        found = op.Mod(op.cast(x, "uint64"), op.constant(bins, "uint64"))
        return op.cast(found, "int64")

    # -------------------------------------------------------------------------- texts

    def text(self, x: Value) -> Text:
        op = self.op
        signed = op.cast(x, "int64")
        if x.dtype.startswith("uint"):
            minus = op.constant(0, "int64")
            size = signed
        else:
            negative = op.Less(signed, 0, dtype="bool")
            minus = op.cast(negative, "int64")
            size = op.Where(negative, op.Neg(signed), signed, dtype="int64")
        digits, count = self._digits(size)
        length = op.Add(count, minus)
        places = op.constant(range(DIGITS + 1), "int64")
        counts = op.Unsqueeze(count, [-1])
        nothing = op.Mul(counts, 0)
        sign = op.Mul(op.Unsqueeze(minus, [-1]), ord("-"))
        rest = op.Where(op.Equal(places, counts, dtype="bool"), sign, nothing, dtype="int64")
        characters = op.Add(op.Concat(digits, nothing, axis=-1), ord("0"))
        backward = op.Where(op.Less(places, counts, dtype="bool"), characters, rest, dtype="int64")
        return Text(length, self._forward(backward, length), backward)

    def _digits(self, size: Value) -> tuple[Value, Value]:
        """The digits of a number without a sign from the last on, (*shape, 20), and how many
        there are."""
        op = self.op
        # Half of it fits into int64, also where all of it does not: x // 10 = (x // 2) // 5.
        half = op.Unsqueeze(self.right(size, 1), [-1])
        tens = op.constant([5 * 10**power for power in range(DIGITS - 1)], "int64")
        higher = op.Concat(op.Div(half, tens), op.Mul(half, 0), axis=-1)
        lower = op.Slice(higher, [0], [DIGITS - 1], [-1])
        here = op.Concat(op.Unsqueeze(size, [-1]), lower, axis=-1)
        digits = op.Sub(here, op.Mul(higher, 10))
        significant = op.Not(op.Equal(here, 0, dtype="bool"), dtype="bool")
        count = op.ReduceSum(op.cast(significant, "int64"), [-1], keepdims=0)
        return digits, op.Max(count, op.constant(1, "int64"))

    def _forward(self, backward: Value, length: Value) -> Value:
        op = self.op
        from_end = op.Sub(op.Unsqueeze(op.Sub(length, 1), [-1]), op.constant(range(24), "int64"))
        there = op.GatherElements(backward, op.Max(from_end, op.constant(0, "int64")), axis=-1)
        behind = op.Less(from_end, 0, dtype="bool")
        return op.Where(behind, op.Mul(there, 0), there, dtype="int64")

    def fetch(self, characters: Value, start: int, count: int = 8, *, back: bool = False) -> Value:
        """Bytes as a number, the first being its lowest; `back` for those that are counted from
        the end, of which `start` is the last."""
        op = self.op
        powers = [_signed(1 << 8 * place) for place in range(count)]
        taken = op.Slice(characters, [start], [start + count], [-1])
        weights = op.constant(powers[::-1] if back else powers, "int64")
        return op.ReduceSum(op.Mul(taken, weights), [-1], keepdims=0)

    def byte(self, characters: Value, place: int) -> Value:
        return self.op.Gather(characters, self.op.constant(place, "int64"), axis=-1)

    # ------------------------------------------------------------------------- hashes

    def farm(self, text: Text) -> Value:
        """Fingerprint64, by the number of bytes."""
        op, length = self.op, text.length
        found = self._farm_short(text)
        for at_least, more in ((4, self._farm_4), (8, self._farm_8), (17, self._farm_17)):
            shorter = op.Less(length, at_least, dtype="bool")
            found = where(op, shorter, found, more(text))
        return found

    def _farm_short(self, text: Text) -> Value:
        op = self.op
        first, last = self.byte(text.forward, 0), self.byte(text.backward, 0)
        three = op.Equal(text.length, 3, dtype="bool")
        middle = op.Where(three, self.byte(text.backward, 1), last, dtype="int64")
        y = self.add(first, self.times(middle, 1 << 8))
        z = self.add(text.length, self.times(last, 1 << 2))
        return self.times(self.mixed(self.xor(self.times(y, K2), self.times(z, K0))), K2)

    def _farm_4(self, text: Text) -> Value:
        a = self.times(self.fetch(text.forward, 0, 4), 1 << 3)
        last = self.fetch(text.backward, 0, 4, back=True)
        return self._joined(self.add(text.length, a), last, self._multiplier(text))

    def _farm_8(self, text: Text) -> Value:
        multiplier = self._multiplier(text)
        a = self.add(self.fetch(text.forward, 0), K2)
        b = self.fetch(text.backward, 0, back=True)
        c = self.add(self.times(self.rotate(b, 37), multiplier), a)
        d = self.times(self.add(self.rotate(a, 25), b), multiplier)
        return self._joined(c, d, multiplier)

    def _farm_17(self, text: Text) -> Value:
        multiplier = self._multiplier(text)
        a = self.times(self.fetch(text.forward, 0), K1)
        b = self.fetch(text.forward, 8)
        c = self.times(self.fetch(text.backward, 0, back=True), multiplier)
        d = self.times(self.fetch(text.backward, 8, back=True), K2)
        return self._joined(
            self.add(self.rotate(self.add(a, b), 43), self.rotate(c, 30), d),
            self.add(a, self.rotate(self.add(b, K2), 18), c),
            multiplier,
        )

    def _multiplier(self, text: Text) -> Value:
        return self.add(self.times(text.length, 2), K2)

    def _joined(self, u: Value, v: Value, multiplier: Value) -> Value:
        """FarmHash's HashLen16."""
        a = self.mixed(self.times(self.xor(u, v), multiplier))
        b = self.mixed(self.times(self.xor(v, a), multiplier))
        return self.times(b, multiplier)

    def sip(self, text: Text, key: Key) -> Value:
        """SipHash-2-4; the blocks of 8 bytes that are full come before the last one."""
        op, length = self.op, text.length
        zero = op.Mul(length, 0)
        state = [self.xor(zero, number ^ key[i % 2]) for i, number in enumerate(SIP)]
        blocks = [self.fetch(text.forward, start) for start in (0, 8, 16)]
        last = blocks[0]
        after = state
        for number in (1, 2):
            after = self._absorbed(after, blocks[number - 1])
            full = op.Less(length, 8 * number, dtype="bool")
            state = [where(op, full, old, new) for old, new in zip(state, after, strict=True)]
            last = where(op, full, last, blocks[number])
        state = self._absorbed(state, self.add(last, self.times(length, 1 << 56)))
        state[2] = self.xor(state[2], 0xFF)
        for _ in range(4):
            state = self._round(*state)
        return self.xor(*state)

    def _absorbed(self, state: list[Value], block: Value) -> list[Value]:
        v0, v1, v2, v3 = state
        v0, v1, v2, v3 = self._round(*self._round(v0, v1, v2, self.xor(v3, block)))
        return [self.xor(v0, block), v1, v2, v3]

    def _round(self, v0: Value, v1: Value, v2: Value, v3: Value) -> list[Value]:
        v0, v2 = self.add(v0, v1), self.add(v2, v3)
        v1, v3 = self.xor(self.rotate(v1, 64 - 13), v0), self.xor(self.rotate(v3, 64 - 16), v2)
        v0 = self.rotate(v0, 32)
        v2, v0 = self.add(v2, v1), self.add(v0, v3)
        v1, v3 = self.xor(self.rotate(v1, 64 - 17), v2), self.xor(self.rotate(v3, 64 - 21), v0)
        return [v0, v1, self.rotate(v2, 32), v3]

    def cat(self, a: Value, b: Value) -> Value:
        """TensorFlow's FingerprintCat64."""
        found = self.xor(a, CAT, self.times(self.mixed(self.times(b, CAT)), CAT))
        return self.mixed(self.times(self.mixed(self.times(found, CAT)), CAT))


def _signed(number: int) -> int:
    """The int64 of the same 64 bits."""
    number &= (1 << 64) - 1
    return number - (1 << 64) if number >> 63 else number
