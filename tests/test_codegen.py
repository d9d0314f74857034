"""`specc codegen`: the Python file it writes makes the model that specc makes."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from codegen_specs import EXPANDED, RESIDUAL, STRUCTURED
from conftest import REPOSITORY, Golden

from specc.api import Program, compile_text
from specc.api import compile as compile_file
from specc.backends.keras_model import build_keras
from specc.backends.keras_source import KerasSource, keras_source
from specc.cli.main import main

SPECS = sorted((Path(__file__).parent.parent / "specs").glob("**/*.spec"))
EVERY = {**STRUCTURED, **EXPANDED}


def written(program: Program, *names: str) -> KerasSource:
    """The file of some models of a program, or of all."""
    chosen = [model.graph for model in program.models if not names or model.name in names]
    return keras_source(program.module, chosen)


def built(keras: Any, made: KerasSource, name: str, **arguments: Any) -> Any:
    """The model that a generated file builds, in a process where Keras has counted nothing."""
    scope: dict[str, Any] = {"__name__": "generated"}
    exec(compile(made.text, f"{name}.py", "exec"), scope)
    keras.utils.clear_session()
    return scope[made.functions[name]](**arguments)


# ------------------------------------------------------------------------ comparison


def operations(model: Any, keras: Any) -> Iterator[tuple[str, str]]:
    """The operations of a model, whose names Keras chooses, by their order."""
    for index, operation in enumerate(model.operations):
        if not isinstance(operation, keras.Layer):
            yield operation.name, f"{type(operation).__name__} {index}"


def configured(model: Any, keras: Any) -> Any:
    """A model's config, without what may differ: the names of operations, lists for tuples,
    and the inside of layers of one's own.
    """
    names = dict(operations(model, keras))

    def clean(value: Any) -> Any:
        if isinstance(value, dict):
            if value.get("class_name") == "__tuple__":
                return clean(value["items"])
            if str(value.get("module")).startswith(("generated", "specc")):
                return value["config"]["name"]
            if "keras_history" in value:
                name, *rest = value["keras_history"]
                return {**value, "keras_history": [names.get(name, name), *rest]}
            return {key: clean(item) for key, item in value.items()}
        return [clean(item) for item in value] if isinstance(value, list | tuple) else value

    config = model.get_config()
    for entry in config["layers"]:
        if str(entry["module"]).startswith(("generated", "specc")):
            entry.update(module=None, class_name="", registered_name="", build_config=None)
            entry["config"] = {"name": entry["config"]["name"]}
    config = clean(config)
    for entry in config["layers"]:
        name = entry["name"]
        entry["name"] = names.get(name, name)
        if name in names:
            entry["config"] = {**entry["config"], "name": names[name]}
            if names[name].startswith("GetItem"):
                entry["inbound_nodes"] = keys_as_lists(entry["inbound_nodes"])
            continue
        layer = model.get_layer(name)
        if entry["class_name"] == "Functional":
            entry["config"] = configured(layer, keras)
    return json.loads(json.dumps(config, default=str))


def keys_as_lists(nodes: Any) -> Any:
    """`x[0]` and `x[(0,)]` are the same."""
    return [
        {
            **node,
            "args": [node["args"][0]]
            + [key if isinstance(key, list) else [key] for key in node["args"][1:]],
        }
        for node in nodes
    ]


def random_input(tensor: Any, random: np.random.Generator) -> Any:
    shape = [2 if size is None else size for size in tensor.shape]
    dtype = str(tensor.dtype)
    if "int" in dtype:
        return random.integers(1, 9, shape).astype(dtype)
    if dtype == "bool":
        return random.random(shape) > 0.3
    return random.normal(size=shape).astype(dtype)


def weights_of(model: Any) -> list[tuple[str, tuple[int, ...], bool, str]]:
    return [(w.path, tuple(w.shape), w.trainable, str(w.dtype)) for w in model.weights]


def assert_same(keras: Any, generated: Any, expected: Any) -> None:
    """The same config, the same weights, and with the same numbers in them the same outputs."""
    assert configured(generated, keras) == configured(expected, keras)
    assert weights_of(generated) == weights_of(expected)
    assert generated.count_params() == expected.count_params()
    generated.set_weights(expected.get_weights())
    random = np.random.default_rng(0)
    inputs = [random_input(tensor, random) for tensor in expected.inputs]
    given = inputs if len(inputs) > 1 else inputs[0]
    results = [
        [np.asarray(x) for x in (found if isinstance(found, list | tuple) else [found])]
        for found in (model(given, training=False) for model in (generated, expected))
    ]
    for found, wanted in zip(*results, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def assert_right(
    keras: Any, program: Program, made: KerasSource, name: str, **arguments: Any
) -> None:
    keras.utils.clear_session()
    expected = build_keras(program.model(name).graph).keras_model
    assert_same(keras, built(keras, made, name, **arguments), expected)


# ----------------------------------------------------------------------------- tests


@pytest.mark.parametrize("name", EVERY)
def test_same_model(name: str, keras_backend: Any) -> None:
    program = compile_text(EVERY[name], f"{name}.spec")
    made = written(program)
    assert set(made.expanded) == ({name} if name in EXPANDED else set())
    for model in program.models:
        assert_right(keras_backend, program, made, model.name)


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_shipped_specs(path: Path, keras_backend: Any) -> None:
    program = compile_file(path)
    made = written(program)
    assert not made.expanded
    if sum(model.params.total for model in program.models) > 20_000_000:
        pytest.skip("it would take long to build")
    for model in program.models:
        assert_right(keras_backend, program, made, model.name)


PARAMS: list[tuple[str, dict[str, Any]]] = [
    ("flow", {"normalize": False, "depth": 1, "kind": "gelu"}),
    ("flow", {"depth": 0}),
    ("flow_through_names", {"deep": False}),
    ("outputs", {"heads": 1}),
]


@pytest.mark.parametrize(("name", "params"), PARAMS)
def test_params(name: str, params: dict[str, Any], keras_backend: Any) -> None:
    """Given to specc they are the defaults; given to the function they mean what they mean."""
    program = compile_text(EVERY[name], f"{name}.spec", params=params)
    made = written(program)
    assert not made.expanded
    assert_right(keras_backend, program, made, name)
    assert_right(keras_backend, program, written(compile_text(EVERY[name])), name, **params)


def test_defaults_follow_other_params(keras_backend: Any) -> None:
    text = STRUCTURED["nested_models"]
    program = compile_text(text, params={"width": 7})
    made = written(program)
    assert "width: int = 7, hidden: int | None = None" in made.text
    assert_right(keras_backend, program, made, "encoder")
    program = compile_text(text, params={"hidden": 2})
    assert "hidden: int = 2" in written(program).text


@pytest.mark.usefixtures("keras_backend")
def test_names_do_not_depend_on_what_was_built_before() -> None:
    for name in ("merges_and_operations", "resnet34", "nested_models"):
        program = compile_text(EVERY[name], f"{name}.spec")
        made = written(program)
        model = program.models[-1]
        expected = [layer.name for layer in model.to_keras().layers]
        scope: dict[str, Any] = {}
        exec(made.text, scope)
        for _ in range(2):
            again = scope[made.functions[model.name]]()
            assert [x.name for x in again.layers if hasattr(x, "count_params")] == expected


def test_layers_of_ones_own_are_saved_and_loaded(tmp_path: Path, keras_backend: Any) -> None:
    name = "own_layers"
    model = built(keras_backend, written(compile_text(EVERY[name], f"{name}.spec")), name)
    model.save(tmp_path / "model.keras")
    loaded = keras_backend.saving.load_model(tmp_path / "model.keras")
    assert weights_of(loaded) == weights_of(model)
    x = [np.ones((2, 8), "float32")] * 2
    np.testing.assert_array_equal(np.asarray(loaded(x)), np.asarray(model(x)))


def test_one_model_of_several() -> None:
    program = compile_text(STRUCTURED["nested_models"])
    alone = written(program, "encoder").text
    assert "def encoder(" in alone
    assert "def pair(" not in alone


def test_only_one_file_is_needed(tmp_path: Path) -> None:
    """In a process that has no specc, and run as a program."""
    made = written(compile_text(STRUCTURED["blocks"], "blocks.spec"))
    (tmp_path / "blocks.py").write_text(made.text, encoding="utf-8")
    code = (
        "import sys, runpy\n"
        "sys.modules['specc'] = None\n"
        "runpy.run_path('blocks.py', run_name='__main__')\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "both.low.dense" in done.stdout


@pytest.mark.parametrize("name", ["resnet34", "own_layers", "nested_models", "shared_block"])
def test_what_it_looks_like(name: str, golden: Golden) -> None:
    golden(f"codegen/{name}.py.txt", written(compile_text(EVERY[name], f"{name}.spec")).text)


@pytest.mark.skipif(shutil.which("ruff") is None, reason="ruff is not installed")
def test_formatted(tmp_path: Path) -> None:
    programs = {name: compile_text(text, f"{name}.spec") for name, text in EVERY.items()}
    programs.update({path.stem: compile_file(path) for path in SPECS})
    for name, program in programs.items():
        (tmp_path / f"{name}.py").write_text(written(program).text, encoding="utf-8")
    for words in (["format", "--diff"], ["check", "--output-format=concise"]):
        done = subprocess.run(
            ["ruff", *words, "--isolated", "--no-cache", str(tmp_path)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


# ---------------------------------------------------------------------- command line


def run(*words: str) -> tuple[int, str, str]:
    """The status and both outputs of a command line."""
    out, err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        status = main(["codegen", *words])
        out.flush()
    return status, out.buffer.getvalue().decode(), err.getvalue()  # type: ignore[attr-defined]


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.spec").write_text(RESIDUAL, encoding="utf-8")
    return "net.spec"


def test_printed_and_written(spec: str) -> None:
    status, out, err = run(spec, "-p", "classes=7")
    assert (status, err) == (0, "")
    assert "classes: int = 7" in out
    assert run(spec, "-o", "out/net.py", "-p", "classes=7")[:2] == (0, "")
    assert Path("out/net.py").read_text(encoding="utf-8") == out


def test_what_is_wrong_writes_nothing(spec: str) -> None:
    assert run(spec, "--model", "resnet35", "-o", "net.py")[0] == 2
    assert "did you mean `resnet34`?" in run(spec, "--model", "resnet35")[2]
    assert run(spec, "-p", "klasses=3", "-o", "net.py")[0] == 2
    assert run("none.spec")[0] == 2
    Path(spec).write_text("model m { input x: float32[2]\n Dens(1) }", encoding="utf-8")
    assert run(spec, "-o", "net.py")[0] == 1
    assert not Path("net.py").exists()


def test_what_has_no_structure_is_said(spec: str) -> None:
    Path(spec).write_text(EXPANDED["shared_block"], encoding="utf-8")
    status, out, err = run(spec)
    assert status == 0
    assert "# Without the structure of the spec, because" in out
    assert "note: `shared_block` is written without its structure" in err


def test_layers_from_python_are_refused(spec: str) -> None:
    Path("mine.py").write_text(
        "from specc.layers.core import Dense\n\n\nclass Mine(Dense):\n"
        "    def keras_layer(self):\n        import keras\n\n        return keras.layers.Dense\n",
        encoding="utf-8",
    )
    Path(spec).write_text("model m { input x: float32[2]\n Mine(1) }", encoding="utf-8")
    status, out, err = run(spec, "--allow-python", "mine.py")
    assert (status, out) == (1, "")
    assert "E0620" in err


def test_needs_no_framework(spec: str) -> None:
    code = (
        "import sys; from specc.cli.main import main; status = main(['codegen', sys.argv[1]]); "
        "assert not {'keras', 'tensorflow', 'numpy'} & set(sys.modules); sys.exit(status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, spec],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
