"""One prediction of a radar series from files to a file, whose timings go to stdout: `... RUN FOLDER OUT`."""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path
from time import perf_counter

from components.inference.files import predict_file
from components.raster.stacks import folder_stack
from components.tasks import load_run

PATTERN = r"(?P<date>\d{8})_(?P<band>V[VH])\.tif"


def main() -> None:
    """Change map, dates and events, as `swath predict` writes them; timed from the first header to the last file."""
    run, folder, out = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    task, params = load_run(run)
    begun = perf_counter()
    source = folder_stack(folder, PATTERN, unit="intensity")
    also = {"when": out.with_suffix(".when.tif"), "events": out.with_suffix(".geojson")}
    method = task.methods(params).candidate
    found = predict_file(method, {"series": source}, out, output="change", also=also).timings
    busy = found.read_s + found.compute_s + found.write_s
    used = resource.getrusage(resource.RUSAGE_SELF)
    whole = {"total_s": perf_counter() - begun, "busy_s": busy}
    print(json.dumps({**found.as_json(), **whole, "peak_mb": used.ru_maxrss / 1e3, "cpu_s": sum(used[:2])}))


if __name__ == "__main__":
    main()
