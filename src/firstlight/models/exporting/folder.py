"""The model folder as the Hugging Face Hub expects it: README.md, config.json, model.safetensors; read and written."""

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
    """Writes a rung as a model folder for the Hugging Face Hub: ``hf upload NAME FOLDER``.

    README.md is the model card; model.safetensors holds the tensors and their description; config.json holds the
    classes, the preprocessing and the evaluation. No file can run code.

    Args:
        run: a run, or its folder.
        out: the folder. One that this function wrote is replaced, unless files in it were added or changed.
        rung: the name of the rung; if None, the recommended one.
        license: of the model, as the Hub writes it: ``"apache-2.0"``; if None, the card states none.
        dataset: the name of the dataset on the Hub, such as ``"ylecun/mnist"``, if the images are from there.

    Returns:
        The folder.

    Raises:
        ArgumentError: where ``out`` exists and is something else, the run has no such rung, or a name is not written
            as on the Hub.
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
    """The document and the tensors of a model folder, each checked against its digest.

    Args:
        folder: a folder that `write_folder` wrote; README.md may be changed and files may be added.

    Raises:
        RunError: where Firstlight did not write the folder, or a file is missing, truncated or changed.
    """
    folder = Path(folder)
    config = _read(folder / CONFIG, LIMITS[MODEL_LIMIT])
    content = unseal(KIND, config, folder / CONFIG, remedy="export the run again")
    match content:
        case {"about": {"format": int(version)} as about, "files": {"model.safetensors": {"blake2b": str(stated)}}}:
            pass
        case _:
            raise RunError(f"{folder / CONFIG} does not describe a model; export the run again.")
    if version != FORMAT or not about.keys() >= NEEDED:
        raise RunError(f"{folder / CONFIG} was written by another version of Firstlight; export the run again.")
    data = _read(folder / MODEL, LIMITS[TENSORS_LIMIT])
    if digest(data) != stated:
        raise RunError(f"{folder / MODEL} is not the file that {CONFIG} describes; export the run again.")
    return about, unpack_one(data, folder / MODEL)


def _read(path: Path, most: int) -> bytes:
    try:
        if path.stat().st_size > most:
            raise RunError(
                f"{path} has {path.stat().st_size:,} bytes, above the limit of {most:,}; export the run again."
            )
        return path.read_bytes()
    except OSError as error:
        raise RunError(
            f"{path} cannot be read ({error.strerror}); pass a folder that firstlight export --to safetensors wrote."
        ) from error


def _is_earlier(out: Path) -> bool:
    """Whether an existing folder is an unchanged model folder, and not empty.

    Raises:
        ArgumentError: where it holds anything else, which replacing it would delete.
    """
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
        f"{out} already exists and is not an unchanged model folder, so it is not replaced; name another folder."
    )
