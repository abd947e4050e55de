"""Bytes of archives, written by hand: what no archiver would write is the point."""
import gzip
import struct
import zlib

TOP = b"LunaClient-Minimal-10.4.0-417.x86_64/"
# A shared library as far as anybody looks at it who does not load it.
ELF = (b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0, 64, 0, 0, 64, 56, 0, 64, 0, 0) +
       bytes(200))
CLIENT = [(TOP + b"libs/64/libCryptoki2.so", ELF), (TOP + b"bin/64/vtl", b"#!/bin/sh\n"),
          (TOP + b"Chrystoki-template.conf", b"Chrystoki2 = {\n   LibUNIX64 = x;\n}\n")]


# --- tar -----------------------------------------------------------------------------------------------------------

def header(name, size=0, kind=b"0", link=b"", mode=0o644, magic=b"ustar\x0000", prefix=b"", size_field=None,
           mode_field=None, checksum=None, tail=b""):
    """One block.  Fields that are given as bytes stand as they are."""
    block = bytearray(512)
    block[0:100] = name.ljust(100, b"\0")[:100]
    block[100:108] = mode_field if mode_field is not None else b"%07o\0" % mode
    block[108:116] = block[116:124] = b"0000000\0"
    block[124:136] = size_field if size_field is not None else b"%011o\0" % size
    block[136:148] = b"14736422000\0"
    block[156:157] = kind
    block[157:257] = link.ljust(100, b"\0")[:100]
    block[257:265] = magic
    block[345:500] = prefix.ljust(155, b"\0")[:155]
    if tail:
        block[500:500 + len(tail)] = tail
    block[148:156] = b" " * 8
    block[148:156] = checksum if checksum is not None else b"%06o\0 " % sum(block)
    return bytes(block)


def pad(content, filling=b"\0"):
    return content + filling * (-len(content) % 512)


def member(name, content=b"", **how):
    return header(name, len(content), **how) + pad(content)


def record(key, value):
    body = b" " + key + b"=" + value + b"\n"
    length = len(body)
    while len(b"%d" % length) + len(body) != length:
        length = len(b"%d" % length) + len(body)
    return b"%d" % length + body


def pax(*records, kind=b"x"):
    content = b"".join(records)
    return member(b"PaxHeaders/0", content, kind=kind)


def gnu_long(name, kind=b"L"):
    return member(b"././@LongLink", name, kind=kind, magic=b"ustar  \0")


END = bytes(1024)


def client_tar(before=b"", after=b"", end=END):
    return before + b"".join(member(name, content, mode=0o755) for name, content in CLIENT) + after + end


def gz(content, level=6):
    return gzip.compress(content, level, mtime=0)


def deflate(content, level=6):
    packer = zlib.compressobj(level, zlib.DEFLATED, -15)
    return packer.compress(content) + packer.flush()


# --- zip -----------------------------------------------------------------------------------------------------------

class Entry:
    """A member whose every field can be set apart in its local header and in the directory."""

    def __init__(self, name, content=b"", method=8, mode=0o100644, host=3, **fields):
        self.name, self.content = name, content
        self.data = fields.pop("data", None)
        if self.data is None:
            self.data = deflate(content) if method == 8 else content
        common = dict(version=20, flags=0, method=method, time=0, date=0x5321, crc=zlib.crc32(content),
                      packed=len(self.data), size=len(content), name=name, extra=b"")
        self.local, self.central = dict(common), dict(common)
        self.central.update(made=host << 8 | 30, comment=b"", disk=0, internal=0, external=mode << 16, offset=None)
        if mode & 0o170000 == 0o040000 and host == 3:
            self.central["external"] |= 0x10
        self.descriptor = fields.pop("descriptor", b"")
        self.before = fields.pop("before", b"")
        for key, value in fields.items():
            where, field = key.split("_", 1)
            if where in ("local", "both"):
                self.local[field] = value
            if where in ("central", "both"):
                self.central[field] = value

    def local_bytes(self):
        f = self.local
        return struct.pack("<IHHHHHIIIHH", 0x04034b50, f["version"], f["flags"], f["method"], f["time"], f["date"],
                           f["crc"], f["packed"], f["size"], len(f["name"]), len(f["extra"])) + f["name"] + f["extra"]

    def central_bytes(self, offset):
        f = self.central
        return struct.pack("<IHHHHHHIIIHHHHHII", 0x02014b50, f["made"], f["version"], f["flags"], f["method"],
                           f["time"], f["date"], f["crc"], f["packed"], f["size"], len(f["name"]), len(f["extra"]),
                           len(f["comment"]), f["disk"], f["internal"], f["external"],
                           offset if f["offset"] is None else f["offset"]) + f["name"] + f["extra"] + f["comment"]


def zip_client():
    return [Entry(name[len(TOP):], content, mode=0o100755) for name, content in CLIENT]


def zip_bytes(entries, before=b"", between=b"", after=b"", comment=b"", **end):
    out, places = bytearray(before), []
    for e in entries:
        out += e.before
        places.append(len(out))
        out += e.local_bytes() + e.data + e.descriptor
    out += between
    start = len(out)
    for e, place in zip(entries, places):
        out += e.central_bytes(place)
    f = dict(disk=0, start_disk=0, here=len(entries), all=len(entries), size=len(out) - start, offset=start,
             comment_length=len(comment))
    f.update(end)
    out += struct.pack("<IHHHHIIH", 0x06054b50, f["disk"], f["start_disk"], f["here"], f["all"], f["size"],
        f["offset"],
                       f["comment_length"]) + comment + after
    return bytes(out)


def zip_with(*entries, **how):
    return zip_bytes(zip_client() + list(entries), **how)
