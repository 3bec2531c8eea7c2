"""Pictures in tar shards and at addresses: what is read, what is refused, and runs that need no folder."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from conftest import CorpusFiles
from PIL import Image

import datagen
from datagen.config import CorpusSettings, load_settings
from datagen.corpus import PictureChecker, PictureError, check_picture, fetching, folder_of, picture_path, read_picture
from datagen.corpus import picture_places as places
from datagen.errors import DatagenError, RunError, SettingsError
from datagen.records import AnnotatedImage


def picture(colour: str = "red") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 6), colour).save(file, "PNG")
    return file.getvalue()


def shard(path: Path, **members: bytes) -> Path:
    """A tar file; ``a__b`` stands for ``a/b``."""
    with tarfile.open(path, "w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name.replace("__", "/").replace("_DOT", "."))
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("DATAGEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(fetching, "PAUSE_S", 0.0)
    for kept in (places._root, places._open_place):
        kept.cache_clear()
    yield tmp_path / "cache"
    for kept in (places._root, places._open_place):
        kept.cache_clear()


class Server:
    """A file server on the loopback, with faults by path."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.faults: dict[str, list[int]] = {}
        self.asked: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                status = outer.faults.get(self.path, [])
                data = outer.files.get(self.path.partition("?")[0])
                code = status.pop(0) if status else 404 if data is None else 200
                self.send_response(code)
                self.send_header("Content-Length", str(len(data or b"") if code == 200 else 0))
                self.end_headers()
                if code == 200 and data:
                    self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                return

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    thread = threading.Thread(target=made.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield made
    made.http.shutdown()
    made.http.server_close()
    thread.join()


def colour_of(folder: Path | None, name: str) -> object:
    assert folder is not None
    return read_picture(folder, name, 1000).getpixel((0, 0))


def test_members_of_shards_are_pictures(tmp_path: Path) -> None:
    shard(tmp_path / "a-00.tar", images__1_DOTpng=picture(), images__2_DOTpng=b"no", x__3_DOTpng=picture("blue"))
    shard(tmp_path / "a-01.tar", y__3_DOTpng=picture("lime"), __4_DOTpng=picture("white"))
    for images in (f"{tmp_path}/a-{{00..01}}.tar", f"{tmp_path}/a-*.tar"):
        folder = folder_of(images)
        assert folder is not None
        assert colour_of(folder, "images/1.png") == colour_of(folder, "1.png") == (255, 0, 0)
        assert (colour_of(folder, "x/3.png"), colour_of(folder, "y/3.png")) == ((0, 0, 255), (0, 255, 0))
        assert check_picture(folder, "2.png", 1000) == (
            "image_unreadable",
            "2.png is no JPEG, PNG, WEBP, BMP, GIF, TIFF picture",
        )
        for name, said in (("5.png", "is in none of the shards"), ("3.png", "several members")):
            assert said in (check_picture(folder, name, 1000) or ("", ""))[1]
        checker = PictureChecker(CorpusSettings(images=images))
        assert checker.check(AnnotatedImage("1", "1.png", 8, 6)) is None
        assert checker.check(AnnotatedImage("1", "1.png", 9, 6)) is not None
        assert checker.explain_missing([AnnotatedImage("9", "9.png", 0, 0)]) is not None
        assert checker.witness(["1.png"]) is not None


def test_names_of_several_shards_are_found_behind_that_of_their_shard(tmp_path: Path) -> None:
    for n, colour in enumerate(("red", "blue", "lime")):
        shard(tmp_path / f"{n}.tar", a_DOTpng=picture(colour), **{f"b{n}_DOTpng": picture(colour)})
    folder = folder_of(f"{tmp_path}/*.tar")
    assert folder is not None
    assert [colour_of(folder, f"{n}.tar/a.png") for n in range(3)] == [(255, 0, 0), (0, 0, 255), (0, 255, 0)]
    assert colour_of(folder, "1.tar/b1.png") == colour_of(folder, "b1.png") == (0, 0, 255)
    for name in ("a.png", "1.tar/b2.png", "4.tar/a.png"):
        assert (check_picture(folder, name, 1000) or ("",))[0] == "image_missing"


def test_no_name_leads_out_of_a_shard_or_its_cache(tmp_path: Path, own_cache: Path) -> None:
    path = tmp_path / "odd.tar"
    with tarfile.open(path, "w") as tar:
        for name, kind in (
            ("../up.png", tarfile.REGTYPE),
            ("/etc/up.png", tarfile.REGTYPE),
            ("l.png", tarfile.SYMTYPE),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            info.size = 0 if kind == tarfile.SYMTYPE else len(picture())
            tar.addfile(info, io.BytesIO(picture()))
        info = tarfile.TarInfo("in.png")
        info.size = len(picture())
        tar.addfile(info, io.BytesIO(picture()))
    folder = folder_of(str(path))
    assert folder is not None
    for name in ("up.png", "l.png"):
        assert check_picture(folder, name, 1000) == ("image_missing", f"{name} is in none of the shards of {path}")
    for name in ("../up.png", "/etc/up.png"):
        assert (check_picture(folder, name, 1000) or ("",))[0] == "image_outside_folder"
        assert picture_path(folder, name) is None
    kept = picture_path(folder, "in.png")
    assert kept is not None and kept.is_relative_to(own_cache) and kept.read_bytes() == picture()
    assert set(tmp_path.rglob("*.png")) == {kept}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"junk" * 200, "is no tar file, or damaged"),
        (b"\x1f\x8b" + b"x" * 600, "is compressed"),
        (None, "no such file"),
    ],
)
def test_what_is_no_shard_is_told(tmp_path: Path, content: bytes | None, said: str) -> None:
    if content is not None:
        (tmp_path / "a.tar").write_bytes(content)
    with pytest.raises(DatagenError, match=said):
        colour_of(folder_of(str(tmp_path / "a.tar")), "1.png")


def test_a_shard_that_ends_early_costs_its_last_picture(tmp_path: Path) -> None:
    path = shard(tmp_path / "a.tar", a_DOTpng=picture(), b_DOTpng=picture() * 100)
    path.write_bytes(path.read_bytes()[:2500])
    folder = folder_of(str(path))
    assert folder is not None and colour_of(folder, "a.png") == (255, 0, 0)
    assert (check_picture(folder, "b.png", 1000) or ("", ""))[1].startswith("b.png is cut off")


def test_large_members_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = folder_of(str(shard(tmp_path / "a.tar", a_DOTpng=picture())))
    monkeypatch.setattr(places, "MAX_PICTURE_BYTES", 10)
    assert folder is not None
    assert (check_picture(folder, "a.png", 1000) or ("",))[0] == "image_too_large"


def test_pictures_of_an_address_are_fetched_once(server: Server, own_cache: Path) -> None:
    server.files = {"/data/a/1%20x.png": picture(), "/data/2.png": b"no"}
    folder = folder_of(f"{server.url}/data")
    assert folder is not None
    assert colour_of(folder, "a/1 x.png") == colour_of(folder, "a/1 x.png") == (255, 0, 0)
    assert server.asked == ["/data/a/1%20x.png"]
    assert check_picture(folder, "3.png", 1000) == ("image_missing", f"{server.url}/data/3.png does not exist")
    assert (check_picture(folder, "2.png", 1000) or ("",))[0] == "image_unreadable"
    assert (check_picture(folder, "../2.png", 1000) or ("",))[0] == "image_outside_folder"
    kept = picture_path(folder, "a/1 x.png")
    assert kept is not None and kept.is_relative_to(own_cache)


def test_what_was_fetched_is_there_for_those_who_may_not_fetch(server: Server) -> None:
    server.files = {"/1.png": picture(), "/2.png": picture()}
    colour_of(folder_of(server.url), "1.png")
    folder = folder_of(server.url, may_fetch=False)
    assert colour_of(folder, "1.png") == (255, 0, 0)
    with pytest.raises(PictureError, match=r"2\.png was not fetched on this machine"):
        colour_of(folder, "2.png")
    assert colour_of(folder_of(server.url), "2.png") == (255, 0, 0)


@pytest.mark.parametrize(("statuses", "fate"), [([503], None), ([503, 429], None), ([403], "image_unreadable")])
def test_passing_faults_are_tried_again(server: Server, statuses: list[int], fate: str | None) -> None:
    server.files, server.faults = {"/1.png": picture()}, {"/1.png": statuses}
    folder = folder_of(server.url)
    assert folder is not None
    fault = check_picture(folder, "1.png", 1000)
    assert (fault and fault[0]) == fate


def test_a_server_out_of_reach_stops_the_run(server: Server) -> None:
    server.faults = {"/1.png": [500, 502, 503]}
    for url in (server.url, "http://127.0.0.1:9"):
        folder = folder_of(url)
        assert folder is not None
        with pytest.raises(RunError, match=r"http://127\.0\.0\.1: the pictures cannot be fetched"):
            check_picture(folder, "1.png", 1000)


def test_large_answers_are_not_read_to_their_end(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "MAX_PICTURE_BYTES", 10)
    server.files = {"/1.png": picture()}
    folder = folder_of(server.url)
    assert folder is not None
    assert (check_picture(folder, "1.png", 1000) or ("",))[0] == "image_too_large"


def test_the_cache_is_bounded(server: Server, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.files = {f"/{n}.png": picture() for n in range(9)}
    monkeypatch.setattr(places, "MAX_CACHE_BYTES", 4 * len(picture()))
    folder = folder_of(server.url)
    for n in range(9):
        colour_of(folder, f"{n}.png")
    assert 1 <= len(list(own_cache.rglob("*.png"))) <= 4


def test_shards_at_an_address_are_fetched_whole(server: Server, tmp_path: Path) -> None:
    for n in range(2):
        path = shard(tmp_path / "x.tar", **{f"d__{n}_DOTpng": picture("blue")})
        server.files[f"/s-{n}.tar"] = path.read_bytes()
    folder = folder_of(f"{server.url}/s-{{0..1}}.tar")
    assert colour_of(folder, "d/0.png") == colour_of(folder, "1.png") == (0, 0, 255)
    assert sorted(server.asked) == ["/s-0.tar", "/s-1.tar"]
    with pytest.raises(RunError, match="does not exist"):
        colour_of(folder_of(f"{server.url}/t.tar"), "1.png")


def test_a_list_of_addresses(server: Server, tmp_path: Path) -> None:
    server.files = {"/a/1.png": picture(), "/b/2.png": picture("blue")}
    path = tmp_path / "urls.txt"
    path.write_text(f"{server.url}/a/1.png?key=s3cret\n\nmine/two.png\t{server.url}/b/2.png\n")
    folder = folder_of(str(path))
    assert colour_of(folder, "a/1.png") == colour_of(folder, "1.png") == (255, 0, 0)
    assert colour_of(folder, "mine/two.png") == (0, 0, 255)
    assert folder is not None and check_picture(folder, "3.png", 1000) == ("image_missing", f"3.png is not in {path}")
    server.faults = {"/a/1.png?key=s3cret": [403]}
    shutil.rmtree(tmp_path / "cache")
    assert "s3cret" not in (check_picture(folder, "1.png", 1000) or ("", ""))[1]


@pytest.mark.parametrize(
    ("images", "said"),
    [
        ("http://me:key@host/x", "holds a login, a query or a chain"),
        ("https://host/x?sig=1", "holds a login, a query or a chain"),
        ("zip://x::http://host/y", "holds a login, a query or a chain"),
        ("ftp://host/x", r"pictures are fetched from http://, https://, s3://"),
        ("file:///etc", r"pictures are fetched from http://"),
        ("s3://bucket/x", r"s3:// is fetched by s3fs, which is not installed: pip install s3fs"),
        ("gs://bucket/x", r"gs:// is fetched by gcsfs, which is not installed: pip install gcsfs"),
        ("https://host/{5..1}.tar", "numbers that rise"),
        ("https://host/{1..999999999}.tar", "expected up to 100000 numbers"),
        ("none/*.tar", "there is no such file"),
        ("none.txt", "cannot be read"),
    ],
)
def test_what_cannot_be_fetched_is_told(images: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_driver(scheme: str, **_: object) -> None:
        raise ImportError(scheme)

    if images[:2] in ("s3", "gs"):
        monkeypatch.setattr("fsspec.filesystem", no_driver)
        places._filesystem.cache_clear()
    with pytest.raises(SettingsError, match=said) as error:
        folder_of(images)
    assert "key" not in str(error.value)


def test_a_run_needs_no_folder(server: Server, tmp_path: Path, corpus_files: CorpusFiles) -> None:
    names = sorted(corpus_files.images.iterdir())
    server.files = {f"/p/{one.name}": one.read_bytes() for one in names}
    path = tmp_path / "p.tar"
    with tarfile.open(path, "w") as tar:
        for one in names:
            tar.add(one, f"deep/{one.name}")
    told = {}
    for n, images in enumerate((str(corpus_files.images), str(path), f"{server.url}/p")):
        out = tmp_path / f"run{n}"
        datagen.run({**corpus_files.settings, "corpus.images": images, "types": ["conversation"]}, out)
        told[images] = [json.loads(line)["turns"] for line in (out / "samples.jsonl").read_text().splitlines()]
        assert load_settings(out / "run.yaml", {"corpus.images": images}).corpus.images == images
    assert len({json.dumps(one) for one in told.values()}) == 1
    assert len([one for one in server.asked if one.startswith("/p/")]) == len(names)


def test_a_run_folder_of_somebody_fetches_nothing_unsaid(tmp_path: Path, corpus_files: CorpusFiles) -> None:
    out = tmp_path / "run"
    datagen.run({**corpus_files.settings, "types": ["conversation"]}, out)
    path = out / "run.yaml"
    path.write_text(path.read_text().replace(str(corpus_files.images), "https://example.org/x"))
    with pytest.raises(SettingsError, match="has this machine fetch pictures from there"):
        load_settings(path, {})


def test_pictures_are_fetched_ahead_in_order(server: Server) -> None:
    server.files = {f"/{n}.png": picture() for n in range(99) if n != 7}
    folder = folder_of(server.url)
    assert folder is not None
    walked = places.fetching_ahead(places.place_of(folder), range(99), "{}.png".format)
    assert [next(walked) for _ in range(9)] == [*range(9)]
    assert 9 <= len(server.asked) <= 9 + 4 * places.N_FETCHING
    assert [*walked] == [*range(9, 99)]
    assert len(server.asked) == 99
    assert [*places.fetching_ahead(None, range(3), str)] == [0, 1, 2]


def test_no_name_leads_out_of_an_address(server: Server) -> None:
    server.files = {"/secret.png": picture(), "/p/1.png": picture()}
    folder = folder_of(f"{server.url}/p")
    assert folder is not None
    place = places.place_of(folder)
    assert [*places.fetching_ahead(place, ["../secret.png", "/secret.png", "1.png"], str)]
    assert server.asked == ["/p/1.png"]
    assert (check_picture(folder, "../secret.png", 1000) or ("",))[0] == "image_outside_folder"


def test_shards_that_changed_are_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    for colour, pixel in (("red", (255, 0, 0)), ("blue", (0, 0, 255))):
        shard(path, x_DOTpng=b"." * len(colour) * 600, a_DOTpng=picture(colour))
        assert colour_of(folder_of(str(path)), "a.png") == pixel
