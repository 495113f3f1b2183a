"""One seeded way to damage a file: its bytes, what its format states, or the place where it lies.

A form (`FORMS`) knows how files of a kind are put together and changes one thing in them that a reader may trust: a card, a
length, a field, a shape. Everything else is bytes. The same generator gives the same input.
"""

import base64
import csv
import functools
import gzip
import io
import json
import os
import pathlib
import re
import sqlite3
import string
import struct
import tempfile
import zipfile
import zlib

GIGABYTES = 3  # what a bomb unpacks to, and a file of holes is long
MARKER = "MUTATION_MARKER"  # environment variable: a file that appears when something in an input was executed

NUMBERS = ["1E400", "-1E400", "1e308", "nan", "inf", "-inf", "NaN", "Infinity", "-1", "0", "-0.0", "1e-300", "0.02"]
NUMBERS += ["999999999", "2147483648", "-2147483649", "18446744073709551616", str(10**30), "9" * 5000]
WORDS = [
    "",
    " ",
    "x",
    "'",
    '"',
    "T",
    "true",
    "null",
    "1 2",
    "0x1F",
    "1,5",
    "-",
    "=1+1",
    '=HYPERLINK("http://x","y")',
    "@SUM(A1)",
]
WORDS += ["\x00", "\u00e9", "\U0001f31e", "A" * 10_000, "../../outside", "/etc/passwd", "%s%n{0}", "\x1b[31m", "a\nb", "\ufeff"]
WORDS += [
    "9999-12-31T23:59:59",
    "0000-00-00",
    "2014-02-30T25:61:61",
    "1900-01-01",
    "-5000-01-01T00:00",
    "2014-06-17T21:36+02:00",
]


def hostile(random):
    """Choose a text that stands where something else was expected: str."""
    return random.choice(NUMBERS if random.random() < 0.6 else WORDS)


def hostile_value(random):
    """Choose a value of JSON that stands where another was expected."""
    plain = [None, True, False, [], {}, [[]], {"a": 1}, -1, 0, 10**30, -(10**30), 1e308, float("nan"), float("inf"), 0.5]
    return hostile(random) if random.random() < 0.4 else random.choice(plain)


# Bytes of any file


def _cut(content, random):
    place = random.choice([0, 1, len(content) - 1, len(content) - 2, random.randrange(len(content)), len(content) // 2])
    return content[: max(place, 0)], "truncation"


def _flip(content, random):
    changed = bytearray(content)
    for _ in range(random.choice([1, 1, 1, 2, 8, 64])):
        changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed), "flipped bits"


def _overwrite(content, random):
    changed = bytearray(content)
    for _ in range(random.choice([1, 4, 32])):
        changed[random.randrange(len(changed))] = random.randrange(256)
    return bytes(changed), "other bytes"


def _early(content, random):
    """Flip and overwrite where most formats say what they are."""
    changed = bytearray(content)
    for _ in range(random.choice([1, 2, 4])):
        changed[random.randrange(min(len(changed), 512))] = random.choice([0, 0xFF, 0x7F, 0x80, random.randrange(256)])
    return bytes(changed), "other bytes at the start"


def _block(content, random):
    first = random.randrange(len(content))
    return first, min(len(content), first + random.choice([1, 16, 512, 4096, max(1, len(content) // 4)]))


def _zero(content, random):
    first, end = _block(content, random)
    return content[:first] + random.choice([b"\0", b"\xff"]) * (end - first) + content[end:], "zeroed block"


def _insert(content, random):
    place, added = random.randrange(len(content) + 1), random.randbytes(random.choice([1, 2, 8, 100, 2880]))
    return content[:place] + added + content[place:], "inserted bytes"


def _append(content, random):
    added = random.choice([b"\0", b"\n", b" " * 80, b"\0" * 2880, random.randbytes(100), content, b"</html>", b"}", b"x"])
    return content + added, "appended bytes"


def _repeat(content, random):
    first, end = _block(content, random)
    return content[:end] + content[first:end] + content[end:], "repeated block"


def _remove(content, random):
    first, end = _block(content, random)
    return content[:first] + content[end:], "removed block"


def _exchange(content, random):
    (a, b), (c, d) = sorted((_block(content, random), _block(content, random)))
    if b > c:
        return _remove(content, random)
    return content[:a] + content[c:d] + content[b:c] + content[a:b] + content[d:], "exchanged blocks"


BYTES = (_cut, _cut, _flip, _flip, _overwrite, _early, _zero, _insert, _append, _repeat, _remove, _exchange)


# Another file under this name


class _Executed:
    def __reduce__(self):
        return os.system, (f'touch "${MARKER}"',)


@functools.cache
def others():
    """Contents of other formats and of none: dict of name to bytes."""
    import pickle

    picture = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("../outside.txt", "x")
    return {
        "nothing": b"",
        "one zero byte": b"\0",
        "byte order mark": b"\xef\xbb\xbf",
        "UTF-16": "time,value\n2014-06-17,1\n".encode("utf-16"),
        "HTML": b"<!DOCTYPE html><html><body>404 Not Found</body></html>",
        "server's error": b'{"error": "no such file", "errno": 404}',
        "PNG": picture,
        "zip": archive.getvalue(),
        "gzip": gzip.compress(b"time,value\n", mtime=0),
        "gzip cut short": gzip.compress(b"time,value\n" * 99, mtime=0)[:-9],
        "SQLite": b"SQLite format 3\0" + bytes(84),
        "HDF5": b"\x89HDF\r\n\x1a\n" + bytes(88),
        "netCDF 3": b"CDF\x01" + bytes(28),
        "FITS": b"SIMPLE  =                    T".ljust(2880),
        "JPEG": b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0\xff\xd9",
        "JPEG 2000": b"\x00\x00\x00\x0cjP  \r\n\x87\n",
        "pickle": pickle.dumps(_Executed()),
        "numpy with a pickle": b"\x93NUMPY\x01\0" + struct.pack("<H", 118)
        + b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }".ljust(117) + b"\n" + pickle.dumps([_Executed()]),
        "YAML with code": f'!!python/object/apply:os.system [\'touch "${MARKER}"\']\n'.encode(),
        "YAML that multiplies": b"".join(
            b"%c: &%c [%s]\n" % (name, name, b",".join([b"*%c" % (name - 1)] * 9 if name > 97 else [b"x"] * 9))
            for name in range(97, 108)
        ),
        "empty list": b"[]",
        "empty object": b"{}",
        "null": b"null",
        "1E400": b"1E400",
        "deep lists": b"[" * 100_000,
        "deep objects": b'{"a":' * 20_000 + b"1" + b"}" * 20_000,
        "long number": b"[" + b"9" * 100_000 + b"]",
        "long line": b"a," * 3_000_000,
        "long blank line": b" " * 10_000_000 + b"x\n",
        "long line of digits": b"1" * 5_000_000 + b"x",
        "quotes": b'"' * 300_001,
        "brackets": b"(" * 100_000,
        "many lines": b"x\n" * 1_000_000,
        "noise": bytes((place * 7919 + place**2 % 251) % 256 for place in range(5000)),
    }  # fmt: skip


def _other(content, random):
    name = random.choice(list(others()))
    return others()[name], f"another format: {name}"


# Bombs


@functools.cache
def _deflated_zeros(size):
    """A raw deflate stream of `size` zeros, without compressing each of them: (bytes, size)."""
    piece = 1 << 24
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    once = packer.compress(bytes(piece)) + packer.flush(zlib.Z_FULL_FLUSH)  # which ends on a byte and refers to nothing before
    return once * (size // piece) + b"\x03\x00"


def gzip_bomb():
    """A gzip file that unpacks to gigabytes: bytes."""
    size = GIGABYTES << 30
    return b"\x1f\x8b\x08" + bytes(6) + b"\x03" + _deflated_zeros(size) + struct.pack("<II", 0, size & 0xFFFFFFFF)


def zip_bomb(name):
    """A zip archive whose one member unpacks to gigabytes: bytes."""
    packed, size, name = _deflated_zeros(GIGABYTES << 30), GIGABYTES << 30, name.encode()
    about = struct.pack("<HHHHHIIIHH", 20, 0, 8, 0, 33, 0, len(packed), size, len(name), 0)
    central = b"PK\1\2" + struct.pack("<H", 20) + about + struct.pack("<HHHII", 0, 0, 0, 0, 0) + name
    place = 30 + len(name) + len(packed)
    end = b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), place, 0)
    return b"PK\3\4" + about + name + packed + central + end


def zlib_bomb(size):
    """A zlib stream of zeros: bytes."""
    return b"\x78\x9c" + _deflated_zeros(size) + struct.pack(">I", ((size % 65521) << 16) | 1)


# Forms: each takes the content and a generator, and returns what it made of it and in which way


def _cards(content):
    """Find the headers of a FITS file: list of (first byte, number of cards)."""
    headers, place = [], 0
    while place < len(content) and content[place : place + 8] in (b"SIMPLE  ", b"XTENSION"):
        values, count = {}, 0
        while place + count * 80 < len(content):
            card = content[place + count * 80 :][:80].decode("latin-1")
            count += 1
            if card[:8] == "END     ":
                break
            if card[8:10] == "= ":
                values.setdefault(card[:8].strip(), card[10:].split("/")[0].strip())
        headers.append((place, count))
        axes = [int(values.get(f"NAXIS{axis}", 0)) for axis in range(1, int(values.get("NAXIS", 0)) + 1)]
        size = abs(int(values.get("BITPIX", 8))) // 8 * int(values.get("GCOUNT", 1)) if axes else 0
        pixels = int(values.get("PCOUNT", 0))
        product = 1
        for axis in axes:
            product *= axis
        place += -(-count * 80 // 2880) * 2880 + -(-size * (pixels + product) // 2880) * 2880
    return headers


_TRUSTED = re.compile(
    r"Z?NAXIS|Z?BITPIX|PCOUNT|GCOUNT|TFIELDS|TFORM|ZTILE|CRPIX|CRVAL|CDELT|CD\d|PC\d|CROTA|CUNIT|CTYPE|EXPTIME|RSUN|DSUN|R_SUN"
    r"|QUALITY|BUNIT|B?ZERO|BSCALE|BZERO|BLANK|DATE|T_OBS|TIME|TSCAL|TZERO|ZCMPTYPE|THEAP|WAVELNTH"
)


def _fits(content, random):
    changed, headers = bytearray(content), _cards(content)
    if not headers:
        return _flip(content, random)
    first, count = random.choice(headers)
    places = [first + number * 80 for number in range(count)]
    names = {place: content[place : place + 8].decode("latin-1").strip() for place in places}
    if random.random() < 0.9:  # otherwise the sums would tell
        for begin, cards in headers:
            for place in range(begin, begin + cards * 80, 80):
                if content[place : place + 8] in (b"CHECKSUM", b"DATASUM "):
                    changed[place : place + 10] = b"COMMENT   "
    trusted = [place for place in places if _TRUSTED.match(names[place])]
    place = random.choice(trusted if trusted and random.random() < 0.75 else places)
    way = random.choice(["value"] * 6 + ["lost", "twice", "name", "end", "letter"])
    if way == "value":
        value = hostile(random)[:60].encode("latin-1", "replace").replace(b"\n", b" ")
        if random.random() < 0.3:
            value = b"'" + value.replace(b"'", b"''") + b"'"
        if random.random() < 0.25 and names[place].startswith(("CRPIX", "CDELT", "CRVAL", "EXPTIME", "CROTA", "NAXIS", "RSUN")):
            value = random.choice(["-2.4", "24", "0.0024", "1000000", "-100000", "90", "1e-20", "1e20", "1025", "512"]).encode()
        changed[place : place + 80] = (f"{names[place]:8}= ".encode("latin-1") + value.rjust(20)).ljust(80)[:80]
        return bytes(changed), f"card {names[place]} = {value.decode('latin-1')[:30]}"
    if way == "lost":
        changed[place : place + 80] = b" " * 80
    elif way == "twice":
        other = random.choice(places)
        changed[other : other + 80] = changed[place : place + 80]
    elif way == "name":
        changed[place : place + 8] = random.choice(
            [b"        ", b"END     ", b"CONTINUE", b"HIERARCH", b"naxis1  ", b"\xff" * 8]
        )
    elif way == "end":
        changed[places[-1] : places[-1] + 80] = b" " * 80
    else:
        changed[place + random.randrange(80)] = random.choice([0, 10, 200, 39])
    return bytes(changed), f"card {names[place]} {way}"


def _jp2(content, random):
    changed = bytearray(content)
    stream = content.find(b"\xff\x4f\xff\x51")
    way = random.choice(["size", "size", "levels", "box", "xml", "xml", "xml", "declaration", "no xml", "marker"])
    begin, end = content.find(b"<?xml"), content.find(b"</meta>")
    if way in ("xml", "declaration") and 0 <= begin < end:
        text = content[begin : end + 7].decode("utf-8", "replace")
        if way == "declaration":
            text = text.replace("?>", '?><!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>', 1).replace("T<", "&b;<", 1)
        else:
            tags = re.findall(r"<([A-Z][A-Z0-9_-]+)>", text)
            tag = random.choice([tag for tag in tags if _TRUSTED.match(tag)] or tags)
            value = hostile(random)[:3000].replace("&", "").replace("<", "").replace("\0", "")
            text = re.sub(rf"<{tag}>[^<]*", lambda _: f"<{tag}>{value}", text)
            way = f"xml {tag} = {value[:30]}"
        # The box keeps its length where the text does not, as in a file that was edited by hand, or gets the right one.
        raw = text.encode()
        packed = content[: begin - 8] + struct.pack(">I4s", len(raw) + 8, b"xml ") + raw + content[end + 7 :]
        return packed, way
    if way == "no xml" and begin > 0:
        changed[begin - 4 : begin] = b"free"
    elif way == "levels":
        place = content.find(b"\xff\x52", stream)
        changed[place + 9] = random.choice([0, 1, 9, 32, 33, 255])
    elif way == "box":
        place = random.choice([m.start() for m in re.finditer(rb"jP  |ftyp|jp2h|ihdr|colr|xml |jp2c", content)])
        changed[place - 4 : place] = random.choice([0, 1, 2, 7, 2**31, 2**32 - 1, len(content)]).to_bytes(4, "big")
    elif way == "marker":
        place = stream + random.randrange(2, 120)
        changed[place : place + 2] = random.choice([b"\xff\x90", b"\xff\xd9", b"\xff\x93", b"\0\0", b"\xff\xff"])
    else:
        place = stream + 8 + 4 * random.randrange(8)
        changed[place : place + 4] = random.choice([0, 1, 7, 255, 2**15, 2**20, 2**31 - 1, 2**32 - 1]).to_bytes(4, "big")
        if random.random() < 0.5:  # both sides, and the tiles with them
            for number in (0, 1, 4, 5):
                changed[stream + 8 + 4 * number : stream + 12 + 4 * number] = changed[place : place + 4]
    return bytes(changed), f"JPEG 2000 {way}"


def _png(content, random):
    if random.random() < 0.15:
        width = random.choice([20_000, 40_000])
        head = struct.pack(">IIBBBBB", width, width, 8, 0, 0, 0, 0)
        data = zlib_bomb(GIGABYTES << 30)
        parts = [(b"IHDR", head), (b"IDAT", data), (b"IEND", b"")]
        chunks = (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in parts
        )
        return content[:8] + b"".join(chunks), f"PNG bomb of {width} pixels"
    head = bytearray(content[16:29])
    if random.random() < 0.7:
        place = random.choice([0, 4])
        head[place : place + 4] = random.choice([0, 1, 7, 255, 30_000, 2**31 - 1, 2**32 - 1]).to_bytes(4, "big")
    else:
        head[random.randrange(8, 13)] = random.choice([0, 1, 2, 3, 4, 6, 16, 255])
    return content[:16] + bytes(head) + struct.pack(">I", zlib.crc32(b"IHDR" + head)) + content[33:], "PNG header"


def _jpeg(content, random):
    changed = bytearray(content)
    begin = content.find(b"\xff\xfe")
    if begin > 0 and random.random() < 0.5:
        (length,) = struct.unpack(">H", content[begin + 2 : begin + 4])
        text = content[begin + 4 : begin + 2 + length]
        start = text.find(b"{")
        if start >= 0:
            new, how = _json(text[start:], random)
            new = text[:start] + new[: 65_000 - start]
            return content[:begin] + b"\xff\xfe" + struct.pack(">H", len(new) + 2) + new + content[begin + 2 + length :], (
                f"comment: {how}"
            )
    places = [m.start() for m in re.finditer(rb"\xff[\xc0-\xc4\xda-\xdd\xe0-\xef\xfe]", content)]
    place = random.choice(places)
    size = content.find(b"\xff\xc0")
    if size > 0 and random.random() < 0.6:
        where = size + random.choice([5, 7])
        changed[where : where + 2] = random.choice([0, 1, 7, 511, 30_000, 65_535]).to_bytes(2, "big")
        if random.random() < 0.5:
            changed[size + 5 : size + 9] = b"\xff\xdc\xff\xdc"
        return bytes(changed), "JPEG size"
    changed[place + 2 : place + 4] = random.choice([0, 1, 2, 3, 65_535]).to_bytes(2, "big")
    return bytes(changed), "JPEG segment"


def _npy(content, random):
    end = content.find(b"\n") + 1
    if not content.startswith(b"\x93NUMPY") or not end:
        return _flip(content, random)
    text = content[10 : end - 1].decode("latin-1").rstrip()
    shape = re.search(r"\([^)]*\)", text)[0]
    sizes = [int(number) for number in re.findall(r"\d+", shape)]
    shapes = [(10**12,), (-1, 8), (), (2**63,), (0,), tuple([1] * 70), tuple(reversed(sizes)), tuple(s + 1 for s in sizes)]
    shapes += [(1, *sizes), tuple(s * 1000 for s in sizes), tuple(max(1, s // 2) for s in sizes), (*sizes[:1], 10**6)]
    way = random.choice(["shape", "shape", "descr", "descr", "text", "length", "deep"])
    if way == "shape":
        text = text.replace(shape, repr(random.choice(shapes)))
    elif way == "descr":
        kinds = [
            "|O",
            "<f2",
            "<f8",
            ">f4",
            "<c16",
            "<M8[s]",
            "|S5",
            "<U9",
            "<i4",
            "|b1",
            "|V4",
            "<f16",
            "<f3",
            "[('a','<f4')]",
            "x",
        ]
        text = re.sub(r"'descr': *'[^']*'", lambda _: f"'descr': '{random.choice(kinds)}'", text)
    elif way == "text":
        text = random.choice(
            ["{}", "[]", "", "{'shape': 1}", text.replace("False", "True"), text + text, text[:-3], "x" * 60_000]
        )
    elif way == "deep":
        text = "(" * 30_000
    body = text.encode("latin-1").ljust(118 - 1)[:65_000] + b"\n"
    length = random.choice([0, 5, 65_535]) if way == "length" else len(body)
    return content[:8] + struct.pack("<H", length) + body + content[end:], f"npy {way}"


def _zip(content, random):
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as file:
            members = {name: file.read(name) for name in file.namelist()}
    except (zipfile.BadZipFile, zlib.error):
        return _flip(content, random)
    name = random.choice(list(members))
    way = random.choice(["member"] * 6 + ["lost", "twice", "renamed", "bomb", "whole bomb", "empty"])
    if way == "whole bomb":
        return zip_bomb(name), f"zip of a bomb {name}"
    if way == "member":
        form = next((form for ends, form in _MEMBERS if name.endswith(ends)), None)
        members[name], how = mutated(members[name], form, random)
        way = f"{how} in {name}"
    elif way == "lost":
        del members[name]
    elif way == "renamed":
        members[random.choice(["../outside", "x" * 300, name.upper(), ""]) or "x"] = members.pop(name)
    elif way == "empty":
        members = {}
    elif way == "bomb":
        members[name] = bytes(1 << 28) * 6
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        for one, body in members.items():
            file.writestr(one, body)
    if way == "twice":
        return archive.getvalue() + archive.getvalue(), "zip twice"
    return archive.getvalue(), f"zip {way}"


def _gzip(form):
    def change(content, random):
        if random.random() < 0.1:
            return gzip_bomb(), "gzip bomb"
        if random.random() < 0.3:
            return random.choice(BYTES)(content, random)
        inner, how = mutated(gzip.decompress(content), form, random)
        return gzip.compress(inner, 1, mtime=0), f"within gzip: {how}"

    return change


def _nodes(value, path=()):
    """List the places in nested lists and dicts: (container, key) each."""
    found = []
    if isinstance(value, dict):
        for key in value:
            found.append((value, key))
            found += _nodes(value[key])
    elif isinstance(value, list):
        for place in range(len(value)):
            found.append((value, place))
            found += _nodes(value[place])
    return found


def _changed_tree(value, random):
    """Change one place of nested lists and dicts: (value, in which way)."""
    nodes = _nodes(value)
    if not nodes or random.random() < 0.05:
        return hostile_value(random), "replaced"
    holder, key = random.choice(nodes)
    way = random.choice(["value"] * 6 + ["lost", "wrapped", "renamed", "more"])
    if way == "value":
        old, holder[key] = holder[key], hostile_value(random)
        if isinstance(old, (int, float)) and not isinstance(old, bool) and random.random() < 0.4:
            holder[key] = random.choice([-old, old * 10, old + 1, str(old), [old], float("nan"), 10**30])
        return value, f"{str(key)[:40]} = {json.dumps(holder[key], default=str)[:30]}"
    if way == "lost":
        del holder[key]
    elif way == "wrapped":
        holder[key] = [holder[key]]
    elif way == "renamed" and isinstance(holder, dict):
        holder[random.choice([str(key).upper(), f"{key}_", "", "__class__"])] = holder.pop(key)
    elif isinstance(holder, list):
        holder.append(hostile_value(random))
    else:
        holder["unknown"] = hostile_value(random)
    return value, f"{str(key)[:40]} {way}"


def _json(content, random):
    try:
        value = json.loads(content)
    except ValueError:
        return _flip(content, random)
    way = random.random()
    if way < 0.1:
        text = random.choice(
            [
                content.decode("utf-8", "replace").replace("0", "9" * 6000, 1),
                content.decode("utf-8", "replace").replace(":", ": 1E400, \"x\":", 1),
                content.decode("utf-8", "replace").replace('"', '"\\ud800', 1),
                "[" * 5000 + content.decode("utf-8", "replace") + "]" * 5000,
                "\ufeff" + content.decode("utf-8", "replace"),
            ]
        )  # fmt: skip
        return text.encode(), "JSON text"
    changed, how = _changed_tree(value, random)
    return json.dumps(changed).encode(), f"JSON {how}"


def _yaml(content, random):
    import yaml

    try:
        value = yaml.safe_load(content)
    except yaml.YAMLError:
        return _flip(content, random)
    text = content.decode("utf-8", "replace")
    if random.random() < 0.35:
        scalars = [
            "2026-13-45",
            "2026-02-30 25:00:00",
            "!!int x",
            "!!float x",
            "!!binary '*'",
            "!!timestamp x",
            "&a [*a]",
            "*no",
        ]
        scalars += [
            "!!python/name:os.system",
            "{[1]: 2}",
            "!!set {a}",
            "0b12",
            "1:99:99",
            "!!omap [a]",
            "'",
            "<<: 1",
            "~",
            "1e999",
        ]
        lines = text.splitlines()
        place = random.randrange(len(lines))
        value = random.choice([*scalars, "[" * 3000])
        lines[place] = re.sub(r":.*", lambda _: f": {value}", lines[place]) if ":" in lines[place] else value
        return "\n".join(lines).encode(), f"YAML {value[:30]}"
    changed, how = _changed_tree(value, random)
    return yaml.safe_dump(changed, sort_keys=False).encode("utf-8", "replace"), f"YAML {how}"


def _csv(content, random):
    text = content.decode("utf-8", "replace")
    try:
        rows = list(csv.reader(io.StringIO(text)))
    except csv.Error:
        return _flip(content, random)
    rows = [row for row in rows if row]
    if len(rows) < 2:
        return _flip(content, random)
    way = random.choice(
        ["cell"] * 8 + ["column lost", "column twice", "row twice", "rows exchanged", "header only", "quote", "wide"]
    )
    place = random.randrange(1, len(rows))
    if way == "cell":
        row = rows[random.choice([0, place, place, place])]
        column = random.randrange(len(row))
        value = hostile(random)
        if re.fullmatch(r"-?\d+(\.\d*)?(e-?\d+)?", row[column]) and random.random() < 0.4:
            value = random.choice([f"-{row[column]}", f"{row[column]}0", f"{row[column]} ", f"{row[column]}e9", "0.5"])
        row[column] = value
        way = f"cell {rows[0][min(column, len(rows[0]) - 1)][:30]} = {value[:30]!r}"
    elif way.startswith("column"):
        column = random.randrange(len(rows[0]))
        for row in rows:
            if column < len(row):
                row[column : column + 1] = [] if way == "column lost" else [row[column]] * 2
    elif way == "row twice":
        rows.insert(place, rows[place])
    elif way == "rows exchanged":
        other = random.randrange(1, len(rows))
        rows[place], rows[other] = rows[other], rows[place]
    elif way == "header only":
        del rows[1:]
    elif way == "wide":
        rows[place] += ["1"] * random.choice([1, 1000])
    out = io.StringIO()
    csv.writer(out, lineterminator=random.choice(["\n", "\n", "\r\n", "\r"])).writerows(rows)
    text = out.getvalue()
    if way == "quote":
        cut = random.randrange(len(text))
        text = text[:cut] + '"' + text[cut:]
    return text.encode("utf-8", "replace"), f"CSV {way}"


def _text(content, random):
    text = content.decode("utf-8", "replace")
    lines = text.splitlines(keepends=True)
    place = random.randrange(len(lines))
    way = random.choice(["word", "word", "word", "digit", "digit", "line lost", "line twice", "lines exchanged", "longer"])
    words = list(re.finditer(r"\S+", text))
    if way == "word" and words:
        word = random.choice(words)
        new = hostile(random)
        return (text[: word.start()] + new + text[word.end() :]).encode("utf-8", "replace"), f"word {new[:30]!r}"
    digits = [number for number, letter in enumerate(text) if letter in string.digits]
    if way == "digit" and digits:
        number = random.choice(digits)
        return (text[:number] + random.choice(string.digits) + text[number + 1 :]).encode(), "another digit"
    if way == "line lost":
        del lines[place]
    elif way == "line twice":
        lines.insert(place, lines[place])
    elif way == "longer":
        lines[place] = lines[place].rstrip("\n") + random.choice(" (\"'0x-") * random.choice([100, 200_000]) + "\n"
    else:
        other = random.randrange(len(lines))
        lines[place], lines[other] = lines[other], lines[place]
    return "".join(lines).encode(), f"text: {way}"


def _hdf5(content, random):
    """Edit attributes, data sets and links; bytes elsewhere would leave a file that HDF5 itself mostly refuses."""
    import h5py
    import numpy

    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "x.h5")
        path.write_bytes(content)
        with h5py.File(path, "r+") as file:
            datasets, groups = [], [file]
            file.visititems(lambda _, one: (datasets if isinstance(one, h5py.Dataset) else groups).append(one))
            way = random.choice(["attribute"] * 4 + ["values", "values", "huge", "huge", "lost", "link", "shape", "kind"])
            owners = [one for one in (*datasets, *groups) if len(one.attrs)]
            if way == "attribute" and owners:
                try:
                    how = _attribute(random.choice(owners), random)
                except KeyError:
                    how = "attribute that HDF5 cannot change in a file that others wrote"
            elif datasets:
                how = _dataset(file, random.choice(datasets), way, random, numpy, h5py)
            else:
                how = "nothing"
        return path.read_bytes(), f"HDF5 {how}"


def _attribute(owner, random):
    name = random.choice(list(owner.attrs))
    value = owner.attrs[name]
    if isinstance(value, (str, bytes)) and str(value)[:2] in ("{", "b'", '{"') and random.random() < 0.9:
        text = value.encode() if isinstance(value, str) else value
        new, how = _json(text, random)
        owner.attrs[name] = new[:60_000].decode("utf-8", "replace").replace("\0", "")
        return f"attribute {name}: {how}"
    if random.random() < 0.2:
        del owner.attrs[name]
        return f"attribute {name} lost"
    new = random.choice([hostile(random).replace("\0", "")[:9000], -1, 10**18, float("nan"), [1, 2, 3], [b"a", b"b"], 0])
    owner.attrs[name] = new
    return f"attribute {name} = {str(new)[:30]}"


def _dataset(file, dataset, way, random, numpy, h5py):
    name, shape, kind = dataset.name, dataset.shape, dataset.dtype
    if way == "values" and kind.kind in "fiu" and dataset.size:
        values = dataset[()]
        flat = numpy.ravel(values).copy()
        chosen = slice(None) if random.random() < 0.3 else slice(0, 1)
        flat[chosen] = random.choice([float("nan"), float("inf"), 1e30, -1.0]) if kind.kind == "f" else 0
        dataset[()] = flat.reshape(shape)
        return f"values of {name}"
    del file[name]
    if way == "huge":
        size = random.choice([(10**9,), (10**6, 10**6), (2**40,)])
        file.create_dataset(
            name, shape=size, dtype=kind if kind.kind in "fiu" else "f4", chunks=tuple(min(s, 1000) for s in size)
        )
    elif way == "link":
        links = [h5py.ExternalLink("/etc/passwd", "/x"), h5py.SoftLink(name), h5py.SoftLink("/nowhere")]
        file[name] = random.choice(links)
    elif way == "shape":
        file.create_dataset(name, data=numpy.zeros([*shape, 2], "f4") if random.random() < 0.5 else numpy.float32(1))
    elif way == "kind":
        file.create_dataset(
            name, data=random.choice([b"text", numpy.array([b"a", b"b"]), numpy.zeros(3, "i8"), h5py.Empty("f4")])
        )
    return f"{name} {way}"


def _sqlite(content, random):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "x.sqlite")
        path.write_bytes(content)
        connection = sqlite3.connect(path, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode = DELETE")
            tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            table = random.choice(tables)
            columns = [row[1] for row in connection.execute(f'PRAGMA table_info("{table}")')]
            way = random.choice(["cell"] * 6 + ["table lost", "rows lost", "version", "column lost", "schema"])
            if way in ("cell", "column lost"):  # a copy has none of the constraints
                kept = columns if way == "cell" else [name for name in columns if name != random.choice(columns)] or columns
                connection.execute(f'CREATE TABLE copied AS SELECT {", ".join(kept)} FROM "{table}"')
                connection.execute(f'DROP TABLE "{table}"')
                connection.execute(f'ALTER TABLE copied RENAME TO "{table}"')
                columns = kept
            if way == "cell":
                column = random.choice(columns)
                value = random.choice(
                    [None, hostile(random), b"\xff\x00", 2**62, -(2**62), 1e300, float("inf"), -1, "text", 0.5]
                )
                condition = "" if random.random() < 0.3 else f'WHERE rowid = (SELECT MAX(rowid) FROM "{table}")'
                connection.execute(f'UPDATE "{table}" SET "{column}" = ? {condition}', (value,))
                way = f"{table}.{column} = {str(value)[:30]}"
            elif way == "table lost":
                connection.execute(f'DROP TABLE "{table}"')
            elif way == "rows lost":
                connection.execute(f'DELETE FROM "{table}"')
            elif way == "version":
                connection.execute(f"PRAGMA user_version = {random.choice([0, 1, 99, -1])}")
            elif way == "schema":
                connection.execute("PRAGMA writable_schema = 1")
                connection.execute("UPDATE sqlite_master SET sql = ?", (random.choice(["garbage", "CREATE TABLE x (y)", ""]),))
        except sqlite3.Error as error:
            way = f"refused by SQLite ({error})"
        finally:
            connection.close()
        return path.read_bytes(), f"SQLite {way}"


def _idx(content, random):
    changed = bytearray(content)
    place = random.choice([2, 3, 4, 8, 12][: 2 + content[3]])
    if place < 4:
        changed[place] = random.choice([0, 1, 8, 9, 13, 200])
    else:
        changed[place : place + 4] = random.choice([0, 1, 2**20, 2**31 - 1, 2**32 - 1]).to_bytes(4, "big")
    return bytes(changed), "IDX header"


FORMS = {
    "fits": _fits,
    "jp2": _jp2,
    "png": _png,
    "jpeg": _jpeg,
    "npy": _npy,
    "zip": _zip,
    "json": _json,
    "yaml": _yaml,
    "csv": _csv,
    "text": _text,
    "hdf5": _hdf5,
    "sqlite": _sqlite,
    "idx": _idx,
}
FORMS |= {f"{name}.gz": _gzip(name) for name in ("fits", "csv", "idx", "hdf5", "text")}
_MEMBERS = ((".npy", "npy"), (".json", "json"), (".h5", "hdf5"), (".txt", "text"))


def mutated(content, form, random):
    """Change the content of a file.

    Parameters
    ----------
    content : bytes
    form : str or None
        Of `FORMS`; None for bytes alone.
    random : random.Random

    Returns
    -------
    (bytes, str)
        The new content, and in which way it was changed.
    """
    if form is None and not content:
        return _other(content, random)
    chance = random.random()
    if form is not None and chance < 0.55:
        return FORMS[form](content, random)
    if chance < 0.87:
        return random.choice(BYTES)(content, random) if content else (b"x", "appended bytes")
    if chance < 0.98:
        return _other(content, random)
    return random.choice([(gzip_bomb(), "gzip bomb"), (zip_bomb("array.npy"), "zip bomb")])


# Where a file lies


def _renamed(name):
    def place(path, content):
        new = path.with_name(name(path))
        path.unlink()
        new.write_bytes(content)
        return new

    return place


def _instead(make):
    def place(path, content):
        path.unlink()
        make(path)
        return path

    return place


def _holes(path, content):
    with open(path, "r+b") as file:
        file.truncate(GIGABYTES << 30)
    return path


def _forbidden(path, content):
    path.chmod(0)
    return path


PLACES = {
    "FIFO": _instead(os.mkfifo),
    "folder": _instead(lambda path: path.mkdir()),
    "link to itself": _instead(lambda path: path.symlink_to(path.name)),
    "link to nothing": _instead(lambda path: path.symlink_to("nothing")),
    "link to /dev/zero": _instead(lambda path: path.symlink_to("/dev/zero")),
    "missing": _instead(lambda path: None),
    "empty": _instead(lambda path: path.touch()),
    "gigabytes of holes": _holes,
    "no permission": _forbidden,
    "long name": _renamed(lambda path: "x" * (255 - len(path.name)) + path.name),
    "line break in its name": _renamed(lambda path: f"a\nb{path.name}"),
    "signs in its name": _renamed(lambda path: f"%s{{0}} \u2600{path.name}"),
    "no text as its name": _renamed(lambda path: os.fsdecode(b"\xff\xfe" + os.fsencode(path.name))),
}
if hasattr(os, "geteuid") and os.geteuid() == 0:
    del PLACES["no permission"]  # root may read everything


def displaced(path, random):
    """Put something else where a file is, or the file elsewhere: (path to read, in which way)."""
    way = random.choice(list(PLACES))
    return PLACES[way](path, path.read_bytes()), f"place: {way}"
