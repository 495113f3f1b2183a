"""XML, within stated bounds of size, depth and number, without document types: what could define entities is refused."""

from tools.errors import UserError, quoted

MOST = 1 << 22  # bytes
DEPTH = 40
_ELEMENTS = 100_000


def parse_xml(content, source, *, advice="give another file", error=UserError):
    """Parse XML.

    Parameters
    ----------
    content : bytes
    source : str or pathlib.Path
        The file or address, named in errors.
    advice : str
        Follows the reason in errors.
    error : type
        Of the exception raised, a `UserError`.

    Returns
    -------
    xml.etree.ElementTree.Element
        The root. Nothing else is read or fetched, whatever the document names.

    Raises
    ------
    UserError
        It is no XML, has a document type, is larger than `MOST`, nested deeper than `DEPTH`, or has more than 100,000
        elements.
    """
    from xml.etree import ElementTree

    class Builder(ElementTree.TreeBuilder):
        depth = count = 0

        def start(self, tag, attributes):
            self.depth, self.count = self.depth + 1, self.count + 1
            if self.depth > DEPTH:
                raise _Refused(f"elements nested more than {DEPTH} deep")
            if self.count > _ELEMENTS:
                raise _Refused(f"more than {_ELEMENTS} elements")
            return super().start(tag, attributes)

        def end(self, tag):
            self.depth -= 1
            return super().end(tag)

        def doctype(self, name, public, system):
            # Entities that expand without end, and those that name files, are defined there.
            raise _Refused("a document type, which forecasts do without")

    if len(content) > MOST:
        raise error(f"{source}: holds more than the {MOST} bytes expected at most; {advice}")
    parser = ElementTree.XMLParser(target=Builder())
    try:
        parser.feed(content)
        return parser.close()
    except _Refused as reason:
        raise error(f"{source}: holds {reason}; {advice}") from reason
    except (ElementTree.ParseError, ValueError, LookupError) as reason:
        raise error(f"{source}: is no sound XML ({quoted(str(reason))}); {advice}") from reason


class _Refused(Exception):
    pass
