from __future__ import annotations

import os
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import psutil
import pytest

from components.errors import BadScene, ServiceUnavailable
from components.raster import child
from components.raster.cog import Encoding, write_scene
from components.raster.decoding import ChildLimits, DecoderPool, OpenLimits
from components.raster.opening import open_untrusted
from tests.raster import hostile, liar
from tests.scenes import make_class_map, make_scene

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
ROOT = Path(__file__).parents[2]
MB = 1024**2
GOOD = hostile.tiff()


def works(pool):
    return bool((pool.open(GOOD, name="good").array == 1).all())


@pytest.fixture(scope="module")
def pool_of_one():
    with DecoderPool(child=ChildLimits(settings={"cpu_s": "SWATH_DECODER_CPU_S"}), workers=1) as pool:
        yield pool


@pytest.fixture
def lonely(pool_of_one):
    """A pool of one process that has started, so that it is known which one gets a file."""
    assert works(pool_of_one)
    return pool_of_one


@contextmanager
def stopped(pid):
    """A process that does not answer."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        woken(pid)


def woken(pid):
    """A stopped process goes on; one that was killed may be gone, SIGKILL does not wait for it to be woken."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


def gone(pids, seconds=5.0):
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie" for pid in pids):
            return True
        time.sleep(0.02)
    return False


def same(left, right):
    np.testing.assert_array_equal(left.array, right.array)
    for field in ("grid", "bands", "unit", "acquired", "classes"):
        assert getattr(left, field) == getattr(right, field), field
    assert dict(left.tags) == dict(right.tags)
    assert str(left.nodata) == str(right.nodata)
    assert left.array.dtype == right.array.dtype


def test_a_scene_is_the_one_that_is_read_in_this_process(decoders, tmp_path):
    write_scene(make_scene((130, 700)), tmp_path / "a.tif", Encoding("uint16", 1e-4, -0.1, 0))
    write_scene(make_class_map(), tmp_path / "b.tif")
    rng = np.random.default_rng(0)
    (tmp_path / "c.tif").write_bytes(hostile.whole(rng.random((3, 33, 5000), np.float32), interleave="band"))
    (tmp_path / "d.tif").write_bytes(hostile.whole(rng.integers(0, 9, (4, 77, 66)).astype(np.uint8), photometric="RGB"))
    for path in sorted(tmp_path.glob("*.tif")):
        same(decoders.open(path, name="x"), open_untrusted(path))
        same(decoders.open(path.read_bytes(), name="x"), open_untrusted(path))


def test_stored_numbers_and_the_header_alone_can_be_had(decoders, tmp_path):
    write_scene(make_scene(), tmp_path / "a.tif", Encoding("uint16", 1e-4, -0.1, 0))
    stored = decoders.open(tmp_path / "a.tif", name="x", decode=False)
    assert (stored.array.dtype, stored.unit, stored.nodata) == (np.uint16, "digital_number", 0)
    info = decoders.describe(tmp_path / "a.tif", name="x")
    assert (info.unit, info.dtype, info.scaled, info.bands) == ("reflectance", "uint16", True, stored.bands)


def test_many_threads_get_each_their_own_scene(decoders):
    contents = [hostile.whole(np.full((1, 40 + n, 50), n, np.uint8)) for n in range(40)]

    def opened(n):
        array = decoders.open(contents[n], name=str(n)).array
        return array.shape == (1, 40 + n, 50) and bool((array == n).all())

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(opened, list(range(40)) * 5))


def test_a_pool_starts_in_the_background():
    start = time.monotonic()
    with DecoderPool() as pool:
        assert time.monotonic() - start < 0.1
        assert works(pool)
    assert gone(pool.pids)


def test_a_child_has_no_torch():
    script = "import sys, components.raster.decoder; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT])
def test_a_child_that_dies_over_a_file_fails_that_file_only(lonely, number):
    (pid,) = lonely.pids
    with stopped(pid), ThreadPoolExecutor(2) as threads:
        first = threads.submit(lonely.open, GOOD, name="first")
        time.sleep(0.2)
        second = threads.submit(lonely.open, GOOD, name="second")
        os.kill(pid, number)
        woken(pid)
        with pytest.raises(BadScene, match=rf"first: its decoder ended \(exit code -{int(number)}\)"):
            first.result(10)
        assert (second.result(10).array == 1).all()
    assert lonely.pids != (pid,)


def test_a_child_that_died_before_is_no_fault_of_the_next_file(lonely):
    (pid,) = lonely.pids
    os.kill(pid, signal.SIGKILL)
    assert gone([pid])
    assert works(lonely)


def test_a_child_that_takes_too_long_is_replaced():
    limits = ChildLimits(wall_s=0.5, settings={"wall_s": "SWATH_DECODER_WALL_S"})
    with DecoderPool(child=limits, workers=1) as pool:
        works(pool)
        (pid,) = pool.pids
        with stopped(pid):
            start = time.monotonic()
            with pytest.raises(BadScene, match=r"more than 0\.5 s \(SWATH_DECODER_WALL_S\)"):
                pool.open(GOOD, name="slow")
            assert time.monotonic() - start < 2
        assert gone([pid])
        assert works(pool)


def test_processor_time_is_limited_for_each_file(lonely):
    (pid,) = lonely.pids
    with stopped(pid), ThreadPoolExecutor(1) as threads:
        found = threads.submit(lonely.open, GOOD, name="slow")
        time.sleep(0.2)
        os.kill(pid, signal.SIGXCPU)  # what the kernel sends
        woken(pid)
        with pytest.raises(BadScene, match=r"more than 30 s \(SWATH_DECODER_CPU_S\) of processor time"):
            found.result(10)


def test_the_kernel_ends_a_process_that_used_up_its_seconds():
    script = "from components.raster.confinement import grant_cpu; grant_cpu(1)\nwhile True: pass"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, timeout=30, check=False)
    assert done.returncode == -signal.SIGXCPU


def test_memory_is_limited():
    large = hostile.whole(np.random.default_rng(0).integers(0, 255, (1, 3000, 3000)).astype(np.uint8))
    limits = ChildLimits(memory_bytes=20 * MB, settings={"memory_bytes": "SWATH_DECODER_MEMORY_MB"})
    with DecoderPool(child=limits, workers=1) as pool:
        works(pool)
        with pytest.raises(BadScene, match=r"memory to open than 20971520 bytes \(SWATH_DECODER_MEMORY_MB\)|damaged"):
            pool.open(large, name="large")
        assert works(pool)


def test_a_child_can_neither_write_nor_dump_nor_grow(lonely):
    (pid,) = lonely.pids
    limits = {name: resource.prlimit(pid, getattr(resource, f"RLIMIT_{name}")) for name in ("FSIZE", "CORE", "AS")}
    assert (limits["FSIZE"], limits["CORE"]) == ((0, 0), (0, 0))
    assert limits["AS"][1] < 4096 * MB
    assert resource.prlimit(pid, resource.RLIMIT_NOFILE) == (64, 64)


def test_a_child_has_no_network_where_the_kernel_allows_that(lonely):
    (pid,) = lonely.pids
    if lonely.network:
        pytest.skip("this kernel or container lets no process give up its network")
    assert (Path("/proc") / str(pid) / "ns/net").readlink() != Path("/proc/self/ns/net").readlink()
    script = """if 1:
        import socket, sys
        from components.raster.confinement import cut_network
        if not cut_network(): sys.exit("the network is still there")
        for place in (("127.0.0.1", int(sys.argv[1])), ("192.0.2.1", 80)):
            try:
                socket.create_connection(place, 2)
            except OSError as error:
                print(error.errno)
    """
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port), 2):
            pass  # from here it can be reached
        command = [sys.executable, "-c", script, str(port)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=30)
    assert len(done.stdout.split()) == 2


def test_a_child_knows_no_secret_of_its_parent(monkeypatch):
    monkeypatch.setenv("SWATH_STORE_SECRET_KEY", "a-secret-of-the-tests")
    with DecoderPool(workers=1) as pool:
        works(pool)
        environment = Path(f"/proc/{pool.pids[0]}/environ").read_bytes()
    assert b"secret" not in environment


def test_a_child_is_in_a_session_of_its_own_so_that_ctrl_c_does_not_reach_it(lonely):
    assert os.getsid(lonely.pids[0]) != os.getsid(0)


@pytest.mark.parametrize("busy", [False, True])
def test_children_end_with_a_parent_that_is_killed(busy):
    script = """if 1:
        import sys, time
        from components.raster.decoding import DecoderPool
        from tests.raster import hostile
        pool = DecoderPool()
        pool.open(hostile.tiff(), name="x")
        while len(pool.pids) < 2: time.sleep(0.05)
        print(*pool.pids, flush=True)
        time.sleep(60)
    """
    with subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        pids = [int(word) for word in parent.stdout.readline().split()]
        assert len(pids) == 2
        for pid in pids if busy else []:
            os.kill(pid, signal.SIGSTOP)  # it cannot notice that its input has ended
        parent.kill()
    assert gone(pids)


def test_a_child_is_replaced_after_some_files_before_it_is_missed():
    with DecoderPool(child=ChildLimits(files=5), workers=1) as pool:
        seen = set()
        longest = 0.0
        for _ in range(40):
            start = time.monotonic()
            assert works(pool)
            longest = max(longest, time.monotonic() - start if seen else 0.0)
            seen.update(pool.pids)
            time.sleep(0.05)
        ends = time.monotonic() + 10
        while len(pool.pids) > 1 and time.monotonic() < ends:
            works(pool)
        assert len(seen) >= 2
        assert longest < 0.5
        assert len(pool.pids) == 1


def test_nothing_is_left_open_or_lying_about(decoders, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    works(decoders)
    before = psutil.Process().num_fds()
    for _ in range(30):
        works(decoders)
        with pytest.raises(BadScene):
            decoders.open(hostile.truncated(), name="x")
    assert psutil.Process().num_fds() <= before
    assert list(tmp_path.iterdir()) == []


def test_a_closed_pool_says_so_even_to_those_who_wait():
    pool = DecoderPool(workers=1)
    works(pool)
    (pid,) = pool.pids
    with stopped(pid), ThreadPoolExecutor(2) as threads:
        busy = threads.submit(pool.open, GOOD, name="busy")
        time.sleep(0.1)
        waiting = threads.submit(pool.open, GOOD, name="waiting")
        time.sleep(0.1)
        pool.close()
        with pytest.raises(ServiceUnavailable, match="closed"):
            waiting.result(5)
        with pytest.raises(BadScene):
            busy.result(5)
    with pytest.raises(ServiceUnavailable):
        works(pool)


def test_who_waits_too_long_for_a_free_child_is_told_to_try_again(lonely, monkeypatch):
    with stopped(lonely.pids[0]), ThreadPoolExecutor(1) as threads:
        busy = threads.submit(lonely.open, GOOD, name="busy")
        time.sleep(0.1)
        monkeypatch.setattr(lonely._children, "_child", ChildLimits(start_s=0.2))
        with pytest.raises(ServiceUnavailable, match="try again"):
            works(lonely)
        os.kill(lonely.pids[0], signal.SIGCONT)
        assert busy.result(10).array.shape == (1, 8, 8)


def test_a_decoder_that_cannot_start_is_an_error_that_says_how_to_see_why(monkeypatch):
    with DecoderPool(workers=1) as pool:
        assert works(pool)  # its child is there, so that it can be killed
        with monkeypatch.context() as patch:
            patch.setattr(child.decoder, "__name__", "components.no.such.module")
            killed = pool.pids
            for dead in killed:
                os.kill(dead, signal.SIGKILL)
            assert gone(killed)
            with pytest.raises(ServiceUnavailable, match=r"exit code 1.*python -m"):
                works(pool)
        ends = time.monotonic() + 20
        while pool.network is None and time.monotonic() < ends:
            time.sleep(0.1)
        assert works(pool), "it is tried again"


def test_processes_that_the_machine_cannot_start_are_an_error_and_tried_again(monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(child.subprocess, "Popen", lambda *_, **__: (_ for _ in ()).throw(OSError("no more processes")))
        pool = DecoderPool(workers=1)
        with pytest.raises(ServiceUnavailable, match="no more processes"):
            works(pool)
    with pool:
        ends = time.monotonic() + 20
        while pool.network is None and time.monotonic() < ends:
            time.sleep(0.1)
        assert works(pool)


@pytest.fixture(scope="module")
def liars():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(child.decoder, "__name__", liar.__name__)
        with DecoderPool(OpenLimits(), ChildLimits(wall_s=1.0), workers=2) as pool:
            yield pool


@pytest.mark.parametrize("lie", ["huge", "no JSON", "a message without end", "silence", "too few pixels"])
def test_a_decoder_that_was_taken_over_is_not_believed(liars, lie):
    before = threading.active_count()
    with pytest.raises(BadScene) as caught:
        liars.open(GOOD, name=lie)
    assert re.search("nonsense|more than", str(caught.value))
    assert threading.active_count() == before


class _Asked:
    """A child as `Reading` sees it."""

    _limits = OpenLimits()

    def _ends(self):
        return 0.0


@pytest.mark.parametrize("lie", liar.LIES)
def test_a_header_that_cannot_be_is_not_believed(lie):
    child.Reading(_Asked(), {"info": liar.INFO, "together": True}, True)
    with pytest.raises(child._Nonsense):
        child.Reading(_Asked(), {"together": True} | liar.LIES[lie], True)
