"""What the fuzzer starts from: every small spec of the repository, and the words of the language.

`python tests/fuzz/seeds.py` writes `specc.dict` anew.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent

if str(REPOSITORY) not in sys.path:
    sys.path.insert(0, str(REPOSITORY))

LARGEST = 700
"""Bytes of a seed; of a larger spec the definitions are taken one by one."""

SLOW = ("_beyond_the_limit", "list_doubled_again_and_again", "too_large", "layer_in_a_loop")
"""Parts of the names of specs that work up to a limit: a second each, whatever is changed."""

FOLDERS = (
    "specs",
    "specc/std",
    "tests/bad",
    "tests/lint",
    "tests/reference",
    "tests/architectures",
    "tests/layouts",
    "tests/fuzz/corpus",
)


def seeds() -> list[bytes]:
    """The texts to start from, without those that are there twice."""
    found: dict[bytes, None] = {}
    for folder in FOLDERS:
        for path in sorted((REPOSITORY / folder).rglob("*.spec")):
            if any(part in path.name for part in SLOW):
                continue
            for text in _small(path.read_bytes()):
                found[text] = None
    for page in sorted((REPOSITORY / "docs").glob("*.md")):
        text = page.read_text(encoding="utf-8")
        for example in re.findall(r"^```spec\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            for part in _small(example.encode()):
                found[part] = None
    return list(found)


def _small(data: bytes) -> list[bytes]:
    if len(data) <= LARGEST:
        return [data]
    parts = re.split(rb"(?m)^(?=(?:model|block|train|data) )", data)
    return [part for part in parts if 20 < len(part) <= LARGEST]


def words() -> dict[str, list[str]]:
    """The words of the language by what they are, from the compiler's own tables."""
    from specc.layers import ALIASES, LAYER_NAMES
    from specc.library import standard_modules
    from specc.objects import CATEGORIES, object_names
    from specc.ops import FAMILIES
    from specc.semantics.functions import FUNCTIONS
    from specc.syntax.lalr import machine
    from specc.types import DTYPES

    objects = sorted({name for category in CATEGORIES for name in object_names(category)})
    return {
        "keywords": sorted(machine()[0].keywords),
        "layers": [*LAYER_NAMES, *ALIASES],
        "operations": [f"ops.{name}" for names in FAMILIES.values() for name in names],
        "functions": sorted(FUNCTIONS),
        "dtypes": list(DTYPES),
        "objects": objects,
        "arguments": _arguments(),
        "strings": [f'"{text}"' for text in [*STRINGS, *standard_modules()]],
        "signs": SIGNS,
        "numbers": NUMBERS,
    }


def _arguments() -> list[str]:
    from specc.layers import LAYER_NAMES, find_layer

    names: set[str] = set()
    for layer in LAYER_NAMES:
        cls = find_layer(layer)
        assert cls is not None
        names |= {*cls.signature}
    return [f"{name}=" for name in sorted(names)]


STRINGS = (
    *("relu", "softmax", "linear", "same", "valid", "causal", "he_normal", "ones", "zeros", "l2"),
    *("non_neg", "mixed_float16", "channels_first", "float16", "dense", "nearest", "ab,bc->ac"),
)

SIGNS = [
    *"()[]{},:=.+-*/%@#<>",
    *(
        "->",
        "**",
        "//",
        "+=",
        "-=",
        "*=",
        "/=",
        "==",
        "!=",
        "<=",
        ">=",
        "...",
        " is not ",
        "not in",
    ),
    *('""', "''", 'f"{x}"', "\n", "\n    -> ", "\n}\n", " {\n", "[:, -1]", "(training=False)"),
    *(".shape", ".shape[-1]", ".dtype", ".kernel", "*rest", "()", "[]", "[0]", " if x else "),
]

NUMBERS = [
    *("0", "1", "-1", "2", "3", "7", "8", "16", "28", "64", "255", "256", "1_000", "65_536"),
    *("100_000", "2_147_483_647", "9_223_372_036_854_775_808", "0.5", "-0.5", "1e-3", "1e308"),
    *("0.0", "-0.0", "1e-320", "2 ** 200", "9" * 64, "9" * 65, "007", "1__0", "1.", ".5", "True"),
]


def dictionary() -> str:
    """`specc.dict`, in the form that libFuzzer reads."""
    lines = ["# Written by `python tests/fuzz/seeds.py`."]
    for kind, entries in words().items():
        lines.append(f"# {kind}")
        lines += [f'"{_escaped(entry)}"' for entry in dict.fromkeys(entries) if len(entry) < 60]
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return "".join(
        c if c.isascii() and c.isprintable() and c not in '"\\' else f"\\x{ord(c):02X}"
        for c in text
    )


if __name__ == "__main__":
    (HERE / "specc.dict").write_text(dictionary(), encoding="utf-8")
