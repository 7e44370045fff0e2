from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from components.errors import LineageBroken, UnknownName
from components.lineage.closure import code_digest, import_closure, imports
from tests.lineage.toy import FILES, ROOT


@pytest.fixture
def code(tmp_path):
    for name, content in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    return tmp_path


def test_a_closure_holds_what_is_imported_and_every_package_on_the_way(code):
    assert import_closure(["components.training.prepare"], code) == (
        "components/__init__.py",
        "components/errors.py",
        "components/raster/__init__.py",
        "components/raster/text.py",
        "components/tasks/__init__.py",
        "components/training/__init__.py",
        "components/training/prepare.py",
    )


def test_only_the_named_task_belongs_to_a_closure(code):
    files = import_closure(["components.training.__main__", "components.tasks.toy"], code)
    assert {"components/tasks/toy/__init__.py", "models/toy.py"} <= set(files)
    assert "components/tasks/other/__init__.py" not in files


def test_an_unknown_module_is_answered_with_the_known_ones(code):
    with pytest.raises(UnknownName, match=r"no module named 'components.tasks.tyo'.*components.tasks.toy"):
        import_closure(["components.tasks.tyo"], code)


def test_a_file_that_does_not_parse_is_named(code):
    (code / "components/unused.py").write_text("def (:\n")
    with pytest.raises(LineageBroken, match=r"unused\.py"):
        imports(code)


def test_a_folder_without_code_is_refused(tmp_path):
    with pytest.raises(LineageBroken, match="root folder"):
        imports(tmp_path)


def test_the_code_digest_is_the_same_in_any_folder(code, tmp_path_factory):
    copy = tmp_path_factory.mktemp("elsewhere") / "src"
    shutil.copytree(code, copy, ignore=shutil.ignore_patterns("data", "evaluation"))
    assert code_digest("toy", copy) == code_digest("toy", code)


@pytest.mark.parametrize("file", ["components/raster/text.py", "models/toy.py", "components/tasks/toy/__init__.py"])
def test_the_code_digest_follows_the_code_behind_a_prediction(code, file):
    before = code_digest("toy", code)
    (code / file).write_text((code / file).read_text() + "# changed\n")
    assert code_digest("toy", code) != before


@pytest.mark.parametrize(
    "file", ["components/tasks/toy/CARD.md", "components/training/__main__.py", "components/unused.py"]
)
def test_the_code_digest_ignores_what_no_prediction_reads(code, file):
    before = code_digest("toy", code)
    (code / file).write_text((code / file).read_text() + "# changed\n")
    assert code_digest("toy", code) == before


def test_a_closure_holds_everything_that_python_really_imports():
    """The proof against Python itself: what an import of the stage leaves in `sys.modules`."""
    script = (
        "import sys, pathlib, components.training.prepare\n"
        "files = {getattr(m, '__file__', None) for m in list(sys.modules.values())}\n"
        "root = pathlib.Path.cwd()\n"
        "inside = [pathlib.Path(f) for f in files if f and f.startswith(f'{root}/') and 'site-packages' not in f]\n"
        "print(*[path.relative_to(root) for path in inside])"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= set(import_closure(["components.training.prepare"], ROOT))
