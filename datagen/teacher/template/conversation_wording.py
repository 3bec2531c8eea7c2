"""Wordings of a conversation's questions and answers, one table per kind; a pick starts with a capital."""

from __future__ import annotations

SHOWN_Q = (
    "What is shown in this image?", "What can you see in the picture?", "What does this photo show?",
    "What is the main subject of the image?", "Can you tell me what is in this picture?",
    "How would you sum up this scene in a sentence?", "What is going on in this picture?",
)  # fmt: skip
SHOWN_PHRASE = (
    "The image shows {text}.", "This is a view of {text}.", "The picture shows {text}.", "It shows {text}.",
    "You can see {text}.", "The scene shows {text}.",
)  # fmt: skip
SHOWN_CLAUSE = ("In this image, {text}.", "In the picture, {text}.", "Here, {text}.", "In this scene, {text}.")
SECOND_PHRASE = (
    "In other words, it shows {text}.", "It could also be described as {text}.", "Put differently, it shows {text}.",
    "One could also speak of {text}.", "Seen another way, the picture shows {text}.",
)  # fmt: skip
COUNT_Q = (
    "How many {names} are there in the image?", "How many {names} can you see?", "What is the number of {names} here?",
    "Can you count the {names} in the picture?", "How many {names} does the image show?",
    "How many {names} are visible?",
)  # fmt: skip
COUNT_A = (
    "{there} in the image.", "{there} in the picture.", "The image shows {amount}.", "I can count {amount} here.",
    "{there} to be seen.", "You can see {amount} in this scene.",
)  # fmt: skip
COUNT_OPEN_A = (
    "There are at least {amount} in the image.", "At least {amount} can be made out, and there may be more.",
    "I can make out at least {amount}; the exact number is hard to tell.",
    "The picture shows at least {amount}.", "It is hard to be exact, but at least {amount} are there.",
)  # fmt: skip
WHERE_Q = (
    "Where {be} {the} in the image?", "Where in the picture {be} {the}?", "In which part of the frame {be} {the}?",
    "Can you tell me where {the} {be}?", "Where can I find {the} in this scene?", "Where {be} {the} located?",
)  # fmt: skip
WHERE_A = (
    "{the} {be} {place}.", "You can find {the} {place}.", "{the} can be seen {place}.",
    "Look for {the} {place}.", "{the} {appear} {place}.",
)  # fmt: skip
SIDE_ALL_Q = (
    "On which side of the image are the {names}?", "Are the {names} on the left or on the right?",
    "Which half of the picture holds the {names}?", "On what side would I look for the {names}?",
)  # fmt: skip
SIDE_ALL_A = (
    "All {n} of them are {place}.", "The {names} are all {place}.", "You can find all {n} {names} {place}.",
    "They are {place}, all {n} of them.",
)  # fmt: skip
THERE_Q = (
    "{be} there {a} in the image?", "Can you see {a} in this picture?", "Does the image show {a}?",
    "{be} there {a} anywhere in the scene?", "Do you notice {a} here?", "Can {a} be found in the photo?",
)  # fmt: skip
YES_A = (
    "Yes, there {be} {amount} {place}.", "Yes, {amount} can be seen {place}.", "Yes, you can see {amount} {place}.",
    "Yes, the image shows {amount} {place}.",
)  # fmt: skip
YES_OPEN_A = (
    "Yes, there {be} {amount} in the image.", "Yes, {amount} can be seen here.", "Yes, the picture shows {amount}.",
    "Yes, the scene includes {amount}.", "Yes, {amount} {be} part of this scene.",
)  # fmt: skip
NO_A = (
    "No, there {be} no {name} in the image.", "No, no {name} can be seen here.", "No, I see no {name} in this picture.",
    "No, the image does not show {any}.", "No, there {be} no {name} to be seen in this scene.",
    "No, no {name} {be} visible.",
)  # fmt: skip
NO_INSTEAD = (
    "No, there {be} no {name} in the image; it shows {present}.",
    "No, the picture shows {present}, but no {name}.", "No, no {name} can be seen here, but {present} can.",
)  # fmt: skip
RELATION_Q = (
    "Where {be} {the_a} in relation to {the_b}?", "How {be} {the_a} placed relative to {the_b}?",
    "What is the position of {the_a} compared with {the_b}?", "Seen from {the_b}, where {be} {the_a} in the image?",
)  # fmt: skip
RELATION_A = ("{the_a} {be} {relation} {the_b}.", "In the image, {the_a} {be} {relation} {the_b}.",
              "{the_a} can be seen {relation} {the_b}.", "You can see {the_a} {relation} {the_b}.")  # fmt: skip
IS_RELATION_Q = (
    "{be} {the_a} {relation} {the_b}?", "In the picture, {be} {the_a} {relation} {the_b}?",
    "Would you say that {the_a} {be} {relation} {the_b}?", "Do you see {the_a} {relation} {the_b}?",
)  # fmt: skip
IS_RELATION_YES = (
    "Yes, {the_a} {be} {relation} {the_b}.", "Yes, that is right: {the_a} {be} {relation} {the_b}.",
    "Yes, {the_a} can be seen {relation} {the_b}.",
)  # fmt: skip
IS_RELATION_NO = (
    "No, {the_a} {be} {relation} {the_b}.", "No, it is the other way around: {the_a} {be} {relation} {the_b}.",
    "No, {the_a} can be seen {relation} {the_b}.",
)  # fmt: skip
LARGER_Q = (
    "Which takes up more of the picture, {the_a} or {the_b}?", "{do} {the_a} or {the_b} look larger in the frame?",
    "Which appears bigger in the image, {the_a} or {the_b}?", "Which covers more of the frame, {the_a} or {the_b}?",
)  # fmt: skip
LARGER_A = (
    "{the_big} {take} up more of the picture than {the_small}.",
    "{the_big} {appear} larger in the frame than {the_small}.",
    "Of the two, {the_big} {cover} the larger part of the image.",
    "{the_big} {fill} more of the frame than {the_small}.",
)  # fmt: skip
MORE_Q = (
    "Are there more {a} or more {b} in the image?", "Which are there more of, {a} or {b}?",
    "Do you see more {a} or more {b}?", "Which are more numerous in the picture, {a} or {b}?",
)  # fmt: skip
MORE_A = (
    "There are more {name}: {more} against {fewer}.", "The {name} are more numerous, with {more} against {fewer}.",
    "There are more {name}, as the image shows {more} and {fewer}.", "{more} can be seen against {fewer}.",
)  # fmt: skip
MORE_SHOWN_Q = (
    "Can you add another detail about the scene?", "How else could one describe the picture?",
    "What more can you say about the picture?", "Is there another way to describe the scene?",
)  # fmt: skip
SIDE_BOTH_A = (
    "Both of them are {place}.", "Both {names} are {place}.", "You can find both {names} {place}.",
    "They are both {place}.",
)  # fmt: skip
ELSE_Q = (
    "What else can be seen?", "What other things are in the picture?", "Which other objects are there?",
    "What else would you point out in the scene?", "What else is in view?", "What more does the image show?",
)  # fmt: skip
ELSE_A = (
    "The scene also includes {things}.", "You can also see {things}.", "There {be} also {things} in the picture.",
    "Apart from that, the image also shows {things}.", "The picture also shows {things}.",
)  # fmt: skip
DOING_Q = (
    "What is the {who} doing?", "What is the {who} in the picture doing?", "Can you describe what the {who} is up to?",
    "How would you describe the activity of the {who}?",
)  # fmt: skip
DOING_A = ("The {who} is {doing}.", "In this scene, the {who} is {doing}.", "The {who} can be seen {doing}.")
COLOR_Q = ("What color {be} {the}?", "Which color {be} {the} in the picture?", "Can you tell me the color of {the}?",
           "How would you describe the color of {the}?")  # fmt: skip
COLOR_A = ("{the} {be} {color}.", "{the} in the image {be} {color}.", "{the} {be} {color} in color.")
PLACE_Q = ("What kind of place is this?", "Where does this scene take place?", "Where was this picture taken?",
           "What is the setting of the image?")  # fmt: skip
PLACE_A = ("The scene is set {where}.", "The picture was taken {where}.", "This is {place}.",
           "The setting is {place}.")  # fmt: skip
SIZE_Q = (
    "How large does {the} appear in the frame?", "How much of the picture does {the} take up?",
    "What share of the image does {the} fill, roughly?", "How much room does {the} get in the frame?",
)  # fmt: skip
FILLS_MOST = (
    "{the} {take} up most of the frame.", "Most of the picture is filled by {the}.", "{the} {fill} most of the view.",
    "The frame belongs mostly to {the}.", "{the} {dominate} the frame, filling most of it.",
)  # fmt: skip
FILLS_MUCH = (
    "{the} {take} up a large part of the frame.", "A large share of the picture goes to {the}.",
    "{the} {fill} a good part of the view.", "{the} {stand} out by sheer size in the frame.",
)  # fmt: skip
IS_SMALL = (
    "{the} {be} small in the frame.", "{the} {take} up only a small part of the picture.",
    "Only a small part of the frame shows {the}.", "{the} {occupy} just a small patch of the view.",
)  # fmt: skip
