"""From the first syntax fault to all of them, each in words.

The cold path: it runs only on a text that does not parse. After a fault the line it stands
on is blanked and the rest parsed again, so that one run reports every line that is wrong.
"""

from __future__ import annotations

import re

from specc.diagnostics.diagnostic import Diagnostic, SpecError
from specc.diagnostics.errors import syntax as syntax_errors
from specc.diagnostics.suggest import closest
from specc.source import Source, Span
from specc.syntax.build import AstBuilder
from specc.syntax.lalr import MAX_ERRORS, SyntaxFault, machine, run

OPENING_OF = {")": "(", "]": "[", "}": "{"}

STATEMENTS = ("input", "output", "layer", "expect", "param", "weight", "for", "if")
DEFINITIONS = ("model", "block", "import", "data", "train", "export")

ELSE = re.compile(r"\s*(?:else|elif)\b[^\n{]*\{")
"""What goes on with a statement behind its `}`."""

OF_PYTHON = {
    "def": "a block is written `block name(...) { ... }`",
    "class": "a block is written `block name(...) { ... }`",
    "while": "loops are written `for name in values { ... }`",
    "return": "the last line of a block or model is its result; `output a, b` names several",
    "lambda": "what a Lambda computes is written with operators and `ops`, or as a block",
    "elseif": "a further choice is written `} elif condition {`",
    "from": 'a file is imported as a whole: `import "blocks/resnet.spec"`',
}
"""Words that people bring along, and what stands in their place."""

WORDS = {
    "NAME": "a name",
    "INT": "a number",
    "STRING": "a string",
    "_NL": "a new line",
    "$END": "the end of the file",
    "_ARROW": "`->`",
    "_EQUALS": "`=`",
    "_COLON": "`:`",
    "_COMMA": "`,`",
    "_LBRACE": "`{`",
    "_RBRACE": "`}`",
    "_LPAR": "`(`",
    "_RPAR": "`)`",
    "_LBRACKET": "`[`",
    "_RBRACKET": "`]`",
    "_MODEL": "`model`",
    "_OUTPUT": "`output`",
    "NONE": "`None`",
}


def all_errors(source: Source, fault: SyntaxFault) -> list[Diagnostic]:
    """The faults of a text, the given first one included."""
    found: list[Diagnostic] = []
    text = source.text
    while True:
        diagnostic, blank = _explain(source, fault)
        found.append(diagnostic)
        if blank is None or len(found) == MAX_ERRORS:
            return found
        text = _blanked(text, blank)
        remaining = Source(source.name, text)
        builder = AstBuilder(remaining)
        try:
            run(remaining, builder)
        except SyntaxFault as next_fault:
            fault = next_fault
        except SpecError as error:
            return found + error.diagnostics
        else:
            return (found + builder.errors)[:MAX_ERRORS]


def _blanked(text: str, lines: tuple[int, int]) -> str:
    start, end = lines
    return text[:start] + "".join(c if c in "\r\n" else " " for c in text[start:end]) + text[end:]


def _explain(source: Source, fault: SyntaxFault) -> tuple[Diagnostic, tuple[int, int] | None]:
    """The diagnostic of a fault, and the text to blank before going on (None: stop)."""
    text = source.text
    where = Span(source, fault.start, fault.end)
    line_start = text.rfind("\n", 0, fault.start) + 1
    line_end = text.find("\n", fault.start)
    line = (line_start, len(text) if line_end < 0 else line_end)
    opener = fault.opened[-1] if fault.opened else None

    if opener is not None and _opener_is_at_fault(text, opener, fault):
        bracket = Span(source, opener, opener + 1)
        if text[opener] == "{":
            return syntax_errors.never_closed(bracket, where), None
        opening_line = text.rfind("\n", 0, opener) + 1
        until = line_start if line_start > opener else line[1]
        return syntax_errors.never_closed(bracket, where), (opening_line, until)
    first_word = text[line_start : fault.start].strip()
    # Outside a model there is no statement to skip: what follows would be misread.
    blank = _statement(text, line) if opener is not None else None
    if not fault.states:
        if text[fault.start] in "\"'":
            return syntax_errors.unclosed_string(where), blank
        return syntax_errors.unexpected_character(where), blank
    if where.text in OPENING_OF and (opener is None or text[opener] != OPENING_OF[where.text]):
        return syntax_errors.nothing_to_close(where), blank
    accepted = _accepted(fault.states)
    alone = _without_if(where, first_word)
    if alone:
        return syntax_errors.unexpected_token(where, _in_words(accepted), alone), blank
    if "_LBRACE" in accepted and not text[line[0] : line[1]].rstrip().endswith("{"):
        blank = None  # the `}` that belongs to it would be found to close too much
    if "NAME" in accepted and where.text in machine()[0].keywords:
        return syntax_errors.keyword_as_name(where), blank
    before = text[: fault.start].rstrip(" \t")
    expected = "a layer" if before.endswith("->") else _in_words(accepted)
    hint = (
        _of_python(where, before)
        or _condition(where, first_word)
        or _misspelt(where, first_word)
        or _hint(where, before, accepted)
    )
    return syntax_errors.unexpected_token(where, expected, hint), blank


def _statement(text: str, line: tuple[int, int]) -> tuple[int, int]:
    """The text to leave out with a line: all of its body, but not the `}` of the one above."""
    start, end = line
    code = text[start:end].lstrip()
    if code.startswith("}") and code.rstrip().endswith("{"):
        start = text.index("}", start) + 1
    depth = text.count("{", start, end) - text.count("}", start, end)
    while depth > 0 and end < len(text):
        depth += {"{": 1, "}": -1}.get(text[end], 0)
        end += 1
        goes_on = ELSE.match(text, end) if depth == 0 else None
        if goes_on:
            depth, end = 1, goes_on.end()
    return start, end


def _without_if(where: Span, first_word: str) -> str | None:
    """A hint where `else` or `elif` stands on a line of its own."""
    if where.text not in ("else", "elif") or first_word not in ("", "}"):
        return None
    return f"`{where.text}` follows the `}}` of an `if`"


def _of_python(where: Span, before: str) -> str | None:
    """A hint where a word of Python is used that the language does not have."""
    for word in (where.text, *re.findall(r"\w+", before[-20:])[-1:]):
        if word in OF_PYTHON:
            return f"`{word}` is not a word of the language; {OF_PYTHON[word]}"
    return None


def _condition(where: Span, first_word: str) -> str | None:
    if where.text == "=" and first_word.lstrip("} ").startswith(("if ", "elif ")):
        return "to compare, write `==`"
    return None


def _misspelt(where: Span, first_word: str) -> str | None:
    """A hint where a statement starts with a word that is nearly one of the language."""
    if not where.text.strip():
        return None
    behind_body = first_word.endswith("}")
    word = where.text if behind_body else first_word or where.text
    if not word.isidentifier() or word in STATEMENTS or word in DEFINITIONS:
        return None
    known = STATEMENTS if first_word else DEFINITIONS
    if behind_body:
        known = ("else", "elif")
    guess = closest(word, known)
    return f"did you mean `{guess}`?" if guess else None


def _opener_is_at_fault(text: str, opener: int, fault: SyntaxFault) -> bool:
    """Whether what is wrong is rather that `opener` was not closed before the fault."""
    if fault.start >= len(text.rstrip()):
        return True
    token = text[fault.start : fault.end]
    if text[opener] == "{":
        return token == "model"
    if token in OPENING_OF:
        return OPENING_OF[token] != text[opener]
    between = text[opener : fault.start]
    return "\n" in between and not between[between.rindex("\n") :].strip()


def _accepted(states: list[int]) -> set[str]:
    """The terminals that could stand at a fault.

    LALR tables reduce before they look closely, so each candidate is tried on a copy of
    the stack.
    """
    tables, _ = machine()
    accepted: set[str] = set()
    for kind in tables.actions[states[-1]]:
        stack = list(states)
        action = tables.actions[stack[-1]].get(kind)
        while action is not None and action < 0:
            reduction = tables.reductions[~action]
            if reduction.length:
                del stack[-reduction.length :]
            stack.append(tables.gotos[stack[-1]][reduction.nonterminal])
            action = tables.actions[stack[-1]].get(kind)
        if action is not None or stack[-1] == tables.starts["start"][1]:
            accepted.add(tables.terminals[kind])
    return accepted


def _in_words(accepted: set[str]) -> str:
    if "_MODEL" in accepted:
        return "`model`"
    if {"NAME", "STRING", "INT"} <= accepted:
        words = ["an expression"]
        words += [WORDS[t] for t in ("_RPAR", "_RBRACKET") if t in accepted]
    elif {"_ARROW", "SUM_OPERATOR"} <= accepted:
        # After a complete expression: name what ends it, not every operator that goes on.
        order = ("_COMMA", "_RPAR", "_RBRACKET", "_NL", "_ARROW")
        words = [WORDS[t] for t in order if t in accepted]
    else:
        words = sorted(WORDS[t] for t in accepted if t in WORDS)
    if len(words) > 1:
        return ", ".join(words[:-1]) + " or " + words[-1]
    return words[0] if words else "something else"


def _hint(where: Span, before: str, accepted: set[str]) -> str | None:
    """The way out of a common mistake; `before` is all the text that stands before it."""
    found = where.text
    if found == "," and "_NL" in accepted:
        return "a layer line ends without a comma"
    statement = before[before.rfind("\n") + 1 :].strip()
    if found == ":" and statement == "expect output":
        return "what is expected stands behind `=`: `expect output = float32[10]`"
    if found == "->" and "," in statement and "_EQUALS" in accepted:
        return f"several tensors stand in brackets: `[{statement}] -> ...`"
    if found == ":" and "_EQUALS" in accepted:
        return "arguments are given as in Python: `name=value`"
    if (found == "=" and before.endswith("=")) or (found == "==" and "_EQUALS" in accepted):
        return "one `=` is enough"
    if found == "=" and "_COMMA" in accepted and "_RPAR" in accepted:
        return "only a name can stand before `=`"
    if found == "=" and accepted & {"_ARROW", "_NL"}:
        return "the name stands first: `name = x -> Dense(10)`"
    if found == "->" and "NAME" in accepted:
        return "`a -> Layer` needs a tensor on its left"
    if found == "//" and "NAME" in accepted:
        return "comments start with `#`"
    if before.endswith("->"):
        return "a line may start with `->`, and then goes on with the line above"
    if "_MODEL" in accepted:
        return "everything in a spec stands in a model: `model NAME { ... }`"
    if accepted == {"_COLON"}:
        return "an input has a type: `input image: float32[28, 28]`"
    if accepted == {"_LBRACKET"}:
        return "a type is a dtype with a shape: `float32[28, 28]`"
    if {"NONE", "INT"} <= accepted and "STRING" not in accepted:
        return "a size is a whole number; `None` or a name stands for an unknown one"
    if "_LBRACE" in accepted:
        head = before[before.rfind("\n") + 1 :].lstrip("} \t").partition(" ")[0]
        form = "model NAME" if head == "model" else f"{head} ..."
        return f"`{{` stands on the same line: `{form} {{`"
    if accepted == {"STRING"}:
        if found.split(".")[0] in ("keras", "tensorflow", "tf", "layers"):
            return "the layers of Keras need no import"
        return 'a path stands in quotes: `import "blocks/resnet.spec"`'
    if found.isidentifier() and {"_COMMA", "_RPAR"} <= accepted:
        return "a comma is missing before it"
    return None
