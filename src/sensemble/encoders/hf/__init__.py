"""Pretrained bodies in the form of Hugging Face transformers, from a folder or the hub. Imported only when asked for."""
