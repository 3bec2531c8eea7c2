"""Wordings of reasoning questions and of the steps that answer them, one table per kind."""

from __future__ import annotations

ORDER_Q = (
    "If you moved from the left edge of the image to the right, in which order would you meet {things}?",
    "Put {things} in order from left to right, and explain how you know.",
    "Reading the picture from left to right, how do {things} follow one another?",
    "Which comes first, second and third from the left among {things}, and why?",
)
ORDER_A = (
    "Start on the left with {the_1}: {the_2} {be_2} {inv_12} {the_1}. In turn, {the_3} {be_3} {inv_23} {the_2}. From "
    "left to right the order is therefore {the_1}, {the_2}, and {the_3}.",
    "{the_2} {be_2} {inv_12} {the_1} and {rel_23} {the_3}, so {it_2} must stand between the two. Going from left to "
    "right, one meets {the_1} first, then {the_2}, and finally {the_3}.",
    "Of the three, {the_1} {be_1} farthest left, and {the_3} {be_3} farthest right. That leaves {the_2} in between. "
    "A walk across the picture would pass {the_1}, {the_2}, and {the_3}, in this order.",
    "First compare {the_1} with {the_2}: {the_1} {be_1} {rel_12} {the_2}. Then compare {the_2} with {the_3}: {the_3} "
    "{be_3} {inv_23} {the_2}. Taken together, {the_1} {come} first, {the_2} second, and {the_3} last.",
)
BETWEEN_Q = (
    "Looking across the image, which of {things} lies between the other two?",
    "Among {things}, which one is in the middle when you look from left to right, and how can you tell?",
    "Which of {things} would you pass second on the way from the left edge to the right edge?",
)
BETWEEN_A = (
    "It is {the_2}. {the_1} {be_1} {rel_12} {the_2}, and {the_3} {be_3} {inv_23} {the_2}, so {the_2} {be_2} in "
    "between.",
    "{the_2} {be_2} the answer, because {the_1} {be_1} {rel_12} {the_2} while {the_3} {be_3} {inv_23} {the_2}. Neither "
    "of the others has something on both sides.",
    "To find out, look at the two ends first: {the_1} {be_1} the leftmost and {the_3} the rightmost of the three. What "
    "remains is {the_2}, which {be_2} {inv_12} {the_1} and {rel_23} {the_3}.",
)
SEATS_Q = (
    "Are there enough chairs for everyone to sit down?", "Could each person in view have a chair?",
    "If all of the people wanted to sit on a chair, would the chairs in view be enough?",
    "Would anyone be left standing if everybody took one of the chairs?",
)  # fmt: skip
SEATS_ENOUGH = (
    "One can count {people} and {chairs}. As there are not fewer chairs than people, each person could have one. This "
    "holds for what is in view; there may be more outside of the frame.",
    "Compare the two numbers: {chairs} and {people}. The chairs are enough, as far as the picture shows, though more "
    "people could be just out of view.",
)
SEATS_FEW = (
    "One can count {people} but only {chairs}. If each chair holds one person, the chairs in view are not enough, "
    "although more seats may stand outside of the frame.",
    "The picture shows {chairs} for {people}. Judging by what is visible, someone would be left without a chair, "
    "unless there are others out of view.",
)
COMPARE_Q = (
    "If every one of the {a} were paired with one of the {b}, would any be left over?",
    "Are there more {a} or more {b} here, and by how many?",
    "How do the numbers of {a} and {b} compare, and what is the difference?",
    "Could you pair up the {a} and the {b} without a remainder?",
)
COMPARE_A = (
    "Count each kind first: there {be_a} {n_a} and {n_b}. {verdict}",
    "The image shows {n_a}, and it also shows {n_b}. {verdict}",
    "To answer, one needs two numbers. There {be_a} {n_a}; next to that there {be_b} {n_b}. {verdict}",
    "Going through the picture, one finds {n_a} on one hand and {n_b} on the other. {verdict}",
)
COMPARE_DIFFER = (
    "That makes {diff} more of the {more}, so {diff} would be left over after pairing.",
    "The {more} are ahead by {diff}, and pairing them up would leave {diff} without a partner.",
    "So the {more} outnumber the {fewer} by {diff}; that many would remain without a counterpart.",
)
COMPARE_SAME = (
    "The numbers are the same, so each could be paired with one of the other kind and nothing would be left over.",
    "As both numbers agree, pairing them up would leave nothing over.",
)
DISTANCE_Q = (
    "Which takes up more of the picture, {the_a} or {the_b}, and what could this say about their distance from the "
    "camera?",
    "Compare how large {the_a} and {the_b} look in the frame. What may explain the difference?",
    "Why might {the_big} look so much larger in the image than {the_small}?",
    "What can be learned from the sizes at which {the_a} and {the_b} appear in the frame?",
)
DISTANCE_A = (
    "{the_big} {cover} far more of the frame than {the_small}. There are two possible reasons: {the_big} may simply be "
    "larger, or the camera may be closer to {the_big}. {hint}",
    "In the picture, {the_small} {fill} a small fraction of the area that {the_big} {fill_big}. Apparent size mixes "
    "real size with distance, so one of the two, or both, must be at work. {hint}",
    "Measured by area in the image, {the_big} clearly {come} first and {the_small} second. Whatever is large or near "
    "looks large. {hint}",
)
LOWER_HINT = (
    "Here {the_big} also {reach} farther down in the frame, which often means that something is nearer.",
    "That {the_big} {reach} closer to the bottom of the frame speaks for a shorter distance as well.",
)
NO_HINT = (
    "The picture alone does not settle which of the two it is.",
    "Which of them counts for more cannot be read from the sizes alone.",
    "Knowing their real sizes would decide between the two.",
)
PLACE_Q = (
    "What kind of place is this, and which details give it away?", "How can one tell where this picture was taken?",
    "Which things in view suggest what sort of place this is?", "What evidence is there for the setting of this scene?",
    "Where does the scene most likely take place, and what supports that?",
)  # fmt: skip
PLACE_A = (
    "The clearest clues are {things}. Each of them could be found elsewhere, but together they point to "
    "{place}.{quote}",
    "One can see {things}. Such things belong together {where}, so this is most likely the setting.{quote}",
    "{things} stand out as clues. Taken together, they fit {place} better than other places.{quote}",
    "Look at what is there: {things}. It is the combination that speaks for {place}.{quote}",
)
STATEMENT_Q = (
    'Which of these statements is right: "{first}" or "{second}"?',
    'One person says "{first}" and another says "{second}" Who is right, and why?',
    'Two descriptions disagree: "{first}" and "{second}" Which one fits the image?',
    'Only one of these is true: "{first}" or "{second}" Which one, and how can you tell?',
)
STATEMENT_A = (
    "Look at both in turn: {at_a}, and {at_b}. It follows that {truth}, so the {which} statement is right.",
    "The {which} one is right. In the image {at_a}, while {at_b}; in other words, {truth}.",
    "In the picture, {at_a} and {at_b}. The {which} statement agrees with this, and the other one has it the wrong "
    "way around.",
)
ACTIVITY_Q = (
    "What is happening in this scene, and what in the image supports it?",
    "What seems to be going on here, and which details tell you so?",
    "How would you interpret this scene, judging by what can be seen?",
    "What can be concluded about this scene from the things in it?",
    "What story does this picture tell, and what is it based on?",
)
ACTIVITY_MORE = (
    "This is supported by what can be seen: {things}.", "The things in view fit this: {things}.",
    "Several details back this up, namely {things}.", "The evidence is in the picture itself, which shows {things}.",
)  # fmt: skip
ACTIVITY_ONE = (
    "The clue is {things}, which can be seen clearly.", "This is supported by {things} in view.",
    "The main piece of evidence is {things}.", "The main clue is {things} in plain view.",
)  # fmt: skip
ACTIVITY_PLACE = (
    "In detail, {the} {be} {place}.", "For a closer look, {the} {be} {place}.", "Note that {the} {be} {place}.",
    "As for where to look, {the} {be} {place}.",
)  # fmt: skip
SCENE = (
    "The image shows {things}.",
    "The scene holds {things}.",
    "The picture holds {things}.",
    "Take stock first: {things}.",
)
COVERED_Q = (
    "If the {side} half of the image were covered, which of {things} could still be seen?",
    "Suppose someone covers the {side} half of the picture. Which of {things} would remain visible?",
    "Imagine that only the {other} half of the image is left. Which of {things} would it still show?",
    "A sheet of paper hides the {side} half of the photo. What is left to see of {things}?",
)
COVERED_A = (
    "{hidden} {be_hidden} in the {side} half and would disappear. {kept} {be_kept} in the {other} half and would still "
    "be seen.",
    "Go through them by side: {hidden} {be_hidden} on the {side}, and {kept} {be_kept} on the {other}. With the {side} "
    "half covered, {kept} would remain.",
    "Of these, {kept} would remain. The reason is that {kept} {be_kept} entirely in the {other} half, while {hidden} "
    "{be_hidden} in the {side} half that is hidden.",
)
MIRROR_Q = (
    "If the picture were flipped left to right, on which side would {the} be?",
    "In a mirror image of this scene, where would {the} appear, on the left or on the right?",
    "Imagine seeing this picture in a mirror. On which side would you find {the}?",
    "Suppose the photo was printed the wrong way around. Which side would {the} be on then?",
)
MIRROR_A = (
    "Right now {the} {be} {place}. A mirror swaps left and right, so {the} would end up on the {other}.{and_two}",
    "On the {other}. In the image as it is, {the} {be} {place}, and flipping it exchanges the two sides.{and_two}",
    "Flipping keeps heights and swaps sides. As {the} {be} {place} now, the new place would be on the "
    "{other}.{and_two}",
    "To answer, first find {the}, {place}. Left becomes right in a mirror and right becomes left, which puts {the} on "
    "the {other}.{and_two}",
)
MIRROR_TWO = (
    " By the same rule {the_b}, now {place_b}, would be on the {other_b}.",
    " {the_b}, which {be_b} {place_b}, would likewise turn up on the {other_b}.",
)
TAKE_Q = (
    "If {taken} of the {names} were taken away, how many would be left?",
    "How many {names} would remain in the picture after removing {taken} of them?",
    "Suppose {taken} of the {names} were not there. How many would one still count?",
)
ADD_Q = (
    "If {taken} more {names} joined the scene, how many would there be in all?",
    "How many {names} would there be with {taken} more of them?",
    "Suppose {taken} more {names} were added. What would the total be?",
)
SUM_A = (
    "{there} now. {change} {taken} gives {result}, so the answer is {result}.",
    "First count what is there: {now}. Then {change_verb} {taken}, which makes {result}.",
    "The image shows {now}. With {taken} {more_or_fewer}, the number becomes {result}.",
    "One starts from {now}, as they can be counted in the picture. {change} {taken} leads to {result}.",
)
