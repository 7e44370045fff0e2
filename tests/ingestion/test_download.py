import hashlib
import json
import time
from email.utils import formatdate

import numpy as np
import pytest

from components.ingestion.checksums import algorithm_of
from components.ingestion.download import Manners, Wanted, fetch
from tests.ingestion.faulty_server import busy, cut, other, serving

CONTENT = np.random.default_rng(0).bytes(3_000_000)
SHA256 = f"1220{hashlib.sha256(CONTENT).hexdigest()}"
QUICK = Manners(attempts=4, first_s=0.001, longest_s=0.01)


@pytest.fixture
def server(tmp_path):
    home = tmp_path / "served"
    home.mkdir()
    (home / "a.tif").write_bytes(CONTENT)
    with serving(home) as running:
        yield running


def wanted(server, tmp_path, name="a.tif", **known):
    return Wanted(f"{server.url}/{name}", tmp_path / "here" / name, **known)


def test_a_whole_file_arrives_with_its_receipt_and_is_not_asked_for_again(server, tmp_path):
    one = wanted(server, tmp_path, size=len(CONTENT), checksum=SHA256)
    assert fetch([one], manners=QUICK) == {}
    assert one.path.read_bytes() == CONTENT
    assert fetch([one], manners=QUICK) == {}
    assert len(server.asked) == 1


def test_an_item_that_changed_is_fetched_again(server, tmp_path):
    assert fetch([wanted(server, tmp_path, version="1")], manners=QUICK) == {}
    assert fetch([wanted(server, tmp_path, version="2")], manners=QUICK) == {}
    assert len(server.asked) == 2


def test_a_file_cut_by_someone_else_is_fetched_again(server, tmp_path):
    one = wanted(server, tmp_path)
    fetch([one], manners=QUICK)
    one.path.write_bytes(CONTENT[:10])
    assert fetch([one], manners=QUICK) == {}
    assert one.path.read_bytes() == CONTENT


def test_retry_after_is_waited_for_in_seconds_and_as_a_date(server, tmp_path):
    server.faults["/a.tif"] = [busy(503, "7"), busy(429, formatdate(time.time() + 60, usegmt=True))]
    waited = []
    assert fetch([wanted(server, tmp_path)], manners=QUICK, sleep=waited.append) == {}
    assert waited[0] == 7
    assert 55 < waited[1] <= 60


def test_a_server_that_asks_for_an_hour_is_not_waited_for(server, tmp_path):
    server.faults["/a.tif"] = [busy(503, "3600")]
    one = wanted(server, tmp_path)
    assert "HTTP 503" in fetch([one], manners=QUICK)[one.path]
    assert len(server.asked) == 1


def test_a_body_that_breaks_off_is_continued_where_it_ended(server, tmp_path):
    server.faults["/a.tif"] = [cut(0.4)]
    one = wanted(server, tmp_path)
    assert fetch([one], manners=QUICK) == {}
    assert one.path.read_bytes() == CONTENT
    start = int(server.asked[1][1].removeprefix("bytes=").removesuffix("-"))
    assert 0 < start <= int(0.4 * len(CONTENT))


def test_a_run_that_was_killed_is_continued_by_the_next(server, tmp_path):
    server.faults["/a.tif"] = [cut(0.4)]
    one = wanted(server, tmp_path)
    assert one.path in fetch([one], manners=Manners(attempts=1))
    assert not one.path.exists()
    assert fetch([one], manners=QUICK) == {}
    assert one.path.read_bytes() == CONTENT
    assert server.asked[1][1].startswith("bytes=")


def test_a_file_that_changed_meanwhile_is_not_patched_together(server, tmp_path):
    server.faults["/a.tif"] = [cut(0.4)]
    one = wanted(server, tmp_path)
    fetch([one], manners=Manners(attempts=1))
    changed = CONTENT[::-1]
    (server.folder / "a.tif").write_bytes(changed)
    assert fetch([one], manners=QUICK) == {}
    assert one.path.read_bytes() == changed


def test_a_wrong_checksum_never_takes_the_name_of_the_file(server, tmp_path):
    wrong = bytes(len(CONTENT))
    server.faults["/a.tif"] = [other(wrong), other(wrong)]
    one = wanted(server, tmp_path, checksum=SHA256)
    assert "sha256 is" in fetch([one], manners=QUICK)[one.path]
    assert list(one.path.parent.glob("*.tif")) == []


def test_a_checksum_that_is_wrong_once_is_asked_for_again(server, tmp_path):
    server.faults["/a.tif"] = [other(bytes(len(CONTENT)))]
    one = wanted(server, tmp_path, checksum=SHA256)
    assert fetch([one], manners=QUICK) == {}
    assert one.path.read_bytes() == CONTENT


def test_another_size_than_announced_is_refused_before_its_body_is_read(server, tmp_path):
    one = wanted(server, tmp_path, size=5)
    assert "3000000 bytes, the item says 5" in fetch([one], manners=QUICK)[one.path]
    assert len(server.asked) == 2
    assert not one.path.with_name("a.tif.part").exists()


def test_a_file_beyond_the_limit_is_refused(server, tmp_path):
    one = wanted(server, tmp_path)
    assert "at most 1000" in fetch([one], manners=Manners(most_bytes=1000))[one.path]


def test_one_missing_file_leaves_the_others_alone(server, tmp_path):
    two = [wanted(server, tmp_path), wanted(server, tmp_path, "b.tif")]
    assert fetch(two, manners=QUICK) == {two[1].path: "HTTP 404"}
    assert two[0].path.is_file()


def test_links_are_signed_anew_for_each_attempt_and_the_signature_is_kept_nowhere(server, tmp_path):
    server.faults["/a.tif"] = [busy(403, None)]
    count = iter(range(10))
    one = wanted(server, tmp_path)
    assert fetch([one], sign=lambda href: f"{href}?token={next(count)}", manners=QUICK) == {}
    assert [path for path, _ in server.asked] == ["/a.tif?token=0", "/a.tif?token=1"]
    assert "token" not in "".join(path.read_text() for path in one.path.parent.glob("*.json"))


def test_a_link_that_is_not_http_is_refused_so_that_no_catalogue_reads_local_files(tmp_path):
    one = Wanted("file:///etc/hostname", tmp_path / "x")
    assert "is no http link" in fetch([one], manners=QUICK)[one.path]


def test_no_more_files_at_a_time_than_allowed(server, tmp_path):
    for index in range(12):
        (server.folder / f"{index}.tif").write_bytes(CONTENT)
    many = [wanted(server, tmp_path, f"{index}.tif") for index in range(12)]
    assert fetch(many, manners=Manners(downloads=3)) == {}
    assert 1 < server.most_running <= 3


def test_a_receipt_says_what_was_fetched(server, tmp_path):
    one = wanted(server, tmp_path, checksum=SHA256)
    fetch([one], manners=QUICK)
    receipt = json.loads((one.path.parent / "a.tif.receipt.json").read_text())
    assert receipt == {"url": one.url, "size": None, "checksum": SHA256, "version": None, "bytes": len(CONTENT)}


@pytest.mark.parametrize(
    ("multihash", "name"), [(SHA256, "sha256"), ("1340" + "a" * 128, "sha512"), ("d50110" + "b" * 32, "md5")]
)
def test_multihashes_name_their_algorithm(multihash, name):
    assert algorithm_of(multihash)[0] == name


def test_a_checksum_of_no_known_kind_is_refused():
    with pytest.raises(ValueError, match="no multihash"):
        algorithm_of("ff" * 20)
