"""Thrift's compact protocol, as far as a Parquet footer needs it: bytes to plain values and back.

A struct is {field: (kind, value)} in the order it came, a list (kind, values). What is not understood is an error,
never a guess. https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

from typing import Any

TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, _, _, STRUCT = range(1, 13)
Struct = dict[int, tuple[int, Any]]
LONGEST_NUMBER = 10  # bytes of 64 bits, seven to a byte


class NotUnderstood(ValueError):
    """These bytes are cut short, garbage, or more than is known here."""


def decoded(data: bytes) -> Struct:
    """The struct that these bytes are. Raises NotUnderstood."""
    reader = _Reader(data)
    try:
        fields = reader.struct()
    except RecursionError:
        raise NotUnderstood("values nested without end") from None
    if reader.at != len(data):
        raise NotUnderstood(f"{len(data) - reader.at} bytes behind the end")
    return fields


def encoded(kind: int, value: Any) -> bytes:
    """The bytes of a value; a struct may be given as its bytes. Raises NotUnderstood."""
    if kind in (I16, I32, I64):
        return _number(value)
    if kind in (BYTE, DOUBLE):
        return value
    if kind == BINARY:
        return _varint(len(value)) + value
    if kind == LIST:
        of, values = value
        head = bytes([len(values) << 4 | of]) if len(values) < 15 else bytes([0xF0 | of]) + _varint(len(values))
        return head + b"".join(encoded(of, one) for one in values)
    if kind != STRUCT:
        raise NotUnderstood(f"a value of kind {kind}")
    if isinstance(value, bytes):
        return value
    out, last = [], 0
    for field, (of, inner) in value.items():
        step, last = field - last, field
        out.append(bytes([step << 4 | of]) if 0 < step < 16 else bytes([of]) + _number(field))
        if of not in (TRUE, FALSE):
            out.append(encoded(of, inner))
    return b"".join(out) + b"\0"


class _Reader:
    """Values from bytes, one after another."""

    def __init__(self, data: bytes):
        self.data, self.at = data, 0

    def take(self, n: int) -> bytes:
        """The next n bytes."""
        if n > len(self.data) - self.at:
            raise NotUnderstood("cut short")
        self.at += n
        return self.data[self.at - n : self.at]

    def varint(self) -> int:
        """A number in groups of seven bits, the lowest first."""
        value = 0
        for group in range(LONGEST_NUMBER):
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << 7 * group
            if byte < 0x80:
                return value
        raise NotUnderstood("a number of more than 64 bits")

    def number(self) -> int:
        """A number with a sign, which stands in the lowest bit."""
        value = self.varint()
        return (value >> 1) ^ -(value & 1)

    def value(self, kind: int) -> Any:
        """A value of this kind, of which each takes a byte or more."""
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
        if kind != STRUCT:
            raise NotUnderstood(f"a value of kind {kind}")
        return self.struct()

    def struct(self) -> Struct:
        """Fields up to the stop byte; of a truth value the kind says all."""
        fields, last = {}, 0
        while head := self.take(1)[0]:
            last, kind = last + (head >> 4) if head >> 4 else self.number(), head & 0x0F
            fields[last] = (kind, kind == TRUE if kind in (TRUE, FALSE) else self.value(kind))
        return fields


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _number(value: int) -> bytes:
    return _varint(value << 1 if value >= 0 else ~(value << 1))
