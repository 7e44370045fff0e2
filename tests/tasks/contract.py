"""What every task must keep to, whatever it is about: each check raises AssertionError with the reason."""

import dataclasses
import json

import numpy as np

from components.inference.tiled import predict
from components.pictures.picture import Picture
from components.raster.grid import Window
from components.raster.scene import Features, Scene, Stack
from components.tasks.seam import Fitted, Network

BLOCK = np.s_[..., 2:9, 3:8]


def require_spec(spec):
    """Names are unique, and there is something to bring and something to get."""
    assert spec.inputs, "a run needs an input"
    assert spec.outputs, "a run needs an output"
    for kind, named in (("inputs", spec.inputs), ("outputs", spec.outputs)):
        names = [each.name for each in named]
        assert len(set(names)) == len(names), f"{kind} of one name: {names}"
    for output in spec.outputs:
        assert (output.kind == "classes") == bool(output.classes), (
            f"{output.name}: class maps, and only they, name classes"
        )


def require_methods(methods):
    """A candidate that can be used, and at least one baseline that it must beat."""
    assert methods.baselines, "a task without a baseline cannot be gated"
    for name, method in methods.named().items():
        assert callable(method.survey), name
        assert callable(method.predict), name
        assert method.halo_px is None or method.halo_px >= 0, name
    assert len(methods.named()) == 1 + len(methods.baselines) + len(methods.controls), "two methods of one name"
    restorable = isinstance(methods.candidate, Network) + isinstance(methods.candidate, Fitted)
    assert restorable < 2, "a candidate is trained or fitted, not both"


def require_outputs(spec, sample, outputs):
    """Outputs are those of the spec, by name, kind, unit, bands and classes, on the grid of the first input."""
    assert set(outputs) == {each.name for each in spec.outputs}
    first = sample.inputs[spec.inputs[0].name]
    for each in spec.outputs:
        output = outputs[each.name]
        if each.kind == "features":
            assert isinstance(output, Features), each.name
            assert set(each.bands) <= set(output.table), each.name
            assert output.crs == (first.crs if isinstance(first, Features) else first.grid.crs)
            continue
        assert isinstance(output, Scene), each.name
        assert (output.unit, output.bands, output.classes) == (each.unit, each.bands, each.classes), each.name
        assert output.grid.same_as(first.grid), each.name


def require_inputs(spec, sample):
    """A sample brings what the spec asks of a caller."""
    kinds = {"scene": Scene, "stack": Stack, "features": Features}
    for each in spec.inputs:
        value = sample.inputs[each.name]
        assert isinstance(value, kinds[each.kind]), each.name
        if each.kind == "features":
            assert set(each.bands) <= set(value.table), each.name
        else:
            assert (value.unit, value.bands) == (each.unit, each.bands), each.name


def require_nodata_kept(spec, sample, method):
    """Where no input saw anything, no output says anything; and elsewhere it still does."""
    blinded = {name: blind(value) for name, value in sample.inputs.items()}
    outputs = predict(method, blinded)
    for each in spec.outputs:
        output, first = outputs[each.name], blinded[spec.inputs[0].name]
        if isinstance(output, Scene):
            assert not output.valid[BLOCK].any(), f"{each.name} speaks where nothing was seen"
            assert output.valid.any(), f"{each.name} is silent everywhere"
        elif isinstance(first, Features):
            assert not np.isfinite(output.table[each.bands[0]][:2]).any(), each.name
        else:
            hidden = first.grid.crop(_block_window()).bounds
            centres = [shape.representative_point() for shape in output.geometries]
            assert not any(hidden[0] < p.x < hidden[2] and hidden[1] < p.y < hidden[3] for p in centres), each.name


def require_rows(rows, sample):
    """Rows are JSON without NaN, and name a unit: that of the sample, or a part of it."""
    for row in rows:
        assert row.unit == sample.unit or row.unit.startswith(f"{sample.unit}/")
        json.dumps(dict(row.values), allow_nan=False)


def require_scores(task, spec, rows, rng):
    """Scores of a bootstrap resample have the same names; what is undefined is None, never NaN."""
    units = sorted({row.unit for row in rows})
    drawn = [row for unit in rng.choice(units, len(units)) for row in rows if row.unit == unit]
    whole, resampled, empty = (task.summarise(each) for each in (rows, drawn, []))
    assert spec.primary.name in whole
    assert set(whole) == set(resampled)
    assert empty[spec.primary.name] is None, "the score of nothing is undefined"
    for value in (*whole.values(), *resampled.values()):
        assert value is None or np.isfinite(value)


def require_picture(picture):
    """Panels that can be drawn as they are."""
    assert isinstance(picture, Picture)
    assert picture.panels
    for name, panel in picture.panels.items():
        assert panel.ndim == 3, name
        assert panel.shape[2] == 3, name
        assert 0 <= panel.min() <= panel.max() <= 1, name


def require_pure(samples):
    """An item is a function of its index: the same twice, in any order."""
    first, _, again = digest(samples[0]), digest(samples[len(samples) - 1]), digest(samples[0])
    assert first == again


def same_outputs(left, right):
    """True where two outputs agree to the last bit."""
    return {n: content(v) for n, v in left.items()} == {n: content(v) for n, v in right.items()}


def digest(sample):
    """What a sample holds, comparable."""
    return {name: content(value) for name, value in {**sample.inputs, **sample.targets}.items()}


def content(value):
    """The numbers of a value as bytes."""
    if isinstance(value, Features):
        return [each.wkb for each in value.geometries], {n: c.tobytes() for n, c in value.table.items()}
    return value.array.tobytes(), value.array.dtype, value.grid


def blind(value):
    """The value with a block (or the first two rows of a table) that was not seen."""
    if isinstance(value, Features):
        table = {name: np.where(np.arange(len(c)) < 2, np.nan, c) for name, c in value.table.items()}
        return dataclasses.replace(value, table=table)
    array = value.array.copy()
    array[BLOCK] = np.nan if np.issubdtype(array.dtype, np.floating) else value.nodata
    return dataclasses.replace(value, array=array)


def _block_window():
    rows, cols = BLOCK[1:]
    return Window(rows.start, cols.start, rows.stop - rows.start, cols.stop - cols.start)
