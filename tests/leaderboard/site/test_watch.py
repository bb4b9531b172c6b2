"""The site while runs go on: what it shows, whom it answers, and that it only reads."""

import json
import os
import threading
import urllib.error
import urllib.request
from http.client import HTTPConnection
from pathlib import Path

import pytest

from bench.engines.events import Ended, Progressed
from bench.execution.live_notes import write_live_note
from leaderboard.site import SiteWriter, write_site
from leaderboard.site.watch import HOST, SiteWatcher, serve_site
from leaderboard.store import Store, StoreContents
from leaderboard.store.progress_notes import NOTES_FOLDER, make_note_prefix, read_live


@pytest.fixture
def watch(tmp_path):
    root, out = tmp_path / "store", tmp_path / "out"

    writer = SiteWriter([], out, "store")

    def build(records):
        writer.write(Store(root).read(), read_live(root)) if records else writer.write_status(read_live(root))

    return SiteWatcher(root, out, build)


def get(address, path="", **headers):
    # No proxy: the one that another test named may be remembered.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(urllib.request.Request(address + path, headers=headers)) as answer:
        return answer.status, answer.read().decode(), answer.headers


def test_it_builds_again_when_the_store_changes_and_only_then(watch, make_record):
    assert watch.rebuild_if_changed()
    assert not watch.rebuild_if_changed()
    assert "No results yet" in (watch.out / "index.html").read_text()
    Store(watch.root).write(make_record())
    assert watch.rebuild_if_changed()
    assert "1 finished run" in (watch.out / "index.html").read_text()
    assert json.loads((watch.out / "version.json").read_text()) == {"build": 2}


def test_what_runs_is_shown_and_gone_afterwards(watch, make_record):
    specs = [make_record(seed=seed).spec for seed in range(3)]
    with write_live_note(watch.root, specs, 2) as see:
        see(Progressed(specs[0], 1, 4))
        see(Ended(specs[1], "done"))
        (running,) = read_live(watch.root)["runs"]
        assert (running["title"], running["planned"], running["ended"]) == ("toy", 3, 1)
        assert running["cells"] == [{"name": "single_task seed 0", "done": 1, "epochs": 4}]
        watch.rebuild_if_changed()
        page = (watch.out / "index.html").read_text()
        assert "1/3 done" in page
        assert "epoch 1 of 4" in page
        assert "data-live" in page
    assert read_live(watch.root) == {"runs": []}
    assert not (watch.root / NOTES_FOLDER).exists()
    assert watch.rebuild_if_changed()
    assert "Nothing runs in this store" in (watch.out / "index.html").read_text()


def test_how_far_runs_are_changes_the_overview_alone(watch, make_record):
    Store(watch.root).write(make_record())
    watch.rebuild_if_changed()
    calls = []
    build, watch._build = watch._build, lambda records: calls.append(records) or build(records)
    with write_live_note(watch.root, [make_record(seed=1).spec], 1) as see:
        see(Progressed(make_record(seed=1).spec, 1, 4))
        times = {path: path.stat().st_mtime_ns for path in watch.out.rglob("*.html")}
        assert watch.rebuild_if_changed()
        changed = {path.name for path, time in times.items() if path.stat().st_mtime_ns != time}
        assert changed == {"index.html"}
        assert "epoch 1 of 4" in (watch.out / "index.html").read_text()
        Store(watch.root).write(make_record(seed=2))
        assert watch.rebuild_if_changed()
    assert calls == [False, True]


def test_a_site_written_again_is_the_one_written_at_once(tmp_path, make_record):
    records = [make_record("single_task", 0), make_record("hard", 0)]
    again = SiteWriter([], tmp_path / "a", "store")
    again.write(StoreContents(records))
    changed = make_record("hard", 0, {"left": 50.0, "right": 50.0})
    assert changed.run_id == records[1].run_id
    now = StoreContents([records[0], changed, make_record("single_task", 1, suite="other")])
    again.write(now)
    write_site(now, [], tmp_path / "b", "store")
    for path in (tmp_path / "b").rglob("*"):
        if path.is_file():
            assert (tmp_path / "a" / path.relative_to(tmp_path / "b")).read_bytes() == path.read_bytes(), path.name


def test_notes_of_the_dead_and_of_strangers_are_skipped(tmp_path, make_record):
    folder = tmp_path / NOTES_FOLDER
    folder.mkdir()
    (folder / "999999999-a.json").write_text("{}")
    (folder / f"{make_note_prefix(os.getpid())}b.json").write_text('{"title": [')
    (folder / f"{make_note_prefix(os.getpid())}c.json").symlink_to("/etc/passwd")
    assert read_live(tmp_path) == {"runs": []}
    Store(tmp_path).clear()
    assert not folder.exists()


@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="needs a system that tells when a process began")
def test_a_number_that_another_process_has_got_brings_no_note_back_to_life(tmp_path):
    (tmp_path / NOTES_FOLDER).mkdir()
    note = {"title": "toy", "summary": "0/1 done", "planned": 1, "ended": 0, "cells": []}
    mine = tmp_path / NOTES_FOLDER / f"{make_note_prefix(os.getpid())}a.json"
    mine.write_text(json.dumps(note))
    assert len(read_live(tmp_path)["runs"]) == 1
    mine.rename(mine.with_name(f"{os.getpid()}-1-a.json"))  # the process of that number began with the system
    assert read_live(tmp_path) == {"runs": []}


def test_the_server_answers_here_only_and_only_reads(watch, tmp_path):
    watch.rebuild_if_changed()
    (tmp_path / "secret").write_text("x")
    with serve_site(watch.out) as address:
        assert address.startswith(f"http://{HOST}:")
        status, page, headers = get(address)
        assert (status, headers["Cache-Control"]) == (200, "no-store")
        assert "mtlbench" in page
        for path in ("assets/", "runs", "../secret", "%2e%2e/secret", "/etc/passwd"):
            with pytest.raises(urllib.error.HTTPError, match="404"):
                get(address, path)
        with pytest.raises(urllib.error.HTTPError, match="403"):
            get(address, Host="example.org")
        before = sorted(watch.out.rglob("*"))
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            connection = HTTPConnection(HOST, int(address.rsplit(":", 1)[1].strip("/")))
            connection.request(method, "/index.html", body="x")
            assert connection.getresponse().status == 501
            connection.close()
        assert sorted(watch.out.rglob("*")) == before


def test_a_build_that_fails_is_told_once_and_tried_at_the_next_change(watch):
    told, stop = [], threading.Event()
    watch.root.mkdir()
    watch._build = lambda records: 1 / 0
    thread = threading.Thread(target=watch.rebuild_until, args=(stop, 0.01, told.append))
    thread.start()
    while not told:
        pass
    stop.wait(0.2)
    stop.set()
    thread.join()
    assert len(told) == 1
    assert "ZeroDivisionError" in told[0]
