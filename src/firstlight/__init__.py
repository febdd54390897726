"""The one door: every public name, fetched on first use, so that importing Firstlight costs nothing."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from firstlight.auditing import audit as audit
    from firstlight.data.auditing.findings import Finding as Finding
    from firstlight.data.auditing.findings import Findings as Findings
    from firstlight.data.decoding.loading import Loading as Loading
    from firstlight.data.fetching.download import get as get
    from firstlight.data.numbers import Numbers as Numbers
    from firstlight.data.numbers import numbers as numbers
    from firstlight.data.pixels import Pixels as Pixels
    from firstlight.data.pixels import load as load
    from firstlight.data.sources import scan as scan
    from firstlight.data.splits import split as split
    from firstlight.data.table import Table as Table
    from firstlight.errors import FirstlightError as FirstlightError
    from firstlight.evaluation.advice import Advice as Advice
    from firstlight.evaluation.advice import advise as advise
    from firstlight.evaluation.compare import compare as compare
    from firstlight.evaluation.comparison import Comparison as Comparison
    from firstlight.evaluation.comparison import Comparisons as Comparisons
    from firstlight.evaluation.label_errors import LabelErrors as LabelErrors
    from firstlight.evaluation.label_errors import label_errors as label_errors
    from firstlight.evaluation.metrics import Evaluation as Evaluation
    from firstlight.evaluation.metrics import evaluate as evaluate
    from firstlight.evaluation.predictions import Prediction as Prediction
    from firstlight.evaluation.predictions import Predictions as Predictions
    from firstlight.evaluation.simpson import Stratified as Stratified
    from firstlight.evaluation.slices import Slices as Slices
    from firstlight.ladder import climb as climb
    from firstlight.ladder import fit as fit
    from firstlight.models.checkpoint import restore as restore
    from firstlight.models.checkpoint import save as save
    from firstlight.models.classifier import Classifier as Classifier
    from firstlight.models.closed_form.sums import ClassSums as ClassSums
    from firstlight.models.closed_form.sums import class_sums as class_sums
    from firstlight.models.crossfit import crossfit as crossfit
    from firstlight.models.explaining.explain import explain as explain
    from firstlight.models.explaining.explanation import Explanation as Explanation
    from firstlight.models.exporting.export import Exported as Exported
    from firstlight.models.exporting.export import export as export
    from firstlight.models.exporting.session import Session as Session
    from firstlight.models.inference import predict as predict
    from firstlight.models.training.recipes import Augmentation as Augmentation
    from firstlight.models.training.recipes import Recipe as Recipe
    from firstlight.progress import Step as Step
    from firstlight.reporting.report import report as report
    from firstlight.runs.folder import read_run as read_run
    from firstlight.runs.history import Epoch as Epoch
    from firstlight.runs.results import Run as Run
    from firstlight.runs.rung_result import RungResult as RungResult
    from firstlight.runs.slicing import simpson as simpson
    from firstlight.runs.slicing import slices as slices
    from firstlight.runs.tensors import SavedModel as SavedModel

_ROOMS = {
    "Advice": "evaluation.advice",
    "Augmentation": "models.training.recipes",
    "ClassSums": "models.closed_form.sums",
    "Classifier": "models.classifier",
    "Comparison": "evaluation.comparison",
    "Comparisons": "evaluation.comparison",
    "Epoch": "runs.history",
    "Evaluation": "evaluation.metrics",
    "Explanation": "models.explaining.explanation",
    "Exported": "models.exporting.export",
    "Finding": "data.auditing.findings",
    "Findings": "data.auditing.findings",
    "FirstlightError": "errors",
    "LabelErrors": "evaluation.label_errors",
    "Loading": "data.decoding.loading",
    "Numbers": "data.numbers",
    "Pixels": "data.pixels",
    "Prediction": "evaluation.predictions",
    "Predictions": "evaluation.predictions",
    "Recipe": "models.training.recipes",
    "Run": "runs.results",
    "RungResult": "runs.rung_result",
    "SavedModel": "runs.tensors",
    "Session": "models.exporting.session",
    "Slices": "evaluation.slices",
    "Step": "progress",
    "Stratified": "evaluation.simpson",
    "Table": "data.table",
    "advise": "evaluation.advice",
    "audit": "auditing",
    "class_sums": "models.closed_form.sums",
    "climb": "ladder",
    "compare": "evaluation.compare",
    "crossfit": "models.crossfit",
    "evaluate": "evaluation.metrics",
    "explain": "models.explaining.explain",
    "export": "models.exporting.export",
    "fit": "ladder",
    "get": "data.fetching.download",
    "label_errors": "evaluation.label_errors",
    "load": "data.pixels",
    "numbers": "data.numbers",
    "predict": "models.inference",
    "read_run": "runs.folder",
    "report": "reporting.report",
    "restore": "models.checkpoint",
    "save": "models.checkpoint",
    "scan": "data.sources",
    "simpson": "runs.slicing",
    "slices": "runs.slicing",
    "split": "data.splits",
}

__all__ = [*_ROOMS, "__version__"]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("firstlight")
    if name not in _ROOMS:
        raise AttributeError(f"module 'firstlight' has no attribute {name!r}")
    value = getattr(import_module(f"firstlight.{_ROOMS[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
