"""The grammar of claims as tables: each row pairs words with their meaning and an example that shows it.

To extend it, add a row: ``words`` is a regular expression in which a space is any white space and
``N`` any number; ``example`` is a sentence that the row alone explains, and a test reads it.
"""

from __future__ import annotations

import re
from typing import Literal

from msgspec import Struct

from datagen.words import NUMBER_WORDS

FLAGS = re.ASCII  # without it, "٣" would be a number
"""Of patterns that read a text in lower case (``lowered``): under IGNORECASE they take 1.6 times as long, since an
alternative is then not told by its first letter."""


def lowered(text: str) -> str:
    """A text with A to Z in lower case and every other character in its place, as the patterns of claims read it."""
    return (
        text.lower() if text.isascii() else text.encode(errors="surrogatepass").lower().decode(errors="surrogatepass")
    )


_UNITS = NUMBER_WORDS[1:10]
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_TEENS = ("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen")
_IN_ONE = (
    {word: number for number, word in enumerate(NUMBER_WORDS)}
    | {"half a dozen": 6, "a dozen": 12, "dozen": 12, "a hundred": 100, "one hundred": 100}
    | {word: number for number, word in enumerate(_TEENS, start=13)}
)
NUMBERS = (
    _IN_ONE
    | {word: 10 * number for number, word in enumerate(_TENS, start=2)}
    | {
        f"{tens}{joint}{unit}": 10 * n + k
        for n, tens in enumerate(_TENS, start=2)
        for k, unit in enumerate(_UNITS, start=1)
        for joint in ("-", " ")
    }
)
"""Number words and what they are worth."""

NUMBER_FORMS = "|".join(
    (
        rf"(?:{'|'.join(_TENS)})(?:[- ](?:{'|'.join(_UNITS)})\b)?",
        *sorted((word.replace(" ", r"\s+") for word in _IN_ONE), key=len, reverse=True),
    )
)
"""The same as a regular expression, the longest first."""

Measure = Literal["exact", "at least", "at most", "none", "others", "some", "open"]
"""How a quantity binds: ``none`` denies, ``others`` denies more than the text has told of, ``some`` says only
that there is one, ``open`` says no number."""


class Quantity(Struct, frozen=True):
    """Words before a noun that say how many: ``number`` is fixed, or the stated one plus ``offset``."""

    words: str
    measure: Measure
    example: str
    number: int | None = None
    offset: int = 0


QUANTITIES = (
    Quantity("(?:only|just|exactly) N (?:more|other|additional|further)", "others", "There are just two other dogs."),
    Quantity("N (?:more|other|additional|further)|another N", "at least", "There are three more dogs."),
    Quantity("a second|one (?:other|more|further|additional)", "at least", "A second dog runs.", number=2, offset=1),
    Quantity("a third", "at least", "A third dog runs.", number=3, offset=2),
    Quantity("no second", "at most", "There is no second dog.", number=1),
    Quantity("no (?:other|additional|further)", "others", "There is no other dog."),
    Quantity("at least N|no fewer than N|no less than N|N or more", "at least", "There are at least three dogs."),
    Quantity("more than N|over N", "at least", "There are more than two dogs.", offset=1),
    Quantity("at most N|up to N|no more than N", "at most", "There are at most three dogs."),
    Quantity("fewer than N|less than N", "at most", "There are fewer than four dogs.", offset=-1),
    Quantity("the only|the sole", "exact", "One sees the only dog.", number=1),
    Quantity("an? lone|an? solitary|an? single|only one|just one|exactly one", "exact", "There is only one dog.",
    number=1),
    Quantity("exactly N|precisely N|only N|just N|a total of N", "exact", "There are exactly three dogs."),
    Quantity("as many as N", "at least", "There are as many as three dogs."),
    Quantity("(?:a|the|this) trio of", "at least", "A trio of dogs runs.", number=3),
    Quantity("twin|a brace of", "at least", "Twin dogs run.", number=2),
    Quantity("a couple of|a couple", "at least", "A couple of dogs run.", number=2),
    Quantity("(?:a|the|this|that) pair of", "exact", "A pair of dogs run.", number=2),
    Quantity("both of the|both the|both", "at least", "Both dogs run.", number=2),
    Quantity(
        "several|multiple|many|numerous|various|a few|a number of|a lot of|lots of|dozens of|plenty of|a variety of|"
        "a group of|a crowd of|a herd of|a flock of|a row of|a bunch of|a pile of|a stack of|a line of|"
        "rows of|groups of",
        "at least", "There are several dogs.", number=2,
    ),
    Quantity("no (?:sort|kind|type|form) of|no|zero|not a single|not one|not any", "none", "There are no dogs.",
    number=0),
    Quantity("one of the|one of|each of the", "some", "One of the dogs runs."),
    Quantity("one", "some", "One dog runs."),
    Quantity("N", "exact", "There are 3 dogs."),
    Quantity("an?|another|the|this|that(?! the)|these|those|his|her|its|their|some|each|every|"
        "the other", "some", "A dog runs."),
)  # fmt: skip
"""First match wins, so longer wordings stand above the shorter ones they contain."""

DEFINITE = frozenset("the this that these those his her its their both".split())
"""Determiners that take for granted that the thing is there."""

ABOUT = frozenset("some about around nearly almost roughly approximately".split())
"""Words before a number that is near the real one."""
ROUGH = frozenset(
    "two three several many half some about around nearly almost over roughly approximately or than least most up "
    "maybe perhaps another".split()
)
"""Words before a number that make it no exact count."""
PART = frozenset(
    "the these those other of last first all both his her their its with another to near behind beside "
    "under above below against from for by around between".split()
)
"""Words before a number that may pick out some of the objects."""

NOT_ADJECTIVES = (
    "and|or|of|in|on|at|to|with|by|for|from|near|over|under|up|is|are|was|were|has|have|the|an?|who|that|which|as|"
    "his|her|their|its|other|more|different|kinds?|types?|sets?|rows?|slices?|pieces?|bowls?|plates?|stacks?|bunch|"
    "bunches|groups?|boxes|baskets|parts?|tier|story|years?|months?|weeks?|days?|wheeled|legged|toy|fake|stuffed|"
    "painted|plastic|sitting|standing|people|second|cardboard|statues?|no|not|where|when|hardly|without|inside|outside|"
    "behind|beside|between|against|along|across|among|around|into|onto|through|towards?|within|above|below|beneath|"
    "underneath|but|while|because|than|here|there|only|just"
)
"""Words that end the look back from a noun to its number."""

WORD_CLASSES = {
    "D": "a an the this that these those his her its their my our your some any each every no another both either "
    "neither all several many few most half much",
    "P": "of in on at to with by for from near over under behind beside above below beyond against into onto inside "
    "outside through between among amongst around along across toward towards next during without within upon "
    "atop beneath underneath off like as than past amid alongside throughout despite about "
    "after before via",
    "C": "and or but nor yet while because although though if since so whereas when where until unless once",
    "W": "who which whose whom what why how whether",
    "O": "it they he she them him i we you us one ones others someone somebody anyone anybody nobody everyone "
    "everybody "
    "there something nothing anything everything none himself herself itself themselves here",
    "V": "is are was were be been being am isn't aren't wasn't weren't has have had having do does did can could may "
    "might must shall should will would can't cannot doesn't don't didn't won't seems seem appears appear "
    "looks look becomes become stays stay remains remain gets get got makes make made lets let keeps keep kept "
    "came come comes goes go went seen shown found fallen",
    "R": "not very quite rather too also just only still almost nearly slightly somewhat clearly already now then away "
    "together apart up down out back again ever never always often even more less here right-side perhaps maybe "
    "well brand close fast asleep awake alone ajar far nearby indoors outdoors inside-out overhead further "
    "farther closer "
    "so there anywhere somewhere everywhere nowhere",
}  # fmt: skip
"""Closed classes of words: determiners, prepositions, conjunctions, question words, pronouns, verbs and adverbs."""
CLOSED_WORDS = frozenset(word for words in WORD_CLASSES.values() for word in words.split())
"""Words that make no compound with the noun before them: "a dog UNDERNEATH it"."""

COLOURS = "red|blue|green|yellow|white|black|brown|purple|pink|gr[ae]y|orange|tan|beige|silver|gold"
"""Adjectives that "and" joins: "a black and white cat"."""
JOINED = re.compile(r"(?:,|,? and|,? or) (?:[a-z-]+ ){0,2}$".replace(" ", r"\s+"), FLAGS)
"""What joins a bare noun to one that is surely shown: "a boy and girl"."""

EXISTENCE = re.compile(
    r"\b(?:there(?:'s| is| are)|shows?|showing|see|sees|count|counts|contains?|includes?|features?|has|have|find|finds|"
    r"finding|make out|notice|notices|holds|view of|described as|speak of|includ\w+)\b",
    FLAGS,
)
"""Verbs after which a number is said of the whole picture: "there is one dog"."""
HOLDING = re.compile(
    r"\b(?:(?:they|these|those)\s+(?:are|were)|they['’]re|(?:is|are)\s+[a-z]+ing|with|including|more|holding|riding|"
    r"carrying|wearing|eating|beside|near|behind|on|an? \w+,)\s+"
    r"(?:[a-z-]+\s+)?$",
    FLAGS,
)
"""What joins a bare plural to something in the picture: "a lake with boats"."""
WITH = re.compile(r"(?:\bwith|\bof|,|\band)\s+(?:[a-z-]+\s+)?$", FLAGS)
"""What joins a bare plural to the picture that a verb of ``EXISTENCE`` opens: "it shows a lake with boats"."""
SCENES = (
    r"(?:(?:kitchen|living|bath|bed|dining|hotel|waiting|class)[ -]?)?rooms?|kitchen|office|cubicle|street|road|"
    r"path|trail|"
    r"sidewalk|field|yard|"
    r"tracks|rails|park|beach|shore|water|ocean|sea|lake|river|wave|sky|slope|hill|hillside|mountain|snow|grass|lawn|"
    r"garden|meadow|"
    r"pasture|ground|floor|platform|station|airport|tarmac|runway|apron|enclosure|pen|zoo|court|pitch|stands|stall|"
    r"intersection|store|shop|showroom|cafe|restaurant|city|building|forest|woods|sand|rink|arena|stadium"
)
"""Nouns of the place that a whole picture shows: "on the street" picks out none of its cars."""
SCENE_ADJUNCT = (
    rf"(?:(?:out|up|down|over)\s+)?(?:in|on|at|along|across|around|about|inside|throughout|within)\s+(?:the|this|that|"
    rf"its)\s+"
    rf"(?:(?!left|right|upper|lower|top|bottom|back|front|far|near|other|same)[a-z-]+\s+)?(?:{SCENES})\b(?!\s+(?:of|"
    rf"sign|table|chair|light|lamp|floor|wall))"
)
"""Where in the scene, which is all of it."""
INDOORS = (
    r"(?:(?:\w+ )?(?:room|bathroom|bedroom|kitchen)|(?:street |photo |kitchen |bathroom )?scene|cubicle|field|sky|"
    r"enclosure)"
)
"""Nouns whose sides are those of the picture."""
SHOWN_AFTER = re.compile(
    r"\s+(?:can be (?:seen|counted|found|made out)|"
    r"(?:is|are) (?:here|visible|shown|present|to be (?:seen|had|found|made out|counted)|part of|"
    r"all (?:there|that|one|you))|"
    r"makes? up (?:the|this) (?:whole|entire)\b|"
    r"(?:in|to be seen in) (?:the|this) (?:image|picture|photo|scene)|to be seen|here\b|in (?:view|all)|in total|"
    rf"(?:(?:is|are)\s+)?{SCENE_ADJUNCT})",
    FLAGS,
)
"""What follows a number that is said of the whole picture: "one dog can be seen"."""

DENIALS = re.compile(
    r"\b(?:not|never|neither|nor|none|cannot|without|instead of|rather than|no longer|fewer|less|lacks?|hardly)\b|"
    r"n't\b",
    FLAGS,
)
"""What follows one of these is not claimed; an absence row may still read it."""
DENIAL_WORDS = frozenset(
    "not never neither nor none cannot without instead rather no fewer less lack lacks hardly".split()
)
"""A word of each of ``DENIALS``; one ends in "n't" else."""

HEDGES = re.compile(
    r"\b(?:might|may|could (?!also\b)|would|should|must|if(?! (?:you|one) looks?\b)|whether|suppose|supposing|"
    r"conceivabl[ey]|imaginable|unlikely|improbable|doubtful|possible that|"
    r"possibility|chances? (?:is|are|that)|guess|assume|arguabl[ey]|"
    r"(?:(?:likely|another|one|alternative|other|possible) )?(?:explanation|reading|interpretation) is|in theory|"
    r"tempting|"
    r"imagine|maybe|perhaps|possibly|probably|presumably|potentially|likely|plausible|seems?|seemingly|apparently|"
    r"suggest\w*|impl(?:y|ies|ying)|infer\w*|speculat\w*|as though|looks? like|resembl\w+|such as|e\.g\.|"
    r"will(?! (?:see|find|notice|spot)\b)|usually|"
    r"often|typically|generally|commonly|sometimes|always|rarely|seldom|normally|in general|as a rule|whoever|"
    r"known to|tend to|tends to|prefer|need to|needs to|unless|"
    r"supposed to|remain(?:s|ed)?|taking away|removing|removed|added|joined(?! by)|then add|hope|hopes|wants? to|"
    r"trying to|"
    r"about to|"
    r"prepar\w+ to|waiting for|ready to|"
    r"can (?!(?:\w+ ){0,2}(?:be|see|spot|find|make|count|notice|observe)\b)|it takes(?! up\b)|ha(?:s|ve) to|needs?|"
    r"requires?|"
    r"allow(?:s|ing)?|(?<!been )(?<!is )(?<!are )allowed|lets?|"
    r"letting|enabl\w+|invit\w+|helps?|seats|fits|meant|designed|intended|useful|"
    r"ideal|perfect|suitable|handy|convenient|enough|"
    r"appears? to (?!be (?:on|in|at|to|near|left|right|above|below)\b))\b",
    FLAGS,
)
"""A clause with one of these is reasoning, not a claim."""
HEDGE_WORDS = frozenset(
    "might may could would should must if whether suppose supposed supposing conceivable conceivably imaginable "
    "unlikely "
    "improbable doubtful possible possibility chance chances guess assume arguable arguably explanation reading "
    "interpretation theory tempting imagine maybe perhaps possibly probably presumably potentially likely "
    "plausible seem seems seemingly apparently though like such e will usually often typically generally commonly "
    "sometimes always rarely seldom normally general rule whoever known tend tends prefer need needs unless "
    "taking removing removed added joined add hope hopes want wants trying about ready waiting can takes has have "
    "requires require let lets letting helps help seats fits meant designed intended useful ideal perfect "
    "suitable handy convenient enough appear appears".split()
)
HEDGE_STEMS = (
    "suggest", "imply", "implies", "infer", "speculat", "resembl", "remain", "prepar", "allow", "enabl", "invit",
)  # fmt: skip
"""What the words of ``HEDGES`` are or begin with."""

CLAUSE_BREAKS = re.compile(
    r"[;:()—]| [-–] |, (?=as (?:it|he|she|they|there|an?|the|this|one|\w+s)\b)|,? (?=(?:which|who|whose|where|while|"
    r"whereas|but|though|although|because|since|so that|so(?! (?:many|much))|as if|hence|thus|"
    r"possibly|perhaps|probably|likely|maybe|potentially|suggesting|indicating|implying|making|giving|adding|"
    r"creating|as well as if)\b)|, (?=(?:is|are|was|were|stands?|sits?|lies|can|has|takes|fills) )|"
    r" (?=and (?:it|they|he|she) (?:is|are|can|has|have|sits?|stands?|lie|lies)\b)|, (?=and (?:the|"
    r"there|it|they|he|she|this|these|those|that|one|no|an?|two|three|four|five|six|seven|eight|nine|ten|several|some|"
    r"many|both|his|her|"
    r"its|their)\b(?: \S+){0,6} (?:is|are|can|may|"
    r"might|could|would|should|must|has|have|sits?|stands?|lies)\b)",
    FLAGS,
)
"""Where a sentence falls into clauses, so that a hedge in one does not silence the other."""

BREAK_MARKS = frozenset(",;:()—–-")
BREAK_WORDS = frozenset(
    "which who whose where while whereas but though although because since so as hence thus and possibly perhaps "
    "probably "
    "likely maybe potentially suggesting indicating implying making giving adding creating".split()
)
"""A mark or a word of each of ``CLAUSE_BREAKS``."""

NOT_SHOWN_BEFORE = re.compile(
    r"\b(?:like|as|(?<!look )for|of no|without|(?:picture|photo|image|painting|drawing|statue|figurine|sculpture|"
    r"shape|print|"
    r"pattern|logo|sign|model|form|type|kind|sort|fear|sense|use|number|lack) of|called|named|into|versus|"
    r"it is|that is|this is|it's)\s+$",
    FLAGS,
)
"""Words before a noun phrase after which it need not be in the picture: "shaped like a bear", "as a bear"."""

NOT_SHOWN_ENDS = frozenset("like as for no of without called named into versus is s".split())
"""Last words of ``NOT_SHOWN_BEFORE``, letters alone."""

IDENTIFIES = re.compile(r"\b(?:it is|that is|this is|it's|that's)\s+$", FLAGS)
"""What names the thing asked about: "it is a dog"; of "it is the dog" it may be the one that is missing."""

ACTS = re.compile(
    r"\s+(?:is|are|was|were|has|have|can|also|do|does|(?!next|close|due|out|in|on|near|and|or)[a-z]+ "
    r"(?:on|in|at|with|by|near|over|through|along|behind|beside|down|up|around|for|to)\b)".replace(" ", r"\s+"),
    FLAGS,
)
"""What shows that "as" opens a clause: "as two dogs wait with ...", not "used as a dog"."""

GIVEN = frozenset("as for into".split())
"""Of the words of ``NOT_SHOWN_BEFORE``, those after which "the dog" is there all the same."""

FOLLOWS = re.compile(
    r"\s*(?:$|[.,;:!?)\"”]|['’]s?\b|(?:and|or|is|are|was|were|has|have|can|that|who|which|in|on|at|of|with|by|near|"
    r"next|beside|"
    r"behind|under|over|above|below|to|toward|towards|from|for|while|as|but|also|both|all|here|there|across|along|"
    r"around|between|inside|outside|against|among|in|into|through|sits?|stands?|lies|lie|lays?|rests?|holds?|wears?|"
    r"looks?|appears?|runs?|walks?|rides?|plays?|eats?|seems?|does|takes?|fills?|occup\w+|covers?|farther|further|"
    r"higher|lower|left|right|visible|present|than|together|alone|too|standing|then|not|instead|after|before|"
    r"up|down|out|off|close|each|some|an?|the|his|her|far|just|full|only|isn|aren|cannot|\w+ing|\w+ed|\w+ly|now|"
    r"he|she|they|you|we|"
    r"anywhere|nowhere|ever|"
    r"may|might|could|would|should|must|will|did|do|had|lean|leans|hangs?|waits?|flies|fly|floats?|grazes?|drives?|"
    r"passes|crosses|stops|jumps?|leaps?|sleeps?|stares?|watches|carries|pulls?|reaches|faces|moves|shows|contains|"
    r"such|set|laden|made|built|empty|itself|themselves|[a-z]+s\s+(?:an?|the|his|her|its|their)|gets?|goes|comes|"
    r"drinks?|catches|throws|swings|poses|smiles?|talks?|uses|swims?|serves|shares?|winds|dances)\b)",
    FLAGS,
)
"""What may follow a noun that names the thing itself: "dog bowl" names no dog."""


class Row(Struct, frozen=True):
    """Words with what they mean, and a sentence that the row explains."""

    meaning: str
    words: str
    example: str


ABSENCES = (
    Row("absent", "X (?:is|are) (?:not|n't) (?:a )?(?:part of|in (?:the|this) (?:image|picture|photo|scene|frame)|"
    "in (?:sight|view)|visible|shown|present|included|there|"
        "to be seen|to be found|here)",
        "A dog is not part of this picture."),
    Row("absent", "X (?:is|are)n't (?:part of|in (?:the|this) (?:image|picture|photo|scene|frame)|in (?:sight|view)|"
    "visible|shown|present|included|there|to be seen|here)",
        "The dog isn't visible."),
    Row("absent", "X (?:is|are)(?: not|n't) (?:one of|among|anywhere)", "A dog is not among the things in it."),
    Row("absent", "X (?:cannot|can not|can't) be (?:seen|found)", "A dog cannot be seen."),
    Row("absent", "(?:(?:do|does|did|can|could|is|are|will|wo)(?: not|n't|not)|can't) (?:\\w+ )?(?:show|include|"
        "have|contain|see|"
        "notice|find|feature|hold|spot|display)"
        "s? X", "The image does not show a dog."),
    Row("absent", "there(?:(?: is| are)(?: not|n't)|'s not) X", "There isn't a dog."),
    Row("absent", "X (?:is|are) (?:\\w+ly )?(?:missing|absent|gone|nowhere|out of sight)", "The dog is missing."),
    Row("absent", "missing (?:one )?is X", "The missing one is the dog."),
    Row("absent", "there (?:is|are|'s) (?:neither|nowhere) X", "There is neither a dog nor a cat."),
    Row("absent", "neither X(?= nor)", "It shows neither a dog nor a cat."),
    Row("absent", "nor X", "Nor a dog is in view."),
    Row("absent", "(?:free|devoid|bare|empty|clear) (?:of|from) (?:any )?X", "The room is free of dogs."),
    Row("absent", "(?:lacks?|lacking|(?:lack|absence) of) (?:any )?X", "The room lacks a dog."),
    Row("absent", "^\\W*(?:no, )?not (?:so much as |even )?X(?= (?:is|are) (?:in (?:sight|view)|around|about|here|"
        "there|to be "
        "seen|visible|present)\\b)", "Not a dog is in sight."),
    Row("absent", "(?:not|without) so much as X", "It is bare, without so much as a dog."),
    Row("absent", "(?:nobody|no one|no-one|no one|not one of them|(?:none|neither) of [^,.]{0,20}?) (?:has|have|"
    "is holding|holds|brought|has brought|"
        "carries|is carrying|owns|wears|is wearing|rides|is riding) X", "Nobody has brought a dog."),
    Row("absent", "(?:left|forgot|forgotten) X at home", "They have left a dog at home."),
    Row("absent", "not even X", "It is bare, not even a dog lies here."),
    Row("absent", "no (?:sign|trace|hint|glimpse) of X", "There is no sign of a dog."),
    Row("absent", "(?:not|n't) (?:equipped|fitted|furnished|provided) with X", "The room isn't fitted with a dog."),
    Row("absent", "(?:has|have|had) forgotten X", "They have forgotten a dog."),
    Row("absent", "X (?:has been left|have been left|stayed|was left) at home", "The dog has been left at home."),
    Row("absent", "without any X", "The room is without any dogs."),
    Row("absent", "without X (?:in sight|in view|around|anywhere|to be seen|in the (?:image|picture|photo|scene|"
        "frame))",
        "The room is quiet, without a dog in sight."),
)  # fmt: skip
"""Denials of a thing; a thing with a number ("does not show three dogs") is not denied by them."""

ASKS_EXISTENCE = re.compile(
    r"^(?:(?:is|are) there(?: any)?|(?:do|can|could) you (?:see|notice|spot|find)(?: any)?|(?:does|do) the (?:image|"
    r"picture|scene|photo)"
    r" (?:show|include|have|contain)(?: any)?) (?P<x>X)|^(?:is|are|can) (?P<y>X) (?:part of|in the (?:image|picture|"
    r"scene|"
    r"photo)|visible|"
    r"shown|present|be (?:seen|found))".replace(" ", r"\s+").replace("X", "[\ue000-\uf8ff]"),
    FLAGS,
)
"""A question that asks whether something is there, so that "No" is an absence."""
POLITE = re.compile(
    r"^(?:(?:would|could|can|do) you (?:say|agree|confirm|think|tell me|please|describe)(?: that)?|is it (?:true|"
    r"right) that|"
    r"in (?:the|this) (?:image|picture|scene|photo),?)\s+",
    FLAGS,
)
"""Openings of a question that say nothing about the picture."""
SUPPOSES = re.compile(
    r"\b(?:if|mirror\w*|someone covers|only the \w+ (?:half|part)|would (?:there be|remain|be left)|"
    r"after (?:removing|adding|taking)|\d? ?more \w+ were)\b|^(?:suppose|imagine)\b",
    FLAGS,
)
"""A question that changes the picture: numbers in its answer need not be the picture's."""
CHANGES = re.compile(
    r"\b(?:more|fewer|less|another|else|add\w*|remov\w*|remain\w*|tak(?:e|en|ing)|join\w*|(?:left|right)(?! (?:now|"
    r"here|away|there|then)\b)|mirror\w*|flip\w*|turn\w*|"
    r"cover\w*|half|part|not there|gone|mov\w+|swap\w*|pair\w*|instead|without|appear\w*|disappear\w*|total|sum)\b",
    FLAGS,
)
"""What changes the things of a picture or their places, so that numbers and sides in an answer need not be its own; "if
you were the director" changes none."""
SELECTS = re.compile(r"\bwhich\b(?: one)? (?:of|statement)\b|\bwho is right\b|\bone person says\b", FLAGS)
"""A question that puts several statements up for choice: it claims none of them."""
OPEN_QUESTION = re.compile(r"^(?:what|where|which|why|who|whose|how|when|on (?:what|which)|in (?:what|which))\b", FLAGS)
"""A question that takes what it names for granted, if it names it with "the"."""
_PUT = (
    "(?:been )?(?:put|placed|left|parked|set|installed|prepared|provided|served|laid|hung|brought|built|added|supplied|"
    "mounted|planted|erected|included|ordered|baked|cooked|poured|offered|delivered|attached|fitted|assigned|"
    "spread|lit|stationed|come|joined|let)(?: (?:up|out|down|along|in|by|over|yet|here|there|nearby|so far)){0,2}"
)
"""What has not been done to a thing that is not there."""
DENIED_HERE = re.compile(
    rf"\s*(?:$|[.,;!]|(?:(?:is|are|has been|have been|can be)\s+)?"
    rf"(?:(?:\w+ing|\w+ed|\w+s|stand|sit|lie|wait|seen|found|left|set)\s+)?"
    rf"(?:\w+ing\s*(?:[.,;!]|$)|(?:around|about(?! to)|nearby|here|there|anywhere)\b(?! the| an?| it)|"
    rf"shares? (?:the|this) (?:{SCENES})\b|{SCENE_ADJUNCT}|(?:at|on|along|in) (?:this|the) "
    r"(?:corner|wall|spot|place|area|scene)\b)|of any (?:sort|kind|type)|whatsoever|(?:is |are )?in (?:it|view|sight|"
    r"the "
    r"(?:image|picture|photo|scene|"
    r"frame)|this (?:image|picture|photo|scene))|"
    r"keeps (?:him|her|it|them) company|to (?!the\b|an?\b|his\b|her\b|its\b|their\b|this\b|that\b|left\b|"
    r"right\b)[a-z]+\b|"
    r"here\b|anywhere|around(?! the| an?| it)|at all|(?:is |are )?(?:visible|present|to be seen|in sight|in view)|"
    r"(?:can|could|to) be (?:seen|found|spotted|made out)|anywhere|on view|appears?\b|exists?\b|runs?\b|for\b|"
    r"(?:is )?in the way|(?:is |are )?available|within (?:easy )?reach|in reach|at hand|close by|far and wide|"
    r"left\b(?! (?:of|side|half|edge|corner))|"
    r"in (?:this|the) (?:part|section|area|corner|side) of (?:the|this) [a-z]+|"
    rf"(?:(?:is|are)(?: being)?|ha(?:s|ve)|was|were) {_PUT}"
    rf"(?=\s*(?:$|[.,;!]|(?:for|to (?!the\b|an?\b)|yet|so|because|since|as)\b|{SCENE_ADJUNCT})))".replace(" ", r"\s+"),
    FLAGS,
)
"""What may follow a denied thing: "no dog on the bed" denies none elsewhere, "no dog in it" does."""
AS_IT_IS = re.compile(
    r"\b(?:now|at present|currently|at the moment|as it is|in the (?:image|picture|photo|scene))\b", FLAGS
)
"""What brings a clause back from a changed picture to the one that is there."""
SUPPOSED = re.compile(
    r"\b(?:would|could|might|will|should|may|must|if|then|once|until|instead|suppose|imagine|becomes?|turns?|gets?)\b|"
    r"'d\b",
    FLAGS,
)
"""What marks a sentence of the changed picture; one without it is about the one that is there."""
OWNED = re.compile(r"['’]s?\s+(?:(?!(?:is|has|was|being|been|got)\b)[a-z-]+,?\s+){0,2}$", FLAGS)
"""An owner before a noun: "the girl's umbrella" takes the umbrella for granted."""
REFUTES = re.compile(
    r"^no\b|\b(?:not|no|n't|never|cannot|actually|rather than|reversed|missing|instead|none)\b|n't\b|other way|"
    r"number is|\bthere (?:is|are) (?:only|just)\b",
    FLAGS,
)
"""An answer with one of these may deny what its question took for granted."""


_NOBODY = "(?:nobody|no one|no-one|not a soul)"
NOBODY = re.compile(
    rf"\b(?:with (?:nobody|no one|not a soul) (?:{SCENE_ADJUNCT}|around\b|about\b|in sight|in view|nearby\b|"
    rf"to be seen)|"
    rf"{_NOBODY} (?:is|can be|could be) (?:seen|visible|around(?! (?:the|it))|(?:out and )?about\b(?! to)|"
    rf"out\b(?! of)|outside\b(?! the)|"
    r"present|nearby|on the scene|to be (?:seen|found)|(?:there|here)\b(?! (?:to|for))|in sight|"
    rf"in view|shown|in (?:the|this) (?:image|picture|photo|scene|frame)|{SCENE_ADJUNCT})|"
    rf"{_NOBODY} ha(?:s|d) (?:come|shown up|turned up|arrived|appeared|ventured out)\b(?! (?:to|with|near|close))|"
    rf"{_NOBODY} (?:shows|turns) up\b|there(?: is|['’]s) "
    rf"(?:nobody|no one|no-one)"
    rf"(?=\s*(?:$|[.,;!]|{SCENE_ADJUNCT}|around\b|here\b|to [a-z]+\b|in sight|in view|in (?:the|this) (?:image|"
    rf"picture|photo|"
    rf"scene|frame))))",
    FLAGS,
)
"""Denies any people in the picture."""
NOBODY_ELSE = re.compile(
    r"\b(?:nobody|no one|no-one|not anyone) else\b(?! (?:would|could|can (?!be\b)|will|might|may))", FLAGS
)
"""Denies people beside those that the text has told of."""


def compiled(words: str) -> str:
    """Turn a row's words into a regular expression's text: spaces and ``N`` stand for classes."""
    number = rf"(?:\d{{1,2}}|{NUMBER_FORMS})"
    return re.sub(r"\bN\b", lambda _: number, words).replace(" ", r"\s+")


def one_of(rows: tuple[Row, ...], letter: str) -> str:
    """All rows as alternatives; group ``p3`` (for letter ``p``) tells of row 3."""
    return "|".join(f"(?P<{letter}{n}>{compiled(row.words)})" for n, row in enumerate(rows))
