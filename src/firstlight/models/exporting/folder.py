"""The model folder, in the shape of the Hugging Face Hub: README.md, config.json, model.safetensors; and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from firstlight.atomic import new_folder
from firstlight.errors import ArgumentError, RunError
from firstlight.models.exporting.card import card
from firstlight.models.exporting.document import FORMAT, NEEDED, document
from firstlight.runs.files import LIMITS
from firstlight.runs.files import MODEL as MODEL_LIMIT
from firstlight.runs.files import TENSORS as TENSORS_LIMIT
from firstlight.runs.folder import read_run
from firstlight.runs.results import Run
from firstlight.runs.seal import digest, seal, unseal
from firstlight.runs.tensors import SavedModel, pack_one, unpack_one

CARD, CONFIG, MODEL = "README.md", "config.json", "model.safetensors"
KIND = "model folder"


def write_folder(
    run: Run | str | Path,
    out: str | Path,
    *,
    rung: str | None = None,
    license: str | None = None,
    dataset: str | None = None,
) -> Path:
    """Writes a rung as a folder that the Hugging Face Hub takes as a model: ``hf upload NAME FOLDER``.

    README.md is the model card; model.safetensors holds the tensors as the run does, with their description;
    config.json the classes, the preprocessing and what was measured. No file can run code.

    Args:
        run: a run, or its folder.
        out: the folder. One that this function wrote is replaced, unless something in it was added or changed.
        rung: its name; the advised one where left out.
        license: under which the model is shared, as the Hub writes it: ``"apache-2.0"``; none is stated where left out.
        dataset: the images' name on the Hub, such as ``"ylecun/mnist"``, where they are from there.

    Returns:
        The folder.

    Raises:
        ArgumentError: where ``out`` is there and holds anything else, the run has no such rung, or a name is not
            written as the Hub does.
        MissingExtraError: where PyYAML is not installed.
        RunError: where the folder cannot be written.

    Example:
        >>> import firstlight as fl
        >>> run = fl.climb(digits, rungs=["centroid-l2"])
        >>> folder = write_folder(run, f"{digits}-model", license="apache-2.0")
        >>> sorted(path.name for path in folder.iterdir())
        ['README.md', 'config.json', 'model.safetensors']
        >>> read_folder(folder)[0]["classes"][:3]
        ['0', '1', '2']
    """
    out = Path(out)
    earlier = (out.exists() or out.is_symlink()) and _is_earlier(out)
    run = run if isinstance(run, Run) else read_run(run)
    result = run.chosen(rung)
    about = document(run, result.name)
    files = {
        CARD: card(run, result, about, license=license, dataset=dataset).encode(),
        MODEL: pack_one(result.model),
    }
    stated = {name: {"bytes": len(data), "blake2b": digest(data)} for name, data in files.items()}
    files[CONFIG] = seal(KIND, {"about": about, "files": stated})
    with new_folder(out, RunError, replacing=earlier) as folder:
        for name, data in files.items():
            (folder / name).write_bytes(data)
    return out


def read_folder(folder: str | Path) -> tuple[dict[str, Any], SavedModel]:
    """A model folder's document and its rung as plain data, each held against its digest.

    Args:
        folder: what `write_folder` wrote; README.md may have been changed, and files may have been added.

    Raises:
        RunError: where the folder is none that Firstlight wrote, or a file is missing, cut off or changed.
    """
    folder = Path(folder)
    config = _read(folder / CONFIG, LIMITS[MODEL_LIMIT])
    content = unseal(KIND, config, folder / CONFIG, remedy="export the run again")
    match content:
        case {"about": {"format": int(version)} as about, "files": {"model.safetensors": {"blake2b": str(stated)}}}:
            pass
        case _:
            raise RunError(f"{folder / CONFIG} describes no model; export the run anew.")
    if version != FORMAT or not about.keys() >= NEEDED:
        raise RunError(f"{folder / CONFIG} has a description of another version of Firstlight; export the run anew.")
    data = _read(folder / MODEL, LIMITS[TENSORS_LIMIT])
    if digest(data) != stated:
        raise RunError(f"{folder / MODEL} is not the file that {CONFIG} describes; export the run anew.")
    return about, unpack_one(data, folder / MODEL)


def _read(path: Path, most: int) -> bytes:
    try:
        if path.stat().st_size > most:
            raise RunError(f"{path} has {path.stat().st_size:,} bytes, and at most {most:,} are read; export anew.")
        return path.read_bytes()
    except OSError as error:
        raise RunError(
            f"{path} cannot be read ({error.strerror}); name a folder that firstlight export --to safetensors wrote."
        ) from error


def _is_earlier(out: Path) -> bool:
    """Whether it is a model folder as it was written; told where it is anything else, since nothing is lost."""
    if out.is_dir() and not out.is_symlink():
        there = {path.name for path in out.iterdir()}
        if not there:
            return False
        if there == {CARD, CONFIG, MODEL}:
            try:
                stated = unseal(KIND, _read(out / CONFIG, LIMITS[MODEL_LIMIT]), out / CONFIG)["files"]
                if all(stated[name]["blake2b"] == digest((out / name).read_bytes()) for name in (CARD, MODEL)):
                    return True
            except (RunError, LookupError, TypeError, OSError):
                pass
    raise ArgumentError(
        f"{out} is there already, and is no model folder as it was exported, so that something would be lost; name "
        "another folder."
    )
