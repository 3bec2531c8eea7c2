"""Random scenes: boxes that fit their pixels, little overlap, the same scene from the same seed."""

from itertools import combinations

import msgspec
import numpy as np
import pytest

from training.atlas import SOLID, load_atlas
from training.render import box_in_pixels, render, stamp
from training.scenes import MAX_OVERLAP, Backdrop, Placed, Scene, SceneStyle, Shape, draw_scene, overlap

ATLAS = load_atlas()
BLACK = Backdrop("plain", ((0, 0, 0), (0, 0, 0)))


def scenes(n_scenes, style=None, seed=0):
    rng = np.random.default_rng(seed)
    return [draw_scene(rng, ATLAS, style=style) for _ in range(n_scenes)]


def bounds(mask):
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return columns[0], rows[0], columns[-1] + 1, rows[-1] + 1


@pytest.mark.parametrize("size_px", [(128, 128), (200, 150)])
def test_boxes_fit_the_solid_pixels_within_a_pixel(size_px):
    for scene in scenes(60):
        for placed in scene.objects:
            alpha = np.zeros((size_px[1], size_px[0]), np.uint8)
            left, top, right, bottom = box_in_pixels(placed.box_unit, size_px)
            alpha[top:bottom, left:right] = stamp(placed, size_px, ATLAS)[..., 3]
            exact = np.array(placed.box_unit) * (*size_px, *size_px)
            assert np.abs(bounds(alpha >= SOLID) - exact).max() <= 1.5, placed
            assert np.abs(np.array((left, top, right, bottom)) - exact).max() <= 1.0, placed


def test_rendered_pixels_change_exactly_inside_the_box():
    for scene in scenes(20):
        for placed in scene.objects:
            picture = render(Scene(scene.aspect, BLACK, (), (placed,)), (160, 120), ATLAS)
            changed = picture.max(axis=2) > 0
            left, top, right, bottom = box_in_pixels(placed.box_unit, (160, 120))
            assert changed[top:bottom, left:right].any()
            changed[top:bottom, left:right] = False
            assert not changed.any()


def test_objects_stay_in_the_frame_and_apart():
    for scene in scenes(300):
        assert 1 <= len(scene.objects) <= 8
        for placed in scene.objects:
            left, top, right, bottom = placed.box_unit
            assert 0 <= left < right <= 1 and 0 <= top < bottom <= 1
        for a, b in combinations(scene.objects, 2):
            assert overlap(a.box_unit, b.box_unit) <= MAX_OVERLAP


def test_room_is_found_for_the_wanted_number():
    assert all(len(scene.objects) == 8 for scene in scenes(100, SceneStyle(n_objects=(8, 8))))


def test_same_seed_gives_the_same_scene_and_pixels():
    first, second, other = scenes(3), scenes(3), scenes(3, seed=1)
    assert first == second != other
    for a, b in zip(first, second, strict=True):
        assert np.array_equal(render(a, (96, 96), ATLAS), render(b, (96, 96), ATLAS))


def test_sprites_keep_their_shape():
    for scene in scenes(50):
        for placed in scene.objects:
            left, top, right, bottom = placed.box_unit
            width, height = ATLAS.turned(placed.sprite, placed.angle).size
            assert (right - left) * scene.aspect / (bottom - top) == pytest.approx(width / height)


def test_only_asked_categories_are_drawn():
    rng = np.random.default_rng(0)
    drawn = {p.category for _ in range(40) for p in draw_scene(rng, ATLAS, ("cat", "dog")).objects}
    assert drawn == {"cat", "dog"}


@pytest.mark.parametrize("held_out", [False, True])
def test_held_out_sprites_appear_only_when_asked_for(held_out):
    drawn = {p.sprite for scene in scenes(200, SceneStyle(held_out=held_out)) for p in scene.objects}
    assert {ATLAS.by_name[name].held_out for name in drawn} == {held_out}


def test_annotated_image_carries_every_box():
    scene = scenes(1)[0]
    image = scene.annotated("7", ("A caption.",))
    assert [box.box_unit for box in image.boxes] == [placed.box_unit for placed in scene.objects]
    assert image.width / image.height == pytest.approx(scene.aspect, abs=0.01)


@pytest.mark.parametrize("kind", ["plain", "down", "across", "horizon", "stripes", "checks", "blotches"])
def test_backdrops_use_their_colours(kind):
    colours = ((10, 20, 30), (200, 180, 160), (0, 90, 0), (60, 200, 60))
    picture = render(Scene(1.0, Backdrop(kind, colours, 0.25, 4), (), ()), (40, 40), ATLAS)
    assert picture.shape == (40, 40, 3)
    assert (len(np.unique(picture.reshape(-1, 3), axis=0)) == 1) == (kind == "plain")


def test_shapes_reaching_beyond_the_frame_are_cut():
    shapes = tuple(Shape(kind, (-0.5, -0.5, 0.5, 0.5), (255, 0, 0)) for kind in ("rectangle", "ellipse", "triangle"))
    for shape in shapes:
        picture = render(Scene(1.0, BLACK, (shape,), ()), (20, 20), ATLAS)
        assert picture[0, 0, 0] == 255
        assert not picture[:, 11:].any()


def test_opacity_mixes_with_what_lies_below():
    shape = Shape("rectangle", (0, 0, 1, 1), (200, 100, 0), opacity=0.5)
    assert render(Scene(1.0, BLACK, (shape,), ()), (4, 4), ATLAS)[2, 2].tolist() == [100, 50, 0]


def test_flip_mirrors_and_gain_darkens():
    plain = Placed("car-red", "car", (0, 0, 1, 1))
    pictures = [
        render(Scene(1.0, BLACK, (), (msgspec.structs.replace(plain, **change),)), (40, 40), ATLAS)
        for change in ({}, {"is_flipped": True}, {"gain": (0.5, 0.5, 0.5)})
    ]
    assert np.array_equal(pictures[0][:, ::-1], pictures[1])
    assert pictures[2].max() <= 128 < pictures[0].max()


def test_blur_and_grain_disturb_but_keep_the_picture():
    scene = scenes(1, SceneStyle(blurred=0, grainy=0))[0]
    clean = render(scene, (96, 96), ATLAS).astype(int)
    for change in ({"is_blurred": True}, {"noise": 6.0, "noise_seed": 3}):
        disturbed = render(msgspec.structs.replace(scene, **change), (96, 96), ATLAS)
        assert 0 < np.abs(disturbed - clean).mean() < 10


def test_grain_reaches_large_pictures():
    picture = render(Scene(1.0, Backdrop("plain", ((99, 99, 99),) * 2), (), (), noise=5.0), (600, 8), ATLAS)
    assert picture[:, -8:].std() > 2
