"""Where a site is written: its own files are replaced, those of others never, and nothing else is served."""

import socket
import struct
import urllib.error
import urllib.request

import pytest

from bench.cli.main import main
from bench.errors import UsageError
from leaderboard.site import write_site
from leaderboard.site.build import LISTING, read_listing
from leaderboard.site.panels import MAX_BYTES, MAX_SIDE, PNG, find_panels
from leaderboard.site.watch import HOST, serve_site
from leaderboard.store import Store, StoreContents
from tests.leaderboard.site.test_watch import get


@pytest.fixture
def contents(make_record):
    return StoreContents([make_record("single_task", 0), make_record("hard", 0)])


def test_a_folder_of_somebody_else_is_refused_and_left_as_it_is(contents, tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "index.html").write_text("my own page")
    with pytest.raises(UsageError, match=r"mine` should be empty, or a site.*Found `index.html`"):
        write_site(contents, [], mine, "store")
    assert [path.name for path in mine.rglob("*")] == ["index.html"]
    assert (mine / "index.html").read_text() == "my own page"


def test_hidden_files_and_others_beside_a_site_stay(contents, tmp_path):
    out = tmp_path / "out"
    (out / ".git").mkdir(parents=True)
    write_site(contents, [], out, "store")
    (out / "CNAME").write_text("example.org")
    write_site(StoreContents(), [], out, "store")
    assert (out / "CNAME").read_text() == "example.org"
    assert not (out / "methods.html").exists()
    assert read_listing(out) == {p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file()} - {
        "CNAME",
        LISTING,
    }


def test_a_page_of_somebody_else_in_a_site_stops_the_build_before_it_writes(contents, tmp_path):
    out = tmp_path / "out"
    write_site(StoreContents(), [], out, "store")
    before = (out / "index.html").read_bytes()
    (out / "methods.html").write_text("my own page")
    with pytest.raises(UsageError, match=r"methods.html` should be a file that a site wrote"):
        write_site(contents, [], out, "store")
    assert (out / "methods.html").read_text() == "my own page"
    assert (out / "index.html").read_bytes() == before


def test_links_are_neither_written_through_nor_followed_out(contents, tmp_path):
    out, victim = tmp_path / "out", tmp_path / "victim"
    write_site(contents, [], out, "store")
    victim.write_text("untouched")
    (out / "index.html").unlink()
    (out / "index.html").symlink_to(victim)
    write_site(contents, [], out, "store")
    assert victim.read_text() == "untouched"
    assert "mtlbench" in (out / "index.html").read_text()
    outside = tmp_path / "outside"
    (out / "methods").rename(outside)
    (out / "methods").symlink_to(outside)
    with pytest.raises(UsageError, match=r"methods` should be a folder of the site. Found a link"):
        write_site(contents, [], out, "store")


@pytest.mark.parametrize("inside", ["", "site", "toy-size-1"])
def test_no_site_in_a_store(inside, contents, tmp_path, capsys):
    root = tmp_path / "store"
    for record in contents.records:
        Store(root).write(record)
    before = sorted(root.rglob("*"))
    for more in ([], ["--watch"]):
        assert main(["site", "--store", str(root), "--out", str(root / inside), *more]) == 2
        assert "outside the store" in capsys.readouterr().err
    assert sorted(root.rglob("*")) == before


def test_a_picture_that_is_too_large_is_not_read(tmp_path):
    def panel(number, width, bytes_):
        path = tmp_path / f"{'a' * 16}.{number}.png"
        path.write_bytes(PNG + b"\0\0\0\rIHDR" + struct.pack(">II", width, 2))
        with path.open("r+b") as file:
            file.truncate(bytes_)  # a hole, of any size

    panel(0, 3, 24)
    panel(1, 3, MAX_BYTES)
    panel(2, 3, MAX_BYTES + 1)
    panel(3, 3, 20 << 30)
    panel(4, MAX_SIDE + 1, 24)
    found = find_panels(tmp_path)["a" * 16]
    assert [panel.path.name.split(".")[1] for panel in found] == ["0", "1"]
    assert len(found[1].read()) == MAX_BYTES


def test_only_what_a_build_wrote_is_served(contents, tmp_path):
    out = tmp_path / "out"
    write_site(contents, [], out, "store")
    (tmp_path / "secret").write_text("x")
    (out / ".env").write_text("x")
    (out / "notes.txt").write_text("x")
    (out / "link.html").symlink_to(tmp_path / "secret")
    (out / "methods.html").unlink()
    (out / "methods.html").symlink_to(tmp_path / "secret")
    with serve_site(out) as address:
        assert get(address)[0] == get(address, "index.html?x=1")[0] == get(address, "assets/site.css")[0] == 200
        for path in (
            ".env",
            "notes.txt",
            "link.html",
            "methods.html",
            LISTING,
            "%00",
            "assets",
            "assets/",
            "..%2fsecret",
        ):
            with pytest.raises(urllib.error.HTTPError, match="404"):
                get(address, path)


def test_readers_that_leave_or_say_nothing_are_let_go_in_silence(contents, tmp_path, capfd, monkeypatch):
    monkeypatch.setattr("leaderboard.site.watch._Handler.timeout", 0.2)
    write_site(contents, [], tmp_path / "out", "store")
    with serve_site(tmp_path / "out") as address:
        place = HOST, int(address.rsplit(":", 1)[1].strip("/"))
        for _ in range(3):
            dropped = socket.create_connection(place)
            dropped.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # ends with a reset
            dropped.sendall(b"GET /assets/site.css HTTP/1.0\r\nHost: localhost\r\n\r\n")
            dropped.close()
        idle = socket.create_connection(place, timeout=30)
        idle.sendall(b"GET /ind")
        assert idle.recv(1) == b""  # the server hung up
        idle.close()
        assert get(address)[0] == 200
    assert capfd.readouterr() == ("", "")


def test_a_port_that_is_taken_is_said_in_a_sentence(tmp_path):
    with socket.create_server((HOST, 0)) as taken:
        server = serve_site(tmp_path, taken.getsockname()[1])
        with pytest.raises(OSError, match=r"Port \d+ should be free on this machine, but is not"):
            server.__enter__()
