"""How fast photos become embeddings, next to the network alone on the same pixels, and again from the store.

`python benchmarks/embedding.py FOLDER` prints images a second of the processor and of the clock: of reading, decoding,
resizing and embedding the files of a folder, of ONNX Runtime alone on the same images in memory, and of a second run.
Contenders take turns, five rounds; medians. It then says how far the embeddings of large JPEGs, decoded at a part of
their size, are from those of whole ones, and how much memory a hundred times as many rows take.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np

import firstlight as fl
from firstlight.data.decoding.decode import decode, decode_all
from firstlight.data.decoding.threads import cores, in_order, spans
from firstlight.data.files import reader
from firstlight.data.table import Table
from firstlight.models.pretrained import store
from firstlight.models.pretrained.backbone import AT_ONCE, Backbone
from firstlight.models.pretrained.backbones import backbone
from firstlight.models.pretrained.embeddings import embeddings
from firstlight.models.pretrained.heads import unit

ROUNDS = 5
ROWS = 100_000


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds of the clock and of the processor."""
    clock, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - clock, time.process_time() - processor


def rates(table: Table, network: Backbone, images: np.ndarray) -> None:
    """A line for each contender: images a second of the clock and of the processor, and the ratio to the network's."""

    def first() -> None:
        for path in store.folder().glob("*.sqlite"):
            path.unlink()
        embeddings(table, network)

    def decoded() -> None:
        def some(span: range) -> None:
            files = [read(key) for key in table.keys[span.start : span.stop]]
            for image in decode_all(files, least=network.least):
                network.preprocessing.shaped(image)

        list(in_order(some, spans(len(table), AT_ONCE), cores()))

    read = reader(table)
    contenders = {
        "network alone": lambda: network.embed(images),
        "decoding alone": decoded,
        "first run": first,
        "second run": lambda: embeddings(table, network),
    }
    for work in contenders.values():
        work()
    rounds = [{name: timed(work) for name, work in contenders.items()} for _ in range(ROUNDS)]
    for name in contenders:
        clock, processor = (median(one[name][part] for one in rounds) for part in (0, 1))
        ratio = median(one["network alone"][0] / one[name][0] for one in rounds)
        print(f"{name:15} {len(table) / clock:10.1f} images/s {len(table) / processor:10.1f} per CPU s {ratio:8.2f}")
    both = median((one["network alone"][0] + one["decoding alone"][0]) / one["first run"][0] for one in rounds)
    print(f"The first run takes {1 / both:.2f} times as long as decoding and network one after the other.")


def tolerance(table: Table, network: Backbone) -> None:
    """How much decoding large photos at a part of their size moves their embeddings."""
    read, how = reader(table), network.preprocessing
    whole = [decode(read(key)) for key in table.keys]
    reduced = [decode(read(key), least=network.least) for key in table.keys]
    pairs = [(a, b) for a, b in zip(whole, reduced, strict=True) if not isinstance(a, str) and not isinstance(b, str)]
    smaller = [(a, b) for a, b in pairs if a.shape != b.shape]
    if smaller:
        first, second = (unit(network.embed(np.stack([how.shaped(one[part]) for one in smaller]))) for part in (0, 1))
        cosines = (first * second).sum(axis=1)
        print(f"{len(smaller)} of {len(pairs)} decoded smaller: cosine at least {cosines.min():.5f}", end=", ")
        print(f"median {np.median(cosines):.5f}")


def memory(table: Table, network: Backbone) -> None:
    """The most memory of the process with the rows once, and with a hundred thousand rows of links to the files."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    with tempfile.TemporaryDirectory() as home:
        for number in range(ROWS):
            key = table.keys[number % len(table)]
            place = Path(home) / f"class {number % 2}" / f"{number}{Path(key).suffix}"
            place.parent.mkdir(exist_ok=True)
            place.hardlink_to(Path(table.root) / key) if number < 1 else place.symlink_to(Path(table.root) / key)
        many = fl.scan(home, follow_links=True)
        seconds, _ = timed(lambda: embeddings(many, network))
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{len(table):,} rows: {before:.0f} MiB; {len(many):,} rows: {after:.0f} MiB, {seconds:.0f} s")


def main() -> None:
    """Measures one folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--memory", action="store_true")
    wanted = parser.parse_args()
    table, network = fl.scan(wanted.folder), backbone()
    images = fl.load(table, loading=network.preprocessing.loading(), cache=False).values
    rates(table, network, images)
    tolerance(table, network)
    if wanted.memory:
        memory(table, network)


if __name__ == "__main__":
    main()
