"""Claims in Korean, Chinese, Japanese, German and Spanish: read where they are sure, left alone everywhere else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.claims import first_contradiction, judge_turns
from datagen.claims.other_languages import Reader, languages_with_claims, reader_for
from datagen.config import ChecksSettings
from datagen.records import AnnotatedImage, Box, Claim, Turn
from datagen.words import COCO_CATEGORIES

IMAGE = AnnotatedImage(
    "1",
    "1.jpg",
    640,
    480,
    ("Two dogs and a bicycle in a park.", "A park with a bench."),
    (
        Box("dog", (0.05, 0.5, 0.25, 0.9), 0.08),
        Box("dog", (0.28, 0.5, 0.45, 0.9), 0.07),
        Box("bicycle", (0.7, 0.4, 0.95, 0.9), 0.12),
        Box("bench", (0.4, 0.1, 0.6, 0.3), 0.04),
    ),
)
LANGUAGES = ("de", "es", "ja", "ko", "zh")


def claims_of(code: str, answer: str, question: str = "?", image: AnnotatedImage = IMAGE) -> tuple[Claim, ...]:
    (turn,) = judge_turns((Turn(question, answer),), image, COCO_CATEGORIES, ChecksSettings(), code)
    return turn.claims


def told(claims: tuple[Claim, ...], kind: str) -> list[tuple[object, ...]]:
    return [
        (claim.category, claim.number, claim.place, claim.verdict.split("_")[0])
        for claim in claims
        if claim.kind == kind
    ]


def test_five_languages_have_a_table() -> None:
    assert languages_with_claims() == LANGUAGES
    assert reader_for("fr") is None
    assert claims_of("fr", "Il y a trois chiens dans le parc.") == ()


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_category_of_coco_has_a_name_in_every_language(code: str) -> None:
    reader = reader_for(code)
    assert reader is not None
    known = {mention.category for mention in reader._forms.values()}
    assert set(COCO_CATEGORIES) == known


TRUE_COUNTS = {
    "ko": "사진에는 개 두 마리가 있습니다.",
    "zh": "图中有两只狗。",
    "ja": "写真には二匹の犬がいます。",
    "de": "Auf dem Bild sind zwei kleine Hunde zu sehen.",
    "es": "En la foto hay dos perros.",
}
WRONG_COUNTS = {
    "ko": ("사진에는 개 세 마리가 있습니다.", "세 마리의 개가 앉아 있습니다.", "개가 3마리 보입니다."),
    "zh": ("图中有三只狗。", "三只棕色的狗坐在草地上。", "公园里有3只狗。", "圖中有三隻狗。"),
    "ja": ("犬が三匹います。", "三匹の茶色い犬が座っています。", "3匹の犬がいます。"),
    "de": ("Drei Hunde sitzen im Park.", "Im Park sitzen drei kleine braune Hunde.", "Hier sind 3 Hunde."),
    "es": ("Tres perros están sentados.", "En la foto hay tres grandes perros.", "Hay 3 perros."),
}


@pytest.mark.parametrize("code", LANGUAGES)
def test_a_number_goes_with_its_thing(code: str) -> None:
    assert told(claims_of(code, TRUE_COUNTS[code]), "count") == [("dog", 2, None, "supported")]
    for wrong in WRONG_COUNTS[code]:
        assert ("dog", 3, None, "contradicted") in told(claims_of(code, wrong), "count"), wrong


HOW_MANY = {
    "ko": ("개는 몇 마리인가요?", "세 마리입니다.", "두 마리입니다."),
    "zh": ("有几只狗？", "三只。", "一共两只。"),
    "ja": ("犬は何匹いますか？", "三匹です。", "二匹います。"),
    "de": ("Wie viele Hunde sind es?", "Es sind drei.", "Zwei."),
    "es": ("¿Cuántos perros hay?", "Hay tres.", "Son dos."),
}


@pytest.mark.parametrize("code", LANGUAGES)
def test_a_bare_number_answers_how_many(code: str) -> None:
    question, wrong, right = HOW_MANY[code]
    assert ("dog", 3, None, "contradicted") in told(claims_of(code, wrong, question), "count")
    assert ("dog", 2, None, "supported") in told(claims_of(code, right, question), "count")


DENIED = {
    "ko": ("고양이는 보이지 않습니다.", "사진에 개는 없습니다.", "아니요, 개는 없습니다."),
    "zh": ("图中没有猫。", "画面中没有狗。", "没有，这里没有狗。"),
    "ja": ("猫はいません。", "写真には犬はいません。", "いいえ、犬はいません。"),
    "de": ("Eine Katze ist nicht zu sehen.", "Es gibt hier keinen Hund.", "Nein, Hunde sind nicht zu sehen."),
    "es": ("No hay ningún gato.", "En la foto no hay perros.", "No, no se ve ningún perro."),
}


@pytest.mark.parametrize("code", LANGUAGES)
def test_a_denial_is_held_against_the_boxes(code: str) -> None:
    right, *wrong = DENIED[code]
    assert told(claims_of(code, right), "absence") == [("cat", None, None, "supported")]
    for text in wrong:
        assert told(claims_of(code, text), "absence") == [("dog", None, None, "contradicted")], text


ASKED = {
    "ko": ("사진에 개가 있나요?", "아니요.", "네."),
    "zh": ("图中有狗吗？", "没有。", "有，很可爱。"),
    "ja": ("犬はいますか？", "いいえ。", "はい。"),
    "de": ("Ist hier ein Hund zu sehen?", "Nein.", "Ja."),
    "es": ("¿Hay algún perro?", "No.", "Sí."),
}


@pytest.mark.parametrize("code", LANGUAGES)
def test_a_bare_yes_or_no_answers_whether_it_is_there(code: str) -> None:
    question, no, yes = ASKED[code]
    (denied,) = claims_of(code, no, question)
    assert (denied.kind, denied.category, denied.verdict, denied.in_question) == (
        "absence",
        "dog",
        "contradicted",
        True,
    )
    (agreed,) = claims_of(code, yes, question)
    assert (agreed.kind, agreed.verdict) == ("presence", "supported_by_both")


SIDES = {
    "ko": ("자전거는 사진의 오른쪽에 있습니다.", "자전거는 왼쪽에 있습니다.", "개 왼쪽에 자전거가 있습니다."),
    "zh": ("自行车在画面右侧。", "左边停着一辆自行车。", "狗的左边有一辆自行车。"),
    "ja": ("自転車は画像の右側にあります。", "左側には自転車があります。", "犬の左に自転車があります。"),
    "de": ("Das Fahrrad steht rechts im Bild.", "Links steht ein Fahrrad.", "Links von dem Hund steht ein Fahrrad."),
    "es": ("La bicicleta está a la derecha.", "A la izquierda hay una bicicleta.", "A la izquierda del perro hay una bicicleta."),
}  # fmt: skip


@pytest.mark.parametrize("code", LANGUAGES)
def test_a_side_is_of_the_frame_and_not_of_another_thing(code: str) -> None:
    right, wrong, relation = SIDES[code]
    assert told(claims_of(code, right), "place") == [("bicycle", None, "right", "supported")]
    assert told(claims_of(code, wrong), "place") == [("bicycle", None, "left", "contradicted")]
    assert told(claims_of(code, relation), "place") == []


INVENTED = {
    "ko": "그 옆에는 코끼리 한 마리가 서 있습니다.",
    "zh": "旁边还站着一头大象。",
    "ja": "その横に一頭の象が立っています。",
    "de": "Daneben steht ein Elefant.",
    "es": "Al lado hay un elefante.",
}


@pytest.mark.parametrize("code", LANGUAGES)
def test_a_thing_that_is_shown_and_not_there_is_contradicted(code: str) -> None:
    (claim,) = claims_of(code, INVENTED[code])
    assert (claim.kind, claim.category, claim.verdict) == ("presence", "elephant", "contradicted")


SOUND = {
    "ko": (
        "개 두 마리와 자전거 한 대가 공원에 있습니다.", "개들은 풀밭을 좋아하고, 보통 고양이보다 산책을 더 많이 합니다.",
        "자전거에는 가방이 세 개 달려 있습니다.", "새로 산 자전거처럼 보입니다.", "벤치 위에는 아무도 없습니다.",
        "말하자면 조용한 오후입니다.", "비가 오면 우산 세 개가 필요할 수도 있습니다.", "양쪽에 나무가 있습니다.",
        "개 한 마리는 왼쪽에, 자전거는 오른쪽에 있습니다.", "벤치에는 사람이 없습니다.", "다른 개 한 마리는 앉아 있습니다.",
        "개수를 세어 보면 개가 두 마리입니다.", "책상이나 침대 같은 가구는 집 안에 두는 물건입니다.",
    ),
    "zh": (
        "公园里有两只狗和一辆自行车。", "狗通常比猫更需要散步。", "马路上很安静，马上就要下雨了。", "如果下雨，可能需要三把雨伞。",
        "熊猫图案的垫子放在旁边。", "一个骑自行车的人可能刚刚离开。", "人行道很宽。", "长椅上没有人。", "其中一只狗在左边。",
        "另外两只鸽子大小的石头摆在路边。", "车站离这里不远。", "这只狗身上没有项圈。", "花坛里没有养猫。", "像牛奶一样白的云飘在天上。",
    ),
    "ja": (
        "公園に二匹の犬と一台の自転車がいます。", "犬はふつう猫よりも散歩が必要です。", "雨が降れば傘が三本必要かもしれません。",
        "電車の音が聞こえそうな場所です。", "ベンチの上には猫のぬいぐるみもありません。", "飼い主は近くにいるのでしょう。",
        "三本の木が立っています。", "日本の公園のように見えます。", "もう一匹の犬は座っています。", "バスケットが自転車に付いています。",
        "車いすでも通れる広い道です。", "熊手が立てかけてあります。",
    ),
    "de": (
        "Zwei Hunde sitzen neben einem Fahrrad im Park.", "Ein Hund braucht mehr Auslauf als eine Katze.",
        "Wenn es regnet, wären drei Regenschirme gut.", "Auf der Bank sitzt kein Mensch.", "Einer der Hunde sitzt links.",
        "Links neben dem Fahrrad ist Gras.", "Man könnte hier auch drei Hunde ausführen.", "Der Busfahrplan hängt weit weg.",
        "Der Hund schaut nach rechts.", "Vermutlich kommt gleich ein Bus.", "Es gibt keine Leine am Hund.",
        "Der Zugwind bewegt die Blätter.",
    ),
    "es": (
        "Dos perros están al lado de una bicicleta.", "Un perro necesita más paseos que un gato.",
        "Si llueve, harían falta tres paraguas.", "En el banco no hay ningún gato.", "Uno de los perros mira a la derecha.",
        "A la izquierda de la bicicleta hay hierba.", "Quizás pase pronto un autobús.", "Para pasear conviene llevar una mochila.",
        "El perro no lleva collar.", "Hay otros dos perros en la historia que se cuenta aquí.", "Los perros suelen perseguir gatos.",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("code", "answer"), [(code, text) for code, texts in SOUND.items() for text in texts])
def test_what_is_sound_or_open_is_not_contradicted(code: str, answer: str) -> None:
    contradicted = [claim for claim in claims_of(code, answer) if claim.verdict == "contradicted"]
    assert contradicted == []


NOT_NAMED = {
    "ko": {"horse": "그는 말을 아낍니다.", "bird": "새로운 길이 있습니다.", "dog": "사과 세 개가 있습니다."},
    "zh": {"bear": "熊猫在吃竹子。", "horse": "马路上有积水。", "car": "自行车停在路边。", "cow": "牛仔裤晾在外面。"},
    "ja": {"car": "電車が止まっています。", "bus": "バスケットがあります。", "book": "日本の鉛筆が三本あります。"},
    "de": {"train": "Der Zugwind weht.", "bus": "Der Busbahnhof ist leer.", "clock": "Die Uhrzeit stimmt."},
    "es": {"cat": "El gatillo brilla.", "boat": "El barcón es viejo.", "bench": "Los banqueros hablan."},
}


@pytest.mark.parametrize(
    ("code", "category", "text"), [(code, name, text) for code, row in NOT_NAMED.items() for name, text in row.items()]
)
def test_words_that_hold_a_name_are_not_that_thing(code: str, category: str, text: str) -> None:
    assert category not in {claim.category for claim in claims_of(code, text)}


def test_two_numbers_of_one_thing_count_none_of_all() -> None:
    answer = "图中有两只狗。远处有三只狗。"
    assert {claim.comparison for claim in claims_of("zh", answer) if claim.kind == "count"} == {"at least"}


def test_men_are_people_but_not_all_of_them() -> None:
    people = (Box("person", (0.1, 0.2, 0.3, 0.9), 0.1), Box("person", (0.6, 0.2, 0.8, 0.9), 0.1))
    image = AnnotatedImage("2", "2.jpg", 640, 480, ("A man and a woman.",), people)
    for code, answer in (
        ("ko", "남자 한 명이 왼쪽에 있습니다."),
        ("de", "Auf dem Foto sind insgesamt zwei Männer zu sehen."),
    ):
        assert "contradicted" not in {claim.verdict for claim in claims_of(code, answer, image=image)}
    (wrong,) = [claim for claim in claims_of("zh", "图中有三个男人。", image=image) if claim.kind == "count"]
    assert wrong.verdict == "contradicted"


def test_captions_in_the_language_of_the_answers_bear_them_out() -> None:
    image = AnnotatedImage(
        "3", "3.jpg", 640, 480, ("고양이 한 마리가 소파 위에 있습니다.",), (Box("cat", (0.1, 0.2, 0.5, 0.9), 0.2),)
    )
    verdicts = {
        claim.category: claim.verdict for claim in claims_of("ko", "소파 위에 고양이 한 마리가 있습니다.", image=image)
    }
    assert verdicts == {"couch": "supported_by_caption", "cat": "supported_by_both"}


@pytest.mark.parametrize("code", LANGUAGES)
def test_a_contradicted_claim_cuts_the_conversation(code: str) -> None:
    turns = judge_turns(
        (Turn("?", TRUE_COUNTS[code]), Turn("?", INVENTED[code])), IMAGE, COCO_CATEGORIES, ChecksSettings(), code
    )
    found = first_contradiction(turns)
    assert found is not None
    assert (found[0], found[1].reason) == (1, "presence_contradicted")


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=60), st.text(max_size=60), st.sampled_from(LANGUAGES))
def test_any_text_can_be_read(question: str, answer: str, code: str) -> None:
    for claim in claims_of(code, answer, question):
        text = question if claim.in_question else answer
        assert 0 <= claim.start < claim.end <= len(text)


@given(
    st.lists(
        st.sampled_from(
            ["개", " ", "두", "마리", "왼쪽에", "狗", "两只", "在", "左边", "犬", "は", "Hund", "zwei", ",", "."]
        )
    )
)
def test_words_in_any_order_can_be_read(words: list[str]) -> None:
    for code in LANGUAGES:
        claims_of(code, "".join(words), "".join(reversed(words)))


def test_a_reader_is_made_once() -> None:
    assert isinstance(reader_for("ko"), Reader)
    assert reader_for("ko") is reader_for("ko")


def test_only_categories_of_the_corpus_are_claimed() -> None:
    turns = (Turn("?", "공원에 개 두 마리와 코끼리 한 마리가 있습니다."),)
    (turn,) = judge_turns(turns, IMAGE, ("dog", "cat"), ChecksSettings(), "ko")
    assert {claim.category for claim in turn.claims} == {"dog"}
