"""Pictures for teachers that see: a planned request gets its image as a data URL, just before it is sent."""

from __future__ import annotations

import asyncio
import base64
import io
import time
from pathlib import Path

from msgspec.structs import replace

from datagen.config import Settings
from datagen.corpus import PictureError, folder_of, read_picture
from datagen.records import Reply, Request
from datagen.teacher import Teacher

JPEG_QUALITY = 90


class Pictures:
    """Puts pictures into requests.

    Args:
        settings: Of the run: where the pictures are, and how large they are sent.
    """

    def __init__(self, settings: Settings) -> None:
        self._folder = folder_of(settings.corpus.images) or Path()
        self._max_pixels = settings.corpus.max_image_pixels
        self._longest_px = settings.teacher.image_px

    def put_in(self, request: Request) -> Request:
        """Put the picture into a request that shows one.

        Raises:
            PictureError: It cannot be read any more; that of most is found out before anything is asked.
        """
        if request.image_detail is None:
            return request
        picture = read_picture(self._folder, request.image.file_name, self._max_pixels)
        picture.thumbnail((self._longest_px, self._longest_px))
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=JPEG_QUALITY)
        return replace(request, picture_url=f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}")


class ShowingTeacher:
    """A teacher that is shown the pictures; one that cannot be read costs its own reply.

    Args:
        teacher: Writes the replies.
        settings: The run's.
    """

    def __init__(self, teacher: Teacher, settings: Settings) -> None:
        self.name, self.n_at_once = teacher.name, teacher.n_at_once
        self.stop, self.close = teacher.stop, teacher.close
        self.traffic = getattr(teacher, "traffic", None)
        self._teacher, self._pictures = teacher, Pictures(settings)

    async def answer(self, request: Request) -> Reply:
        """Answer one request; see ``Teacher``."""
        try:
            shown = await asyncio.to_thread(self._pictures.put_in, request)  # some 20 ms, in which others are answered
        except PictureError as fault:
            return unread(request, self.name, fault)
        return await self._teacher.answer(shown)


def unread(request: Request, teacher: str, fault: PictureError) -> Reply:
    """The reply to a request whose picture cannot be read: none, and the next start looks again."""
    return Reply(
        request.digest, request.image.image_id, request.response_type, teacher, "",
        error=fault.reason, detail=str(fault), is_final=False, at=round(time.time(), 3),
    )  # fmt: skip


def showing(teacher: Teacher, settings: Settings) -> Teacher:
    """The teacher as the settings want it: shown the pictures, or not."""
    return ShowingTeacher(teacher, settings) if settings.teacher.show_images else teacher
