"""Pretrained bodies as Hugging Face transformers has them, which is imported only when one is made."""
