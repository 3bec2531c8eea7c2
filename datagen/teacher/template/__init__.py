"""The embedded teacher: exact visual-instruction data from captions and boxes, without network."""

from datagen.teacher.template.writer import TemplateTeacher, write_reply

__all__ = ["TemplateTeacher", "write_reply"]
