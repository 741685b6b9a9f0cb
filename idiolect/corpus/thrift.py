"""Thrift's compact protocol, as far as a Parquet footer needs it: bytes to plain values and back.

A struct is {field: (kind, value)} in the order it came, a list (kind, values). What is not understood is an error,
never a guess. https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

from typing import Any

TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, _, _, STRUCT = range(1, 13)
Struct = dict[int, tuple[int, Any]]


class Reader:
    """Values from bytes, one after another."""

    def __init__(self, data: bytes):
        self.data, self.at = data, 0

    def take(self, n: int) -> bytes:
        """The next n bytes."""
        self.at += n
        return self.data[self.at - n : self.at]

    def varint(self) -> int:
        """A number in groups of seven bits, the lowest first."""
        value = shift = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def number(self) -> int:
        """A number with a sign, which stands in the lowest bit."""
        value = self.varint()
        return (value >> 1) ^ -(value & 1)

    def value(self, kind: int) -> Any:
        """A value of this kind."""
        if kind in (TRUE, FALSE):
            return kind == TRUE
        if kind == BYTE:
            return self.take(1)
        if kind in (I16, I32, I64):
            return self.number()
        if kind == DOUBLE:
            return self.take(8)
        if kind == BINARY:
            return self.take(self.varint())
        if kind == LIST:
            head = self.take(1)[0]
            n = head >> 4 if head < 0xF0 else self.varint()
            return head & 0x0F, [self.value(head & 0x0F) for _ in range(n)]
        assert kind == STRUCT, f"a Thrift value of kind {kind} in a Parquet footer"
        return self.struct()

    def struct(self) -> Struct:
        """Fields up to the stop byte."""
        fields, last = {}, 0
        while head := self.take(1)[0]:
            last = last + (head >> 4) if head >> 4 else self.number()
            fields[last] = (head & 0x0F, self.value(head & 0x0F))
        return fields


def varint(value: int) -> bytes:
    """The bytes of a number without a sign."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _number(value: int) -> bytes:
    return varint(value << 1 if value >= 0 else ~(value << 1))


def encoded(kind: int, value: Any) -> bytes:
    """The bytes of a value; a struct may be given as its bytes."""
    if kind in (TRUE, FALSE):
        return b""
    if kind in (I16, I32, I64):
        return _number(value)
    if kind == BINARY:
        return varint(len(value)) + value
    if kind == LIST:
        of, values = value
        head = bytes([len(values) << 4 | of]) if len(values) < 15 else bytes([0xF0 | of]) + varint(len(values))
        return head + b"".join(encoded(of, one) for one in values)
    if isinstance(value, bytes):
        return value
    assert kind == STRUCT, f"a Thrift value of kind {kind}"
    out, last = [], 0
    for field, (of, inner) in value.items():
        step = field - last
        out.append((bytes([step << 4 | of]) if 0 < step < 16 else bytes([of]) + _number(field)) + encoded(of, inner))
        last = field
    return b"".join(out) + b"\0"
