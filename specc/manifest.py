"""The manifest: what a built or exported file was made from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, cast

from specc._version import __version__
from specc.graph import Graph
from specc.source import Source

MANIFEST_KEY = "specc.manifest"
"""Where it is in an ONNX file's metadata."""

RECORD_KEY = "record"
"""Where the manifest has what `specc verify FILE.onnx` compares the file with."""

LAYER_KEY = "specc.layer"
"""Where a node says which layer it is of."""

PACKAGES = ("tensorflow", "keras", "tf2onnx", "onnx", "onnxruntime", "numpy")


def manifest(graph: Graph, source: Source, weights: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The manifest of a model.

    Args:
        weights: where its weights are from: `{"seed": 0}` or `{"file": ..., "sha256": ...}`.
        more: further entries.
    """
    return {
        "specc": __version__,
        "model": graph.name,
        "spec": {"file": source.name, "sha256": sha256(source.text.encode()).hexdigest()},
        "weights": weights,
        "params": graph.params._asdict(),
        "layers": {layer.name: layer.params.total for layer in graph.layers},
        "inputs": {tensor.name: str(tensor.type) for tensor in graph.inputs},
        "outputs": {
            name: str(tensor.type)
            for name, tensor in zip(graph.output_names, graph.outputs, strict=True)
        },
        "versions": installed_versions(),
        **more,
    }


def installed_versions() -> dict[str, str]:
    """The versions of the packages that have a part in the result."""
    from importlib.metadata import PackageNotFoundError, version

    found: dict[str, str] = {}
    for package in PACKAGES:
        for distribution in (package, f"{package}-gpu", f"{package}-cpu"):
            try:
                found[package] = version(distribution)
                break
            except PackageNotFoundError:
                continue
    return found


def read_manifest(metadata: Mapping[str, str]) -> dict[str, Any]:
    """The manifest in an ONNX file's metadata; empty where there is none."""
    try:
        content = json.loads(metadata.get(MANIFEST_KEY, "{}"))
    except ValueError:
        return {}
    return cast("dict[str, Any]", content) if isinstance(content, dict) else {}


def as_text(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=2) + "\n"
