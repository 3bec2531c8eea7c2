"""Pictures are read, or refused with a reason; names do not lead out of the folder."""

import hashlib
import json
import os
import pickle
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from datagen.config import CorpusSettings
from datagen.corpus import PictureChecker, PictureError, check_picture, explain_missing, picture_path, read_picture
from datagen.corpus.file_names import name_in, outside_fault
from datagen.corpus.pictures import MAX_READ_PIXELS
from datagen.errors import RunError
from datagen.records import AnnotatedImage

LIMIT = 1_000_000


def picture(mode: str = "RGB", size: tuple[int, int] = (60, 40)) -> Image.Image:
    """A picture with noise enough that its file has a middle to cut."""
    noise = Image.effect_noise(size, 80)
    return noise.convert(mode) if mode != "RGB" else Image.merge("RGB", (noise, noise.rotate(90), noise.rotate(180)))


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_header(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.bmp", "a.gif", "a.tiff", "deep/a.jpg"])
def test_good_pictures(tmp_path: Path, name: str) -> None:
    (tmp_path / "deep").mkdir()
    picture().save(tmp_path / name)
    assert check_picture(tmp_path, name, LIMIT, (60, 40)) is None
    assert check_picture(tmp_path, name, LIMIT) is None
    read = read_picture(tmp_path, name, LIMIT)
    assert (read.mode, read.size) == ("RGB", (60, 40))


@pytest.mark.parametrize("mode", ["CMYK", "L"])
@pytest.mark.parametrize("is_progressive", [False, True])
def test_jpeg_modes(tmp_path: Path, mode: str, is_progressive: bool) -> None:
    Image.new("RGB", (64, 64), "white").convert(mode).save(tmp_path / "a.jpg", progressive=is_progressive)
    assert check_picture(tmp_path, "a.jpg", LIMIT) is None
    low, _ = read_picture(tmp_path, "a.jpg", LIMIT).convert("L").getextrema()
    assert low >= 250


def test_transparency_is_laid_on_white(tmp_path: Path) -> None:
    seen = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    seen.putpixel((0, 0), (255, 0, 0, 255))
    seen.save(tmp_path / "rgba.png")
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([0, 0, 0, 255, 0, 0])
    palette.save(tmp_path / "p.png", transparency=1)
    Image.new("LA", (4, 4), (0, 0)).save(tmp_path / "la.png")
    for name in ("rgba.png", "p.png", "la.png"):
        read = read_picture(tmp_path, name, LIMIT)
        assert read.getpixel((3, 3)) == (255, 255, 255), name
    assert read_picture(tmp_path, "rgba.png", LIMIT).getpixel((0, 0)) == (255, 0, 0)


@pytest.mark.parametrize(
    ("mode", "value", "name", "expected"),
    [
        ("I;16", 32768, "a.png", 127),
        ("I;16", 200, "a.tiff", 0),
        ("I", 65535, "a.tiff", 255),
        ("I", 200, "a.tiff", 200),
        ("I", 1_000_000, "a.tiff", 255),
        ("F", 0.5, "a.tiff", 127),
        ("F", -1.0, "a.tiff", 0),
        ("1", 1, "a.png", 255),
    ],
)
def test_grey_is_scaled_to_8_bits(tmp_path: Path, mode: str, value: float, name: str, expected: int) -> None:
    Image.new(mode, (5, 5), value).save(tmp_path / name)
    assert check_picture(tmp_path, name, LIMIT) is None
    assert read_picture(tmp_path, name, LIMIT).getpixel((2, 2)) == (expected,) * 3


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.bmp", "a.gif", "a.tiff"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.95])
def test_truncated_pictures(tmp_path: Path, name: str, share: float) -> None:
    picture(size=(200, 200)).save(tmp_path / name)
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: int(len(data) * share)])
    fault = check_picture(tmp_path, name, LIMIT, (200, 200))
    assert fault is not None
    assert fault[0] == "image_unreadable"
    assert fault[1].startswith(f"{name} ")
    assert str(tmp_path) not in fault[1]  # a run says the same wherever its pictures are
    with pytest.raises(PictureError) as caught:
        read_picture(tmp_path, name, LIMIT)
    assert caught.value.reason == "image_unreadable"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>not found</html>",
        b"\xff\xd8\xff",
        b"\x89PNG\r\n\x1a\n",
        png_header(0, 5),
        png_header(8, 8) + png_chunk(b"IDAT", b"no zlib"),
        png_header(8, 8) + png_chunk(b"zTXt", b"a\0\0" + zlib.compress(b" " * 80_000_000)),
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n",
        b"II*\0\xff\xff\xff\xff",
        b"GIF89a",
        b"RIFF\x10\0\0\0WEBPVP8 ",
    ],
)
def test_what_is_no_picture(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.jpg").write_bytes(content)
    fault = check_picture(tmp_path, "a.jpg", LIMIT)
    assert fault is not None
    assert fault[0] == "image_unreadable"


@pytest.mark.parametrize(("width", "height"), [(1001, 1000), (12_000, 9_000), (30_000, 30_000)])
def test_too_large_is_known_from_the_header(tmp_path: Path, width: int, height: int) -> None:
    (tmp_path / "a.png").write_bytes(png_header(width, height) + png_chunk(b"IDAT", b"never read"))
    fault = check_picture(tmp_path, "a.png", LIMIT)
    assert fault is not None
    assert fault[0] == "image_too_large"


def test_sizes_are_compared(tmp_path: Path) -> None:
    picture().save(tmp_path / "a.jpg")
    fault = check_picture(tmp_path, "a.jpg", LIMIT, (61, 40))
    assert fault == ("image_size_differs", "a.jpg is 60x40 pixels, its annotation says 61x40")
    exif = Image.Exif()
    exif[0x0112] = 6
    picture().save(tmp_path / "turned.jpg", exif=exif)
    assert check_picture(tmp_path, "turned.jpg", LIMIT, (60, 40)) is None
    assert read_picture(tmp_path, "turned.jpg", LIMIT).size == (60, 40)
    turned = check_picture(tmp_path, "turned.jpg", LIMIT, (40, 60))
    assert turned is not None
    assert turned[0] == "image_size_differs"
    assert "EXIF orientation 6" in turned[1]


@pytest.mark.parametrize(
    "name",
    [
        "../a.jpg",
        "b/../../a.jpg",
        "b/../a.jpg",
        "/etc/passwd",
        "C:/a.jpg",
        "c:a.jpg",
        "..\\a.jpg",
        "\\\\host\\a.jpg",
        "a\0.jpg",
    ],
)
def test_names_stay_in_the_folder(tmp_path: Path, name: str) -> None:
    picture().save(tmp_path / "a.jpg")
    folder = tmp_path / "images"
    (folder / "b").mkdir(parents=True)
    assert picture_path(folder, name) is None
    fault = check_picture(folder, name, LIMIT)
    assert fault is not None
    assert fault[0] == "image_outside_folder"


def test_links_stay_in_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    picture().save(tmp_path / "a.jpg")
    picture().save(folder / "b.jpg")
    try:
        (folder / "out.jpg").symlink_to(tmp_path / "a.jpg")
        (folder / "in.jpg").symlink_to(folder / "b.jpg")
        (folder / "loop.jpg").symlink_to(folder / "loop.jpg")
        (tmp_path / "linked").symlink_to(folder, target_is_directory=True)
    except OSError:
        pytest.skip("this system makes no symbolic links")
    outside = check_picture(folder, "out.jpg", LIMIT)
    assert outside is not None
    assert outside[0] == "image_outside_folder"
    assert check_picture(folder, "in.jpg", LIMIT) is None
    assert check_picture(tmp_path / "linked", "b.jpg", LIMIT) is None
    assert check_picture(folder, "loop.jpg", LIMIT) is not None


@pytest.mark.parametrize(
    ("name", "reason"), [("b.jpg", "image_missing"), ("deep", "image_unreadable"), ("n" * 5000, None)]
)
def test_names_without_a_file(tmp_path: Path, name: str, reason: str | None) -> None:
    (tmp_path / "deep").mkdir()
    fault = check_picture(tmp_path, name, LIMIT)
    assert fault is not None
    assert reason is None or fault[0] == reason


def test_checker_looks_once_and_only_with_a_folder(tmp_path: Path) -> None:
    picture().save(tmp_path / "a.jpg")
    image = AnnotatedImage("1", "a.jpg", 60, 40)
    assert PictureChecker(CorpusSettings()).check(image) is None
    assert PictureChecker(CorpusSettings()).explain_missing([image]) is None
    checker = PictureChecker(CorpusSettings(images=str(tmp_path)))
    assert checker.check(image) is None
    (tmp_path / "a.jpg").unlink()
    assert checker.check(image) is None
    with pytest.raises(RunError, match="can no longer be read"):
        checker.check(AnnotatedImage("2", "b.jpg", 0, 0))
    assert "the image folder is empty" in (checker.explain_missing([image]) or "")


def test_small_limit_refuses(tmp_path: Path) -> None:
    picture().save(tmp_path / "a.jpg")
    fault = PictureChecker(CorpusSettings(images=str(tmp_path), max_image_pixels=2399)).check(
        AnnotatedImage("1", "a.jpg", 60, 40)
    )
    assert fault is not None
    assert fault[0] == "image_too_large"


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    (tmp_path / "coco" / "train2017").mkdir(parents=True)
    (tmp_path / "coco" / "val2017").mkdir()
    (tmp_path / "coco" / "train2017" / "000000000007.jpg").write_bytes(b"x")
    return tmp_path / "coco"


NAMES = [f"{n:012}.jpg" for n in range(7, 40)]


@pytest.mark.parametrize("given_folder", [".", "..", "val2017", "annotations", "train2017/deep"])
def test_the_right_folder_is_hinted_at(coco: Path, given_folder: str) -> None:
    told = explain_missing(coco / given_folder, NAMES)
    assert told is not None
    assert told.endswith("train2017?")
    assert "Did you mean --images" in told


def test_prefixed_names_are_hinted_at(coco: Path) -> None:
    told = explain_missing(coco / "train2017", [f"train2017/{name}" for name in NAMES])
    assert told is not None
    assert told.endswith(f"Did you mean --images {coco}?")
    assert "pictures is there, such as train2017/000000000007.jpg" in told


def test_no_hint_where_there_is_none(coco: Path) -> None:
    assert explain_missing(coco / "train2017", NAMES) is None
    assert explain_missing(coco, []) is None
    assert explain_missing(coco / "train2017", ["../a.jpg", "n" * 5000, *NAMES]) is None
    told = explain_missing(coco, ["other.jpg"])
    assert told is not None
    assert "it holds train2017/, val2017/" in told
    assert told.endswith("Give the right folder with --images.")
    assert "no such image folder" in (explain_missing(coco / "nowhere" / "at" / "all", NAMES) or "")


@pytest.mark.skipif(os.name != "posix", reason="links need rights elsewhere")
def test_pictures_that_all_are_links_out_of_the_folder_are_told_with_the_folder_they_are_in(tmp_path: Path) -> None:
    real, linked = tmp_path / "real", tmp_path / "linked"
    real.mkdir(), linked.mkdir()
    for name in ("a.jpg", "b.jpg"):
        (real / name).write_bytes(b"x")
        (linked / name).symlink_to(real / name)
    told = explain_missing(linked, ["gone.jpg", "a.jpg", "b.jpg"]) or ""
    assert "links that lead out of it" in told and f"Did you mean --images {real}?" in told
    (linked / "c.jpg").symlink_to(real / "b.jpg")
    assert "Give --images the folder that they are in" in (explain_missing(linked, ["c.jpg"]) or "")
    (linked / "d.jpg").write_bytes(b"x")
    assert explain_missing(linked, ["a.jpg", "d.jpg"]) is None
    assert explain_missing(real, ["a.jpg"]) is None


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_pictures_of_cameras_are_made_smaller(tmp_path: Path, form: str) -> None:
    Image.new("RGB", (6000, 4000), "red").save(tmp_path / "a.jpg", form)
    read = read_picture(tmp_path, "a.jpg", 10**8)
    assert read.width * read.height <= MAX_READ_PIXELS
    assert abs(read.width / read.height - 1.5) < 0.01
    assert read.getpixel((5, 5))[0] > 250  # type: ignore[index]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("{0}/images/b/1.jpg", "b/1.jpg"),
        ("file://{0}/images/b/1%20a.jpg", "b/1 a.jpg"),
        ("../images/1.jpg", "1.jpg"),
        ("..\\images\\b\\1.jpg", "b/1.jpg"),
        ("b/../1.jpg", "1.jpg"),
        ("./1.jpg", "./1.jpg"),
        ("../1.jpg", "../1.jpg"),
        ("{0}/other/1.jpg", "{0}/other/1.jpg"),
        ("{0}/images/../1.jpg", "{0}/images/../1.jpg"),
        ("C:\\images\\1.jpg", "C:\\images\\1.jpg"),
        ("{0}/images", "{0}/images"),
    ],
)
def test_names_that_lead_into_the_folder_are_names_in_it(tmp_path: Path, name: str, expected: str) -> None:
    (tmp_path / "images").mkdir()
    assert name_in(tmp_path / "images", name.format(tmp_path)) == expected.format(tmp_path)


def test_absolute_names_of_elsewhere_are_told_with_what_helps(tmp_path: Path) -> None:
    for folder in ("images", "other"):
        (tmp_path / folder).mkdir()
    picture().save(tmp_path / "other" / "1.jpg")
    told = explain_missing(tmp_path / "images", [str(tmp_path / "other" / "1.jpg")])
    assert told is not None
    assert f"are absolute and do not lie in it, such as {tmp_path}/other/1.jpg. Did you mean --images" in told
    for name in ("/home/x/1.jpg", "D:\\x\\1.jpg", "../../x/1.jpg"):
        told = explain_missing(tmp_path / "images", [name])
        assert told is not None
        assert "relative to the folder that --images names, such as '1.jpg'" in told
    assert "is absolute and does not lie" in outside_fault("/home/x/1.jpg")[1]


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", [1, 2, 3, 4, 5, 6, 7, 8])
def test_what_viewers_show_turned_is_told(tmp_path: Path, form: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture().save(tmp_path / "a.jpg", form, exif=exif)
    checker = PictureChecker(CorpusSettings(images=str(tmp_path)))
    told = checker.explain_turned(AnnotatedImage("1", "a.jpg", 0, 0))
    assert (told is None) == (orientation == 1)
    assert told is None or f"EXIF orientation {orientation}: viewers show it" in told


def test_links_of_the_hub_are_followed(tmp_path: Path) -> None:
    blobs, snapshot = tmp_path / "hub" / "blobs", tmp_path / "hub" / "snapshots" / "abc" / "images"
    blobs.mkdir(parents=True)
    snapshot.mkdir(parents=True)
    picture().save(blobs / "0123", "JPEG")
    picture().save(tmp_path / "secret.jpg")
    try:
        (snapshot / "a.jpg").symlink_to(blobs / "0123")
        (snapshot / "b.jpg").symlink_to(tmp_path / "secret.jpg")
    except OSError:
        pytest.skip("this system makes no symbolic links")
    assert check_picture(snapshot, "a.jpg", LIMIT) is None
    assert (check_picture(snapshot, "b.jpg", LIMIT) or ("",))[0] == "image_outside_folder"


@pytest.mark.parametrize("place", ["", "images"])
def test_links_of_an_export_are_followed_where_its_manifest_has_their_content(tmp_path: Path, place: str) -> None:
    export = tmp_path / "export"
    (export / "images" / "deep").mkdir(parents=True)
    picture().save(tmp_path / "a.jpg")
    picture().save(tmp_path / "secret.jpg", quality=50)
    try:
        for name in ("a.jpg", "deep/a.jpg"):
            (export / "images" / name).symlink_to(tmp_path / "a.jpg")
        for name in ("b.jpg", "c.jpg", "d.jpg"):
            (export / "images" / name).symlink_to(tmp_path / "secret.jpg")
    except OSError:
        pytest.skip("this system makes no symbolic links")
    content, secret = (tmp_path / "a.jpg").read_bytes(), (tmp_path / "secret.jpg").read_bytes()
    told = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    files = {"images/a.jpg": told, "images/deep/a.jpg": told, "images/b.jpg": told}
    files["images/c.jpg"] = {"bytes": len(secret), "sha256": told["sha256"]}
    (export / "manifest.json").write_text(json.dumps({"datagen": "0", "files": files}))
    folder, prefix = (export / place, "") if place else (export, "images/")
    assert check_picture(folder, f"{prefix}a.jpg", LIMIT) is None
    assert check_picture(folder, f"{prefix}deep/a.jpg", LIMIT) is None
    for name in ("b.jpg", "c.jpg", "d.jpg"):
        assert (check_picture(folder, f"{prefix}{name}", LIMIT) or ("",))[0] == "image_outside_folder"
    (export / "manifest.json").write_text("[" * 10_000)
    assert check_picture(folder, f"{prefix}a.jpg", LIMIT) is not None


def mounted(tmp_path: Path) -> PictureChecker:
    """A checker that has seen some pictures of two folders, one of which is faulty."""
    for name in ("a/1.jpg", "a/2.jpg", "b/1.jpg", "b/2.jpg"):
        (tmp_path / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        picture().save(tmp_path / "images" / name)
    (tmp_path / "images" / "a" / "bad.jpg").write_bytes(b"none")
    checker = PictureChecker(CorpusSettings(images=str(tmp_path / "images")))
    for name in ("a/1.jpg", "b/1.jpg"):
        assert checker.check(AnnotatedImage(name, name, 60, 40)) is None
    fault = checker.check(AnnotatedImage("bad", "a/bad.jpg", 60, 40))
    assert fault is not None and fault[0] == "image_unreadable"
    return checker


def take_away_rights(folder: Path) -> None:
    for path in folder.rglob("*.jpg"):
        path.write_bytes(b"")  # as a file server gives them that is half down


@pytest.mark.parametrize(
    "take_away",
    [
        lambda images: images.rename(images.with_name("moved")),
        lambda images: (images.rename(images.with_name("unmounted")), images.mkdir()),
        lambda images: (images / "b").rename(images.with_name("b")),
        lambda images: (images.rename(images.with_name("x")), images.symlink_to(images)),
        take_away_rights,
    ],
    ids=["moved", "unmounted", "half", "circle", "empty"],
)
def test_a_folder_that_is_gone_stops_the_run(tmp_path: Path, take_away: Callable[[Path], object]) -> None:
    checker = mounted(tmp_path)
    take_away(tmp_path / "images")
    with pytest.raises(RunError, match=r"can no longer be read .*; it could be before"):
        checker.read("b/2.jpg")
    with pytest.raises(RunError, match="unmounted"):
        checker.check(AnnotatedImage("4", "b/2.jpg", 60, 40))


@pytest.mark.parametrize(
    ("is_called", "is_named"),
    [("1.JPG", "1.jpg"), ("Caf\u00e9.jpg", "cafe\u0301.jpg"), ("STRASSE.jpg", "stra\u00dfe.jpg")],
)
def test_a_picture_of_another_spelling_is_named(tmp_path: Path, is_called: str, is_named: str) -> None:
    assert check_picture(tmp_path, is_named, 10_000) == ("image_missing", f"{is_named} does not exist")
    Image.new("RGB", (60, 40)).save(tmp_path / is_called, "JPEG")
    if not (tmp_path / is_named).exists():  # a disk may take both for one
        told = f"{is_named} does not exist, but {is_called} does; write it as the file is called"
        assert check_picture(tmp_path, is_named, 10_000) == ("image_missing", told)


def test_a_picture_that_is_gone_costs_itself(tmp_path: Path) -> None:
    checker = mounted(tmp_path)
    (tmp_path / "images" / "b" / "2.jpg").unlink()
    with pytest.raises(PictureError, match="does not exist"):
        checker.read("b/2.jpg")
    assert checker.read("b/1.jpg").size == (60, 40)


def test_a_fault_comes_back_from_another_process() -> None:
    fault = pickle.loads(pickle.dumps(PictureError("image_missing", "1.jpg does not exist")))
    assert (fault.reason, fault.detail, str(fault)) == ("image_missing", "1.jpg does not exist", "1.jpg does not exist")


def test_another_machine_proves_that_it_sees_the_same_folder(tmp_path: Path) -> None:
    here = mounted(tmp_path)
    witness = here.witness(["a/none.jpg", "a/bad.jpg", "a/2.jpg"])
    assert witness is not None and witness.name == "a/2.jpg"
    here.require_seen(witness)
    assert here.witness(["a/bad.jpg"]) is None
    for there in ("lacking", "empty", "another"):
        folder = tmp_path / there
        if there != "lacking":
            folder.mkdir()
        if there == "another":
            (folder / "a").mkdir()
            picture(size=(30, 20)).save(folder / "a" / "2.jpg")
        with pytest.raises(RunError, match=f"does not see the pictures of .*{there}"):
            PictureChecker(CorpusSettings(images=str(folder))).require_seen(witness)


@pytest.mark.parametrize(
    "name",
    ["1a2b3c4d-street 7.jpg", "images/1/street 7.jpg", "images\\1\\street 7.jpg", "STREET 7.JPG", "street 7.png"],
)
def test_pictures_under_other_names_are_told(tmp_path: Path, name: str) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "street 7.jpg")
    told = explain_missing(tmp_path, [name])
    assert told is not None and "under other names, such as street 7.jpg: write these in the annotations" in told


def test_a_number_is_no_prefix(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "7.jpg")
    told = explain_missing(tmp_path, ["20250101-8.jpg", "27.jpg"])
    assert told is not None and "Give the right folder with --images" in told
