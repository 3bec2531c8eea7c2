"""Captions that describe no picture: control characters, markup, file names, addresses, misread letters, stock phrases.

Whoever exports captions of a web page or a spreadsheet gets some of these. A teacher would quote them, and checks would
hold answers against them, so that they are left out and told.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from datagen.corpus.images import Ints, Texts

_MARKUP = re.compile(
    r"</?[a-z][^<>]{0,300}>|<!--|&(?:[a-z]{2,8}|#\d{1,6}|#x[0-9a-f]{1,5});|!\[[^\]]{0,200}\]\(|\[/?(?:img|url|b|i|caption)\b",
    re.IGNORECASE,
)
_SUFFIXES = ("jpg", "jpeg", "jpe", "png", "gif", "webp", "bmp", "tif", "tiff", "heic")
_FILE = re.compile(rf"\.(?:{'|'.join(_SUFFIXES)})\b", re.IGNORECASE)
_ADDRESS = re.compile(r"\b(?:https?|ftp|s3|gs)://|\bwww\.\w", re.IGNORECASE)
_NO_WORDS = re.compile(
    r"(?:(?:an? |the |my |no |untitled )?(?:img|dsc[fn]?|dcim|pxl|mvimg|pict?|picture|photo|image|scan|screen ?shot|"
    r"frame|video|vid|file|untitled|unnamed|caption|description|alt|text|title|placeholder|null|none|nan|n/?a|todo|tbd|"
    r"unknown|undefined)s?(?:$|[\s_.:#()-]+|(?=\d)))+(?:[\d\s_.:,()#-]|at|am|pm|copy|edited)*",
    re.IGNORECASE,
)
_STOCK = re.compile(
    r"quality issues are too severe to recognize|image (?:not available|unavailable|not found|coming soon)"
    r"|no (?:caption|description|image|alt text)(?: (?:available|found|provided))?\W*$|lorem ipsum"
    r"|click (?:here|to (?:enlarge|zoom))",
    re.IGNORECASE,
)
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u202d\u202e]")  # white space is folded before; the last two turn text round
_BEYOND_ASCII = re.compile(r"[\x80-\uffff]{2,}")
_OF_MARKS = (b"[", b"<", b"&", b"too severe to", b"orem ipsum", b"vailable", b"not found", b"coming soon", b"lick ")
"""Bytes of which every faulty caption of more than a few words has some, but for names and addresses."""
_OF_NAMES = np.unique([ord(one[0]) << 8 | ord(one[1]) for one in _SUFFIXES])
"""How the ends of files' names begin behind their points, of which a caption has one."""
_OF_STOCK = ("quality", "image", "no ", "lorem", "click")
"""Of these every stock phrase has one."""
_FEW_SPACES = 6
"""A caption with fewer is looked at for having no words of its own: 0.02 % of COCO's have."""
_CHUNK = 1 << 13
"""Captions looked over at once: their bytes stay in the processor's cache."""
MIN_ALIKE = 20
"""Images that must have captions before one on most of them is left out: of six scenes all may be alike."""
N_SAMPLED = 2_000
"""Captions that are looked at for this, all over a file, in runs of sixteen, as an image has several."""


def caption_fault(text: str) -> tuple[str, str] | None:
    """Say why a caption describes no picture.

    Args:
        text: Of a caption, its white space folded.

    Returns:
        Kind of the finding, and what is wrong as the start of a sentence; None for one that may be used.
    """
    # Most captions have nothing of what the slow expressions begin with: four of them took 3 us of 4.
    is_plain, lowered = text.isascii(), text.lower()
    if not is_plain and _is_misread(text):
        return "caption_misread", "letters of the caption were read in a wrong encoding"
    if (odd := _CONTROL.search(text)) is not None:
        return "caption_damaged", f"the caption holds control characters (U+{ord(odd[0]):04X})"
    if _MARKUP.search(text):
        return "caption_markup", "the caption holds markup"
    bare = text.strip(" '\"`.,;:!?*_-()[]{}<>")
    is_token = " " not in bare and bare.isascii()
    has_address = ("://" in text or "www." in lowered) and _ADDRESS.search(text)
    if has_address or _FILE.search(text) or (is_token and re.search(r"[/\\]|\d.*\d|_", bare)):
        return "caption_is_name", "the caption is or holds the name of a file or an address"
    is_stock = (not is_plain or any(part in lowered for part in _OF_STOCK)) and _STOCK.search(text)
    if not any(map(str.isalpha, text)) or (len(bare) <= 60 and _NO_WORDS.fullmatch(bare)) or is_stock:
        return "caption_says_nothing", "the caption says nothing of the picture"
    return None


def _is_misread(text: str) -> bool:
    """Whether UTF-8 was read as if it were Windows' Latin: "cafÃ©" for "café"."""
    for found in _BEYOND_ASCII.finditer(text):
        try:
            data = b"".join(_as_byte(sign) for sign in found[0])
            data.decode()
        except UnicodeError:
            continue
        return True
    return False


def _as_byte(sign: str) -> bytes:
    try:
        return sign.encode("cp1252")
    except UnicodeEncodeError:
        return sign.encode("latin-1")  # five bytes stand for nothing in Windows' table


def faulty(texts: Texts) -> dict[int, tuple[str, str, str]]:
    """Find the captions that describe no picture, by their rows: what ``caption_fault`` says, and the text."""
    rows = suspects(texts)
    read = zip(rows.tolist(), texts.pick(rows).read(0, len(rows)), strict=True)
    return {at: (*fault, text) for at, text in read if (fault := caption_fault(text)) is not None}


def suspects(texts: Texts) -> Ints:
    """Rows of captions that ``caption_fault`` has to look at; of ordinary ones next to none."""
    parts = [
        _suspects(texts.cut(start, min(start + _CHUNK, len(texts)))) + start for start in range(0, len(texts), _CHUNK)
    ]
    return np.concatenate([np.empty(0, np.int64), *parts])


def _suspects(texts: Texts) -> Ints:
    signs, data = texts.data, texts.data.tobytes()
    n_spaces = np.concatenate((np.zeros(1, np.int32), np.cumsum(signs == ord(" "), dtype=np.int32)))[texts.offsets]
    places = [at for mark in _OF_MARKS for at in _found(data, mark)]
    found = [np.array(places, np.int64), *_in_names(signs)]
    found.append(np.flatnonzero(signs - np.uint8(0x20) >= 0x5F))  # control characters, and all beyond ASCII
    marked = np.searchsorted(texts.offsets, np.concatenate(found), side="right") - 1
    return np.union1d(marked, np.flatnonzero(np.diff(n_spaces) < _FEW_SPACES))


def _in_names(signs: NDArray[np.uint8]) -> tuple[Ints, Ints, Ints]:
    """Where files' names end and addresses begin, by their one rare sign: twenty searches took 15 times as long."""
    points, colons = (np.flatnonzero(signs == ord(sign)) for sign in ".:")
    around = np.concatenate(
        (np.zeros(2, np.uint8), signs | 0x20, np.zeros(2, np.uint8))
    )  # lower case; two on each side
    behind = around[points + 3].astype(np.int64) << 8 | around[points + 4]
    is_www = (around[points] == ord("w")) & (around[points + 1] == ord("w"))
    return points[np.isin(behind, _OF_NAMES)], points[is_www], colons[around[colons + 3] == ord("/")]


def _found(data: bytes, mark: bytes) -> Iterator[int]:
    at = data.find(mark)
    while at >= 0:
        yield at
        at = data.find(mark, at + 1)


def said_of_most(by_image: Iterable[tuple[object, str]], n_images: int, at_least: int = MIN_ALIKE) -> tuple[str, ...]:
    """Captions that stand under most images: a heading, no description.

    Args:
        by_image: Captions, each with what tells its image; some thousands are enough.
        n_images: With a caption, of the whole corpus.
        at_least: Of fewer images none is told.
    """
    if n_images < at_least:
        return ()
    seen = {*by_image}
    n_seen = len({image for image, _ in seen})
    # Sorted, as a set's order is another in every process, and the first is named in card and report.
    return tuple(sorted(text for text, n in Counter(text for _, text in seen).items() if 2 * n > n_seen))


def told_of_most(texts: tuple[str, ...], n_left_out: int, n_captions: int) -> str:
    """Say so, as a sentence."""
    return (
        f"{n_left_out} of {n_captions} captions say the same under most images ('{texts[0][:60]}'), so that they "
        "describe none; left out"
    )
