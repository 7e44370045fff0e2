"""Class probabilities of every labelled pixel from a model that learnt elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from components.annotation.pixels import NO_LABEL, Dataset, Labelled, features
from components.annotation.spatial_folds import Footprint, SpatialFolds, spatial_folds
from components.errors import NotEnoughData
from components.raster.scene import Array


@dataclass(frozen=True)
class Judged:
    """A scene as models see it that learnt elsewhere.

    Attributes:
        scene: id of the source.
        place: its place.
        given: class index ``(row, col)`` of the label; -1 without label, or where no model of its fold knows the class.
        probabilities: ``(row, col, class)`` float16, from the fold that judges the pixel.
    """

    scene: str
    place: str
    given: NDArray[np.int16]
    probabilities: NDArray[np.float16]


@dataclass(frozen=True)
class OutOfFold:
    """All scenes judged, how, and the classes that a fold had nothing to learn of, by name."""

    scenes: tuple[Judged, ...]
    folds: SpatialFolds
    unjudged: tuple[str, ...]


def out_of_fold(dataset: Dataset) -> OutOfFold:
    """Every scene of a dataset judged by gradient-boosted trees on band values and context, class by class balanced.

    Raises:
        NotEnoughData: if a fold holds fewer than two classes to learn from.
        BadScene: if a file cannot be read.
    """
    footprints, drawn = [], []
    for number, source in enumerate(dataset.sources):
        scene = dataset.read(source)
        footprints.append(Footprint(source.id, source.place, scene.grid))
        drawn.append(_drawn(scene, dataset, number))
    params = dataset.params
    folds = spatial_folds(footprints, params.folds, params.block_px, params.guard_px)
    models = {fold: _fitted(_learnt(drawn, footprints, folds, fold), dataset) for fold in range(folds.count)}
    judged = tuple(_judge(dataset.read(source), models, folds, len(dataset.names)) for source in dataset.sources)
    held = {code for own in drawn for code in np.unique(own.labels).tolist()}
    unknown = sorted({code for model in models.values() for code in held - set(model.classes_.tolist())})
    return OutOfFold(judged, folds, tuple(dataset.names[code] for code in unknown))


@dataclass(frozen=True)
class _Drawn:
    """Pixels drawn from one scene: where, their label, what the model sees."""

    at: NDArray[np.int64]  # flat index
    labels: NDArray[np.int64]
    seen: Array


def _drawn(scene: Labelled, dataset: Dataset, number: int) -> _Drawn:
    rng = np.random.default_rng((dataset.params.seed, number))
    flat = scene.classes.ravel()
    chosen = []
    for code in range(len(dataset.names)):
        found = np.flatnonzero(flat == code)
        fewer = len(found) > dataset.params.pixels
        chosen.append(rng.choice(found, dataset.params.pixels, replace=False) if fewer else found)
    at = np.sort(np.concatenate(chosen))
    seen = features(scene)
    return _Drawn(at, flat[at], seen.reshape(-1, seen.shape[-1])[at])


def _learnt(
    drawn: Sequence[_Drawn], footprints: Sequence[Footprint], folds: SpatialFolds, fold: int
) -> tuple[Array, NDArray[np.int64]]:
    seen, labels = [], []
    for own, footprint in zip(drawn, footprints, strict=True):
        allowed = folds.learnable(footprint.scene, footprint.grid.shape, fold).ravel()[own.at]
        seen.append(own.seen[allowed])
        labels.append(own.labels[allowed])
    return np.concatenate(seen), np.concatenate(labels)


def _fitted(learnt: tuple[Array, NDArray[np.int64]], dataset: Dataset) -> HistGradientBoostingClassifier:
    seen, labels = learnt
    if len(np.unique(labels)) < 2:
        raise NotEnoughData(
            "label noise needs two classes in every fold of places, and one fold holds one at most; "
            "add places, or take the section noise out of expectations.yaml"
        )
    model = HistGradientBoostingClassifier(
        max_iter=dataset.params.iterations,
        max_leaf_nodes=15,
        l2_regularization=1.0,
        early_stopping=False,
        random_state=dataset.params.seed,
    )
    return model.fit(seen, labels)


def _judge(
    scene: Labelled, models: Mapping[int, HistGradientBoostingClassifier], folds: SpatialFolds, classes: int
) -> Judged:
    shape = scene.grid.shape
    given = scene.classes.astype(np.int16)
    probabilities = np.zeros((*shape, classes), np.float16)
    seen, fold_of = features(scene), folds.judged(scene.source.id, shape)
    for fold, model in models.items():
        own = (fold_of == fold) & (scene.classes != NO_LABEL)
        if own.any():
            part = np.zeros((int(own.sum()), classes), np.float16)
            part[:, model.classes_] = model.predict_proba(seen[own])
            probabilities[own] = part
            given[own & ~np.isin(given, model.classes_)] = NO_LABEL
    return Judged(scene.source.id, scene.source.place, given, probabilities)
