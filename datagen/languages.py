"""Languages that answers may be written in: names, scripts, word counts without spaces, language identification.

``data/languages/CODE.yaml`` holds what is known of one: its small words, which tell it from others, and what an
assistant says in it that no answer should hold. A language without such a file can be asked for all the same; less of
it is checked, as ``docs/languages.md`` says.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from pathlib import Path

from msgspec import Struct

from datagen.words import read_bundled

NAMES = {
    "en": "English", "ar": "Arabic", "bg": "Bulgarian", "bn": "Bengali", "ca": "Catalan", "cs": "Czech", "da": "Danish",
    "de": "German", "el": "Greek", "es": "Spanish", "et": "Estonian", "fa": "Persian", "fi": "Finnish", "fr": "French",
    "he": "Hebrew", "hi": "Hindi", "hr": "Croatian", "hu": "Hungarian", "id": "Indonesian", "it": "Italian",
    "ja": "Japanese", "km": "Khmer", "ko": "Korean", "lo": "Lao", "lt": "Lithuanian", "lv": "Latvian", "mr": "Marathi",
    "ms": "Malay", "my": "Burmese", "nl": "Dutch", "no": "Norwegian", "pl": "Polish", "pt": "Portuguese",
    "ro": "Romanian", "ru": "Russian", "sk": "Slovak", "sl": "Slovenian", "sr": "Serbian", "sv": "Swedish",
    "sw": "Swahili", "ta": "Tamil", "te": "Telugu", "th": "Thai", "tl": "Tagalog", "tr": "Turkish", "uk": "Ukrainian",
    "ur": "Urdu", "vi": "Vietnamese", "zh": "Chinese",
}  # fmt: skip
"""Codes of ISO 639-1 that ``--language`` takes, each with its name in English, as the teacher is told it."""
ENGLISH = "en"

_SCRIPT_OF = {
    **dict.fromkeys(("zh",), ("Han",)), "ja": ("Han", "Kana"), "ko": ("Hangul",), "th": ("Thai",), "lo": ("Lao",),
    "my": ("Burmese",), "km": ("Khmer",), "el": ("Greek",), "he": ("Hebrew",), "bn": ("Bengali",), "ta": ("Tamil",),
    "te": ("Telugu",), **dict.fromkeys(("ar", "fa", "ur"), ("Arabic",)), **dict.fromkeys(("hi", "mr"), ("Devanagari",)),
    **dict.fromkeys(("ru", "uk", "bg"), ("Cyrillic",)), "sr": ("Cyrillic", "Latin"),
}  # fmt: skip
"""Scripts of the languages that are not written in Latin letters alone."""
_RANGES = {
    "Latin": "a-zA-Z\u00c0-\u024f\u1e00-\u1eff", "Greek": "\u0370-\u03ff", "Cyrillic": "\u0400-\u052f",
    "Hebrew": "\u0590-\u05ff", "Arabic": "\u0600-\u06ff\u0750-\u077f", "Devanagari": "\u0900-\u097f",
    "Bengali": "\u0980-\u09ff", "Tamil": "\u0b80-\u0bff", "Telugu": "\u0c00-\u0c7f", "Thai": "\u0e00-\u0e7f",
    "Lao": "\u0e80-\u0eff", "Burmese": "\u1000-\u109f", "Khmer": "\u1780-\u17ff", "Kana": "\u3041-\u30ff\u31f0-\u31ff",
    "Han": "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u3005\u3007\U00020000-\U0003ffff", "Hangul": "\uac00-\ud7a3",
}  # fmt: skip
_SCRIPT = {name: re.compile(f"[{letters}]") for name, letters in _RANGES.items()}
_LANGUAGE_OF_SCRIPT = {"Kana": "ja", "Han": "zh", "Hangul": "ko", "Greek": "el", "Hebrew": "he", "Thai": "th"}
"""Scripts that name their language."""

LETTERS_PER_WORD = {"Han": 1.7, "Kana": 2.4, "Hangul": 1.8, "Thai": 4.6, "Lao": 4.6, "Burmese": 6.0, "Khmer": 5.0}
"""So many letters say what one English word says, where words stand without spaces, or carry their particles with
them as Korean's do: the package's twenty Korean examples have 0.66 words for one English word, and 1.83 syllables."""
_DENSE = re.compile(f"[{''.join(_RANGES[name] for name in LETTERS_PER_WORD)}]")
_DENSE_RUNS = re.compile(f"[{''.join(_RANGES[name] for name in LETTERS_PER_WORD)}]+")
_LETTER = re.compile(r"[^\W\d_]")
_WORD = re.compile(r"\w+")
SENTENCE_ENDS = "。！？।؟۔"
"""Ends of sentences that need no space behind them, or stand where Latin letters have none."""

WORDS_OF_WRITING = frozenset(
    "paragraph description descriptions wording prompt prompts instruction instructions guideline guidelines criteria "
    "requirement requirements constraint constraints dataset metadata url upload uploaded feedback editor revise "
    "revised "
    "rewrite rewritten version versions output format speculation placeholder token tokens summary summarize rephrase "
    "rephrased adjustment adjustments request requested unverified assumption assumptions".split()
)
"""Words of writing that stand in none of 38,106 captions of COCO and Flickr8k: a bare text with one speaks of "
"itself."""


class LanguageFile(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What ``data/languages/CODE.yaml`` holds.

    Attributes:
        wording: Per wording check, regular expressions of what it finds in this language.
        thinking: Regular expressions of thinking aloud in it, which is looked for whatever language was asked for.
        stop_words: Its small words, where its script does not tell it from others.
    """

    wording: dict[str, tuple[str, ...]] = {}
    thinking: tuple[str, ...] = ()
    stop_words: str = ""


class Language(Struct, frozen=True):
    """A language that answers are asked for in.

    Attributes:
        code: Of ``NAMES``.
        wording: Per wording check, what it finds in this language beside English.
        stop_words: Its small words; empty where none are known.
    """

    code: str
    wording: dict[str, re.Pattern[str]] = {}
    stop_words: frozenset[str] = frozenset()

    def __hash__(self) -> int:
        """By its code, for caches."""
        return hash(self.code)

    @property
    def name(self) -> str:
        """In English, such as "Korean"."""
        return NAMES[self.code]


@cache
def language_for(code: str) -> Language:
    """What is known of a language.

    Args:
        code: Of ``NAMES``.
    """
    if code not in files_of_languages():
        return Language(code)
    told = read_bundled(f"languages/{code}.yaml", LanguageFile)
    wording = {check: re.compile("|".join(patterns)) for check, patterns in told.wording.items()}
    return Language(code, wording, frozenset(told.stop_words.split()))


@cache
def files_of_languages() -> tuple[str, ...]:
    """Codes of the languages of which the package holds a file."""
    folder = Path(__file__).resolve().parent / "data" / "languages"
    return tuple(sorted(path.stem for path in folder.glob("*.yaml")))


def n_words(text: str) -> int:
    """Count words; letters of scripts without spaces, and Korean ones, count as what they would be in English.

    A text mostly in other letters is counted by its spaces alone.
    """
    if text.isascii():
        return len(text.split())
    dense = _DENSE.findall(text)
    if not dense or 2 * len(dense) < len(_LETTER.findall(text)):
        return len(text.split())
    others = len(_WORD.findall(_DENSE_RUNS.sub(" ", text)))
    return others + round(sum(len(_SCRIPT[name].findall(text)) / each for name, each in LETTERS_PER_WORD.items()))


def told_length(text: str) -> str:
    """The length of a text for a report: "14 words", or "14 words (25 letters without spaces)"."""
    n_spaced, n_counted = len(text.split()), n_words(text)
    said = f"{n_counted} words"
    return said if n_spaced == n_counted else f"{said} (counted from {len(_LETTER.findall(text))} letters)"


def pairs_apart(words: list[str]) -> list[str]:
    """Put pairs of letters in the place of words that are no words, as texts without spaces give them, for comparing.

    Korean is compared by pairs, too: its words change with their particles.
    """
    if all(map(str.isascii, words)):
        return words
    return [unit for word in words for unit in ([word] if word.isascii() else _split_dense(word))]


def _split_dense(word: str) -> list[str]:
    units: list[str] = []
    done = 0
    for run in _DENSE_RUNS.finditer(word):
        units += [word[done : run.start()]] * (run.start() > done)
        letters = run[0]
        units += [letters[n : n + 2] for n in range(len(letters) - 1)] or [letters]
        done = run.end()
    return units + [word[done:]] * (done < len(word))


MIN_LETTERS = 12
"""Fewer letters of another script are a name or what a sign says."""
MIN_DENSE = 4
"""The same where a letter is a syllable or a word."""
MIN_SMALL_WORDS = 3
SURELY = 12
"""Of so many words of a text more than one is a small word of its language."""
_QUOTED = re.compile(
    r"\"[^\"\n]{0,200}\"|“[^”\n]{0,200}”|「[^」\n]{0,200}」|『[^』\n]{0,200}』|«[^»\n]{0,200}»"
    r"|„[^“”\n]{0,200}[“”]"
)


MIN_MIXED = 3
"""English small words in a sentence that has no more of its own language make it half English."""
MIN_SENTENCE = 6
"""Words of a sentence without one small word of its language, and two of another's."""
MIN_SHORT = 4
"""Words of an English sentence, without one of the other language, that are more than a name."""
_SENTENCE_BREAK = re.compile(rf"(?<=[.!?…])[\"'”’)\]*_]{{0,3}}\s+|(?<=[{SENTENCE_ENDS}])|\n+")


def foreign_sentence(text: str, code: str, *, may_be_name: bool = True) -> tuple[str, str] | None:
    """Find the first of several sentences that is surely in another language, or half in English.

    A model thinks in its own language before it answers in another, and a small one slides into English. A text of one
    sentence is judged by ``other_language``, as it may be a name or what a sign says.

    Args:
        text: An answer, a question, or a sentence of one.
        code: The language that it should be in.
        may_be_name: A single sentence may be one.

    Returns:
        What it is in, as ``other_language`` says it, and the sentence; None where there is none.
    """
    if code == ENGLISH and text.isascii():  # most answers are
        words = set(_WORD.findall(text.lower()))
        if all(len(words & small) < MIN_MIXED - 1 for small in _never_english()):
            return None
    sentences = [one for one in _SENTENCE_BREAK.split(_QUOTED.sub("", text)) if one.strip()]
    for sentence in sentences:
        found = _foreign(sentence, code, is_alone=may_be_name and len(sentences) < 2)
        if found is not None:
            return found, sentence.strip()
    return None


def _foreign(sentence: str, code: str, *, is_alone: bool) -> str | None:
    own_scripts = _SCRIPT_OF.get(code, ("Latin",))
    counts = {"Latin": 1} if sentence.isascii() else _letters_by_script(sentence)
    most = max(counts, key=counts.__getitem__, default="")
    if not most:
        return None
    words = _WORD.findall(sentence.lower())
    if most not in own_scripts:
        if is_alone or any(script in counts for script in own_scripts):
            return None  # names stand in other letters
        if most == "Latin":
            found = _by_small_words(sentence, MIN_SMALL_WORDS - 1)
            return NAMES[found] if found else None
        return (
            _told(most, sentence) if counts[most] >= (MIN_DENSE if most in LETTERS_PER_WORD else MIN_LETTERS) else None
        )
    if most != "Latin":
        return None
    own = language_for(code).stop_words
    n_own = sum(word in own for word in words)
    if code == ENGLISH and 4 * n_own >= len(words):
        return None
    for other, small in _small_words().items():
        theirs = len({word for word in words if word in small and word not in own})
        ours = sum(word in own and word not in small for word in words)
        if other == code or not theirs:
            continue
        is_english = other == ENGLISH and bool(own)
        is_all = theirs >= MIN_MIXED and theirs >= 3 * ours and (own or 3 * theirs >= len(words)) and not is_alone
        is_mixed = is_english and theirs >= MIN_MIXED and theirs >= ours
        is_clear = theirs > 1 or "the" in words  # French has "a" and "on"
        is_sentence = not n_own and theirs > 1 and len(words) >= MIN_SENTENCE and not is_alone
        is_short = is_english and not ours and len(words) >= MIN_SHORT and is_clear and not is_alone
        if is_all or is_mixed or is_short or (is_sentence and own):
            return NAMES[_by_small_words(sentence) or other]
    return None


_THINKERS = (
    "nutzer", "user", "anwender", "ich soll", "ich muss", "ich darf", "ich werde", "ich brauche", "ich habe",
    "lass mich", "lass uns", "lasst uns", "schauen wir", "mal sehen", "wie gewünscht", "wie gebeten", "wie verlangt",
    "wie gefordert", "hier kommt", "hier folgt", "hier ist", "utilisat", "je dois", "je déc", "je réd", "je "
    "devrais", "je vais", "voyons",
    "il faut que", "comme demandé", "comme convenu", "selon votre", "voici", "usuari", "usuári", "debo", "tengo que",
    "voy a", "necesito", "veamos", "como pedi", "como pidi", "como solicit", "aquí", "utilizador", "preciso", "devo",
    "tenho", "conforme", "aqui está", "utente", "dovrei", "gebruiker", "ik moet", "ik zal", "ik ga",
)  # fmt: skip
"""One of these stands in any thinking in Latin letters: they are looked for first, twenty times faster."""
_NOT_LATIN = re.compile("[\u0370-\u1fff\u3040-\ud7a3]")


@cache
def _thinking() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """What is found in Latin letters, and in others."""
    found: tuple[list[str], list[str]] = [], []
    for code in files_of_languages():
        found[code in _SCRIPT_OF].extend(read_bundled(f"languages/{code}.yaml", LanguageFile).thinking)
    return re.compile("|".join(found[0])), re.compile("|".join(found[1]))


def thinking_aloud(text: str) -> str | None:
    """Where a model thinks aloud in any known language but English; None where it does not.

    Args:
        text: In lower case.
    """
    in_latin, in_others = _thinking()
    match = in_latin.search(text) if any(stem in text for stem in _THINKERS) else None
    if match is None and not text.isascii() and _NOT_LATIN.search(text):
        match = in_others.search(text)
    return match[0].strip() if match else None


@lru_cache(1 << 10)
def other_language(text: str, code: str) -> str | None:
    """Tell that a text is surely not in a language.

    By its script first; among languages of one script by small words. Short texts, names and numbers are in any.

    Args:
        text: An answer, a question or a caption.
        code: The language that it should be in.

    Returns:
        What it is in, such as "Korean" or "another language", or None where it may well be in the language.
    """
    text = _QUOTED.sub("", text)  # what a sign says
    own = _SCRIPT_OF.get(code, ("Latin",))
    counts = {"Latin": len(_LETTER.findall(text))} if text.isascii() else _letters_by_script(text)
    total = sum(counts.values())
    n_own = sum(counts.get(script, 0) for script in own)
    most = max(counts, key=counts.__getitem__, default="")
    if most not in own and 2 * n_own < total:
        is_dense = most in LETTERS_PER_WORD
        return _told(most, text) if counts.get(most, 0) >= (MIN_DENSE if is_dense else MIN_LETTERS) else None
    if code == "zh" and counts.get("Kana", 0) >= max(MIN_DENSE, total // 10):
        return NAMES["ja"]
    if code == "ja" and not counts.get("Kana") and counts.get("Han", 0) >= MIN_LETTERS:
        return NAMES["zh"]
    return _other_by_small_words(text, code) if most == "Latin" else None


def _letters_by_script(text: str) -> dict[str, int]:
    counts = {name: len(letters.findall(text)) for name, letters in _SCRIPT.items()}
    return {name: n for name, n in counts.items() if n}


def _told(script: str, text: str) -> str:
    if script == "Latin":
        found = _by_small_words(text)
        return NAMES[found] if found else "Latin letters"
    if script == "Han" and _SCRIPT["Kana"].search(text):
        return NAMES["ja"]
    code = _LANGUAGE_OF_SCRIPT.get(script)
    return NAMES[code] if code else f"{script} letters"


@cache
def _small_words() -> dict[str, frozenset[str]]:
    return {code: language_for(code).stop_words for code in files_of_languages() if language_for(code).stop_words}


@cache
def _never_english() -> tuple[frozenset[str], ...]:
    """Per other language, its small words that English has not."""
    english = language_for(ENGLISH).stop_words
    return tuple(small - english for code, small in _small_words().items() if code != ENGLISH)


def _by_small_words(text: str, least: int = MIN_SMALL_WORDS) -> str | None:
    words = _WORD.findall(text.lower())
    found = {code: sum(word in small for word in words) for code, small in _small_words().items()}
    best = max(found, key=found.__getitem__)
    others = max(n for code, n in found.items() if code != best)
    return best if found[best] >= least and found[best] > others else None


def _other_by_small_words(text: str, code: str) -> str | None:
    """Weigh the small words that only the one of two languages has: "la" and "un" are Spanish, French and Italian."""
    words = _WORD.findall(text.lower())
    own = language_for(code).stop_words
    n_own = sum(word in own for word in words)
    if code == ENGLISH and 4 * n_own >= len(words):
        return None
    for other, small in _small_words().items():
        theirs = sum(word in small and word not in own for word in words)
        ours = sum(word in own and word not in small for word in words)
        if other != code and theirs >= MIN_SMALL_WORDS and theirs >= 3 * ours and (own or 3 * theirs >= len(words)):
            return NAMES[_by_small_words(text) or other]
    return "another language" if own and len(words) >= SURELY and SURELY * n_own <= len(words) else None
