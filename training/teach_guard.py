"""From drawn scenes, photographs and screens to the weights of ``nano``'s out-of-domain guard, and how well it does.

``python -m training.teach_guard FOLDER ... --out datagen/data/nano_guard.json`` fits two small networks over
``domain_guard.texture`` on scenes of some seeds, screens of others and half of each folder, and measures them on the
rest. ``--fit screen`` fits that one alone and keeps the other. Without ``--out`` it measures the guard that is there,
on further folders of screens too. No photograph, only 2,402 numbers, goes into the package.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import math
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import chain
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import torch
from msgspec.structs import replace
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter

from datagen.validator.domain_guard import GUARD, Guard, Network, Shows, load_guard, texture
from training.atlas import load_atlas
from training.draw_corpus import DEMO_LIKE
from training.evaluate import SETS
from training.make_demo_corpus import DEMO, DemoScene, read_demo_scenes, shadow
from training.render import render
from training.scenes import Scene, SceneStyle, Shape, draw_scene
from training.screens import draw_screen

SCENES_A_SEED, SCREENS_A_SEED = 10, 5
TEST_SEED = 1000
"""Scenes of lower seeds teach, those from here on measure."""
REFUSED = 0.0005
"""Share of the teaching scenes that may lie below the border: 0.25 % of new ones do. At 0.002 it is 0.5 % of them, and
of photographs, as they are and changed, 0.3 % pass instead of 0.4 %. Likewise of what is no
screen, above the other's."""
DECAY = 2e-4
"""At 5e-4 twice as many photographs pass."""
UNITS = 8
Photo = Image.Image
Change = Callable[[Photo, random.Random], Photo]


class Row(NamedTuple):
    """One picture measured."""

    kind: str
    is_test: bool
    found: NDArray[np.float64]


def draw_pictures(seed: int) -> Iterator[tuple[str, Photo]]:
    """Scenes of one seed as users may have them, of 77 to 1,280 pixels, resized, as PNG or JPEG; and screens."""
    atlas, rng, dice = load_atlas(), np.random.default_rng(seed), random.Random(seed)
    for _ in range(SCENES_A_SEED):
        scene = draw_scene(rng, atlas, style=dice.choice([SceneStyle(), DEMO_LIKE, *SETS.values()]))
        if seed % 4 == 3:
            scene = _before_scenery(scene, dice)
        height = dice.choice([128, 192, 224, 256, 288, 300, 336, 400, 480, 640])
        width = height if dice.random() < 0.3 else round(height * scene.aspect)
        made = dice.random()
        if made < 0.15:  # as the bundled corpus is made
            picture = Image.fromarray(render(scene, (width * 2, height * 2), atlas)).reduce(2)
        else:
            picture = Image.fromarray(render(scene, (width, height), atlas))
        if made > 0.85:
            picture = _scaled(picture, dice.choice([0.6, 0.75, 1.5, 2.0]), dice)
        yield f"drawn, {'less than 200' if height < 200 else '200 to 640'} px", _saved(picture, dice)
    for _ in range(SCREENS_A_SEED):
        picture = draw_screen(dice)
        if dice.random() < 0.25:
            picture = _scaled(picture, dice.uniform(0.3, 1.3), dice)
        yield "screens, as training draws them", _saved(picture, dice)


def _before_scenery(scene: Scene, dice: random.Random) -> Scene:
    """The objects of a random scene in a street, room or field of the bundled corpus, casting shadows."""
    place = dice.choice(_demo_scenes()).scene
    shapes = [layer for layer in place.decor if isinstance(layer, Shape) and layer.opacity == 1]
    return replace(scene, backdrop=place.backdrop, decor=(*shapes, *map(shadow, scene.objects)))


@cache
def _demo_scenes() -> list[DemoScene]:
    return read_demo_scenes(load_atlas())


def draw_demo(name: str) -> Iterator[tuple[str, Photo]]:
    """A picture of the bundled corpus as it is, and six times resized and saved again."""
    dice = random.Random(name)
    with Image.open(DEMO / "images" / name) as opened:
        picture = opened.convert("RGB")
    yield "demo", picture
    for _ in range(6):
        yield "demo, resized", _saved(_scaled(picture, dice.uniform(0.4, 2.2), dice), dice)


def _scaled(picture: Photo, factor: float, dice: random.Random) -> Photo:
    filters = (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS)
    return picture.resize((round(picture.width * factor), round(picture.height * factor)), dice.choice(filters))


def _saved(picture: Photo, dice: random.Random) -> Photo:
    """Through a JPEG of quality 60 to 95, or one time in ten unchanged."""
    if dice.random() < 0.1:
        return picture
    return _as_jpeg(picture, dice.randint(60, 95), subsampling=dice.choice([0, 2]))


def _as_jpeg(picture: Photo, quality: int, subsampling: int = 2) -> Photo:
    kept = io.BytesIO()
    picture.save(kept, "JPEG", quality=quality, subsampling=subsampling)
    return Image.open(kept).convert("RGB")


def _smoothest_part(picture: Photo, dice: random.Random) -> Photo:
    """The square of a third to a half of the sides that varies least: sky, water, walls, what is out of focus."""
    grey = np.asarray(picture.convert("L").resize((64, 64), Image.Resampling.BOX), dtype=np.float64)
    change = np.hypot(*np.gradient(grey))
    side = dice.choice([20, 28, 36])
    sums = np.pad(change.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    inside = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    top, left = divmod(int(inside.argmin()), inside.shape[1])
    across, down = picture.width / 64, picture.height / 64
    corners = (left * across, top * down, (left + side) * across, (top + side) * down)
    return picture.crop(tuple(round(value) for value in corners))


CHANGES: dict[str, Change] = {
    "grey": lambda picture, dice: picture.convert("L"),
    "blurred": lambda picture, dice: picture.filter(
        ImageFilter.GaussianBlur(dice.uniform(1, 4) * max(picture.size) / 288)
    ),
    "dark": lambda picture, dice: _as_jpeg(ImageEnhance.Brightness(picture).enhance(dice.uniform(0.12, 0.4)), 90),
    "foggy": lambda picture, dice: _as_jpeg(
        Image.blend(picture, Image.new("RGB", picture.size, (dice.randint(150, 230),) * 3), dice.uniform(0.5, 0.8)), 90
    ),
    "smoothest part": _smoothest_part,
    "smaller": lambda picture, dice: _scaled(picture, dice.uniform(96, 224) / max(picture.size), dice),
    "enlarged": lambda picture, dice: _scaled(picture, dice.uniform(1.5, 3), dice),
    "JPEG of 30 to 65": lambda picture, dice: _as_jpeg(picture, dice.randint(30, 65)),
}
"""What befalls photographs: each, beside itself as it is, comes once more with one of these."""
FULL_PX = 300
"""A folder of larger pictures is measured at 288 pixels as well, and with every change."""


def read_photographs(file: Path) -> Iterator[tuple[str, Photo]]:
    """A photograph as it is and changed."""
    dice = random.Random(file.name)
    with Image.open(file) as opened:
        picture = opened.convert("RGB")
    name = file.parent.parent.name
    yield name, picture
    is_large = max(picture.size) > FULL_PX
    if is_large:
        yield f"{name} at 288 px", _scaled(picture, 288 / max(picture.size), dice)
    for change in CHANGES if is_large else [dice.choice(list(CHANGES))]:
        yield f"photographs, {change}", CHANGES[change](picture, dice)


def _is_test_file(file: Path) -> bool:
    return hashlib.sha256(file.name.encode()).digest()[0] % 2 == 1


def list_photographs(folder: Path, most: int) -> list[Path]:
    """Up to so many pictures of a folder, chosen by a digest of their names."""
    files = [file for file in folder.iterdir() if file.suffix.lower() in (".jpg", ".jpeg", ".png")]
    return sorted(files, key=lambda file: hashlib.sha256(b"choice" + file.name.encode()).digest())[:most]


def measure(source: int | str | Path) -> list[Row]:
    """Texture of everything that a seed, a picture of the demo or a photograph gives."""
    if isinstance(source, Path):
        return [Row(kind, _is_test_file(source), texture(picture)) for kind, picture in read_photographs(source)]
    if isinstance(source, str):
        return [Row(kind, True, texture(picture)) for kind, picture in draw_demo(source)]
    return [Row(kind, source >= TEST_SEED, texture(picture)) for kind, picture in draw_pictures(source)]


def fit(mine: NDArray[np.float64], others: NDArray[np.float64], *, is_lenient: bool = True) -> Network:
    """Fit a network, both kinds weighing the same, and set its border.

    Args:
        mine: Textures of the kind that it shall tell.
        others: Of all others.
        is_lenient: Nearly all of ``mine`` shall pass; else nearly none of the ``others``.
    """
    both = np.concatenate([mine, others])
    middle, width = both.mean(axis=0), both.std(axis=0) + 0.01  # a bin that is nearly always empty stays small
    inputs = torch.from_numpy((both - middle) / width)
    is_mine = (torch.arange(len(both)) < len(mine)).double()
    shares = torch.where(is_mine > 0, 0.5 / len(mine), 0.5 / len(others))
    torch.manual_seed(0)
    hidden, out = torch.nn.Linear(inputs.shape[1], UNITS).double(), torch.nn.Linear(UNITS, 1).double()
    parameters = [*hidden.parameters(), *out.parameters()]
    optimiser = torch.optim.LBFGS(parameters, max_iter=150, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        told = out(torch.tanh(hidden(inputs)))[:, 0]
        total = torch.nn.functional.binary_cross_entropy_with_logits(told, is_mine, weight=shares, reduction="sum")
        total = total + DECAY * (hidden.weight.square().sum() + out.weight.square().sum())
        total.backward()  # type: ignore[no-untyped-call]
        return total

    optimiser.step(loss)  # type: ignore[no-untyped-call]
    weights = hidden.weight.detach().numpy() / width
    network = Network(
        hidden=msgspec.convert(weights.round(3).tolist(), tuple[tuple[float, ...], ...]),
        hidden_bias=tuple((hidden.bias.detach().numpy() - weights @ middle).round(3).tolist()),
        out=tuple(out.weight.detach().numpy()[0].round(3).tolist()),
        bias=0.0,
    )
    of, share = (mine, REFUSED) if is_lenient else (others, 1 - REFUSED)
    return replace(network, bias=round(-float(np.quantile(network.log_odds(of), share)), 3))


def wilson(n_hits: int, n: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson, 1927)."""
    z = 1.96
    middle = (n_hits + z**2 / 2) / (n + z**2)
    reach = z / (n + z**2) * math.sqrt(n_hits * (n - n_hits) / n + z**2 / 4)
    return max(0.0, middle - reach), min(1.0, middle + reach)


def _expected(kind: str) -> Shows:
    if kind.startswith(("drawn", "demo")):
        return "drawn scene"
    return "screen" if kind.startswith("screens") else "photograph"


def table(rows: Iterable[Row], guard: Guard) -> Iterator[str]:
    """Lines of the table: of each kind of picture how many are taken for what."""
    yield "| pictures | wrong | of | share | 95 % interval | taken for |"
    yield "|---|---|---|---|---|---|"
    by_kind: dict[str, list[str]] = {}
    for row in rows:
        by_kind.setdefault(row.kind, []).append(guard.shows(row.found))
    for kind, shown in by_kind.items():
        wrong = Counter(one for one in shown if one != _expected(kind))
        low, high = wilson(wrong.total(), len(shown))
        taken = ", ".join(f"{name} {n}" for name, n in wrong.most_common())
        share = wrong.total() / len(shown)
        yield f"| {kind} | {wrong.total()} | {len(shown):,} | {share:.2%} | {low:.2%} to {high:.2%} | {taken} |"


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit where asked to, and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folders", type=Path, nargs="+", help="photographs")
    parser.add_argument("--screens", type=Path, nargs="*", default=(), help="folders of screens to measure on")
    parser.add_argument("--most", type=int, default=1500, help="photographs of each folder")
    parser.add_argument("--seeds", type=int, default=800, help=f"of {SCENES_A_SEED} scenes each, to teach")
    parser.add_argument("--test-seeds", type=int, default=400)
    parser.add_argument("--out", type=Path, help="fit, and write the weights here, as to " + GUARD.name)
    parser.add_argument("--fit", nargs="+", choices=("drawn", "screen"), default=["drawn", "screen"])
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    files = [file for folder in options.folders for file in list_photographs(folder, options.most)]
    seeds = range(options.seeds) if options.out else range(0)
    sources: list[int | str | Path] = [
        *seeds,
        *range(TEST_SEED, TEST_SEED + options.test_seeds),
        *sorted(file.name for file in (DEMO / "images").iterdir()),
        *(file for file in files if options.out or _is_test_file(file)),
    ]
    with get_context("spawn").Pool(options.workers) as pool:
        rows = list(chain.from_iterable(pool.imap(measure, sources, chunksize=8)))
    guard = load_guard()
    if options.out:
        taught: dict[str, list[NDArray[np.float64]]] = {"drawn scene": [], "screen": [], "photograph": []}
        for row in rows:
            if not row.is_test:
                taught[_expected(row.kind)].append(row.found)
        drawn, screens, photographs = map(np.stack, taught.values())
        if "drawn" in options.fit:
            guard = replace(guard, drawn=fit(drawn, photographs))
        if "screen" in options.fit:
            guard = replace(guard, screen=fit(screens, np.concatenate([drawn, photographs]), is_lenient=False))
        options.out.write_bytes(msgspec.json.encode(guard) + b"\n")
        told = f"{len(drawn):,} drawn scenes, {len(photographs):,} photographs, {len(screens):,} screens"
        print(f"{told}; {options.out}")
    rows += [
        Row(f"screens, {folder.name}", True, texture(Image.open(file).convert("RGB")))
        for folder in options.screens
        for file in list_photographs(folder, options.most)
    ]
    print("\n".join(table((row for row in rows if row.is_test), guard)))


if __name__ == "__main__":
    main()
