"""psycopg with what a library for vectors has in it: types that write and read
the text and the wire forms, and COPY in either.  The wire forms are those of
the client libraries, written here by hand."""

import re
import struct
import sys
import traceback

import psycopg
from psycopg.adapt import Dumper, Loader
from psycopg.pq import Format
from psycopg.types import TypeInfo
from psycopg.types.array import register_array


class Vector(tuple):
    """Elements, single precision or half."""

    def text(self):
        return "[" + ",".join(repr(x) for x in self) + "]"

    @classmethod
    def from_text(cls, text):
        return cls(float(x) for x in text.strip("[]").split(","))

    @classmethod
    def from_wire(cls, data):
        count, unused = struct.unpack_from(">hh", data)
        assert unused == 0
        return cls(struct.unpack(f">{count}{cls.letter}", data[4:]))

    def wire(self):
        return struct.pack(f">hh{len(self)}{self.letter}", len(self), 0, *self)

    letter = "f"


class HalfVector(Vector):
    letter = "e"


class SparseVector(tuple):
    """(dimensions, {place: value}), places from zero."""

    def text(self):
        dimensions, values = self
        return "{%s}/%d" % (
            ",".join(f"{i + 1}:{x!r}" for i, x in values.items()), dimensions)

    @classmethod
    def from_text(cls, text):
        elements, dimensions = re.fullmatch(r"\{(.*)\}/(\d+)", text).groups()
        pairs = [e.split(":") for e in elements.split(",") if e]
        return cls((int(dimensions), {int(i) - 1: float(x) for i, x in pairs}))

    @classmethod
    def from_wire(cls, data):
        dimensions, count, unused = struct.unpack_from(">iii", data)
        assert unused == 0
        numbers = struct.unpack(f">{count}i{count}f", data[12:])
        return cls((dimensions, dict(zip(numbers[:count], numbers[count:]))))

    def wire(self):
        dimensions, values = self
        count = len(values)
        return struct.pack(f">iii{count}i{count}f", dimensions, count, 0,
                           *values, *values.values())


class Bits(str):
    """A bit string, of which the server has a type, but psycopg none."""

    def text(self):
        return self

    @classmethod
    def from_text(cls, text):
        return cls(text)

    @classmethod
    def from_wire(cls, data):
        count, = struct.unpack_from(">i", data)
        bits = int.from_bytes(data[4:], "big") >> -count % 8
        return cls(f"{bits:0{count}b}")

    def wire(self):
        padded = self + "0" * (-len(self) % 8)
        return struct.pack(">i", len(self)) + int(padded, 2).to_bytes(
            len(padded) // 8, "big")


def register(connection, name, cls):
    info = TypeInfo.fetch(connection, name)
    info.register(connection)

    class TextDumper(Dumper):
        format = Format.TEXT
        oid = info.oid

        def dump(self, value):
            return value.text().encode()

    class BinaryDumper(Dumper):
        format = Format.BINARY
        oid = info.oid

        def dump(self, value):
            return value.wire()

    class TextLoader(Loader):
        format = Format.TEXT

        def load(self, data):
            return cls.from_text(bytes(data).decode())

    class BinaryLoader(Loader):
        format = Format.BINARY

        def load(self, data):
            return cls.from_wire(bytes(data))

    for dumper in TextDumper, BinaryDumper:
        connection.adapters.register_dumper(cls, dumper)
    for loader in TextLoader, BinaryLoader:
        connection.adapters.register_loader(info.oid, loader)
    register_array(info, connection)


TYPES = {"vector": Vector, "halfvec": HalfVector, "sparsevec": SparseVector,
         "bit": Bits}

ROWS = [
    (1, Vector((1.0, -2.5, 0.0)), HalfVector((1.0, -2.5, 65504.0)),
     SparseVector((5, {0: 1.5, 4: -2.0})), Bits("101")),
    (2, Vector((1e-42, 3.4028234663852886e+38, -0.0)),
     HalfVector((5.960464477539063e-08, 0.0999755859375, -0.0)),
     SparseVector((5, {})), Bits("010")),
    (3, None, None, None, None),
]


def as_wire(rows):
    """To compare by: text gives fewer digits than Python, but the same value."""
    return [(i, *(value and value.wire() for value in row)) for i, *row in rows]


def create(connection):
    connection.execute("CREATE EXTENSION IF NOT EXISTS vego")
    for name, cls in TYPES.items():
        register(connection, name, cls)
    connection.execute("""CREATE TABLE items (id int, embedding vector(3),
        half halfvec(3), sparse sparsevec(5), bits bit(3))""")


def parameters(connection):
    for send in "%t", "%b":
        for receive in False, True:
            for row in ROWS:
                found = connection.execute(
                    f"""SELECT {send}::int, {send}::vector, {send}::halfvec,
                        {send}::sparsevec, {send}::bit(3)""",
                    row, binary=receive).fetchone()
                assert as_wire([found]) == as_wire([row]), (send, receive, found)


def arrays(connection):
    sent = {
        "vector": [Vector((1.0, 2.0)), Vector((3.0,))],
        "halfvec": [HalfVector((1.0, 2.0)), HalfVector((3.0,))],
        "sparsevec": [SparseVector((2, {1: 1.0})), SparseVector((3, {}))],
    }
    for name, values in sent.items():
        for send in "%t", "%b":
            for receive in False, True:
                found, same = connection.execute(
                    f"SELECT {send}::{name}[], {send} = {send}::{name}[]",
                    [values, values, values], binary=receive).fetchone()
                assert same and found == values, (name, found)


def copy(connection):
    for form in "text", "binary":
        connection.execute("TRUNCATE items")
        with connection.cursor() as cursor:
            with cursor.copy(f"COPY items FROM STDIN (FORMAT {form})") as copy:
                if form == "binary":
                    copy.set_types(["int4", *TYPES])
                for row in ROWS:
                    copy.write_row(row)
        for back in "text", "binary":
            with connection.cursor() as cursor:
                with cursor.copy(f"COPY items TO STDOUT (FORMAT {back})") as copy:
                    copy.set_types(["int4", *TYPES])
                    found = sorted(copy.rows(), key=lambda row: row[0])
            assert as_wire(found) == as_wire(ROWS), (form, back, found)


def nearest(connection):
    connection.execute("TRUNCATE items")
    with connection.cursor() as cursor:
        with cursor.copy("""COPY items (id, embedding, half) FROM STDIN
                (FORMAT BINARY)""") as copy:
            copy.set_types(["int4", "vector", "halfvec"])
            for i in range(500):
                elements = (i % 11, i % 7 - 3.5, i % 13 / 4)
                copy.write_row((i, Vector(elements), HalfVector(elements)))
    connection.execute("""CREATE INDEX items_embedding_idx ON items
        USING vego_hnsw (embedding vector_cosine_ops)""")
    connection.execute("""CREATE INDEX items_half_idx ON items
        USING vego_hnsw (half halfvec_l2_ops)""")
    for column, operator, query in (
            ("embedding", "<=>", Vector((5.0, 1.0, 2.0))),
            ("half", "<->", HalfVector((5.0, 1.0, 2.0)))):
        answers = {}
        for setting in "enable_seqscan", "enable_indexscan":
            with connection.transaction():
                connection.execute(f"SET LOCAL {setting} = off")
                for place in "%t", "%b":
                    statement = f"""SELECT {column} {operator} {place} AS d FROM items
                        ORDER BY {column} {operator} {place} LIMIT 7"""
                    plan = "".join(row[0] for row in connection.execute(
                        "EXPLAIN " + statement, [query, query]))
                    index = f"Index Scan using items_{column}_idx"
                    assert (index in plan) == (setting == "enable_seqscan"), plan
                    answers[setting, place] = connection.execute(
                        statement, [query, query]).fetchall()
        first = answers["enable_indexscan", "%t"]
        assert len(first) == 7
        assert all(answer == first for answer in answers.values()), answers


def server_side_cursor(connection):
    with connection.transaction():
        connection.execute("SET LOCAL enable_seqscan = off")
        with connection.cursor("nearest", binary=True) as cursor:
            cursor.execute("""SELECT id, embedding FROM items
                ORDER BY embedding <=> %b LIMIT 50""", [Vector((1.0, 1.0, 1.0))])
            cursor.itersize = 7
            found = list(cursor)
        assert len(found) == 50 and len({i for i, _ in found}) == 50
        assert all(type(v) is Vector for _, v in found)


def prepared(connection):
    for i in range(12):
        found, = connection.execute(
            "SELECT id FROM items ORDER BY half <-> %b LIMIT 1",
            [HalfVector((i % 11, i % 7 - 3.5, i % 13 / 4))],
            prepare=True).fetchone()
        assert found == i, (found, i)


def refusals(connection):
    for cls, wire in ((Vector, b"\0\x02\0\0\0\0\0\0"),
                      (HalfVector, b"\0\x01\0\x01\0\0"),
                      (SparseVector, struct.pack(">iiiif", 5, 1, 0, 5, 1.0))):
        value = type(cls.__name__, (cls,), {"wire": lambda self: wire})()
        name = {c: n for n, c in TYPES.items()}[cls]
        try:
            connection.execute(f"SELECT %b::{name}", [value])
        except psycopg.DataError as error:
            assert name in str(error), error
        else:
            raise AssertionError(f"{name} accepted {wire!r}")


def main():
    failed = False
    with psycopg.connect(autocommit=True) as connection:
        for check in (create, parameters, arrays, copy, nearest, prepared,
                      server_side_cursor, refusals):
            name = check.__name__.replace("_", " ")
            try:
                check(connection)
                print("ok", name, flush=True)
            except Exception:
                reason = " | ".join(traceback.format_exc().split("\n"))
                print(f"not ok {name}: {reason}", flush=True)
                failed = True
    sys.exit(failed)


main()
