import pytest

from components.tasks import load_run
from serving.errors import WrongForm
from serving.jobs.intake import _require_inputs
from serving.schemas import Form, Options
from serving.uploads import open_inputs


@pytest.mark.parametrize("files", [{}, {"series": b"II*\0"}])
def test_a_series_is_refused_with_what_to_do_instead_before_any_byte_is_decoded(files):
    task, params = load_run("change-sar")
    with pytest.raises(WrongForm, match=r"series is a time series, which the service does not take; .* `swath"):
        open_inputs(Form(Options(), files), task.spec(params), None)
    with pytest.raises(WrongForm, match=r"swath predict <run> FOLDER -o out.tif` \(outputs: change, .*events"):
        _require_inputs(files, (), task.spec(params))
