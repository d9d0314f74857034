"""Layers of packages: installed, used by every command, and what may be wrong with them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from specc.cli.main import main
from specc.plugins import offered_layers, plugin_layer, plugin_problems

EXAMPLE = "examples/specc-squeeze-excite"

LAYERS = '''
from specc.layers.api import Float, Layer, arg


class Scale(Layer):
    """The input times a factor.

    Example: float32[4] -> Scale(2) -> float32[4]
    """

    factor: float = arg(Float(), default=1.0)

    def infer(self, x):
        return x

    def keras_layer(self):
        raise NotImplementedError


class Bare(Layer):
    def infer(self, x):
        return x


class Dense(Scale):
    pass


no_layer = object()
'''


class Site:
    """A folder of packages, as an installation makes it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def install(self, package: str, **entries: str) -> None:
        module = package.replace("-", "_")
        (self.path / f"{module}.py").write_text(LAYERS)
        metadata = self.path / f"{module}-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n"
        )
        lines = [f"{name} = {module}{value}" for name, value in entries.items()]
        (metadata / "entry_points.txt").write_text("[specc.layers]\n" + "\n".join(lines) + "\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    caches: list[Any] = [plugin_layer, offered_layers]
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    modules = set(sys.modules)
    for cache in caches:
        cache.cache_clear()
    yield Site(tmp_path)
    for cache in caches:
        cache.cache_clear()
    for name in set(sys.modules) - modules:
        if getattr(sys.modules[name], "__file__", "") == str(tmp_path / f"{name}.py"):
            del sys.modules[name]


def check(site: Site, layer: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    spec = site.path / "a.spec"
    spec.write_text(f"model m {{\n    input x: float32[4]\n\n    {layer}\n}}\n")
    status = main(["check", str(spec)])
    return status, capsys.readouterr().err


def test_a_layer_of_a_package(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.install("scaling", Scale=":Scale")
    assert check(site, "Scale(factor=3)", capsys) == (0, "")
    assert plugin_problems() == []


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (":Nothing", "cannot be loaded: AttributeError"),
        (".gone:Scale", "cannot be loaded: ModuleNotFoundError"),
        (":no_layer", "is no subclass of specc.layers.base.Layer"),
        (":Dense", "is a class of another name, `Dense`"),
    ],
)
def test_an_entry_point_that_leads_nowhere(
    entry: str, message: str, site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.install("scaling", Scale=entry)
    status, err = check(site, "Scale", capsys)
    assert status == 2
    assert "scaling" in err
    assert message in err
    (problem,) = plugin_problems()
    assert message in problem.what
    assert problem.package == "scaling"
    assert not problem.superfluous


def test_a_layer_without_a_keras_layer(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.install("scaling", Bare=":Bare")
    status, err = check(site, "Bare", capsys)
    assert status == 2
    assert "has no method `keras_layer`" in err


def test_a_misspelt_name_of_a_package(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.install("scaling", ScaleGradually=":ScaleGradually")
    status, err = check(site, "ScaleGradualy(factor=3)", capsys)
    assert status == 1
    assert "did you mean `ScaleGradually`?" in err


def test_two_packages_with_a_layer_of_one_name(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.install("scaling", Scale=":Scale")
    site.install("other-scaling", Scale=":Scale")
    status, err = check(site, "Scale", capsys)
    assert status == 2
    assert "two packages offer a layer `Scale`: other-scaling 1.0 and scaling 1.0" in err
    (problem,) = plugin_problems()
    assert problem.superfluous
    # It is nobody else's business.
    assert check(site, "Dense(3)", capsys) == (0, "")


def test_a_layer_with_the_name_of_one_of_keras(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.install("scaling", Dense=":Dense", Scale=":Scale")
    assert check(site, "Dense(3)", capsys) == (0, "")  # Keras's, which has this argument
    (problem,) = plugin_problems()
    assert problem.what == "scaling 1.0 offers a layer `Dense`, which stays Keras's in every spec"
    assert problem.superfluous
    assert main(["layers", "Dense"]) == 0
    assert "Dense(units" in capsys.readouterr().out


def test_the_catalogue_shows_layers_of_packages(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.install("scaling", Scale=":Scale", Bare=":Bare")
    assert main(["layers"]) == 0
    listed = capsys.readouterr().out.partition("\nscaling\n")[2]
    assert "Scale  The input times a factor." in listed
    assert "Bare   (cannot be used)" in listed

    assert main(["layers", "--json", "scale"]) == 0
    layer = json.loads(capsys.readouterr().out)["layer"]
    assert (layer["name"], layer["package"], layer["family"]) == ("Scale", "scaling", "scaling")
    assert layer["example"]["outputs"] == ["float32[4]"]

    file = site.path / "own.py"
    file.write_text(LAYERS.partition("class Bare")[0].replace("a factor", "a factor of its own"))
    assert main(["layers", "--allow-python", str(file)]) == 0
    listed = capsys.readouterr().out
    assert "\nown\n  Scale  The input times a factor of its own.\n" in listed
    assert "Scale" not in listed.partition("\nscaling\n")[2]  # as in a spec: the file comes first

    assert main(["layers", "Bare"]) == 2
    assert "has no method `keras_layer`" in capsys.readouterr().err


def test_doctor_names_plugins_and_what_is_wrong_with_them(site: Site) -> None:
    from test_doctor import SOUND, replace

    from specc.backends.environment import find_conflicts
    from specc.cli.doctor import as_json, as_text

    site.install("scaling", Dense=":Dense", Scale=":Scale", Bare=":Bare")
    found = replace(
        SOUND,
        plugins={"scaling 1.0": tuple(offered_layers())},
        plugin_problems=tuple(plugin_problems()),
    )
    conflicts = find_conflicts(found)
    assert [conflict.command for conflict in conflicts] == [
        "python -m pip install --upgrade scaling",
        "python -m pip uninstall scaling",
    ]
    text = as_text(found, conflicts)
    assert "\nLayers of packages\n  scaling 1.0  Bare, Dense, Scale\n" in text
    assert as_json(found, conflicts)["plugins"] == {"scaling 1.0": ["Bare", "Dense", "Scale"]}


# ------------------------------------------------------------------ files that are allowed


def write(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            [LAYERS.replace("class Bare", "class _Bare")],
            "defines a layer `Dense`, which is the name of one of Keras's",
        ),
        ([LAYERS.replace("class Dense(Scale):\n    pass", "")], "has no method `keras_layer`"),
        ([LAYERS.partition("class Bare")[0]] * 2, "both define a layer `Scale`"),
    ],
    ids=["name of Keras's", "no Keras layer", "twice"],
)
def test_files_with_layers_that_cannot_be(
    files: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = write(tmp_path / "a.spec", "model m {\n    input x: float32[4]\n\n    Scale\n}\n")
    words = ["check", spec]
    for number, text in enumerate(files):
        words += ["--allow-python", write(tmp_path / f"layers{number}.py", text)]
    assert main(words) == 2
    assert message in capsys.readouterr().err


GAIN = """
from functools import cache

from specc.layers.api import Layer, Weight, known_size


class Gain(Layer):
    def infer(self, x):
        return x

    def weights(self, x):
        return (Weight("gain", (known_size(x, -1),)),)

    def keras_layer(self):
        return keras_gain()


@cache
def keras_gain():
    import keras

    class Gain(keras.layers.Layer):
        def build(self, shape):
            self.gain = self.add_weight(name="gain", shape=shape[-1:], initializer="ones")

        def call(self, inputs):
            return inputs * self.gain

        def compute_output_shape(self, shape):
            return shape

    return Gain
"""

NESTED = """\
block scaled {
    input x
    weight shift: float32[4] = "zeros"

    y = x -> Gain
    y + shift
}

model inner {
    input x: float32[4]

    Gain
}

model m {
    input x: float32[5, 4]

    TimeDistributed(Gain)
    Flatten
    Dense(4)
    scaled
    inner
}
"""


def test_a_saved_model_is_loaded_with_the_layers_in_it(repository: Path, tmp_path: Path) -> None:
    """Inside other layers, blocks and models too; in a process that has not made them before."""
    options = ["--model", "m", "--allow-python", write(tmp_path / "gain.py", GAIN)]
    spec = write(tmp_path / "a.spec", NESTED)
    for words in (
        ["build", spec],
        ["export", "--onnx", spec, "--weights", "build/m.keras", "--provider", "cpu"],
        ["verify", spec, "build/m.onnx", "--provider", "cpu"],
    ):
        said = specc(tmp_path, repository, tmp_path, "-m", "specc", *words, *options)
    assert "100 in Keras = 100 in ONNX" in said


@pytest.mark.usefixtures("keras_backend")
def test_what_keras_says_of_a_layer_from_python(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The line that says something, not the one that says where."""
    spec = write(
        tmp_path / "a.spec",
        "model m {\n    input x: float32[5, 4]\n\n    TimeDistributed(Gain)\n}\n",
    )
    unsaid = GAIN.replace("compute_output_shape", "some_other_method")
    file = write(tmp_path / "gain.py", unsaid)
    assert main(["build", spec, "--allow-python", file, "-o", str(tmp_path)]) == 1
    err = capsys.readouterr().err
    assert "note: Keras says: Layer Gain does not have a `compute_output_shape` method" in err


# -------------------------------------------------------------------- the example package


@pytest.fixture(scope="module")
def installed(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder into which pip has installed the example package, built from its source."""
    import shutil

    source = tmp_path_factory.mktemp("source") / "package"
    shutil.copytree(repository / EXAMPLE, source)
    target = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    local = ["--no-deps", "--no-build-isolation", "--no-index", "--target", str(target)]
    done = subprocess.run(
        [*pip, *local, str(source)], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return target


def specc(installed: Path, repository: Path, cwd: Path, *words: str) -> str:
    """The output of a command that succeeds, in a process that finds the package."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "SPECC"))}
    environment["PYTHONPATH"] = os.pathsep.join([str(installed), str(repository)])
    environment["TF_CPP_MIN_LOG_LEVEL"] = "3"
    done = subprocess.run(
        [sys.executable, *words],
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, f"{words}: {done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.wheel
def test_every_command_works_with_an_installed_package(
    installed: Path, repository: Path, tmp_path: Path
) -> None:
    def run(*words: str) -> str:
        return specc(installed, repository, tmp_path, "-m", "specc", *words)

    spec = str(repository / EXAMPLE / "senet.spec")
    assert "senet is sound" in run("check", spec)
    (summary,) = json.loads(run("summary", "--json", spec, "-p", "depth=1"))["models"]
    params = {layer["type"]: layer["params"]["total"] for layer in summary["layers"]}
    assert (params["SqueezeExcite"], params["LayerScale"]) == (292, 32)
    assert run("fmt", "--check", spec) == ""
    run("lint", spec)
    listed = run("layers").partition("\nspecc-squeeze-excite\n")[2].partition("\n\n")[0]
    assert listed.splitlines() == [
        "  LayerScale     Each feature times a learned factor that starts small.",
        "  SqueezeExcite  Channels weighted by what the whole image has of them.",
    ]
    page = run("layers", "squeezeexcite")
    assert "SqueezeExcite  (specc-squeeze-excite, of the package specc-squeeze-excite)" in page
    assert "excite/kernel (4, 64): 256" in page
    assert "Keras agrees with the spec on every layer" in run("build", spec, "-p", "depth=1")
    small = [spec, "-p", "depth=1", "--weights", "build/senet.keras", "--provider", "cpu"]
    assert "build/senet.onnx written" in run("export", "--onnx", *small)
    assert "build/senet.onnx" in run("verify", spec, "build/senet.onnx", *small[1:])


@pytest.mark.wheel
def test_the_example_packages_own_tests(installed: Path, repository: Path) -> None:
    tests = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "ignore", "tests"]
    said = specc(installed, repository, repository / EXAMPLE, *tests)
    assert " passed" in said
    assert "failed" not in said


@pytest.mark.wheel
def test_a_check_imports_no_framework_for_it(installed: Path, repository: Path) -> None:
    program = (
        "import sys; from specc.cli.main import main; "
        "assert main(['check', 'senet.spec']) == 0; "
        "print([m for m in ('keras', 'tensorflow', 'numpy') if m in sys.modules])"
    )
    said = specc(installed, repository, repository / EXAMPLE, "-c", program)
    assert said.splitlines()[-1] == "[]"
