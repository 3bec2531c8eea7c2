"""The sprite sheet covers what its index lists."""

import numpy as np
import pytest
import yaml
from PIL import Image, ImageDraw

from training.atlas import HERE, SOLID, SPRITE_PX, _largest_piece, load_atlas, pack, read_sprite_list, solid_bounds


def listed_names(group):
    categories = read_sprite_list()["categories"].values()
    return {name for entry in categories for name in entry.get(group, {})}


def test_index_and_list_name_the_same_sprites():
    atlas = load_atlas()
    sprites = atlas.by_name.values()
    assert {sprite.name for sprite in sprites if sprite.held_out} == listed_names("held_out")
    assert {s.name for s in sprites if s.category and not s.held_out} == listed_names("sprites")
    assert set(atlas.decor) == set(read_sprite_list()["decor"])


def test_every_category_can_be_drawn_in_training():
    atlas = load_atlas()
    assert len(atlas.categories) == 63
    assert all(atlas.variants(category) for category in atlas.categories)
    assert set(atlas.variants("cat", held_out=True)) == {"cat-face"}


def test_every_rectangle_holds_one_picture_that_fills_it():
    atlas = load_atlas()
    with Image.open(HERE / "atlas.png") as sheet:
        assert sheet.mode == "RGBA"
    for name, sprite in atlas.by_name.items():
        width, height = sprite.rect_px[2:]
        assert max(width, height) == SPRITE_PX, name
        solid_width, solid_height = atlas.turned(name).size
        assert width - solid_width <= 3 and height - solid_height <= 3, name


def test_rectangles_do_not_touch():
    rects = [sprite.rect_px for sprite in load_atlas().by_name.values()]
    with Image.open(HERE / "atlas.png") as sheet:
        taken = np.zeros((sheet.height, sheet.width), int)
    for left, top, width, height in rects:
        taken[top : top + height, left : left + width] += 1
    assert taken.max() == 1


def test_sheet_is_small_enough_to_ship():
    assert (HERE / "atlas.png").stat().st_size <= 700_000


def test_coco_ids_are_unique_and_pieces_exist():
    listed = yaml.safe_load((HERE / "sprites.yaml").read_text(encoding="utf-8"))
    ids = [entry["id"] for entry in listed["categories"].values()]
    assert len(set(ids)) == len(ids)
    assert set(listed["pieces"]) <= set(load_atlas().by_name)


@pytest.mark.parametrize("angle", [-15, 0, 10])
def test_turned_sprites_are_cropped_to_solid_pixels(angle):
    image = load_atlas().turned("tennis-racket", angle)
    assert image.mode == "RGBa"
    alpha = np.asarray(image)[..., 3]
    assert all(edge.max() >= SOLID for edge in (alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]))


def test_largest_piece_drops_the_rest():
    image = Image.new("RGBA", (20, 20))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, 3, 3), fill="red")
    draw.rectangle((8, 8, 17, 15), fill="blue")
    assert solid_bounds(_largest_piece(image)) == (8, 8, 18, 16)


def test_pack_starts_a_new_row_when_the_sheet_is_full():
    places, size = pack({"a": (6, 4), "b": (5, 7), "c": (3, 2)}, sheet_width=12)
    assert places == {"a": (0, 0), "b": (7, 0), "c": (0, 8)}
    assert size == (12, 10)
