"""How prose words numbers, places, relations and denials: each row is one of the wordings of a mechanism."""

import pytest

from datagen.claims import claim_lexicon, judge_turns, read_turn
from datagen.config import ChecksSettings
from datagen.records import AnnotatedImage, Box, Turn

NAMES = (
    "person", "dog", "cat", "bus", "car", "cup", "bottle", "bench", "clock", "couch", "chair", "handbag", "tie", "bicycle",
    "boat", "zebra", "book", "suitcase", "sink", "kite", "umbrella", "sheep", "horse", "cow", "cell phone", "bowl",
    "dining table", "baseball bat", "potted plant", "bear", "teddy bear", "giraffe", "pizza", "oven", "donut", "elephant",
)  # fmt: skip
LEXICON = claim_lexicon(NAMES)
SHOWN = ("place", "relation", "absence", "count")


def told(text: str) -> str:
    """What a text states of numbers, places, relations and absent things; before "|" stands a question."""
    question, _, answer = text.rpartition("|")
    said = set()
    for s in read_turn(question or "Tell me?", answer, LEXICON):
        if s.kind in SHOWN and s.is_firm:
            bound = {"at least": ">=", "at most": "<="}.get(s.comparison or "", "")
            number = f"{bound}{s.number}" if s.kind == "count" else s.value or ""
            where = s.place or " ".join(filter(None, (s.relation, *s.others)))
            said.add(" ".join(filter(None, ("no" * (s.kind == "absence"), s.category, where or number))))
    return " + ".join(sorted(said))


WHAT_STANDS_FOR_A_THING = (
    ("Is that the only boat?|No, another one can be seen on the right.", "boat right"),
    ("Is there a dog?|Yes, there is a large one on the left.", "dog left"),
    ("Where are the sheep?|They fill the upper part of the image.", "sheep top"),
    ("Where are the phone and the cup?|They are both in the upper right corner.", "cell phone right + cell phone top + cup right + cup top"),
    ("Where are the dog and the cat?|They lie on the right.", "cat right + dog right"),
    ("Where is the horse?|The horse rests. It takes up the right part of the frame.", "horse right"),
    ("Two dogs play. There are 14 of them.", "dog >=14 + dog >=2"),
    ("Two dogs rest. Two of them are on the left.", "dog >=2 + dog left"),
    ("There are nine dogs, five on the right and four on the left.", "dog 9 + dog left + dog right"),
    ("There are five dogs on the left and a sixth at the right edge.", "dog >=5 + dog left + dog right"),
    ("If it were your house, what would you change?|The dog is to the left of the cat.", "dog left of cat"),
    ("Imagine you wanted to stay. What would you need?|The handbag, which is at the left end of the bench, should be kept close.", "handbag at left of bench"),
    ("If it were your zoo, what would you do?|The place is home to five dogs.", "dog >=5"),
    ("The dog on the left should be fed.", "dog left"),
    ("The dogs on the right side seem to sleep.", "dog right"),
    ("Behind the cat, on the left, there is a dog.", "dog left"),
)  # fmt: skip
PLACES = (
    ("Tucked into the lower left corner is a small dog.", "dog bottom + dog left"),
    ("In the upper right-hand portion of the frame, a clock can be made out.", "clock right + clock top"),
    ("A dog, half hidden by the fence, occupies the extreme left of the picture.", "dog left"),
    ("Over on the right, a man in a dark coat is reading.", "person right"),
    ("The right third of the picture belongs to a large dog.", "dog right"),
    ("Toward the bottom of the frame you can see a cup.", "cup bottom"),
    ("A bench runs along the bottom edge.", "bench bottom"),
    ("The dog is positioned slightly left of center.", "dog left"),
    ("At the very top of the image hangs a clock.", "clock top"),
    ("To the far left stands a bus.", "bus left"),
    ("The left-hand side of the image is dominated by a bus.", "bus left"),
    ("The dog takes up almost the entire left half of the photo.", "dog left"),
    ("Most of the dogs are on the left.", "dog left"),
    ("All of the dogs are gathered on the left side.", "dog left"),
    ("None of the dogs is on the left side.", ""),
    ("Three of the dogs are on the left, and one is on the right.", "dog >=3 + dog left + dog right"),
    ("Of the two dogs, the one on the left is larger.", "dog >=2 + dog left"),
    ("The dog on the left is larger than the one on the right.", "dog left"),
    ("The dog appears in the bottom right-hand corner.", "dog bottom + dog right"),
    ("The bus is coming from the left.", ""),
    ("A dog lies in the left foreground.", "dog left"),
    ("In the right foreground, a dog lies on the grass.", "dog right"),
    ("A clock in the upper left corner shows the time.", "clock left + clock top"),
    ("Down in the right-hand corner lies a dog.", "dog right"),
    ("The dog is off to the right.", "dog right"),
    ("The dog is located on the photo's left side.", "dog left"),
    ("Left of the middle, a dog waits.", "dog left"),
    ("Two dogs are visible on the left and a third is visible on the right.", "dog >=2 + dog left + dog right"),
    ("There is a cup at the left margin and a bottle at the right margin.", "bottle right + cup left"),
    ("The left part of the scene shows a bus.", "bus left"),
    ("The cup, meanwhile, has been placed on the right.", "cup right"),
    ("Off to the left, partly cut off by the frame, is a bicycle.", "bicycle left"),
    ("The dog is nearest to the left border.", "dog left"),
    ("The dog can be found in the left half.", "dog left"),
    ("You'll find the dog on the left.", "dog left"),
    ("The dog is cut off by the right edge.", "dog right"),
    ("Someone has parked a bus at the left edge.", "bus left"),
    ("The frame's right side is filled by a bus.", "bus right"),
    ("The top of the picture is taken up by a bus.", "bus top"),
    ("The dog stays on the left-hand side throughout.", "dog left"),
    ("The dog leans against the left edge of the frame.", "dog left"),
    ("A dog pokes its head into the frame from the right.", ""),
    ("On the opposite side, at the right, a dog waits.", "dog right"),
    ("The dog, located at the bottom, looks up.", "dog bottom"),
    ("One dog is on the left, the other on the right.", "dog left + dog right"),
    ("The first dog is on the left and the second one on the right.", "dog left + dog right"),
    ("A pair of dogs sits to the left of the frame.", "dog >=2 + dog left"),
    ("The clock is situated high up on the left.", "clock left"),
    ("The bottom half of the image contains a bench.", "bench bottom"),
    ("Toward the left you can make out a dog.", "dog left"),
    ("Both the dog and the cat are on the left.", "cat left + dog left"),
    ("The dog and the cat are on the left.", "cat left + dog left"),
    ("Neither the dog nor the cat is on the left.", ""),
    ("The dog is closer to the right edge than to the left.", "dog right"),
    ("The leftmost third of the frame is occupied by a towering giraffe.", "giraffe left"),
    ("Lurking in the bottom left is a cat.", "cat bottom + cat left"),
    ("A bench anchors the lower right.", "bench bottom + bench right"),
    ("The bus has been captured on the left side of the composition.", "bus left"),
    ("Further to the right, a second bus can be glimpsed.", "bus >=2 + bus right"),
    ("The cat has settled down in the center of the picture.", "cat middle"),
    ("Positioned toward the upper edge, a clock catches the eye.", "clock top"),
    ("The dog occupies a spot near the left-hand border of the photograph.", "dog left"),
    ("On the left stands a woman, and on the right, a man.", "person left + person right"),
    ("On the left we have a dog and on the right we have a cat.", "cat right + dog left"),
    ("A dog sits in the left-hand foreground, and a bench is set against the right wall.", "bench right + dog left"),
    ("The giraffe on the far right towers over the other two.", "giraffe right"),
    ("The umbrella dominates the top half of the image.", "umbrella top"),
    ("In the distance, on the left, a boat can be discerned.", "boat left"),
    ("Both giraffes are positioned on the right side of the frame.", "giraffe >=2 + giraffe right"),
    ("All three dogs are clustered in the lower left corner.", "dog >=3 + dog bottom + dog left"),
    ("None of the three dogs is in the center.", ""),
    ("The majority of the people are gathered on the left.", "person left"),
    ("Half of the dogs are on the left and the other half on the right.", "dog left"),
    ("The nearest of the dogs is on the left.", "dog left"),
    ("The taller of the two giraffes stands on the left.", "giraffe >=2 + giraffe left"),
    ("The train approaches from the right side of the picture.", ""),
    ("The clock can be spotted above everything else, near the top.", "clock top"),
)  # fmt: skip
DENIALS = (
    ("No dog has been brought along.", "no dog"),
    ("No bench has been set up for those who want to rest.", "no bench"),
    ("No bicycles are parked along this street.", "no bicycle"),
    ("There isn't any dog to be seen.", "no dog"),
    ("There isn't a dog to keep them company.", "no dog"),
    ("There are no dogs to speak of.", "no dog"),
    ("There is no dog within reach.", "no dog"),
    ("There is no dog nearby, which is a pity.", "no dog"),
    ("There's no clock above the door.", "no clock by door"),
    ("There are no dogs or cats, just a few chairs.", "chair >=2 + no cat + no dog"),
    ("There are no dogs, only a few cats on the right.", "cat >=2 + cat right + no dog"),
    ("The room has neither a dog nor a cat.", "no cat + no dog"),
    ("The room has no dog to offer.", "no dog"),
    ("The room offers no couch.", "no couch"),
    ("The street is free of cars.", "no car"),
    ("The street is entirely free of cars.", "no car"),
    ("The street is devoid of any cars.", "no car"),
    ("The table is bare: no cups, no bottles.", "no bottle + no cup"),
    ("No cups, no bottles, no plates.", "no bottle + no cup + no plate thing"),
    ("Nobody is around.", "no person"),
    ("Nobody is about.", "no person"),
    ("Nobody is outside.", "no person"),
    ("Nobody has come.", "no person"),
    ("Nobody has shown up yet.", "no person"),
    ("Nobody is in the street.", "no person + no person at street"),
    ("Nobody is walking along the street.", "no person doing walking"),
    ("Nobody can be seen in the street.", "no person"),
    ("Not a soul is in the street.", "no person + no soul thing"),
    ("No people are in the street.", "no person"),
    ("No one is there.", "no person"),
    ("There's nobody on the street at this hour.", "no person"),
    ("There is nobody else.", "person <=2"),
    ("She has no handbag.", "no handbag with someone"),
    ("She carries no handbag.", "no handbag with someone"),
    ("She is not carrying a handbag.", "no handbag with someone"),
    ("She isn't wearing a tie.", "no tie with someone"),
    ("She came without a handbag.", "no handbag with someone"),
    ("She has left her handbag at home.", "no handbag"),
    ("He wears no tie.", "no tie with someone"),
    ("He is without a tie.", "no tie with someone"),
    ("None of them has a handbag.", "no handbag"),
    ("None of the people is carrying a handbag.", "no handbag"),
    ("Neither of them has a handbag.", "no handbag"),
    ("Nobody carries a handbag.", "no handbag"),
    ("A handbag is nowhere to be seen.", "no handbag"),
    ("A handbag is missing from the scene.", "no handbag"),
    ("The handbag is gone.", "no handbag"),
    ("What is missing is a handbag.", "no handbag"),
    ("The picture lacks a dog.", "no dog"),
    ("Dogs are absent from the picture.", "no dog"),
    ("The dog isn't there.", "no dog"),
    ("You won't find a dog in it.", "no dog"),
    ("You can't see any dogs.", "no dog"),
    ("I don't see a dog.", "no dog"),
    ("Any dogs are absent.", "no dog"),
    ("Without a dog in sight, the street is quiet.", "no dog"),
    ("It is a street without cars.", "no car"),
    ("The street, without any cars, is quiet.", "no car"),
    ("With no cars in sight, the street is quiet.", "no car"),
    ("The street is empty of cars.", "no car"),
    ("Cars are not to be found.", "no car"),
    ("Not one car is on the street.", "no car"),
    ("Not a single car has been parked here.", "no car"),
    ("Zero cars are on the street.", "no car"),
    ("A dog is not present.", "no dog"),
    ("There's a cat but no dog.", "no dog"),
    ("The wall has no clock on it.", "no clock at wall"),
    ("Has anyone got a handbag?|No, nobody seems to carry one.", "no handbag with anyone"),
    ("Is anyone wearing a tie?|No, nobody is.", "no tie with anyone"),
    ("Do any of them have umbrellas?|No.", "no umbrella with anyone"),
    ("Are there any dogs?|There are none.", "no dog"),
    ("Are there any dogs?|None at all.", "no dog"),
    ("Is there a clock?|I can't see one.", "no clock"),
    ("Is there a clock on the wall?|No, the wall is bare.", "no clock"),
    ("Does the woman have a handbag?|No, she doesn't.", "no handbag with someone"),
    ("Are there people in the picture?|No, there aren't any.", "no person"),
    ("There is not a single person in sight.", "no person"),
    ("There's not a car in sight.", "no car"),
    ("Cars are conspicuously absent.", "no car"),
    ("The beach is deserted; there isn't a person on it.", "no person"),
    ("No one accompanies the dog.", ""),
    ("She is not holding anything.", ""),
    ("There are no boats on the water.", "no boat"),
    ("There are no boats out on the lake.", "no boat"),
    ("The sky is free of kites.", "no kite"),
    ("No kite is in the air.", "no kite at air"),
    ("No bus is coming.", "no bus"),
    ("No bus has stopped here.", ""),
    ("There are neither cars nor buses.", "no bus + no car"),
    ("Not a single boat floats on the lake.", "no boat"),
    ("The table has nothing on it, not even a cup.", "no cup"),
    ("One thing that's missing is a clock.", "no clock"),
    ("The room doesn't have a clock.", "no clock"),
    ("The room has got no clock.", "no clock"),
    ("The room comes without a clock.", "no clock"),
    ("The kitchen is not equipped with an oven.", "no oven"),
    ("The kitchen isn't fitted with an oven.", "no oven"),
    ("The dog is not wearing a collar.", "no collar thing"),
    ("The dog wears no collar.", "no collar thing"),
    ("There's no trace of a dog.", "no dog"),
    ("Any trace of a dog is missing.", "no dog"),
    ("The dog has been left at home.", "no dog"),
    ("He has forgotten his umbrella.", "no umbrella"),
    ("There's nothing to sit on: no bench, no chair.", "no bench + no chair"),
    ("Nobody else is in the picture.", "person <=2"),
    ("No animals are to be seen.", "no animal"),
    ("There are no other vehicles on the road.", "vehicle <=2"),
    ("Apart from the bus, no vehicle is on the road.", ""),
    ("He's bareheaded, with no hat on.", "no hat thing"),
    ("The plate holds no pizza.", "no pizza"),
    ("On the plate there is no pizza.", "no pizza"),
    ("The cake has no candles on it.", "no candle thing"),
    ("Are there any cars?|No, not a single one.", "no car"),
    ("Are there any cars?|No, the street is empty.", "no car"),
    ("Does anyone have an umbrella?|No one does.", "no umbrella with anyone"),
    ("Is anyone holding an umbrella?|No.", "no umbrella with anyone"),
    ("Is there a dog in the room?|No, there isn't.", "no dog"),
    ("Is there a bench?|No, there's nowhere to sit.", "no bench"),
    ("Can a clock be seen?|No.", "no clock"),
    ("Do you see any horses?|No, I don't.", "no horse"),
    ("Are any boats out there?|No, there is no boat around.", "no boat"),
    ("Is the bench occupied?|No, nobody is sitting on it.", "no person doing sitting"),
)  # fmt: skip
NUMBERS = (
    ("The image features a total of seven dogs.", "dog 7"),
    ("Seven dogs in total are on the road.", "dog 7"),
    ("There are seven dogs altogether, all of them asleep.", "dog 7"),
    ("In all, seven dogs can be counted.", "dog 7"),
    ("A group of seven dogs rests on the grass.", "dog >=7"),
    ("The group consists of seven dogs.", "dog >=7"),
    ("The pack numbers seven dogs.", "dog 7"),
    ("A trio of dogs rests on the grass.", "dog >=3"),
    ("A pair of dogs rests on the grass.", "dog 2"),
    ("Two dogs and three cats share the couch.", "cat >=3 + dog 2"),
    ("The picture contains just a single dog.", "dog 1"),
    ("A solitary dog stands in the field.", "dog <=1"),
    ("There is but one dog.", "dog 1"),
    ("No more than two dogs are in the picture.", "dog <=2"),
    ("No fewer than ten dogs are on the road.", "dog >=10"),
    ("Upwards of ten dogs are on the road.", "dog >=10"),
    ("More than a dozen dogs are on the road.", "dog >=13"),
    ("Dozens of dogs fill the road.", "dog >=2"),
    ("Some ten dogs are on the road.", "dog >=5"),
    ("There's one dog and nothing else.", "dog 1"),
    ("The dog is the only animal in the picture.", "animal 1"),
    ("Besides the dog, there are two other dogs.", "dog >=2"),
    ("A second and a third dog follow.", ""),
    ("Each of the four dogs has a collar.", "dog >=4"),
    ("All four dogs are asleep.", "dog 4"),
    ("Both dogs are asleep.", "dog >=2"),
    ("The five dogs are lined up.", "dog >=5"),
    ("A dog is accompanied by two more dogs.", "dog >=2"),
    ("Three dogs, a cat and two cups are visible.", "cup 2 + dog 3"),
    ("Another two dogs wait.", "dog >=2"),
    ("The couch seats three dogs.", ""),
    ("I can make out seven dogs.", "dog 7"),
    ("Seven of the dogs are asleep.", "dog >=7"),
    ("There are five dogs on the left and two on the right.", "dog >=5 + dog left + dog right"),
    ("A couple of dogs and a cat rest.", "dog >=2"),
    ("Several dogs rest.", "dog >=2"),
    ("How many dogs are there?|Seven in total.", "dog 7"),
    ("How many dogs are there?|There are seven in all.", "dog 7"),
    ("How many dogs are there?|I can count seven dogs.", "dog 7"),
    ("How many dogs are there?|Seven of them.", "dog 7"),
    ("How many dogs can you see?|Just the one.", "dog 1"),
    ("How many dogs can you see?|Only one, on the left.", "dog 1 + dog left"),
    ("How many people are waiting?|Three people are waiting.", "person >=3"),
    ("Is there more than one dog?|Yes, there are three.", "dog 3 + dog >=2"),
    ("Is there only one dog?|No, there are two.", "dog 2"),
    ("Are there several dogs?|No, only one.", "dog 1"),
    ("How many dogs?|Three, all of them asleep.", "dog 3"),
    ("The bench is flanked by two potted plants.", "potted plant >=2"),
    ("A herd of about twenty cows is spread across the meadow.", "cow >=10"),
    ("The street is lined with a dozen parked cars.", "car >=12"),
    ("Counting the one in the back, there are five cars.", "car >=5 + car background"),
    ("Five cars are parked along the curb.", "car >=5"),
    ("The picture is home to no fewer than six cats.", "cat >=6"),
    ("Six cats, no more and no less, can be seen.", "cat 6"),
    ("A family of five sits at the table.", ""),
    ("The table has been laid for six people.", ""),
    ("Two more umbrellas lean against the wall.", "umbrella >=2"),
    ("The scene includes three people: two men and a woman.", "person 3 + person >=2"),
    ("A single file of seven elephants crosses the road.", "elephant >=7"),
    ("Seven elephants walk in single file.", "elephant >=7"),
    ("Among the four skiers, one has fallen.", "person >=4"),
    ("Each of the three people holds a phone.", "person >=3 + person holding cell phone"),
    ("The horses, four in number, graze.", "horse 4"),
    ("The horses number four.", "horse 4"),
    ("There are as many as ten boats in the harbor.", "boat >=10"),
    ("The dog has two companions, both cats.", "cat >=2 + companion >=2"),
    ("Not one but two dogs are in the picture.", "dog >=2"),
    ("Half a dozen sheep graze in the field.", "sheep >=6"),
    ("A lone surfer rides the wave.", "person <=1"),
    ("A solitary bench is all there is.", "bench 1"),
    ("Only two of the chairs are taken.", "chair >=2"),
    ("The sheep are three in total.", "sheep 3"),
    ("You can see four giraffes, two of which are grazing.", "giraffe 4"),
    ("Three giraffes, one of them a calf, stand there.", "giraffe 3"),
    ("There are two giraffes rather than three.", "giraffe 2"),
    ("There must be at least fifteen people.", ""),
    ("It holds four donuts and a cup.", "donut 4"),
    ("The plate holds four donuts.", "donut 4"),
    ("On the plate are four donuts.", "donut 4"),
    ("The man has brought along two dogs.", "dog 2"),
    ("Three people sit there. The four of them are having lunch.", "person >=3 + person >=4"),
)  # fmt: skip
RELATIONS = (
    ("The smaller boat is to the right of the large one.", "boat right of boat"),
    ("A kite flies high above the man's head.", "kite above person"),
    ("The dog lies beneath the table.", "dog below dining table"),
    ("Underneath the table lies a dog.", "dog under dining table"),
    ("A cat can be seen right behind the dog.", "cat behind dog"),
    ("Immediately to the left of the dog sits a cat.", "cat left of dog"),
    ("The cat is found to the dog's left.", "cat left of dog"),
    ("The cat is on the left side of the dog.", "cat left of dog"),
    ("The dog has a cat on its left.", "cat left of dog"),
    ("The cat sits left of the dog, and the cup is right of it.", "cat left of dog"),
    ("The dog sits between the cat and the cup.", "dog between cat cup"),
    ("The cat is next to the dog, not behind it.", "cat next to dog"),
    ("The bus trails the car.", "bus behind car"),
    ("The cup is placed on top of the book.", "cup on book"),
    ("The book lies under the cup.", "book under cup"),
    ("The cup stands in the sink.", "cup in sink"),
    ("The cat lies inside the suitcase.", "cat in suitcase"),
    ("The dog is in front of the bench, with its back to it.", "dog in front of bench"),
    ("In front of the dog is a cat.", "cat in front of dog"),
    ("The cup is nearer to the camera than the bottle.", "cup nearer bottle"),
    ("The cup stands closer to the viewer than the bottle does.", "cup nearer bottle"),
    ("The bottle is farther away than the cup.", "bottle farther cup"),
    ("The clock hangs above the couch.", "clock above couch"),
    ("The couch is below the clock.", "couch below clock"),
    ("The dog is lower in the picture than the cat.", "dog below cat"),
    ("The bus stands to the right of both dogs.", "bus right of dog + dog >=2"),
    ("The dog sits on the couch, to the right of a cat.", "dog on couch + dog right of cat"),
    ("To the right of the couch, there is a dog.", "dog right of couch"),
    ("The man stands beside his bicycle.", "person next to bicycle"),
    ("The man rides a bicycle.", "person holding bicycle"),
    ("The man is riding on a horse.", "person on horse"),
    ("The woman carries a handbag over her shoulder.", "person holding handbag"),
    ("The woman holds a cup in her left hand.", "person holding cup"),
    ("The cup in her hand is white.", ""),
    ("A man with a dog on a leash walks by.", ""),
    ("The dog is to the left of the cat and to the right of the cup.", "dog left of cat + dog right of cup"),
    ("Both dogs are to the left of the cat.", "dog >=2 + dog left of cat"),
    ("The dog and the cat are left of the cup.", "cat left of cup + dog left of cup"),
    ("From left to right, one sees a dog, a cat and a cup.", "cat left of cup + dog left of cat"),
    ("The dog is left of center, while the cat is to its right.", "cat right of dog + dog left"),
    ("Where is the dog in relation to the cat?|It is to the left.", "dog left + dog left of cat"),
    ("Is the dog left or right of the cat?|Left.", "dog left of cat"),
    ("A woman at the sink holding a cup smiles.", "person holding cup"),
    ("There is a street with a bus following a car.", "bus behind car"),
    ("The car at the right edge stands to the left of the bus.", "car right"),
    ("The cup is in the lower left corner of the bench.", "cup at left of bench"),
)  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), (*WHAT_STANDS_FOR_A_THING, *PLACES, *DENIALS, *NUMBERS, *RELATIONS))
def test_what_is_read(text, expected):
    assert told(text) == expected


def box(category: str, left: float, top: float, right: float, bottom: float) -> Box:
    return Box(category, (left, top, right, bottom), (right - left) * (bottom - top))


def row_of(category: str, n: int, *, y: float = 0.4, width: float = 0.06) -> tuple[Box, ...]:
    """So many things side by side from the left edge on."""
    return tuple(box(category, 0.08 * k, y, 0.08 * k + width, y + 0.2) for k in range(n))


def verdict(kind: str, text: str, boxes, captions=()) -> str:
    question, _, answer = text.rpartition("|")
    image = AnnotatedImage("1", "1.jpg", 100, 100, tuple(captions), tuple(boxes))
    (turn,) = judge_turns((Turn(question or "Tell me?", answer),), image, NAMES, ChecksSettings())
    found = [claim.verdict for claim in turn.claims if claim.kind == kind]
    return "contradicted" if "contradicted" in found else found[-1] if found else "not read"


AGAINST, OPEN, BOTH, BOXES = "contradicted", "unknown", "supported_by_both", "supported_by_boxes"
LEFT, RIGHT, TINY = (0.05, 0.3, 0.3, 0.6), (0.7, 0.3, 0.95, 0.6), (0.5, 0.5, 0.52, 0.52)
HERD = row_of("sheep", 9)
GROUP = ("a group of sheep", "a herd of sheep on a road")
MAN = (box("person", 0.3, 0.1, 0.7, 0.9),)


@pytest.mark.parametrize(
    ("text", "boxes", "captions", "expected"),
    [
        ("Most of the sheep are on the right.", row_of("sheep", 5), (), AGAINST),
        ("Most of the sheep are on the left.", row_of("sheep", 5), (), BOXES),
        ("All of the sheep are on the right.", (box("sheep", *LEFT), box("sheep", *RIGHT)), (), AGAINST),
        ("Three of the sheep are on the right.", row_of("sheep", 5), (), AGAINST),
        ("Two of the sheep are on the right.", (box("sheep", *LEFT), box("sheep", *RIGHT)), (), AGAINST),
        ("One of the sheep is on the right.", (box("sheep", *LEFT), box("sheep", *RIGHT)), (), BOXES),
        ("Two dogs rest here, on the left and on the right.", (box("dog", *LEFT), box("dog", *RIGHT)), (), OPEN),
        ("One of the people is on the left, another is on the right.", (box("person", *LEFT), box("person", *RIGHT)), (), BOXES),
        ("The dog and the cat are on the left.", (box("dog", *RIGHT), box("cat", *LEFT)), (), AGAINST),
    ],
)  # fmt: skip
def test_places_of_many(text, boxes, captions, expected):
    assert verdict("place", text, boxes, captions) == expected


@pytest.mark.parametrize(
    ("text", "boxes", "captions", "expected"),
    [
        ("The image shows two sheep on a beach.", HERD, GROUP, AGAINST),
        ("The image shows two sheep on a beach.", HERD, ("two sheep", *GROUP), BOTH),
        ("Look: two sheep on a beach stand out.", HERD, GROUP, BOXES),
        ("Two sheep on a beach look at us.", row_of("sheep", 5), GROUP, BOXES),
        ("Only two sheep are gathered on the road.", HERD, (), AGAINST),
        ("Only two sheep near the gate look up.", row_of("sheep", 4), (), OPEN),  # more may be elsewhere
        ("Only two surfers are there.", row_of("person", 8), ("surfers on a wave",), AGAINST),
        ("Only two surfers are there.", row_of("person", 8), ("people on a beach",), OPEN),
        ("Only one visitor has come.", row_of("person", 8), (), AGAINST),
        ("Only one woman has come.", row_of("person", 8), ("a woman",), OPEN),
        ("About thirty people wait.", row_of("person", 2), (), AGAINST),
        ("About five people wait.", row_of("person", 3), (), BOXES),
        ("There are nine animals.", row_of("horse", 3), ("some horses",), AGAINST),
        ("There are five animals.", row_of("horse", 3), ("some horses",), OPEN),
        ("The picture shows three bears.", (box("teddy bear", *LEFT),), ("two bears", "a teddy bear"), AGAINST),
        ("There are eight candles.", MAN, ("a candle",) * 3, AGAINST),
        ("There are eight candles.", MAN, ("a candle", "candles", "a candle", "a candle"), OPEN),
        ("Three lamps hang there.", MAN, ("two lamps", "a couple of lamps", "two lamps"), AGAINST),
        ("Two lamps hang there.", MAN, ("two lamps",), "supported_by_caption"),
        ("Only one sign hangs there.", MAN, ("signs on a pole",) * 3, AGAINST),
        ("Only one sign hangs there.", MAN, ("signs on a pole", "the sign", "signs"), OPEN),
        ("A lamp hangs there.", MAN, ("signs",), "not read"),
        ("Five men stand there.", (box("person", *LEFT), box("person", 0.05, 0.31, 0.3, 0.6)), ("three men",) * 2, AGAINST),
    ],
)  # fmt: skip
def test_numbers(text, boxes, captions, expected):
    assert verdict("count", text, boxes, captions) == expected


@pytest.mark.parametrize(
    ("text", "boxes", "captions", "expected"),
    [
        ("A bat lies at his feet.", MAN, ("a baseball catcher",), AGAINST),
        ("A bat lies at his feet.", MAN, ("a man in a cave",), OPEN),
        ("A potted cactus stands there.", MAN, ("a man",), AGAINST),
        ("A bartender serves them.", (box("teddy bear", *LEFT),), ("a teddy bear",), AGAINST),
        ("The bartender may come soon.", (box("teddy bear", *LEFT),), ("a teddy bear",), OPEN),
        ("An old couple is sitting there.", (box("bench", *LEFT),), ("a bench",), AGAINST),
        ("A couple of birds sit there.", (box("bench", *LEFT),), ("a bench",), "not read"),
        ("There is a cat underneath it.", MAN, ("a man",), AGAINST),
    ],
)  # fmt: skip
def test_what_is_there(text, boxes, captions, expected):
    assert verdict("presence", text, boxes, captions) == expected


@pytest.mark.parametrize(
    ("text", "boxes", "captions", "expected"),
    [
        ("No bench has been installed.", (box("bench", *LEFT),), (), AGAINST),
        ("No dog is left of the bench.", (box("dog", *RIGHT), box("bench", *LEFT)), (), "not read"),
        ("No dog has been hurt.", (box("dog", *RIGHT),), (), "not read"),
        ("There are no dogs.", (box("dog", *TINY),), (), OPEN),  # nobody need see it
        ("There are no dogs.", row_of("dog", 3, width=0.001), (), AGAINST),
        ("There's no clock above the door.", (), ("a clock over a door", "a door under a clock"), AGAINST),
        ("There's no clock above the door.", (), ("a clock over a door", "a door"), OPEN),
        ("There's no lamp above the door.", (), ("a lamp over a door", "a door under a lamp"), AGAINST),
        ("She has no handbag.", (*MAN, box("person", *LEFT), box("handbag", *RIGHT)), (), OPEN),
        ("She has no handbag.", (*MAN, box("handbag", 0.4, 0.4, 0.5, 0.5)), (), AGAINST),
        ("Has anyone got a handbag?|No.", (*MAN, box("handbag", 0.4, 0.4, 0.5, 0.5)), (), AGAINST),
        ("Has anyone got a handbag?|No.", (*MAN, box("handbag", 0.8, 0.4, 0.9, 0.5)), (), OPEN),
        ("Nobody is out and about.", MAN, (), AGAINST),
        ("Nobody is out of the water.", MAN, (), "not read"),
        ("None of them carries a bag.", row_of("handbag", 3, width=0.001), (), AGAINST),
    ],
)  # fmt: skip
def test_denials(text, boxes, captions, expected):
    assert verdict("absence", text, boxes, captions) == expected


SMALL_BOAT, LARGE_BOAT = box("boat", 0.02, 0.7, 0.12, 0.8), box("boat", 0.3, 0.2, 0.8, 0.8)


@pytest.mark.parametrize(
    ("text", "boxes", "captions", "expected"),
    [
        ("The smaller boat is to the right of the large one.", (SMALL_BOAT, LARGE_BOAT), (), AGAINST),
        ("The smaller boat is to the left of the large one.", (SMALL_BOAT, LARGE_BOAT), (), BOXES),
        ("One boat lies on top of the other.", (SMALL_BOAT, LARGE_BOAT), (), AGAINST),
        ("One boat lies behind the other.", (SMALL_BOAT, LARGE_BOAT), (), OPEN),
        ("The bus is to the right of all the cars.", (box("bus", 0, 0, 0.2, 0.9), *(box("car", *RIGHT),) * 3), (), AGAINST),
        ("The cup stands behind the bottle.", (box("cup", 0.5, 0.2, 0.6, 0.5), box("bottle", 0.3, 0, 0.4, 0.35)), (), AGAINST),
        ("The dog lies on top of the bench.", (box("dog", 0.8, 0.8, 0.9, 1), box("bench", 0.2, 0.4, 0.78, 1)), (), AGAINST),
        ("The cup stands in the sink.", (box("cup", *LEFT), box("sink", *RIGHT)), (), AGAINST),
        ("The cup stands in the sink.", (box("cup", *LEFT), box("sink", 0, 0.5, 0.5, 0.9)), (), OPEN),
        ("A kite flies above his head.", (*MAN, box("kite", 0.4, 0.7, 0.5, 0.8)), (), AGAINST),
        ("A kite flies above his head.", (*MAN, box("kite", 0.4, 0.0, 0.5, 0.1)), (), BOXES),
        ("The cat has a dog on its left.", (box("cat", *RIGHT), box("dog", *LEFT)), (), BOXES),
        ("The bus is in front of the car.", (box("bus", *RIGHT), box("car", *LEFT)), ("a bus following a car",), AGAINST),
        ("The vase is next to the table.", (), ("a vase on a table",) * 2, "not read"),
        ("The cup is next to the table.", (), ("a cup on a table",) * 2, AGAINST),
        ("The cup is next to the table.", (), ("a cup on a table",), OPEN),
        ("The bottle is left of the sink.", (box("bottle", 0.5, 0, 0.6, 0.3), box("sink", 0, 0.2, 0.7, 0.8)), (), AGAINST),
    ],
)  # fmt: skip
def test_relations(text, boxes, captions, expected):
    assert verdict("relation", text, boxes, captions) == expected
