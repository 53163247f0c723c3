"""Lines of a watch: a line is an event, whatever the pieces that it came in."""

from tests.environment.faults.rules import Filter, Lines


async def lines_of(chunks: Lines) -> Lines:
    """Whole lines with their ends; what a stream's end cut off comes last, as it is."""
    rest = b""
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line + b"\n"
    if rest:
        yield rest


def filtered(chunks: Lines, filters: list[Filter]) -> Lines:
    """The pieces as they come where there is no filter, else what the filters make of the lines."""
    if not filters:
        return chunks
    lines = lines_of(chunks)
    for passes in filters:
        lines = passes(lines)
    return lines
