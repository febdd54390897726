"""Images whose embeddings are far from all others: FL504."""

from __future__ import annotations

import numpy as np

from firstlight.data.auditing.findings import EXAMPLES, Finding
from firstlight.data.table import Table
from firstlight.models.auditing.lookalikes import MOST, nearest
from firstlight.wording import plural

NEIGHBOURS = 3
LEAST = 50  # images, below which the usual distance is not known
# Robust standard deviations from the median, and mean cosine distance to the three nearest others, both of which an
# outlier exceeds. Of ants_bees none has over 4.3, of cifar10 3.0; of sign_digits, where the usual distance is 0.07,
# none is over 0.3 (docs/log.md).
FAR, APART = 4.5, 0.4


def outlier_findings(table: Table, embeddings: np.ndarray, rows: np.ndarray) -> list[Finding]:
    """Finds images that show something else than all others.

    Args:
        table: N rows.
        embeddings: float16 (N, D).
        rows: row numbers of the readable images, one of each group of copies.
    """
    if not LEAST <= len(rows) <= MOST:
        return []
    distances = 1 - nearest(embeddings[rows], NEIGHBOURS).cosines.mean(axis=1)
    middle = float(np.median(distances))
    deviation = max(1.4826 * float(np.median(np.abs(distances - middle))), 1e-3)
    far = np.flatnonzero((distances > middle + FAR * deviation) & (distances > APART))
    if not len(far):
        return []
    far = far[np.argsort(-distances[far], kind="stable")]
    keys = table.keys
    message = f"{plural(len(far), 'image looks', 'images look')} unlike all others, the most unusual first."
    return [
        Finding(
            "FL504",
            message,
            len(far),
            "They may not belong to this set; check them.",
            tuple((keys[row],) for row in rows[far[:EXAMPLES]].tolist()),
            {"distance": float(distances[far[-1]]), "median_distance": middle},
        )
    ]
