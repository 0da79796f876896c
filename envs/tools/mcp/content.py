"""A server's result as the text that the agent reads."""

from __future__ import annotations

import json

from mcp_types import (
    AudioContent,
    CallToolResult,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
    TextResourceContents,
)


def as_text(result: CallToolResult) -> str:
    """What a result says: its texts, and in brackets what else there is.

    Structured content is written as JSON where there is no text: servers are asked to give both.
    """
    parts = [_block_text(block) for block in result.content]
    told = any(isinstance(block, TextContent) for block in result.content)
    if result.structured_content is not None and not told:
        parts.insert(0, json.dumps(result.structured_content, ensure_ascii=False))
    return "\n".join(parts)


def _block_text(block: ContentBlock) -> str:
    match block:
        case TextContent():
            return block.text
        case ImageContent() | AudioContent():
            return f"[{block.type}: {block.mime_type}, {_decoded_bytes(block.data):,} bytes]"
        case ResourceLink():
            parts = (block.name, block.uri, block.mime_type, block.description)
            return f"[resource: {', '.join(filter(None, parts))}]"
        case EmbeddedResource():
            return _resource_text(block)


def _resource_text(block: EmbeddedResource) -> str:
    resource = block.resource
    if isinstance(resource, TextResourceContents):
        return f"[resource: {resource.uri}]\n{resource.text}"
    kind = resource.mime_type or "application/octet-stream"
    return f"[resource: {resource.uri}, {kind}, {_decoded_bytes(resource.blob):,} bytes]"


def _decoded_bytes(base64: str) -> int:
    return len(base64.rstrip("=")) * 3 // 4
