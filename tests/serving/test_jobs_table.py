from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule
from sqlalchemy import Double, bindparam, create_engine, text

from components.errors import ServiceUnavailable
from serving.errors import JobConflict
from serving.jobs.database import job_database
from serving.jobs.row import Base
from serving.jobs.states import ENDS, STATES, TRANSITIONS, sources_of
from serving.jobs.table import Claim, JobTable, Outcome, Progress, Rules
from tests.serving.jobs import asked
from tests.serving.postgres import postgres


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self):
        self.now = 1000.0
        self.sql = bindparam("clock", callable_=lambda: self.now, type_=Double, unique=True)


@pytest.fixture(scope="module")
def postgres_url():
    with postgres() as url:
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.service)])
def engine(request, tmp_path):
    url = request.getfixturevalue("postgres_url") if request.param == "postgres" else ""
    engine = job_database(url, tmp_path)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM swath_jobs_1"))
    yield engine
    engine.dispose()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def table(engine, clock):
    return JobTable(engine, Rules(attempts=3, lease_s=30.0), clock.sql)


def claimed(table, worker="w"):
    job = table.claim(worker)
    return Claim(job.id, job.fence)


def in_state(table, state):
    """A job in a state, and the claim that brought it there."""
    job, _ = table.accept(asked())
    if state == "cancelled":
        table.cancel(job.id)
    if state in ("queued", "cancelled"):
        return Claim(job.id, 0)
    claim = claimed(table)
    assert {"running": lambda: True, "done": lambda: table.finish(claim, Outcome("d" * 64, 1)),
            "failed": lambda: table.fail(claim, "E", "why")}[state]()  # fmt: skip
    return claim


OPERATIONS = {  # what is tried on a job in every state, and where it then is; not named: it stays
    "claim": (lambda t, c: t.claim("another"), {"queued": "running"}),
    "renew": (lambda t, c: t.renew(c, Progress()), {}),
    "finish": (lambda t, c: t.finish(c, Outcome("e" * 64, 2)), {"running": "done"}),
    "fail": (lambda t, c: t.fail(c, "F", "because"), {"running": "failed"}),
    "retry": (lambda t, c: t.retry(c, "F", "because"), {"running": "queued"}),
    "give_back": (lambda t, c: t.give_back(c), {"running": "queued"}),
    "release": (lambda t, c: t.release("w"), {"running": "queued"}),
    "reap": (lambda t, c: t.reap(), {}),
    "cancel": (lambda t, c: t.cancel(c.id), {"queued": "cancelled", "running": "cancelled"}),
    "remove": (lambda t, c: t.remove(c.id), {"done": None, "failed": None, "cancelled": None}),
}


@pytest.mark.parametrize(("state", "operation"), list(product(STATES, OPERATIONS)))
def test_every_operation_in_every_state_does_what_the_machine_allows(table, state, operation):
    claim = in_state(table, state)
    act, moves = OPERATIONS[operation]
    act(table, claim)
    job = table.find(claim.id)
    after = moves.get(state, state)
    assert (job.state if job else None) == after
    assert after in (state, None) or after in TRANSITIONS[state]


def test_the_machine_has_three_ends_and_every_state_is_reached():
    assert {"done", "failed", "cancelled"} == ENDS
    assert {state for onward in TRANSITIONS.values() for state in onward} == set(STATES)
    assert sources_of("done") == sources_of("failed") == ("running",)


def test_a_lease_that_ran_out_is_lost_though_nobody_took_the_job(table, clock):
    table.accept(asked())
    claim = claimed(table)
    clock.now += 30.0
    assert not table.renew(claim, Progress())
    assert not table.finish(claim, Outcome("d" * 64, 1))
    assert not table.fail(claim, "E", "why")
    assert not table.give_back(claim)
    assert [job.state for job in table.reap()] == ["queued"]


def test_a_worker_that_lost_its_lease_cannot_finish_the_job_of_another(table, clock):
    table.accept(asked())
    old = claimed(table)
    clock.now += 31.0
    table.reap()
    new = claimed(table, "another")
    assert (old.id, new.fence) == (new.id, old.fence + 1)
    assert not table.finish(old, Outcome("0" * 64, 1))
    assert not table.renew(old, Progress())
    assert table.retry(old, "E", "why") is None
    assert table.finish(new, Outcome("1" * 64, 1))
    assert not table.finish(new, Outcome("2" * 64, 1))
    assert table.find(new.id).result_digest == "1" * 64


def test_a_lease_that_is_renewed_holds(table, clock):
    table.accept(asked())
    claim = claimed(table)
    for _ in range(5):
        clock.now += 20.0
        assert table.reap() == []
        assert table.renew(claim, Progress("predicting", 1, 2))
    assert table.finish(claim, Outcome("d" * 64, 1))


def test_attempts_are_counted_before_the_work_and_bounded(table, clock):
    id = table.accept(asked())[0].id
    for attempt in (1, 2, 3):
        claimed(table)
        assert table.find(id).attempts == attempt
        clock.now += 31.0
        table.reap()
    job = table.find(id)
    assert (job.state, job.error) == ("failed", "WorkerLost")
    assert "tried 3 times" in job.reason
    assert table.claim("w") is None


def test_a_job_that_is_given_back_was_not_tried_and_keeps_its_place(table):
    first, second = (table.accept(asked(name))[0].id for name in "ab")
    table.give_back(claimed(table))
    assert table.find(first).attempts == 0
    assert table.claim("w").id == first
    assert table.claim("w").id == second


def test_a_job_that_failed_goes_behind_all_others(table):
    poisonous, *others = (table.accept(asked(name))[0].id for name in "abc")
    assert table.retry(claimed(table), "E", "why") == "queued"
    late = table.accept(asked("d"))[0].id
    order = [table.claim("w").id for _ in range(4)]
    assert order == [*others, poisonous, late]


def test_a_job_waits_for_its_delay(table, clock):
    id = table.accept(asked())[0].id
    table.retry(claimed(table), "E", "why", 15.0)
    assert (table.claim("w"), table.has_work()) == (None, False)
    clock.now += 15.0
    assert table.has_work()
    assert table.claim("w").id == id


def test_only_the_jobs_of_the_dead_worker_are_released(table):
    first, second = (table.accept(asked(name))[0].id for name in "ab")
    table.claim("dead")
    table.claim("alive")
    assert [job.id for job in table.release("dead")] == [first]
    assert table.find(second).state == "running"


def test_a_key_names_one_job_whatever_races(table):
    barrier = threading.Barrier(8)

    def accept(_):
        barrier.wait(10)
        return table.accept(asked("a", key="one"))

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(accept, range(8)))
    assert len({job.id for job, _ in found}) == 1
    assert sum(is_new for _, is_new in found) == 1
    with pytest.raises(JobConflict, match="another request"):
        table.accept(asked("b", key="one"))


def test_many_workers_claim_every_job_once(table):
    ids = {table.accept(asked(str(number)))[0].id for number in range(24)}

    def work(name):
        mine = []
        while job := table.claim(name):
            mine.append(job.id)
        return mine

    with ThreadPoolExecutor(6) as pool:
        shares = list(pool.map(work, "abcdef"))
    found = [id for share in shares for id in share]
    # A worker that met another one at the same row may come away with nothing; the rest stays for its next look.
    while job := table.claim("g"):
        found.append(job.id)
    assert len(found) == len(ids) == 24
    assert set(found) == ids


def test_jobs_are_kept_for_their_time(table, clock):
    old = in_state(table, "done").id
    clock.now += 100.0
    in_state(table, "failed")
    waiting = table.accept(asked("c"))[0].id
    clock.now += 50.0
    assert [job.id for job in table.outlived(120.0)] == [old]
    assert not table.remove(waiting)


def test_a_table_keeps_its_name_and_two_tables_differ(engine, tmp_path):
    other = job_database("", tmp_path / "other")
    assert JobTable(engine).name == JobTable(engine).name != JobTable(other).name
    other.dispose()


def test_the_clock_is_the_databases_and_counts_from_1970(engine):
    assert JobTable(engine).now() == pytest.approx(time.time(), abs=5.0)


def test_sqlite_syncs_every_commit_to_its_log(tmp_path):
    engine = job_database("", tmp_path)
    with engine.connect() as connection:
        found = [connection.execute(text(f"PRAGMA {name}")).scalar() for name in ("journal_mode", "synchronous")]
    engine.dispose()
    assert found == ["wal", 2]


def test_several_processes_may_make_the_table_at_once(tmp_path):
    with ThreadPoolExecutor(6) as pool:
        engines = list(pool.map(lambda _: job_database("", tmp_path), range(6)))
    assert len({JobTable(engine).name for engine in engines}) == 1
    for engine in engines:
        engine.dispose()


@pytest.mark.parametrize(
    "url", ["mysql://me:secret@host/db", "nonsense", "postgresql+psycopg://me:secret@127.0.0.1:9/db"]
)
def test_a_database_that_cannot_be_used_is_told_without_its_secrets(url, tmp_path):
    with pytest.raises(ServiceUnavailable, match="SWATH_JOBS_URL") as caught:
        job_database(url, tmp_path)
    assert "secret" not in str(caught.value)
    assert "127.0.0.1:9" not in str(caught.value)


class JobsUnderFire(RuleBasedStateMachine):
    """Workers that come, die, fall silent and come back: a job is done once, by whoever holds it."""

    jobs, claims = Bundle("jobs"), Bundle("claims")

    def __init__(self):
        super().__init__()
        self.clock = Clock()
        engine = create_engine("sqlite://")
        Base.metadata.create_all(engine)
        self.table = JobTable(engine, Rules(attempts=3, lease_s=30.0), self.clock.sql)
        self.states: dict[str, str] = {}
        self.holder: dict[str, tuple[Claim, float]] = {}  # by job: the newest claim and the end of its lease
        self.results: dict[str, str] = {}

    def holds(self, claim):
        newest, until = self.holder.get(claim.id, (None, 0.0))
        return newest == claim and self.clock.now < until and self.states.get(claim.id) == "running"

    @rule(target=jobs)
    def accept(self):
        id = self.table.accept(asked(str(len(self.states))))[0].id
        self.states[id] = "queued"
        return id

    @rule(target=claims)
    def claim(self):
        job = self.table.claim("w")
        if job is None:
            assert "queued" not in self.states.values()
            return multiple()
        assert self.states[job.id] == "queued"
        claim = Claim(job.id, job.fence)
        self.holder[job.id] = (claim, self.clock.now + 30.0)
        return claim

    @rule(seconds=st.sampled_from([1.0, 10.0, 31.0]))
    def time_passes(self, seconds):
        self.clock.now += seconds

    @rule(claim=claims)
    def renew(self, claim):
        held = self.holds(claim)
        assert self.table.renew(claim, Progress("predicting", 1, 2)) == held
        if held:
            self.holder[claim.id] = (claim, self.clock.now + 30.0)

    @rule(claim=claims, digest=st.sampled_from("abc"))
    def finish(self, claim, digest):
        held = self.holds(claim)
        assert self.table.finish(claim, Outcome(digest, 1)) == held
        if held:
            assert claim.id not in self.results
            self.results[claim.id] = digest

    @rule(claim=claims)
    def fail(self, claim):
        assert self.table.fail(claim, "E", "why") == self.holds(claim)

    @rule(claim=consumes(claims))
    def give_back(self, claim):
        assert self.table.give_back(claim) == self.holds(claim)

    @rule(claim=claims)
    def retry(self, claim):
        assert (self.table.retry(claim, "E", "why") is not None) == self.holds(claim)

    @rule()
    def reap(self):
        for job in self.table.reap():
            assert self.holder[job.id][1] <= self.clock.now

    @rule(job=jobs)
    def cancel(self, job):
        assert (self.table.cancel(job) is not None) == (self.states.get(job) in ("queued", "running"))

    @rule(job=consumes(jobs))
    def remove(self, job):
        if self.table.remove(job):
            assert self.states.pop(job) in ENDS

    @invariant()
    def every_move_is_one_of_the_machine(self):
        for id, before in list(self.states.items()):
            job = self.table.find(id)
            assert job.state == before or job.state in TRANSITIONS[before]
            assert job.attempts <= 3
            assert (job.state == "running") == (job.worker is not None) == (job.lease_until is not None)
            assert (job.result_digest is not None) == (job.state == "done")
            assert job.result_digest == self.results.get(id)
            self.states[id] = job.state

    def teardown(self):
        self.table.engine.dispose()


JobsUnderFire.TestCase.settings = settings(
    max_examples=60, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
test_jobs_under_fire = JobsUnderFire.TestCase


def test_a_commit_survives_a_killed_process(tmp_path):
    code = (
        "import sys, time, pathlib\n"
        "from serving.jobs.database import job_database\n"
        "from serving.jobs.table import JobTable\n"
        "from tests.serving.jobs import asked\n"
        "table = JobTable(job_database('', pathlib.Path(sys.argv[1])))\n"
        "for n in range(10**6):\n"
        "    print(table.accept(asked(str(n)))[0].id, flush=True)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    acknowledged = [process.stdout.readline().strip()]
    time.sleep(0.5)
    os.kill(process.pid, signal.SIGKILL)
    acknowledged += process.stdout.read().split()
    process.wait()
    table = JobTable(job_database("", tmp_path))
    whole = [id for id in acknowledged if len(id) == 32]
    assert len(whole) > 5
    assert all(table.find(id) for id in whole)
    table.engine.dispose()
