"""Runs in five languages through the whole pipeline: sound replies stay, planted errors and other languages fall."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from conftest import CorpusFiles, make_corpus
from loopback import LoopbackServer
from typer.testing import CliRunner

from datagen.cli import app

# Of image 2, which shows a dog on the left and two cups on the right; the last turn of each list is wrong.
CONVERSATIONS = {
    "ko": (
        ("개는 어느 쪽에 있나요?", "갈색 개 한 마리가 사진의 왼쪽에 앉아 있습니다."),
        ("컵은 몇 개인가요?", "컵은 두 개입니다."),
        ("고양이도 있나요?", "아니요, 고양이는 보이지 않습니다."),
        ("다른 물건도 있나요?", "네, 개 옆에 의자 한 개가 놓여 있습니다."),
    ),
    "zh": (
        ("狗在哪一边？", "一只棕色的狗坐在画面的左边。"),
        ("有几个杯子？", "一共有两个杯子。"),
        ("有猫吗？", "没有，图中没有猫。"),
        ("还有别的东西吗？", "有，狗的旁边放着一把椅子。"),
    ),
    "ja": (
        ("犬はどちら側にいますか？", "茶色い犬が一匹、画像の左側に座っています。"),
        ("カップはいくつありますか？", "カップは二つあります。"),
        ("猫もいますか？", "いいえ、猫はいません。"),
        ("ほかに何かありますか？", "はい、犬の隣に一脚の椅子が置いてあり、空いている席が見えます。"),
    ),
    "de": (
        ("Auf welcher Seite ist der Hund?", "Ein brauner Hund sitzt links im Bild."),
        ("Wie viele Tassen sind zu sehen?", "Es sind zwei Tassen."),
        ("Ist auch eine Katze da?", "Nein, eine Katze ist nicht zu sehen."),
        ("Gibt es noch etwas?", "Ja, neben dem Hund steht ein Stuhl."),
    ),
    "es": (
        ("¿De qué lado está el perro?", "Un perro marrón está a la izquierda de la imagen."),
        ("¿Cuántas tazas hay?", "Hay dos tazas."),
        ("¿Hay algún gato?", "No, no hay ningún gato."),
        ("¿Hay algo más?", "Sí, al lado del perro hay una silla."),
    ),
}
DESCRIPTIONS = {
    "ko": "잔디밭 정원에 갈색 개 한 마리와 컵 두 개가 있습니다. 개는 사진의 왼쪽에 앉아 있고, 컵들은 그 오른쪽에 나란히 놓여 있습니다.",
    "zh": "花园的草坪上有一只棕色的狗和两个杯子。狗坐在画面的左边，两个小杯子摆在它的右边，后面是一道栅栏。",
    "ja": "庭の芝生に茶色い犬が一匹と小さなカップが二つあります。犬は画像の左側にいて、カップはその右に並んでいます。",
    "de": "In einem Garten sitzt ein brauner Hund auf dem Rasen, neben ihm stehen zwei kleine Tassen. Der Hund ist links im Bild zu sehen.",
    "es": "En el césped de un jardín hay un perro marrón y dos tazas pequeñas. El perro está a la izquierda de la imagen, junto a una valla.",
}


def conversation(code: str) -> str:
    return "\n===\n".join(f"Question:\n{asked}\n===\nAnswer:\n{said}" for asked, said in CONVERSATIONS[code])


@pytest.fixture(scope="module")
def garden(tmp_path_factory: pytest.TempPathFactory) -> CorpusFiles:
    return make_corpus(tmp_path_factory.mktemp("garden"), n_images=2)


def run(garden: CorpusFiles, out: Path, code: str, spoken: str) -> tuple[Any, list[dict[str, Any]]]:
    """Ask for one language and reply in another."""

    def reply(body: Mapping[str, Any]) -> str:
        return conversation(spoken) if "===" in str(body["messages"][0]) else DESCRIPTIONS[spoken]

    with LoopbackServer(reply=reply) as server:
        given = ["--types", "conversation,description", "--teacher", "loopback", "--base-url", server.base_url]
        given += ["--language", code, "--set", "dedup.over_set=false", "--workers", "1"]
        done = CliRunner().invoke(app, ["run", *garden.options, "--out", str(out), *given])
    lines = (out / "samples.jsonl").read_text(encoding="utf-8").splitlines() if done.exit_code == 0 else []
    return done, [json.loads(line) for line in lines]


@pytest.mark.parametrize("code", CONVERSATIONS)
def test_sound_turns_stay_and_what_is_not_there_is_cut(garden: CorpusFiles, tmp_path: Path, code: str) -> None:
    done, samples = run(garden, tmp_path, code, code)
    assert done.exit_code == 0, done.output
    talk, text = (sample for sample in samples if sample["image_id"] == "2")
    assert (talk["detail"], text["detail"]) == (None, None)
    assert [turn["answer"] for turn in talk["turns"]] == [said for _, said in CONVERSATIONS[code][:3]]
    (cut,) = talk["cuts"]
    assert (cut["reason"], len(cut["turns"])) == ("presence_contradicted", 1)
    assert "chair: text names one, no box and no caption shows one" in cut["detail"]
    verdicts = {claim["verdict"] for turn in (*talk["turns"], *text["turns"]) for claim in turn["claims"]}
    assert "supported_by_boxes" in verdicts or "supported_by_both" in verdicts
    other = next(sample for sample in samples if sample["image_id"] == "1" and "conversation" in sample["sample_id"])
    assert [cut["reason"] for cut in other["cuts"]] == ["count_contradicted"]  # image 1 has one cup
    assert f"language:\n- {code}\n" in (tmp_path / "README.md").read_text(encoding="utf-8")


def test_replies_in_another_language_fall_and_the_run_says_why(garden: CorpusFiles, tmp_path: Path) -> None:
    done, samples = run(garden, tmp_path, "ko", "de")
    assert {sample["reason"] for sample in samples} <= {"wrong_language"}
    assert "wrong_language" in done.output or "German" in done.output


def test_a_language_without_a_table_says_that_nothing_is_held_against_it(garden: CorpusFiles, tmp_path: Path) -> None:
    done, samples = run(garden, tmp_path, "fi", "es")
    assert "Claims in Finnish are not read" in done.stderr
    assert {sample["reason"] for sample in samples} <= {"wrong_language"}


def test_the_embedded_teacher_is_refused_in_one_sentence(garden: CorpusFiles, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["run", *garden.options, "--out", str(tmp_path / "run"), "--language", "ko"])
    assert done.exit_code != 0
    assert "the embedded teacher writes English; name an LLM that writes Korean with --teacher" in " ".join(
        done.stderr.split()
    )
