"""What becomes of a file: damage as disks and networks do it, and as somebody does who knows the format.

All is drawn from one ``random.Random``, so that a mutant is known by its reader, the seed of the run and its number.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from random import Random
from typing import Literal

MAX_BYTES = 256 << 10
"""Of a mutant: what blows up, blows up to this, one in a hundred; others to a 64th of it, to save time."""

_WORD = re.compile(rb"[A-Za-z0-9_@.~+-]+|[^A-Za-z0-9\s]")
_NUMBER = re.compile(rb"[0-9]+")
_NUMBERS = (-1, 0, 1, 2, 7, *(2**bits + more for bits in (7, 8, 15, 16, 31, 32, 63) for more in (-1, 0)))
_TEXT_NUMBERS = (
    b"0", b"-1", b"1e999", b"NaN", b"0x7fffffff", b"00000000000000000001", b"2147483648", b"18446744073709551616",
    b"9" * 400, b"9" * 5000, b"1.7976931348623157e309", "١٢٣".encode(),
)  # fmt: skip
_OPEN = (
    b"[", b"{", b"(", b'{"a":', b'[{"a":', b"<a>", b"<!--", b'"', b"'", b"\\", b"- ", b"  ", b"\t", b"%", b"@", b"[[",
    b'{"dependencies":', b'{"components":[', b"${", b"/", b"../", b":", b"&a [*a,", b"#{", b"=>", b"\n", b"\r", b"\r\n",
    b" \n",
)  # fmt: skip
_RUDE = (
    b"\0", b"\0\0\0\0", b"\xff", b"\xfe\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82",
    b"\x80" * 8, b"\xef\xbb\xbf", "\u2028".encode(), "\u0085".encode(), "\u202e".encode(), "\u00a0".encode(),
    "İ".encode(), b"\\u0000", b"\\ud800", b"\\udfff", b"\\ud83d", b"\x1b[2J", b"\x7f", b"\x0b", b"\x0c", b"\x1c",
    b"&#0;", b"&amp;", b"&x;", b"<![CDATA[", b"%00", b"%s%n", b"!!python/object:x", b"*", b"'\"`;", b"\\", b"null",
    b"true", b"[]", b"{}", b"~", b"=", b"$(id)",
)  # fmt: skip

Mutator = Callable[[Random, bytearray, Sequence[bytes]], None]


def mutant(dice: Random, content: bytes, others: Sequence[bytes]) -> bytes:
    """``content`` after one to four changes; ``others`` are of the same reader, to be mixed in."""
    data = bytearray(content)
    most = MAX_BYTES if dice.random() < 0.01 else max(MAX_BYTES >> 6, len(content))
    for _ in range(dice.choice((1, 1, 1, 2, 2, 3, 4))):
        dice.choice(_MUTATORS)(dice, data, others)
        del data[most:]
    return bytes(data)


def _somewhere(dice: Random, data: bytearray, longest: int = 64) -> tuple[int, int]:
    """Beginning and end of a part: mostly short."""
    at = dice.randrange(len(data) + 1)
    return at, min(at + dice.choice((1, 2, 4, 8, 16, longest)), len(data))


def _times(part: bytearray, count: int) -> bytearray:
    """A part repeated, as long as there is room."""
    return part * min(count, MAX_BYTES // max(len(part), 1))


def _token(dice: Random, data: bytearray) -> tuple[int, int]:
    found = _WORD.search(data, dice.randrange(len(data) + 1))
    return found.span() if found else (len(data), len(data))


def _line(dice: Random, data: bytearray) -> tuple[int, int]:
    at = dice.randrange(len(data) + 1)
    begin = data.rfind(b"\n", 0, at) + 1
    end = data.find(b"\n", at)
    return begin, len(data) if end < 0 else end + 1


def _bits(dice: Random, data: bytearray, others: Sequence[bytes]) -> None:
    for _ in range(dice.choice((1, 1, 1, 2, 8, 64))):
        if data:
            data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)


def _byte(dice: Random, data: bytearray, others: Sequence[bytes]) -> None:
    if data:
        data[dice.randrange(len(data))] = dice.choice(b"\0\xff\x80\n\r\t \"'{}[]()<>:,;=/\\%#@!-.0")


def _cut(dice: Random, data: bytearray, others: Sequence[bytes]) -> None:
    begin, end = _somewhere(dice, data, 512)
    del data[begin:end]


def _doubled(dice: Random, data: bytearray, others: Sequence[bytes]) -> None:
    begin, end = _somewhere(dice, data, 512)
    data[end:end] = data[begin:end]


def _noise(dice: Random, data: bytearray, others: Sequence[bytes]) -> None:
    at = dice.randrange(len(data) + 1)
    data[at : at + dice.choice((0, 8))] = dice.randbytes(dice.choice((1, 2, 8, 32)))


def _truncated(dice: Random, data: bytearray, others: Sequence[bytes]) -> None:
    at = dice.randrange(len(data) + 1)
    if dice.random() < 0.8:
        del data[at:]
    else:
        del data[:at]


def _spliced(dice: Random, data: bytearray, others: Sequence[bytes]) -> None:
    """The beginning of this one, and the end of another."""
    other = dice.choice(others)
    data[dice.randrange(len(data) + 1) :] = other[dice.randrange(len(other) + 1) :]


def _transplanted(dice: Random, data: bytearray, others: Sequence[bytes]) -> None:
    """A part of another one over, or between, our own."""
    other = bytearray(dice.choice(others))
    begin, end = _somewhere(dice, other, 512)
    at, until = _somewhere(dice, data)
    data[at : dice.choice((at, until))] = other[begin:end]


def _length(dice: Random, data: bytearray, others: Sequence[bytes]) -> None:
    """A number as formats store lengths, counts and offsets: aligned, of either order."""
    width = dice.choice((1, 2, 4, 4, 8))
    at = dice.randrange(len(data) + 1) & -width if dice.random() < 0.8 else dice.randrange(len(data) + 1)
    number = dice.choice((*_NUMBERS, len(data), len(data) - at, at, dice.randrange(1 << 16)))
    data[at : at + width] = (number & ((1 << 8 * width) - 1)).to_bytes(width, dice.choice(("little", "big")))


def _nudged(dice: Random, data: bytearray, others: Sequence[bytes]) -> None:
    """A stored number that is off by little."""
    width = dice.choice((2, 4))
    at = dice.randrange(len(data) + 1) & -width
    order: Literal["little", "big"] = "little" if dice.random() < 0.5 else "big"
    number = int.from_bytes(data[at : at + width], order) + dice.choice((-16, -4, -1, 1, 4, 16, 4096))
    data[at : at + width] = (number & ((1 << 8 * width) - 1)).to_bytes(width, order)


def _word_gone(dice: Random, data: bytearray, others: Sequence[bytes]) -> None:
    begin, end = _token(dice, data)
    del data[begin:end]


def _word_again(dice: Random, data: bytearray, others: Sequence[bytes]) -> None:
    begin, end = _token(dice, data)
    data[begin:begin] = _times(data[begin:end], dice.choice((1, 2, 100, 5000)))


def _words_swapped(dice: Random, data: bytearray, others: Sequence[bytes]) -> None:
    begin, end = _token(dice, data)
    other, until = _token(dice, data)
    if end <= other:
        data[begin:until] = data[other:until] + data[end:other] + data[begin:end]


def _line_gone(dice: Random, data: bytearray, others: Sequence[bytes]) -> None:
    begin, end = _line(dice, data)
    del data[begin:end]


def _line_again(dice: Random, data: bytearray, others: Sequence[bytes]) -> None:
    begin, end = _line(dice, data)
    data[begin:begin] = _times(data[begin:end], dice.choice((1, 2, 20, 300)))


def _number(dice: Random, data: bytearray, others: Sequence[bytes]) -> None:
    found = _NUMBER.search(data, dice.randrange(len(data) + 1)) or _NUMBER.search(data)
    if found:
        begin, end = found.span()
        data[begin:end] = dice.choice(_TEXT_NUMBERS)


def _nested(dice: Random, data: bytearray, others: Sequence[bytes]) -> None:
    at = dice.randrange(len(data) + 1)
    data[at:at] = dice.choice(_OPEN) * dice.choice((2, 20, 300, 3000, 30_000))


def _rude(dice: Random, data: bytearray, others: Sequence[bytes]) -> None:
    at, end = _token(dice, data)
    data[at : dice.choice((at, at, end))] = dice.choice(_RUDE)


def _long(dice: Random, data: bytearray, others: Sequence[bytes]) -> None:
    at, end = _token(dice, data)
    data[at:end] = dice.choice((b"a", b"A", b"0", b" ", b"-", b".", b"a-", b"1.", b"a b ", b"\\a")) * dice.choice(
        (90, 1200, 40_000)
    )


def _repeated(dice: Random, data: bytearray, others: Sequence[bytes]) -> None:
    """A part so often that lists become long."""
    begin, end = _somewhere(dice, data, 200)
    data[end:end] = _times(data[begin:end], dice.choice((10, 100, 1000)))


def _line_ends(dice: Random, data: bytearray, others: Sequence[bytes]) -> None:
    data[:] = data.replace(b"\n", dice.choice((b"\r\n", b"\r", b"", b"\n\n", b" \n", b"\0")))


def _wide(dice: Random, data: bytearray, others: Sequence[bytes]) -> None:
    """As an editor of Windows would save it."""
    text = bytes(data).decode("utf-8", "replace")
    data[:] = text.encode(dice.choice(("utf-16", "utf-16-be", "utf-8-sig", "utf-32")), "replace")


_MUTATORS: tuple[Mutator, ...] = (
    _bits, _bits, _byte, _byte, _cut, _cut, _doubled, _noise, _truncated, _truncated, _spliced, _spliced, _transplanted,
    _transplanted, _length, _length, _length, _nudged, _nudged, _word_gone, _word_gone, _word_again, _words_swapped,
    _line_gone, _line_again, _number, _number, _nested, _rude, _rude, _rude, _long, _repeated, _line_ends, _wide,
)  # fmt: skip
