"""Languages: which one a text is in, how long it is without spaces, and what none of its answers should say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.checks import check_turns
from datagen.checks.wording import known_checks
from datagen.config import ChecksSettings
from datagen.languages import (
    NAMES,
    files_of_languages,
    foreign_sentence,
    language_for,
    n_words,
    other_language,
    pairs_apart,
    thinking_aloud,
    told_length,
)
from datagen.records import Turn

SAYINGS = {
    "en": "A brown dog runs over the lawn and a child throws it a ball from the other side of the garden.",
    "ko": "갈색 개 한 마리가 잔디밭을 달리고, 정원 반대편에서 아이가 공을 던져 줍니다.",
    "zh": "一只棕色的狗在草坪上奔跑，花园另一边有个孩子把球扔给它。",
    "ja": "茶色い犬が芝生の上を走り、庭の反対側から子どもがボールを投げています。",
    "de": "Ein brauner Hund läuft über den Rasen, und ein Kind wirft ihm von der anderen Seite einen Ball zu.",
    "es": "Un perro marrón corre por el césped y un niño le lanza una pelota desde el otro lado del jardín.",
    "fr": "Un chien brun court sur la pelouse et un enfant lui lance une balle depuis l'autre côté du jardin.",
    "pt": "Um cachorro marrom corre pelo gramado e uma criança joga uma bola para ele do outro lado do jardim.",
    "it": "Un cane marrone corre sul prato e un bambino gli lancia una palla dall'altra parte del giardino.",
    "nl": "Een bruine hond rent over het gras en een kind gooit hem vanaf de andere kant van de tuin een bal toe.",
    "ru": "Коричневая собака бежит по газону, а ребёнок бросает ей мяч с другой стороны сада.",
    "ar": "كلب بني يركض على العشب وطفل يرمي له كرة من الجانب الآخر من الحديقة.",
    "hi": "एक भूरा कुत्ता घास पर दौड़ रहा है और बगीचे के दूसरी ओर से एक बच्चा उसकी ओर गेंद फेंक रहा है।",
}
"""One thing said in each language of which the package holds a file."""


def test_every_file_is_of_a_known_language_and_has_its_saying() -> None:
    assert set(files_of_languages()) == set(SAYINGS) <= set(NAMES)
    for code in files_of_languages():
        assert set(language_for(code).wording) <= set(known_checks())


@pytest.mark.parametrize("code", SAYINGS)
@pytest.mark.parametrize("asked", SAYINGS)
def test_a_sentence_is_told_from_every_other_language(code: str, asked: str) -> None:
    found = other_language(SAYINGS[code], asked)
    assert (found is None) == (code == asked)
    if found is not None and code not in ("ru", "ar", "hi"):  # their scripts belong to several languages
        assert found in (NAMES[code], "another language")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Nein.", "en"), ("Tres perros.", "en"), ("42", "zh"), ("Sony", "ko"), ("出口", "en"), ("STOP", "ja"),
        ("The sign says 出口, which means exit.", "en"), ("표지판에 STOP이라고 적혀 있습니다.", "ko"),
        ("招牌上写着“WELCOME TO OUR SHOP”。", "zh"), ("東京駅", "ja"), ("Pizza, Cola und Pommes", "de"),
        ("A red bus.", "vi"),
    ],
)  # fmt: skip
def test_short_texts_names_and_signs_are_in_any_language(text: str, code: str) -> None:
    assert other_language(text, code) is None


@pytest.mark.parametrize(
    ("text", "code", "found"),
    [
        (f"{SAYINGS['de']} There is also a bench in it.", "de", "English"),
        (f"The ball is yellow. {SAYINGS['fr']}", "fr", "English"),
        (f"{SAYINGS['es']} The child looks happy.", "es", "English"),
        ("Ein Hund runs over the lawn and barks, das Kind lacht.", "de", "English"),
        (f"{SAYINGS['en']} Im Hintergrund ist ein Haus mit einem roten Dach.", "en", "German"),
        (f"我先看一下图片的内容。\n{SAYINGS['en']}", "en", "Chinese"),
        (f"{SAYINGS['en']}\nそれでは説明します。", "en", "Japanese"),
        (f"Hmm, let us see what the picture is about. {SAYINGS['zh']}", "zh", "English"),
        (f"{SAYINGS['ru']} The child is on the other side.", "ru", "English"),
        (f"The dog is on the lawn and it runs. {SAYINGS['ko']}", "ko", "English"),
        (f"{SAYINGS['de']} Auf seinem Hemd steht „Born to be wild and free of the rest“.", "de", None),
        (f"{SAYINGS['de']} Daneben steht Coca-Cola Zero Sugar.", "de", None),
        (f"{SAYINGS['ko']} Coca-Cola Zero Sugar 캔도 있습니다.", "ko", None),
        (f"{SAYINGS['en']} Behind it hangs the sign of the Café de la Paix.", "en", None),
        (f"{SAYINGS['en']} The road says 停車.", "en", None),
        (f"{SAYINGS['nl']} Het is warm weer.", "nl", None),
    ],
)
def test_one_sentence_in_another_language_is_found(text: str, code: str, found: str | None) -> None:
    told = foreign_sentence(text, code)
    assert (told[0] if told else None) == found
    assert told is None or told[1] in text


def test_a_single_sentence_may_be_a_name_unless_it_was_to_be_a_sentence() -> None:
    assert foreign_sentence("One dog stands beside it.", "de") is None
    assert foreign_sentence("One dog stands beside it.", "de", may_be_name=False) == (
        "English",
        "One dog stands beside it.",
    )


@pytest.mark.parametrize("code", SAYINGS)
def test_nobody_thinks_aloud_in_a_saying(code: str) -> None:
    assert thinking_aloud(SAYINGS[code].lower()) is None
    assert foreign_sentence(f"{SAYINGS[code]} {SAYINGS[code]}", code) is None


def test_a_language_without_small_words_still_tells_english() -> None:
    assert other_language(SAYINGS["en"], "pl") == "English"
    assert (
        other_language("Brązowy pies biegnie po trawniku, a dziecko rzuca mu piłkę z drugiej strony ogrodu.", "pl")
        is None
    )
    assert other_language("Brązowy pies biegnie po trawniku, a dziecko rzuca mu piłkę z drugiej strony ogrodu.", "en")


@pytest.mark.parametrize("code", SAYINGS)
def test_a_text_is_about_as_long_in_every_language(code: str) -> None:
    n_english = n_words(SAYINGS["en"])
    assert 0.6 * n_english <= n_words(SAYINGS[code]) <= 1.4 * n_english
    assert n_english == len(SAYINGS["en"].split())


def test_lengths_are_told_with_what_they_were_counted_from() -> None:
    assert told_length("Two small dogs") == "3 words"
    assert told_length("一只棕色的狗在草坪上奔跑") == "7 words (counted from 12 letters)"
    assert n_words("The sign says 出口 in red") == 6
    assert n_words("") == n_words("。") == 0 or n_words("。") == 1


def test_words_without_spaces_are_compared_by_pairs_of_letters() -> None:
    assert pairs_apart(["two", "dogs"]) == ["two", "dogs"]
    assert pairs_apart(["两只狗", "A4"]) == ["两只", "只狗", "A4"]
    assert pairs_apart(["狗", "iphone手机"]) == ["狗", "iphone", "手机"]


@given(st.text(), st.sampled_from(sorted(NAMES)))
def test_any_text_has_a_length_and_may_be_in_any_language(text: str, code: str) -> None:
    assert n_words(text) >= 0
    other_language(text, code)
    pairs_apart(text.split())


BAD = {
    "ko": {
        "refusal": "죄송하지만 저는 이미지를 직접 볼 수 없습니다.",
        "small_talk": "더 궁금한 점이 있으시면 언제든지 말씀해 주세요.",
        "context_leak": "주어진 설명에 따르면 개는 두 마리입니다.",
    },
    "zh": {
        "refusal": "抱歉，我无法查看图片。",
        "small_talk": "如果您还有其他问题，请随时告诉我。",
        "context_leak": "根据提供的描述，图中有两只狗。",
    },
    "ja": {
        "refusal": "申し訳ありませんが、画像を見ることができません。",
        "small_talk": "他にご質問がございましたら、お気軽にお尋ねください。",
        "context_leak": "提供された説明によると、犬は二匹です。",
    },
    "de": {
        "refusal": "Es tut mir leid, aber ich kann keine Bilder sehen.",
        "small_talk": "Wenn Sie weitere Fragen haben, helfe ich gern.",
        "context_leak": "Laut der Beschreibung sind zwei Hunde zu sehen.",
    },
    "es": {
        "refusal": "Lo siento, pero no puedo ver la imagen.",
        "small_talk": "Si necesitas más información, no dudes en preguntar.",
        "context_leak": "Según la descripción, hay dos perros.",
    },
    "fr": {
        "refusal": "Je suis désolé, mais je ne peux pas voir cette image.",
        "small_talk": "Si vous avez besoin de plus de détails, n'hésitez pas à demander.",
        "context_leak": "D'après la description, il y a deux chiens.",
    },
    "pt": {
        "refusal": "Desculpe, mas não consigo ver a imagem.",
        "small_talk": "Se precisar de mais detalhes, fique à vontade para perguntar.",
        "context_leak": "De acordo com a descrição, há dois cães.",
    },
    "ru": {
        "refusal": "К сожалению, я не могу увидеть изображение.",
        "small_talk": "Если у вас есть вопросы, дайте знать.",
        "context_leak": "Согласно описанию, на фото две собаки.",
    },
    "ar": {
        "refusal": "عذرًا، لا أستطيع رؤية الصورة.",
        "small_talk": "إذا كان لديك أي سؤال فلا تتردد في طرحه.",
        "context_leak": "وفقًا للوصف هناك كلبان في الصورة.",
    },
    "hi": {
        "refusal": "क्षमा करें, मैं यह तस्वीर नहीं देख सकता।",
        "small_talk": "अगर आपको और जानकारी चाहिए तो मुझे बताएं।",
        "context_leak": "दी गई जानकारी के अनुसार यहाँ दो कुत्ते हैं।",
    },
}


@pytest.mark.parametrize("code", BAD)
@pytest.mark.parametrize("reason", ["refusal", "small_talk", "context_leak"])
def test_what_an_assistant_says_is_found_in_the_ten_commonest_languages(code: str, reason: str) -> None:
    question = SAYINGS[code]
    dropped = check_turns((Turn(question, BAD[code][reason]),), False, ChecksSettings(), code).drop
    assert dropped is not None and dropped.reason == reason
    honest = (Turn("A?", SAYINGS[code]),)
    assert check_turns(honest, True, ChecksSettings(min_description_words=10), code).drop is None


def test_english_refusals_are_found_in_any_run() -> None:
    dropped = check_turns(
        (Turn("개가 있나요?", "I'm sorry, but I cannot see the image."),), False, ChecksSettings(), "ko"
    ).drop
    assert dropped is not None and dropped.reason == "refusal"


def test_a_turn_in_another_language_falls_and_says_so() -> None:
    turn = Turn("개는 어디에 있나요?", "The dog is on the left side of the picture.")
    dropped = check_turns((turn,), False, ChecksSettings(), "ko").drop
    assert dropped is not None and dropped.reason == "wrong_language"
    assert "answer is in English, asked for was Korean" in dropped.detail
    assert check_turns((turn,), False, ChecksSettings(skip=("wrong_language",)), "ko").drop is None
    assert check_turns((turn,), False, ChecksSettings(), "ko", in_any_language=True).drop is None
    asked = Turn("Where is the dog in this picture?", "개는 왼쪽에 있습니다.")
    found = check_turns((asked,), False, ChecksSettings(), "ko").drop
    assert found is not None and found.detail.startswith("turn 1: question is in English")


def test_a_loop_and_a_missing_end_are_found_without_spaces() -> None:
    settings = ChecksSettings()
    looped = "狗在草地上奔跑。" * 4
    dropped = check_turns((Turn("狗在做什么？", looped),), False, settings, "zh").drop
    assert dropped is not None and dropped.reason == "repetitive_answer"
    open_end = "画面中间有一只棕色的狗在草坪上追着球跑而旁边的孩子正看着它笑"
    dropped = check_turns((Turn("狗在做什么？", open_end),), False, settings, "zh").drop
    assert dropped is not None and dropped.reason == "unfinished_answer"
    thai = "สุนัขสีน้ำตาลวิ่งอยู่บนสนามหญ้าและมีเด็กคนหนึ่งยืนดูอยู่ข้าง ๆ อย่างมีความสุข"
    assert check_turns((Turn("สุนัขทำอะไร", thai),), False, settings, "th").drop is None
    short = check_turns((Turn("?描述", "一只狗在跑。"),), True, settings, "zh").drop
    assert short is not None and short.reason == "description_too_short"
