"""The COCO format: captions files and instances files, read in blocks, into columns, each fault one sentence."""

from datagen.corpus.coco.coco_files import load_annotations, open_coco

__all__ = ["load_annotations", "open_coco"]
