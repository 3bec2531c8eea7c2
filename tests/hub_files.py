"""The files of the repositories that ``datagen models`` names, as far as they bear on loading; shards are one."""

from __future__ import annotations

_QWEN = "chat_template.json config.json generation_config.json merges.txt model-00001-of-00002.safetensors "
_QWEN += "model-00002-of-00002.safetensors model.safetensors.index.json preprocessor_config.json tokenizer.json "
_QWEN += "tokenizer_config.json vocab.json"
_LLAVA = "added_tokens.json chat_template.json config.json generation_config.json model-00001-of-00002.safetensors "
_LLAVA += "model-00002-of-00002.safetensors model.safetensors.index.json preprocessor_config.json "
_LLAVA += "processor_config.json special_tokens_map.json tokenizer.json tokenizer.model tokenizer_config.json"
_HF = "chat_template.jinja config.json generation_config.json merges.txt model.safetensors preprocessor_config.json "
_HF += "processor_config.json special_tokens_map.json tokenizer.json tokenizer_config.json vocab.json"
_CLIP = "config.json flax_model.msgpack merges.txt preprocessor_config.json pytorch_model.bin special_tokens_map.json "
_CLIP += "tf_model.h5 tokenizer.json tokenizer_config.json vocab.json"
_SIGLIP = "config.json model.safetensors preprocessor_config.json special_tokens_map.json spiece.model tokenizer.json "
_SIGLIP += "tokenizer_config.json"
_SIGLIP2 = "config.json model.safetensors preprocessor_config.json special_tokens_map.json tokenizer.json "
_SIGLIP2 += "tokenizer.model tokenizer_config.json"
_IMP = "added_tokens.json config.json configuration_imp.py generation_config.json merges.txt "
_IMP += (
    "model-00001-of-00002.safetensors model-00002-of-00002.safetensors model.safetensors.index.json modeling_imp.py "
)
_IMP += "special_tokens_map.json tokenizer.json tokenizer_config.json vision_encoder.py vocab.json"

FILES: dict[str, tuple[str, ...]] = {
    name: tuple(files.split())
    for names, files in (
        ("llava-1.5-7b llava-1.5-13b llava-next-7b llava-next-mistral-7b gemma-3-4b gemma-3-12b", _LLAVA),
        ("qwen3-vl-2b qwen3-vl-4b qwen3-vl-8b qwen2.5-vl-7b", _QWEN),
        ("internvl3-2b internvl3-8b smolvlm2-500m smolvlm2-2.2b", _HF),
        ("imp-v1-3b", _IMP),
        ("rt-detr-r50 d-fine-x", "config.json model.safetensors preprocessor_config.json"),
        ("owlv2-base", f"{_CLIP} model.safetensors"),
        (
            "grounding-dino-tiny",
            "config.json model.safetensors preprocessor_config.json special_tokens_map.json "
            "tokenizer.json tokenizer_config.json vocab.txt",
        ),
        ("clip-vit-b-32 clip-vit-l-14-336", _CLIP),
        ("siglip-b-224 siglip-so400m-384", _SIGLIP),
        ("siglip2-b-224 siglip2-so400m-384 siglip2-b-naflex", _SIGLIP2),
    )
    for name in names.split()
}
