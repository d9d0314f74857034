"""The command line: which command, and what its outcome means for the exit status.

    0  done
    1  the spec is wrong, what was made from it does not agree with it, or the device that
       was asked for is not there
    2  misuse: wrong arguments, missing files
    3  a defect of specc

Each command is a module of this package with `configure` and `run`; only the one asked for
is imported, and it imports heavy things where it needs them.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module

from specc._version import __version__
from specc.diagnostics.diagnostic import SpecError
from specc.files import UsageError

COMMANDS = {
    "check": "check specs: names, shapes, parameter counts, expectations",
    "fmt": "format specs: their layout, not what they say",
    "lint": "give advice on specs that are sound, and mend what can be mended",
    "summary": "print a model's layers, output shapes and parameters",
    "data": "load the data of a spec and hold them against the model",
    "build": "build the Keras model and compare it with the spec",
    "train": "train a model on its data, through interruptions, and export it",
    "compare": "train several models with the same seeds, and say which is better",
    "export": "export a model, verified, to ONNX",
    "codegen": "write a model as a Keras file in Python, for people to go on from",
    "verify": "compare an ONNX file with its spec's Keras model, its manifest, or another file",
    "run": "run an ONNX file on arrays, tables or images",
    "bench": "time an ONNX file: latencies and throughput, and beside Keras",
    "layers": "list the layers, or say everything about one",
    "explain": "explain an error code",
    "doctor": "say what is installed and which devices are really there",
}

USAGE = """usage: specc COMMAND ...

Neural networks as short, typed text: checked, built with Keras, exported to ONNX.

commands:
{commands}

  specc COMMAND --help   what a command does, with examples
  specc --version

examples:
  specc check specs/bn_after.spec
  specc build specs/bn_after.spec
  specc export --onnx specs/bn_after.spec
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line (`sys.argv` by default) and give its exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    return outcome(lambda: _dispatch(words), as_json="--json" in words)


def outcome(work: Callable[[], int], *, as_json: bool) -> int:
    """The exit status of some work, whose errors are told."""
    try:
        status = work()
        sys.stdout.flush()
        return status
    except SpecError as error:
        _report(error, as_json)
        return 1
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        if error.help:
            print(f"help: {error.help}", file=sys.stderr)
        return error.status
    except KeyboardInterrupt:
        print("interrupted; nothing more was written", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader has gone, as in `specc summary x.spec | head`; no one is left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if os.environ.get("SPECC_TRACEBACK"):
            raise
        kind = type(error).__name__
        print(f"error: specc has a defect: {kind}: {error}", file=sys.stderr)
        print("help: run it again with SPECC_TRACEBACK=1 and report what it says", file=sys.stderr)
        return 3


def _dispatch(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        lines = [f"  {name:<9} {about}" for name, about in COMMANDS.items()]
        usage = USAGE.format(commands="\n".join(lines))
        print(usage, end="", file=sys.stdout if words else sys.stderr)
        return 0 if words else 2
    if words[0] in ("-V", "--version"):
        print(f"specc {__version__}")
        return 0
    name = words[0]
    if name not in COMMANDS:
        from specc.diagnostics.suggest import closest

        guess = closest(name, COMMANDS)
        meant = f"did you mean `specc {guess}`?" if guess else "`specc --help` lists the commands"
        raise UsageError(f"there is no command `{name}`", meant)
    module = import_module(f"specc.cli.{name}")
    parser = argparse.ArgumentParser(
        prog=f"specc {name}",
        description=COMMANDS[name][0].upper() + COMMANDS[name][1:] + ".",
        epilog=module.EXAMPLES,
        formatter_class=_HelpFormatter,
        allow_abbrev=False,
    )
    module.configure(parser)
    try:
        options = parser.parse_args(words[1:])
    except SystemExit as stop:  # argparse has said what is wrong, or printed its help
        return int(stop.code or 0)
    return module.run(options)


class _HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Of a fixed width: asking for the terminal's costs an import on every run."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=96)


def _report(error: SpecError, as_json: bool) -> None:
    if as_json:
        import json

        from specc.diagnostics.as_json import diagnostic_as_json

        errors = [diagnostic_as_json(diagnostic) for diagnostic in error.diagnostics]
        print(json.dumps({"ok": False, "errors": errors}, indent=2))
        return
    from specc.diagnostics.terminal import render_all

    color = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    footer = f"; {error.aftermath}." if error.aftermath else "."
    sys.stderr.write(render_all(error.diagnostics, color=color, footer=footer))


if __name__ == "__main__":
    sys.exit(main())
