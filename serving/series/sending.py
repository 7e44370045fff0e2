"""What a form brings as its series: files in the order of their dates, or references to them that a job keeps."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from components.raster.stack_files import SeriesFile
from components.tasks.seam import Spec
from serving.errors import WrongForm, WrongInput
from serving.jobs.receiving import SERIES, SERIES_URI, Received, ReceivedFile
from serving.jobs.row import InputRef
from serving.series.headers import Dated
from serving.series.kinds import SeriesFields, least_dates
from serving.series.names import of_one_orbit, said_by_names

Brought = Mapping[SeriesFile, ReceivedFile | str]  # a file of the form, or the address of an object


def brought(form: Received, fields: SeriesFields, spec: Spec, most_dates: int) -> Brought:
    """The files of the series, and addresses of objects, by what their names say; in the order of time.

    Raises:
        WrongForm: if there is none, another file is there too, or names, orbit or looks do not fit.
        WrongInput: if a file is empty.
        SwathError: see `names.of_one_orbit`.
    """
    for name in form.files:
        raise WrongForm(f"unknown file field {name[:100]}; every date of a series is sent as {SERIES}")
    for each in form.series:
        if each.size == 0:
            raise WrongInput(f"{each.name[:100]}: expected the bytes of a GeoTIFF, found an empty file")
    sent: list[ReceivedFile | str] = [*form.series, *form.series_uris]
    if not sent:
        raise WrongForm(
            f"missing file {SERIES}; send one file a date, each with its date in the name: "
            f"-F {SERIES}=@S1_20230103.tif -F {SERIES}=@S1_20230115.tif"
        )
    said = said_by_names([each if isinstance(each, str) else each.name for each in sent], fields.pattern)
    by_name = dict(zip(said, sent, strict=True))
    kept = of_one_orbit(said, fields.orbit, least=least_dates(spec), most=most_dates)
    return {each: by_name[each] for each in kept}


def require_no_addresses(form: Received) -> None:
    """Nothing where the form names no object: those are inputs of jobs only.

    Raises:
        WrongForm: if it does.
    """
    if form.series_uris:
        raise WrongForm(
            f"{SERIES_URI}: objects are inputs of jobs; send the same form to POST /jobs with the field task"
        )


def on_disk(series: Brought) -> list[Dated]:
    """The files of a series that came with their form."""
    return [Dated(said, each.path) for said, each in series.items() if isinstance(each, ReceivedFile)]


def as_ref(said: SeriesFile, where: InputRef) -> InputRef:
    """One file of a series as a job keeps it: where its bytes lie, and what its name said when it came."""
    return {
        **where,
        "name": said.path.name,
        "time": said.time.isoformat(),
        "band": said.band,
        "part": said.part,
        "orbit": said.orbit,
    }


def of_ref(ref: InputRef) -> SeriesFile:
    """What the name of a kept file said."""
    time = datetime.fromisoformat(ref["time"])
    return SeriesFile(Path(ref["name"]), time, ref["band"], ref["part"], ref["orbit"])
