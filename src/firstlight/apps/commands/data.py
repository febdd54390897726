"""The commands before the model: demo, get, scan, split and cache."""

from __future__ import annotations

import shlex
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from firstlight.apps.command import command
from firstlight.apps.options import ClassesFrom, Data, Json, LabelFrom, Quiet, Seed
from firstlight.apps.screen import print_json
from firstlight.apps.table_summary import table_document, table_lines
from firstlight.apps.terminal import hanging, remark, say, width
from firstlight.errors import ArgumentError
from firstlight.wording import plural

if TYPE_CHECKING:
    from firstlight.data.table import Table


@command("firstlight demo")
def demo(
    folder: Annotated[Path, typer.Option(help="Folder for the images and runs.")] = Path("firstlight-demo"),
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Show the whole workflow on handwritten digits."""
    from firstlight.apps.demo import tell

    tell(folder, quiet=quiet, as_json=as_json)


@command("firstlight get mnist_sample")
def get(
    name: Annotated[
        str | None, typer.Argument(help="Name of a known dataset, an http(s) address, or a local archive.")
    ] = None,
    folder: Annotated[Path | None, typer.Option(help="Folder to unpack into.")] = None,
    sha256: Annotated[str | None, typer.Option(help="Expected SHA-256 of the archive.")] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Download a dataset and print its folder; without a name list all."""
    from firstlight.data.fetching.catalog import DATASETS
    from firstlight.data.fetching.download import get as fetch

    if name is None:
        ignored = {"--folder": folder, "--sha256": sha256}
        for option, value in ignored.items():
            if value is not None:
                raise ArgumentError(f"{option} {value} has no effect without a name; name what to get.")
        known = {one.name: {"about": one.about, "licence": one.licence, "url": one.url} for one in DATASETS.values()}
        if as_json:
            print_json(known)
        else:
            for one in DATASETS.values():
                say(*hanging(f"{one.name:<15} ", one.about, width(sys.stdout)))
        return
    path = fetch(name, folder=folder, sha256=sha256, progress=not quiet)
    print_json({"path": str(path)}) if as_json else say(path)


@command("firstlight scan photos/ --out photos.parquet")
def scan(
    data: Data,
    out: Annotated[Path | None, typer.Option(help="Save the table to this .parquet or .csv file.")] = None,
    classes_from: ClassesFrom = "auto",
    label_from: LabelFrom = None,
    follow_links: Annotated[bool, typer.Option("--follow-links", help="Follow symbolic links.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Count the images of each class and split; nothing is decoded."""
    from firstlight.data.sources import scan as scan_data

    _refuse_other_kinds(out)
    table = scan_data(data, follow_links=follow_links, classes_from=classes_from, label_from=label_from)
    _show_table(table, out, as_json, quiet)


@command("firstlight split photos/ --validation 0.2 --test 0.2 --out photos.parquet")
def split(
    data: Data,
    out: Annotated[Path | None, typer.Option(help="Save the table to this .parquet or .csv file.")] = None,
    validation: Annotated[float, typer.Option(help="Share of the images for validation, 0 to 1.")] = 0.2,
    test: Annotated[float, typer.Option(help="Share of the images for test, 0 to 1.")] = 0.0,
    classes_from: ClassesFrom = "auto",
    label_from: LabelFrom = None,
    seed: Seed = 0,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Assign images to train, validation and test; no file is moved.

    Classes are stratified, and copies of one image stay together.
    """
    from firstlight.data.sources import scan as scan_data
    from firstlight.data.splits import split as split_table

    _refuse_other_kinds(out)
    table = scan_data(data, classes_from=classes_from, label_from=label_from)
    _show_table(split_table(table, validation=validation, test=test, seed=seed), out, as_json, quiet)
    if out is not None and len(table.classes) > 1 and not quiet:
        remark("", f"To climb with these splits: {shlex.join(['firstlight', 'climb', str(out)])}")


def _refuse_other_kinds(out: Path | None) -> None:
    """Raises before the work where the table could not be saved under this name."""
    from firstlight.data.table import saved_kind

    if out is not None:
        saved_kind(out)


def _show_table(table: Table, out: Path | None, as_json: bool, quiet: bool) -> None:
    if out is not None:
        table.save(out)
    if as_json:
        print_json(table_document(table) | {"out": None if out is None else str(out)})
    else:
        say(*table_lines(table, width(sys.stdout), quiet=quiet))


@command("firstlight cache --clear")
def cache(
    clear: Annotated[bool, typer.Option("--clear", help="Delete all entries.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Show or clear the cache: decoded images, and embeddings and weights of pretrained networks."""
    from firstlight.data.decoding import cache as decoded
    from firstlight.models.pretrained import store

    entry = partial(plural, one="entry", several="entries")
    if clear:
        count, size = (sum(pair) for pair in zip(decoded.clear(), store.clear(), strict=True))
        print_json({"deleted": count, "bytes": size}) if as_json else say(f"{entry(count)}, {size:,} bytes deleted")
        return
    entries, more = decoded.entries(), store.saved()
    if as_json:
        listed = [
            {"path": str(one.path), "root": one.root, "images": one.images, "bytes": one.bytes} for one in entries
        ]
        print_json(listed + [{"path": str(one.path), "root": "", "images": 0, "bytes": one.bytes} for one in more])
        return
    for one in entries:
        say(f"{one.bytes:>15,} bytes  {one.images:>9,} images  {one.root}")
    for file in more:
        what = "embeddings" if file.path.suffix == ".sqlite" else "weights"
        say(f"{file.bytes:>15,} bytes  {what:>16}  {file.path.name}")
    size = sum(one.bytes for one in entries) + sum(one.bytes for one in more)
    say(f"{size:>15,} bytes in {entry(len(entries) + len(more))} in {decoded.folder().parent}")
