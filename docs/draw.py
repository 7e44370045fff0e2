"""The pictures of docs/, drawn anew from data: `make pictures`."""

from __future__ import annotations

import shutil
from pathlib import Path

FOLDER = Path(__file__).parent
STEPS = (
    ("scenes", "folder of GeoTIFFs\nor the sandbox"),
    ("ingest", "COG, STAC, SHA-256,\nquarantine"),
    ("annotation QA", "Great Expectations,\nleakage, misfit masks"),
    ("train", "own checkout,\ndvc repro, gpu agent"),
    ("evaluate", "baselines, paired\nintervals by place"),
    ("gate", "beats baselines and\nchampion, or refused"),
    ("serve", "Bento endpoint,\nhot swap, rollback"),
)


def way() -> None:
    """The way through as one picture."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.patches import FancyBboxPatch

    figure, axes = plt.subplots(figsize=(17, 3.4))
    for index, (name, text) in enumerate(STEPS):
        colour = "#f2d8a7" if name == "gate" else "#cfe3ee"
        box = FancyBboxPatch((index * 2, 1), 1.62, 1.3, boxstyle="round,pad=0.06", fc=colour, ec="#31556b", lw=1.2)
        axes.add_patch(box)
        axes.text(index * 2 + 0.81, 1.95, name, ha="center", va="center", fontsize=12, fontweight="bold")
        axes.text(index * 2 + 0.81, 1.42, text, ha="center", va="center", fontsize=8.6)
        if index:
            arrow = {"arrowstyle": "-|>", "color": "#31556b", "lw": 1.6}
            axes.annotate("", (index * 2 - 0.08, 1.65), (index * 2 - 0.3, 1.65), arrowprops=arrow)
    for left, right, text in (
        (0, 3.62, "a flow says when (Prefect)"),
        (4, 9.62, "DVC says whether it is out of date; outputs lie in the S3 store"),
        (10, 13.62, "a version is immutable; only a pointer moves"),
    ):
        axes.plot([left, right], [0.62, 0.62], color="#8a8a8a", lw=1)
        axes.text((left + right) / 2, 0.36, text, ha="center", va="center", fontsize=10, color="#444444")
    axes.set(xlim=(-0.2, 13.9), ylim=(0.1, 2.6))
    axes.axis("off")
    figure.savefig(FOLDER / "way.png", dpi=110, bbox_inches="tight", metadata={"Software": None})


def evaluations() -> None:
    """Test places of each evaluated run, copied from its newest evaluation here."""
    pictures = FOLDER.parent / ".swath" / "pictures"
    for run in sorted(path.name for path in pictures.glob("*/")):
        for name in ("intervals.png", "training.png", "gallery.png"):
            if (pictures / run / name).is_file():
                shutil.copyfile(pictures / run / name, FOLDER / f"{run}-{name}")


if __name__ == "__main__":
    way()
    evaluations()
