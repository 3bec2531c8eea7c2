"""The error that ends a run and was billed: it brings what it cost."""

from __future__ import annotations

from datagen.errors import TeacherError
from datagen.records import Reply


class PaidError(TeacherError):
    """No request can succeed, as an answer shows that was billed.

    Attributes:
        reply: What is known of the answer, to be stored for the sake of its bill.
    """

    def __init__(self, sentence: object, reply: Reply) -> None:
        super().__init__(sentence)
        self.reply = reply
