"""The card of a version: a STAC item with the Machine Learning Model extension."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import torch

from components.tasks.params import RunParams
from components.tasks.seam import InputSpec, OutputSpec, Spec

MLM = "https://stac-extensions.github.io/mlm/v1.4.0/schema.json"
CLASSIFICATION = "https://stac-extensions.github.io/classification/v2.0.0/schema.json"
TASKS = {"classes": "semantic-segmentation", "continuous": "regression", "features": "object-detection"}
DIMENSIONS = {"scene": ["batch", "bands", "height", "width"], "stack": ["batch", "time", "bands", "height", "width"]}


@dataclass(frozen=True)
class Provenance:
    """Where a version comes from: commit, time of that commit, code digest, and DVC's digests by path."""

    commit: str
    committed: datetime
    code_digest: str
    dvc: Mapping[str, str] = field(default_factory=dict)


def card(
    run: str, params: RunParams, spec: Spec, provenance: Provenance, scores: Mapping[str, Any], parameters: int
) -> dict[str, Any]:
    """The STAC item; the same arguments give the same item.

    ``parameters`` counts learnt numbers. The item has no geometry: the model may be used anywhere its inputs exist.
    """
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": [MLM, CLASSIFICATION],
        "id": run,
        "geometry": None,
        "properties": {
            "datetime": provenance.committed.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "description": params.description,
            **_model(run, params, spec, parameters),
            "swath:task": params.task,
            "swath:dataset": params.dataset,
            "swath:code_digest": provenance.code_digest,
            "swath:commit": provenance.commit,
            "swath:dvc": dict(sorted(provenance.dvc.items())),
            "swath:scores": dict(scores),
        },
        "links": [],
        "assets": _assets(spec, learnt=parameters > 0),
    }


def _model(run: str, params: RunParams, spec: Spec, parameters: int) -> dict[str, Any]:
    return {
        "mlm:name": run,
        "mlm:architecture": str(params.method.get("name") or params.method.get("network") or params.task),
        "mlm:tasks": sorted({TASKS[output.kind] for output in spec.outputs}),
        "mlm:framework": "PyTorch",
        "mlm:framework_version": torch.__version__.split("+")[0],
        "mlm:total_parameters": parameters,
        "mlm:pretrained": parameters > 0,
        "mlm:accelerator": None,
        "mlm:accelerator_constrained": False,
        "mlm:input": [_input(each) for each in spec.inputs],
        "mlm:output": [_output(each) for each in spec.outputs],
        "mlm:hyperparameters": params.model_dump(mode="json", include={"seed", "method", "training"}),
    }


def _input(spec: InputSpec) -> dict[str, Any]:
    order = DIMENSIONS.get(spec.kind, ["batch", "bands"])
    sizes = {"bands": len(spec.bands)}
    return {
        "name": spec.name,
        "description": f"{spec.sensor}, {spec.kind} of unit {spec.unit}",
        "bands": list(spec.bands),
        "input": {"shape": [sizes.get(name, -1) for name in order], "dim_order": order, "data_type": "float32"},
        "value_scaling": None,  # done inside, from preprocessing.json
        "resize_type": None,
        "swath:unit": spec.unit,
        "swath:pixel_size_m": list(spec.pixel_size_m) if spec.pixel_size_m else None,
    }


def _output(spec: OutputSpec) -> dict[str, Any]:
    data_type = "uint8" if spec.kind == "classes" else "float32"
    classes = [
        {"value": c.code, "name": c.name, "color_hint": "{:02X}{:02X}{:02X}".format(*c.colour)} for c in spec.classes
    ]
    return {
        "name": spec.name,
        "tasks": [TASKS[spec.kind]],
        "result": {
            "shape": [-1, max(len(spec.bands), 1), -1, -1],
            "dim_order": ["batch", "bands", "height", "width"],
            "data_type": data_type,
        },
        "classification:classes": classes,
        "swath:unit": spec.unit,
    }


def _assets(spec: Spec, *, learnt: bool) -> dict[str, Any]:
    bands = sorted({band for each in spec.inputs for band in each.bands})
    described = {"bands": [{"name": name} for name in bands]}
    json_type = "application/json"
    assets = {
        "params": {"href": "params.yaml", "type": "application/yaml", "roles": ["mlm:hyperparameters"]},
        "report": {"href": "report.json", "type": json_type, "roles": ["metadata"]},
        "manifest": {"href": "manifest.json", "type": json_type, "roles": ["metadata"]},
    }
    if not learnt:  # the parameter file alone defines the method
        model = {"roles": ["mlm:model", *assets["params"]["roles"]], "mlm:artifact_type": "swath.params", **described}
        return {**assets, "params": {**assets["params"], **model}}
    weights = {
        "href": "weights.safetensors",
        "type": "application/octet-stream; framework=safetensors",
        "roles": ["mlm:model", "mlm:weights"],
        "mlm:artifact_type": "safetensors",
        **described,
    }
    preprocessing = {"href": "preprocessing.json", "type": json_type, "roles": ["mlm:preprocessing"]}
    return {"weights": weights, "preprocessing": preprocessing, **assets}
