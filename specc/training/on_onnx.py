"""A trained model exported, and the same test samples through onnxruntime."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from specc.api import Model
from specc.backends.adopt import adopt
from specc.backends.frameworks import import_keras
from specc.backends.weights import describe_file, load_keras
from specc.records import record
from specc.training.batches import batches
from specc.training.compiled import compiled_model
from specc.training.dataset import Dataset, Part
from specc.training.engine import TrainedRun
from specc.training.feed import feed_of
from specc.training.hooks import plain
from specc.training.progress import Row
from specc.training.settings import Settings
from specc.verification.report import Report
from specc.verification.verified_export import export_verified


@record
class Exported:
    """What came of the export."""

    report: Report
    metrics: Row
    """Of the test samples, or else of the validation, with what onnxruntime predicts; empty
    without such samples."""
    metrics_of: str


def export_trained(
    model: Model,
    dataset: Dataset,
    settings: Settings,
    trained: TrainedRun,
    how: Mapping[str, Any],
) -> Exported:
    """Write the verified ONNX file of a run; it is not there where the report is bad.

    Args:
        how: arguments of `export_verified`.
    """
    path = trained.paths.keras
    keras_model = load_keras(path, model.graph)
    built = trained.built or adopt(model.graph, keras_model)
    weights, target = describe_file(path), trained.paths.onnx
    found = export_verified(built, model.source, target, weights, labels=model.labels, **how)
    report = found.report
    part, name = (dataset.test, "test") if dataset.test else (dataset.validation, "validation")
    if not report.ok or part is None:
        return Exported(report, {}, "")
    return Exported(report, onnx_metrics(model, settings, part, trained.paths.onnx), name)


def onnx_metrics(model: Model, settings: Settings, part: Part, path: str) -> Row:
    """The loss and the metrics of what an ONNX file predicts, computed by Keras's own objects.

    The loss is without what regularizers add, of which a file knows nothing.
    """
    from specc.inference.predictor import load

    keras = import_keras()
    size = settings["validation_batch_size"] or settings.batch_size
    feed = feed_of(keras.backend.backend(), part, size)
    judge: Any = compiled_model(model.graph, settings, next(iter(feed.begin(0))), 1).keras_model
    judge.reset_metrics()
    predictor = load(path)
    names = [port.name for port in predictor.inputs]
    losses = total = 0.0
    for batch in batches(part, size, seed=None, epoch=0):
        found = predictor.predict(dict(zip(names, batch.inputs, strict=True)))
        predicted = [found[n] for n in found] if isinstance(found, dict) else [found]
        y: Any = batch.targets[0] if len(batch.targets) == 1 else list(batch.targets)
        y_pred: Any = predicted[0] if len(predicted) == 1 else predicted
        count = len(batch.inputs[0])
        losses += count * float(plain(judge.compute_loss(y=y, y_pred=y_pred)))
        total += count
        judge.compute_metrics(None, y, y_pred)
    found_metrics = {n: plain(v) for n, v in judge.get_metrics_result().items()}
    return {**found_metrics, "loss": losses / total}
