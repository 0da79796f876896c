"""Between messages and token ids, one renderer per chat format."""
