"""The kernels that a sandbox is computed with do not depend on the processor."""

import subprocess
import sys

import pytest

from components.simulation import arithmetic

TELL = """
import sys
from components.simulation.arithmetic import pin
assert "numpy" not in sys.modules, "the kernels are chosen already"
print(pin())
import numpy
from numpy._core._multiarray_umath import __cpu_features__ as features
from threadpoolctl import threadpool_info
print(features["X86_V4"], *(each["architecture"] for each in threadpool_info() if each["internal_api"] == "openblas"))
"""


def test_numpy_and_openblas_use_kernels_of_avx2():
    said = subprocess.run([sys.executable, "-c", TELL], capture_output=True, text=True, check=True).stdout.split("\n")
    if said[0] == "False":
        pytest.skip("no x86 processor with AVX2")
    assert said[1] == "False Haswell"


@pytest.mark.parametrize(("machine", "info"), [("aarch64", "flags: avx2"), ("x86_64", "flags: sse4_2")])
def test_a_processor_without_avx2_keeps_its_own(machine, info, tmp_path, monkeypatch):
    (tmp_path / "cpuinfo").write_text(info)
    monkeypatch.setattr(arithmetic, "CPU_INFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(arithmetic.platform, "machine", lambda: machine)
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    assert not arithmetic.pin()
    assert "OPENBLAS_CORETYPE" not in arithmetic.os.environ


def test_the_command_imports_numpy_only_once_it_is_told():
    told = "import sys, components.simulation.__main__; print('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True).stdout == "False\n"
