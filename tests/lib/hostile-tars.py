#!/usr/bin/env python3
"""hostile-tars.py DIR: write the corpus of hostile and awkward archives.

For each case DIR/NAME.tar and DIR/NAME.want: one line `error CODE` (the name of an err_code), or
`index-error CODE` when only the EROFS index cannot hold it; or the tree that the layer must have, one line for each file below the root:
    TYPE PATH [SIZE | ->TARGET | MAJOR,MINOR]
with " links=N" for hard links and " opaque" for opaque directories. Every reader of archives is run
over the corpus. Nothing in it may ever appear outside of a destination: names aim at the directory
in $CANARY (default /tmp/dhow-canary)."""
import gzip
import os
import struct
import sys

CANARY = os.environ.get("CANARY", "/tmp/dhow-canary")
CASES = {}


def octal(value, width):
    return b"%0*o\0" % (width - 1, value)


def header(name, kind=b"0", size=0, link=b"", mode=0o644, uid=0, gid=0, mtime=0, major=0, minor=0,
           prefix=b"", magic=b"ustar\x0000", size_field=None, uid_field=None, mtime_field=None,
           tail=None, checksum=None):
    h = bytearray(512)
    h[0:100] = name[:100].ljust(100, b"\0")
    h[100:108] = octal(mode, 8)
    h[108:116] = uid_field or octal(uid, 8)
    h[116:124] = octal(gid, 8)
    h[124:136] = size_field or octal(size, 12)
    h[136:148] = mtime_field or octal(mtime, 12)
    h[156:157] = kind
    h[157:257] = link[:100].ljust(100, b"\0")
    h[257:265] = magic
    h[329:337] = octal(major, 8)
    h[337:345] = octal(minor, 8)
    h[345:500] = prefix.ljust(155, b"\0")
    if tail:
        at, data = tail
        h[at:at + len(data)] = data
    h[148:156] = b" " * 8
    h[148:156] = b"%06o\0 " % (sum(h) if checksum is None else checksum)
    return bytes(h)


def pad(data):
    return data + b"\0" * (-len(data) % 512)


def file(name, data=b"x", **kw):
    return header(name, size=len(data), **kw) + pad(data)


def folder(name, **kw):
    kw.setdefault("mode", 0o755)
    return header(name, b"5", **kw)


def symlink(name, target, **kw):
    return header(name, b"2", link=target, mode=0o777, **kw)


def hardlink(name, target, **kw):
    return header(name, b"1", link=target, **kw)


def record(key, value):
    rest = b" " + key + b"=" + value + b"\n"
    n = len(rest)
    while n != len(rest) + len(str(n)):
        n = len(rest) + len(str(n))
    return str(n).encode() + rest


def pax(*records, kind=b"x"):
    data = b"".join(record(k, v) for k, v in records)
    return header(b"PaxHeaders/x", kind, size=len(data)) + pad(data)


def gnu_long(text, kind=b"L"):
    return header(b"././@LongLink", kind, size=len(text) + 1, magic=b"ustar  \0") + pad(text + b"\0")


END = b"\0" * 1024


def error(name, code, *parts, end=END):
    CASES[name] = (b"".join(parts) + end, ["error " + code])


def tree(name, want, *parts, end=END):
    CASES[name] = (b"".join(parts) + end, want)


canary = CANARY.encode()
inside = CANARY.strip("/")  # the same path below the layer's root


def parents(path):
    out, parts = [], path.split("/")
    for i in range(1, len(parts) + 1):
        out.append("d " + "/".join(parts[:i]))
    return out


# --- names ---
error("name-dotdot", "invalid", file(b"../evil"))
error("name-dotdot-inside", "invalid", file(b"a/../../evil"))
error("name-dotdot-last", "invalid", folder(b"a/.."))
tree("name-absolute", parents(inside) + ["f %s/evil 1" % inside], file(canary + b"/evil"))
tree("name-slashes", ["d a", "f a/b 1"], file(b"./a//.//b"))
error("name-empty", "corrupt", file(b""))
error("root-symlink", "corrupt", symlink(b".", canary), file(b"./evil"))
error("root-symlink-slash", "corrupt", symlink(b"./", canary), file(b"evil"))
error("root-file", "corrupt", file(b"/"))
error("root-hardlink", "corrupt", file(b"a"), hardlink(b".", b"a"))
error("name-nul-in-pax", "corrupt", pax((b"path", b"good\0/../../evil")), file(b"x"))
error("name-nul-in-gnu", "corrupt", gnu_long(b"good\0evil"), file(b"x"))
error("name-part-256", "invalid", pax((b"path", b"n" * 256)), file(b"x"))
tree("name-part-255", ["f " + "n" * 255 + " 1"], pax((b"path", b"n" * 255)), file(b"x"))
error("name-4096", "invalid", pax((b"path", b"/".join([b"d" * 99] * 41))), file(b"x"))
error("name-gnu-too-long", "limit", gnu_long(b"n/" * 100000), file(b"x"))
tree("name-odd-bytes", [r"f \\xff\\xfe 1", r"f a\nb 1"], file(b"\xff\xfe"), file(b"a\nb"))
tree("name-deep", ["d " + "/".join(["d"] * n) for n in range(1, 301)],
     pax((b"path", b"/".join([b"d"] * 300))), folder(b"x"))
error("name-file-with-slash", "corrupt", file(b"a/"))
error("name-gnu-and-pax", "corrupt", gnu_long(b"one"), pax((b"path", b"two")), file(b"x"))
error("parent-is-file", "invalid", file(b"a"), file(b"a/b"))
error("parent-is-device", "invalid", header(b"a", b"3", major=1, minor=3), file(b"a/b"))
tree("prefix", ["d p", "f p/n 1"], file(b"n", prefix=b"p"))
tree("v7-directory", ["d a"], header(b"a/", b"\0", mode=0o755, magic=b"\0" * 8))

# --- symbolic links and what comes after them ---
tree("symlink-absolute-parent", ["s l ->" + CANARY] + parents(inside) + ["f %s/evil 1" % inside],
     symlink(b"l", canary), file(b"l/evil"))
tree("symlink-dotdot-parent", ["s l ->../../../../.." + CANARY] + parents(inside) +
     ["f %s/evil 1" % inside], symlink(b"l", b"../../../../.." + canary), file(b"l/evil"))
tree("symlink-chain", ["s a ->b", "s b ->c/..", "s c ->" + CANARY] + parents(inside) +
     ["f %s/evil 1" % os.path.dirname(inside)],
     symlink(b"c", canary), symlink(b"b", b"c/.."), symlink(b"a", b"b"), file(b"a/evil"))
error("symlink-loop", "invalid", symlink(b"a", b"b"), symlink(b"b", b"a"), file(b"a/evil"))
error("symlink-self", "invalid", symlink(b"a", b"a"), file(b"a/evil"))
tree("directory-then-symlink", ["s d ->" + CANARY] + parents(inside) + ["f %s/evil 1" % inside],
     folder(b"d"), file(b"d/old"), symlink(b"d", canary), file(b"d/evil"))
tree("symlink-then-file", ["f l 1"], symlink(b"l", canary + b"/evil"), file(b"l"))
tree("symlink-then-directory", ["d l", "f l/a 1"], symlink(b"l", canary), folder(b"l"), file(b"l/a"))
tree("symlink-mode", ["s l ->" + CANARY], symlink(b"l", canary), )
error("symlink-empty", "corrupt", symlink(b"l", b""))
tree("whiteout-through-symlink", ["s l ->" + CANARY] + parents(inside) + ["c %s/victim 0,0" % inside],
     symlink(b"l", canary), file(b"l/.wh.victim", b""))

# --- hard links ---
error("hardlink-absolute", "invalid", hardlink(b"h", b"/etc/passwd"))
error("hardlink-canary", "invalid", hardlink(b"h", canary + b"/secret"))
error("hardlink-dotdot", "invalid", hardlink(b"h", b"../../etc/passwd"))
error("hardlink-through-symlink", "invalid", symlink(b"s", b"/etc"), hardlink(b"h", b"s/passwd"))
error("hardlink-cwd", "invalid", hardlink(b"h", b"hostile-tars.py"))
error("hardlink-directory", "invalid", folder(b"d"), hardlink(b"h", b"d"))
error("hardlink-self", "invalid", file(b"a"), hardlink(b"a", b"a"))
error("hardlink-before-target", "invalid", hardlink(b"h", b"a"), file(b"a"))
error("hardlink-empty", "corrupt", hardlink(b"h", b""))
error("hardlink-root", "corrupt", hardlink(b"h", b"/"))
error("hardlink-with-data", "corrupt", file(b"a"), header(b"h", b"1", size=5, link=b"a"), pad(b"data!"))
tree("hardlink-to-symlink", ["s a ->%s links=2" % CANARY, "s h ->%s links=2" % CANARY],
     symlink(b"a", canary), hardlink(b"h", b"a"))
tree("hardlink-then-replaced", ["f a 3", "f h 1"], file(b"a"), hardlink(b"h", b"a"), file(b"a", b"new"))
tree("hardlink-absolute-inside", ["f a 1 links=2", "f h 1 links=2"], file(b"a"), hardlink(b"h", b"/a"))
error("hardlink-to-whiteout", "invalid", file(b".wh.a", b""), hardlink(b"h", b"a"))
tree("hardlink-parent-missing", ["d d", "f a 1 links=2", "f d/h 1 links=2"], file(b"a"),
     hardlink(b"d/h", b"a"))

# --- equal names ---
tree("twice", ["f a 3"], file(b"a"), file(b"./a", b"two"))
tree("file-over-directory", ["f d 1"], folder(b"d"), file(b"d/x"), folder(b"d/sub"), file(b"d"))
tree("directory-over-file", ["d d", "f d/x 1"], file(b"d"), folder(b"d"), file(b"d/x"))
tree("directory-twice", ["d d", "f d/x 1"], folder(b"d"), file(b"d/x"), folder(b"d", mode=0o700))
tree("directory-comes-back-empty", ["d d"], folder(b"d"), file(b"d/x"), file(b"d"), folder(b"d"))
tree("fifo-over-file", ["p a"], file(b"a"), header(b"a", b"6"))

# --- whiteouts ---
for bad in (b".wh.", b".wh..", b".wh..."):
    error("whiteout-" + bad.decode().replace(".", "_"), "invalid", file(bad, b""))
    error("whiteout-in-directory-" + bad.decode().replace(".", "_"), "invalid", file(b"d/" + bad, b""))
tree("whiteout", ["d d", "c d/x 0,0"], folder(b"d"), file(b"d/.wh.x", b""))
tree("whiteout-and-file", ["f x 1"], file(b".wh.x", b""), file(b"x"))
tree("whiteout-and-directory", ["d x opaque", "f x/y 1"], file(b".wh.x", b""), file(b"x/y"))
tree("whiteout-opaque", ["d d opaque", "f d/x 1"], file(b"d/x"), file(b"d/.wh..wh..opq", b""))
tree("whiteout-aufs", ["f a 1"], file(b"a"), file(b".wh..wh.plnk", b""), file(b".wh..wh.orph", b""))
tree("whiteout-device", ["c x 0,0"], header(b"x", b"3"))
tree("whiteout-long-name", ["c " + "n" * 251 + " 0,0"], pax((b"path", b".wh." + b"n" * 251)),
     file(b"x", b""))

# --- attributes ---
XATTR = b"SCHILY.xattr."
tree("overlay-xattrs", ["d d", "f d/f 0"],
     pax((XATTR + b"trusted.overlay.opaque", b"y"), (XATTR + b"trusted.overlay.redirect", b"/etc"),
         (XATTR + b"user.overlay.opaque", b"y")), folder(b"d"),
     pax((XATTR + b"trusted.overlay.metacopy", b""), (XATTR + b"user.overlay.whiteout", b"")),
     file(b"d/f", b""))
error("xattr-value-too-large", "limit", pax((XATTR + b"user.a", b"v" * 65536)), file(b"x"))
error("xattrs-too-many-bytes", "limit",
      pax(*[(XATTR + b"user.%d" % i, b"v" * 60000) for i in range(4)]), file(b"x"))
error("xattr-name-too-long", "limit", pax((XATTR + b"user." + b"n" * 300, b"v")), file(b"x"))
error("xattr-twice", "corrupt", pax((XATTR + b"user.a", b"1"), (XATTR + b"user.a", b"2")), file(b"x"))
tree("xattr-foreign", ["f x 1"], pax((XATTR + b"com.apple.provenance", b"1"),
     (XATTR + b"security.selinux", b"system_u:object_r:shadow_t:s0")), file(b"x"))
tree("xattr-many-small", ["f x 1"], pax(*[(XATTR + b"user.%03d" % i, b"v" * 9) for i in range(80)]),
     file(b"x"))
error("owner-minus-one", "corrupt", file(b"x", uid_field=b"\x80\0\0\0\xff\xff\xff\xff"))
error("owner-negative", "corrupt", file(b"x", uid_field=b"\xff" * 8))
error("owner-pax-too-large", "corrupt", pax((b"uid", b"4294967295")), file(b"x"))
error("owner-pax-huge", "corrupt", pax((b"uid", b"18446744073709551617")), file(b"x"))
error("owner-pax-name", "corrupt", pax((b"uid", b"root")), file(b"x"))
tree("time-negative", ["f x 1"], file(b"x", mtime_field=b"\xff" * 11 + b"\x9c"))
error("time-pax-bad", "corrupt", pax((b"mtime", b"1e99")), file(b"x"))
tree("device", ["b b 8,0", "c c 1,3"], header(b"c", b"3", major=1, minor=3), header(b"b", b"4", major=8))
error("device-too-large", "corrupt", header(b"c", b"3", major=0o7777777))

# --- sizes and headers ---
error("size-negative", "corrupt", header(b"x", size_field=b"\xff" * 12))
error("size-huge", "limit", header(b"x", size_field=b"\x80\0\0\0\x7f" + b"\xff" * 7))
error("size-overflow", "corrupt", header(b"x", size_field=b"\x80" + b"\x7f" * 11))
error("size-not-octal", "corrupt", header(b"x", size_field=b"0000000012z\0"))
error("size-pax-contradicts", "corrupt", pax((b"size", b"1024")), file(b"x", b"d" * 512), pad(b"y"))
error("size-pax-huge", "limit", pax((b"size", b"9223372036854775807")), header(b"x"))
error("size-pax-negative", "corrupt", pax((b"size", b"-1")), header(b"x"))
# an archive in the data of an entry whose header says "no data": it must not be read as entries
inner = file(b"smuggled", b"inner")
tree("size-pax-hides-archive", ["f outer %d" % len(inner)], pax((b"size", b"%d" % len(inner))),
     header(b"outer"), inner)
error("symlink-with-data", "corrupt", header(b"l", b"2", size=512, link=b"x"), inner)
error("directory-with-data", "corrupt", header(b"d", b"5", size=512), inner)
error("checksum-wrong", "corrupt", header(b"x", checksum=1))
error("type-unknown", "unsupported", header(b"x", b"Q"))
error("type-solaris", "unsupported", header(b"x", b"X"))
error("type-multivolume", "unsupported", header(b"x", b"M"))
error("zero-block-inside", "corrupt", file(b"a"), b"\0" * 512, file(b"b"))
tree("no-end-mark", ["f a 1"], file(b"a"), end=b"")
tree("garbage-after-end", ["f a 1"], file(b"a"), end=END + b"garbage" * 999)
tree("empty-archive", [])
tree("empty-file", [], end=b"")
error("cut-in-header", "corrupt", file(b"a")[:300], end=b"")
error("cut-in-data", "corrupt", header(b"a", size=2000), b"d" * 700, end=b"")
error("cut-in-padding", "corrupt", file(b"a")[:600], end=b"")
error("not-a-tar", "corrupt", b"<html>404 not found</html>" * 40, end=b"")

# --- extended headers ---
error("pax-too-large", "limit", pax((b"comment", b"c" * (2 << 20))), file(b"x"))
error("pax-without-entry", "corrupt", pax((b"path", b"x")))
error("pax-twice", "corrupt", pax((b"path", b"a")), pax((b"path", b"b")), file(b"x"))
error("gnu-long-twice", "corrupt", gnu_long(b"a"), gnu_long(b"b"), file(b"x"))
for n, bad in enumerate((b"5 a=b\n", b"0 a=b\n", b"99 a=b\n", b"6 a=bc", b"4 =\n\n", b"-6 a=b\n", b"a=b\n",
                         b"18446744073709551622 a=b\n", b"6  a=b\n")):
    error("pax-record-%d" % n, "corrupt", header(b"p", b"x", size=len(bad)) + pad(bad), file(b"x"))
error("pax-key-nul", "corrupt", pax((b"pa\0th", b"x")), file(b"x"))
tree("pax-global-comment", ["f x 1"], pax((b"comment", b"git"), kind=b"g"), file(b"x"))
error("pax-global-path", "unsupported", pax((b"path", b"../evil"), kind=b"g"), file(b"x"), file(b"y"))
error("pax-global-size", "unsupported", pax((b"size", b"5"), kind=b"g"), file(b"x"))
error("pax-global-xattr", "unsupported", pax((XATTR + b"user.a", b"5"), kind=b"g"), file(b"x"))
error("pax-path-dotdot", "invalid", pax((b"path", b"../../evil")), file(b"good"))
error("pax-linkpath-dotdot", "invalid", pax((b"linkpath", b"../../etc/passwd")), hardlink(b"h", b"good"))
tree("pax-empty-value", ["f x 1"], pax((b"path", b"")), file(b"x"))

# --- sparse files ---


def gnu_sparse(name, real, extents, data):
    fields = b"".join(octal(o, 12) + octal(n, 12) for o, n in extents[:4]).ljust(96, b"\0")
    more = extents[4:]
    out = header(name, b"S", size=len(data), magic=b"ustar  \0",
                 tail=(386, fields + (b"\1" if more else b"\0") + octal(real, 12)))
    while more:
        block = b"".join(octal(o, 12) + octal(n, 12) for o, n in more[:21]).ljust(504, b"\0")
        more = more[21:]
        out += block + (b"\1" if more else b"\0") + b"\0" * 7
    return out + pad(data)


def sparse_1_0(name, real, extents, data, count=None):
    table = b"%d\n" % (len(extents) if count is None else count)
    table = pad(table + b"".join(b"%d\n%d\n" % e for e in extents))
    return (pax((b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"), (b"GNU.sparse.name", name),
                (b"GNU.sparse.realsize", b"%d" % real)) +
            header(b"GNUSparseFile.0/x", size=len(table) + len(data)) + table + pad(data))


aligned = [(0, 512), (8192, 1024), (20480, 0)]
tree("sparse-gnu", ["f s 20480"], gnu_sparse(b"s", 20480, aligned, b"d" * 1536))
many = [(i * 1024, 512) for i in range(60)]
tree("sparse-gnu-extended", ["f s 61440"], gnu_sparse(b"s", 61440, many, b"e" * 512 * 60))
tree("sparse-1.0", ["f s 20480"], sparse_1_0(b"s", 20480, aligned, b"d" * 1536))
odd = [(3, 5), (700, 1), (1500, 2000), (9000, 1000)]
tree("sparse-1.0-unaligned", ["f s 10000"], sparse_1_0(b"s", 10000, odd, b"u" * 3006))
tree("sparse-0.1", ["f s 20480"],
     pax((b"GNU.sparse.size", b"20480"), (b"GNU.sparse.numblocks", b"2"), (b"GNU.sparse.name", b"s"),
         (b"GNU.sparse.map", b"0,512,8192,1024")), file(b"x", b"d" * 1536))
tree("sparse-0.0", ["f s 20480"],
     pax((b"GNU.sparse.size", b"20480"), (b"GNU.sparse.numblocks", b"2"),
         (b"GNU.sparse.offset", b"0"), (b"GNU.sparse.numbytes", b"512"),
         (b"GNU.sparse.offset", b"8192"), (b"GNU.sparse.numbytes", b"1024")), file(b"s", b"d" * 1536))
tree("sparse-all-hole", ["f s 1048576"], sparse_1_0(b"s", 1 << 20, [], b""))
tree("sparse-map-two-blocks", ["f s 104960"],
     sparse_1_0(b"s", 104960, [(i * 1024, 512) for i in range(100)], b"m" * 51200))
error("sparse-overlap", "corrupt", gnu_sparse(b"s", 8192, [(0, 1024), (512, 512)], b"d" * 1536))
error("sparse-backwards", "corrupt", gnu_sparse(b"s", 8192, [(4096, 512), (0, 512)], b"d" * 1024))
error("sparse-past-the-end", "corrupt", gnu_sparse(b"s", 1024, [(0, 512), (1024, 512)], b"d" * 1024))
error("sparse-too-much-data", "corrupt", gnu_sparse(b"s", 8192, [(0, 512)], b"d" * 1024))
error("sparse-too-little-data", "corrupt", gnu_sparse(b"s", 8192, [(0, 1024)], b"d" * 512))
error("sparse-huge-map", "limit", sparse_1_0(b"s", 8192, [(0, 512)], b"d" * 512, count=10 ** 9))
error("sparse-map-cut", "corrupt", sparse_1_0(b"s", 8192, [(0, 512)], b"d" * 512, count=5))
error("sparse-huge-size", "limit", sparse_1_0(b"s", 1 << 62, [(0, 512)], b"d" * 512))
error("sparse-huge-index", "limit", sparse_1_0(b"s", 1 << 40, [(0, 1), ((1 << 40) - 1, 1)], b"dd"))
CASES["sparse-huge-index"][1][0] = "index-error limit"
error("sparse-without-size", "corrupt", pax((b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0")),
      file(b"x", b"0\n".ljust(512, b"\0")))
error("sparse-version-2", "corrupt", pax((b"GNU.sparse.major", b"2"), (b"GNU.sparse.minor", b"0"),
      (b"GNU.sparse.realsize", b"5")), file(b"x"))

# --- compressed ---
plain = file(b"a") + END
two = len(plain) // 2
CASES["gzip-two-members"] = (gzip.compress(plain[:two]) + gzip.compress(plain[two:]), ["f a 1"])
CASES["gzip-zeros-after"] = (gzip.compress(plain) + b"\0" * 99, ["f a 1"])
CASES["gzip-garbage-after"] = (gzip.compress(plain) + b"garbage", ["error corrupt"])
CASES["gzip-cut"] = (gzip.compress(plain)[:-9], ["error corrupt"])
CASES["gzip-wrong-checksum"] = (gzip.compress(plain)[:-8] + b"\1\2\3\4" + gzip.compress(plain)[-4:],
                                ["error corrupt"])
# a frame header that asks for a window of 2 GiB
CASES["zstd-window"] = (b"\x28\xb5\x2f\xfd\0" + bytes([21 << 3]) + struct.pack("<I", 1)[:3] + b"\0" * 20,
                        ["error corrupt"])


def main():
    out = sys.argv[1]
    os.makedirs(out, exist_ok=True)
    for name, (data, want) in CASES.items():
        with open(os.path.join(out, name + ".tar"), "wb") as f:
            f.write(data)
        with open(os.path.join(out, name + ".want"), "w") as f:
            f.write("".join(line + "\n" for line in want))
    print(len(CASES))


main()
