import contextlib
import gzip
import hashlib
import random
import time
import tracemalloc
import zlib
from collections.abc import Iterator
from dataclasses import replace

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from grid.errors import (
    CompressionCorrupt,
    DecompressionBomb,
    DiffIdMismatch,
    DigestMismatch,
    GridError,
    LayerTooLarge,
    LayerTruncated,
    NetworkConnectError,
    SizeMismatch,
)
from grid.layers.blob import open_stream
from grid.model import MIB, Limits
from grid.testing import BuiltLayer, built_layer
from grid.testing.layers import digest_of

TEXT = random.Random(1).randbytes(300_000) + b"plain text, much the same\n" * 40_000
SKIPPABLE = b"\x53\x2a\x4d\x18" + (7).to_bytes(4, "little") + b"ignored"


def read_all(built: BuiltLayer, chunk: int = 1 << 18, limits: Limits | None = None, step: int = 70_000) -> bytes:
    stream = open_stream(built.chunks(chunk), built.layer, limits or Limits())
    out = []
    while part := stream.read(step):
        out.append(part)
    stats = stream.finish(3)
    assert stats.size_bytes == len(built.data)
    assert stats.uncompressed_bytes == sum(map(len, out))
    assert stats.entries == 3
    assert stats.diff_id == digest_of(b"".join(out))
    return b"".join(out)


def truncated(built: BuiltLayer, keep: int) -> BuiltLayer:
    """The registry's own description of a blob that was cut before it was pushed: size and digest are right."""
    data = built.data[:keep]
    return replace(built, data=data, size=len(data), digest=digest_of(data))


@pytest.mark.parametrize("compression", ["gzip", "zstd", "none"])
@pytest.mark.parametrize("chunk", [1, 3, 1000, 1 << 18, 1 << 30])
def test_every_compression_in_chunks_of_any_size(compression, chunk):
    text = TEXT if chunk > 3 else TEXT[299_000:303_000]
    assert read_all(built_layer(text, compression), chunk) == text


def test_the_media_type_is_not_believed():
    built = built_layer(TEXT, "zstd")
    assert read_all(replace(built, media_type="application/vnd.oci.image.layer.v1.tar+gzip")) == TEXT


@pytest.mark.parametrize("chunk", [1, 2, 5, 4096, 1 << 20])
def test_gzip_of_many_members(chunk):
    parts = [TEXT[i * 900 : (i + 1) * 900] for i in range(12)] + [b"", TEXT[290_000:] if chunk > 5 else b"end"]
    data = b"".join(gzip.compress(part, mtime=0) for part in parts)
    assert read_all(built_layer(b"".join(parts), data=data), chunk) == b"".join(parts)


@pytest.mark.parametrize("tail", [bytes(5000), b"garbage", b"\x1f", b"\0\x1f\x8b\x08"])
def test_what_follows_the_last_gzip_member_is_ignored_as_gnu_gzip_does(tail):
    for text in (TEXT, b"few"):
        for data in (gzip.compress(text, mtime=0) + tail, gzip.compress(text, mtime=7) + tail):
            assert read_all(built_layer(text, data=data)) == text
            assert read_all(built_layer(text, data=data), chunk=1009) == text


def gzip_member(text: bytes, flags: int) -> bytes:
    deflate = zlib.compressobj(wbits=-15)
    header = b"\x1f\x8b\x08" + bytes([flags]) + bytes(4) + b"\0\x03"
    header += b"\x04\0abcd" if flags & 4 else b""
    header += b"name\0" if flags & 8 else b""
    header += b"comment\0" if flags & 16 else b""
    header += (zlib.crc32(header) & 0xFFFF).to_bytes(2, "little") if flags & 2 else b""
    trailer = zlib.crc32(text).to_bytes(4, "little") + len(text).to_bytes(4, "little")
    return header + deflate.compress(text) + deflate.flush() + trailer


@pytest.mark.parametrize("chunk", [1, 7, 1 << 18])
def test_gzip_headers_with_every_combination_of_optional_fields(chunk):
    text = b"the same line\n" * 100
    data = b"".join(gzip_member(text, flags) for flags in range(0, 32, 2))
    assert read_all(built_layer(text * 16, data=data), chunk) == text * 16


def test_a_damaged_gzip_header():
    data = bytearray(gzip_member(TEXT, 2 | 8))
    data[11] ^= 1
    with pytest.raises(CompressionCorrupt, match="header"):
        read_all(built_layer(TEXT, data=bytes(data)))
    endless = b"\x1f\x8b\x08\x08" + b"x" * 3_000_000
    with pytest.raises(CompressionCorrupt, match="header"):
        read_all(built_layer(TEXT, data=endless))


@pytest.mark.parametrize("chunk", [1, 1000, 1 << 20])
def test_zstd_of_many_frames_with_skippable_ones(chunk):
    text = TEXT if chunk > 1 else TEXT[299_000:302_000]
    half = len(text) // 2
    frame = zstandard.ZstdCompressor(write_checksum=True).compress
    data = SKIPPABLE + frame(text[:half]) + SKIPPABLE + frame(text[half:]) + SKIPPABLE
    assert read_all(built_layer(text, data=data), chunk) == text


def test_zstd_with_a_window_over_128_mib_is_refused():
    parameters = zstandard.ZstdCompressionParameters(window_log=28)
    coder = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    data = coder.compress(TEXT) + coder.flush()
    with pytest.raises(CompressionCorrupt, match="memory"):
        read_all(built_layer(TEXT, data=data))


def test_an_empty_blob_is_an_empty_layer():
    assert read_all(built_layer(b"", "none")) == b""


def test_sha512_digests_are_checked():
    built = built_layer(TEXT)
    built = replace(built, digest="sha512:" + hashlib.sha512(built.data).hexdigest())
    assert read_all(built) == TEXT
    with pytest.raises(DigestMismatch):
        read_all(replace(built, digest="sha512:" + "0" * 128))


def test_a_blob_of_unknown_size_is_read_to_its_end():
    assert read_all(replace(built_layer(TEXT), size=-1)) == TEXT


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_a_wrong_digest(compression):
    built = built_layer(TEXT, compression)
    with pytest.raises(DigestMismatch):
        read_all(replace(built, digest=digest_of(b"other")))


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_damage_on_the_way_is_blamed_on_the_digest_not_on_the_compression(compression):
    built = built_layer(TEXT, compression)
    damaged = bytearray(built.data)
    damaged[500:510] = b"0123456789"
    with pytest.raises(DigestMismatch):
        read_all(replace(built, data=bytes(damaged)))


@pytest.mark.parametrize("compression", ["gzip", "zstd", "none"])
def test_a_blob_cut_on_the_way(compression):
    built = built_layer(TEXT, compression)
    with pytest.raises(LayerTruncated, match="of"):
        read_all(replace(built, data=built.data[: len(built.data) // 2]))


@pytest.mark.parametrize("keep", [1, 5, 10, 11, 19, -9, -8, -7, -4, -1])
@pytest.mark.parametrize("text", [b"", b"x", TEXT])
def test_a_gzip_member_cut_anywhere(keep, text):
    for mtime in (0, 7, 0x58585858):
        whole = gzip.compress(text, mtime=mtime)
        if len(whole[:keep]) >= 4:  # else there is no telling what it was to be
            with pytest.raises(LayerTruncated, match="ends early"):
                read_all(built_layer(text, data=whole[:keep]))
        if 4 <= len(whole[:keep]) <= 7 or len(whole[:keep]) >= 11:  # a second member, cut in its header or after it
            with pytest.raises(LayerTruncated, match="ends early"):
                read_all(built_layer(text, data=gzip.compress(b"first", mtime=3) + whole[:keep]))


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
@pytest.mark.parametrize("keep", [5, 4000, -1])
def test_a_blob_pushed_without_its_end(compression, keep):
    with pytest.raises(LayerTruncated, match="ends early"):
        read_all(truncated(built_layer(TEXT, compression), keep))


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_a_blob_pushed_damaged(compression):
    text = b"%r" % list(range(30_000))
    pack = gzip.compress if compression == "gzip" else zstandard.ZstdCompressor(write_checksum=True).compress
    data = bytearray(pack(text))
    data[2000:2030] = bytes(range(200, 230))
    with pytest.raises(CompressionCorrupt):
        read_all(built_layer(text, data=bytes(data)))


def test_a_wrong_gzip_checksum():
    data = bytearray(gzip.compress(TEXT))
    data[-6] ^= 1
    with pytest.raises(CompressionCorrupt):
        read_all(built_layer(TEXT, data=bytes(data)))


def test_a_longer_blob_is_given_up_at_once():
    built = built_layer(TEXT, "none")

    def endless() -> Iterator[bytes]:
        yield built.data
        yield b"more"
        raise AssertionError("asked for yet more")

    stream = open_stream(endless(), built.layer, Limits())
    with pytest.raises(SizeMismatch):
        stream.finish()


def test_a_wrong_diff_id():
    with pytest.raises(DiffIdMismatch):
        read_all(replace(built_layer(TEXT), diff_id=digest_of(b"other")))
    with pytest.raises(DiffIdMismatch):
        read_all(replace(built_layer(TEXT, "none"), diff_id=digest_of(b"other")))


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_what_the_connection_raises_passes_through(compression):
    built = built_layer(TEXT, compression)

    def broken() -> Iterator[bytes]:
        yield built.data[:1000]
        raise NetworkConnectError("reset")

    with pytest.raises(NetworkConnectError):
        open_stream(broken(), built.layer, Limits()).finish()

    def os_error() -> Iterator[bytes]:
        yield built.data[:1000]
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        open_stream(os_error(), built.layer, Limits()).finish()


def gzip_zeros(total: int) -> bytes:
    coder = zlib.compressobj(9, wbits=31)
    mib = bytes(MIB)
    return b"".join(coder.compress(mib) for _ in range(total // MIB)) + coder.flush()


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_a_bomb_of_10_gb_is_stopped_early_in_little_memory(compression):
    if compression == "gzip":
        mib100 = gzip_zeros(100 * MIB)
        data = mib100 * 100  # 10 GB in 10 MB
    else:
        coder = zstandard.ZstdCompressor().compressobj()
        data = (b"".join(coder.compress(bytes(MIB)) for _ in range(1000)) + coder.flush()) * 10
    built = BuiltLayer(digest_of(data), len(data), "", "x", data)
    tracemalloc.start()
    try:
        stream = open_stream(built.chunks(), built.layer, Limits())
        with pytest.raises(DecompressionBomb):
            stream.finish()
        assert tracemalloc.get_traced_memory()[1] < 8 * MIB
        assert stream.position < 2100 * MIB
    finally:
        tracemalloc.stop()


def test_a_high_ratio_below_the_grace_is_no_bomb():
    data = gzip_zeros(20 * MIB)
    built = BuiltLayer(digest_of(data), len(data), "", "x", data)
    assert open_stream(built.chunks(), built.layer, Limits()).finish().uncompressed_bytes == 20 * MIB


def test_a_layer_too_large():
    limits = Limits(max_layer_bytes=1_000_000)
    for compression in ("gzip", "none"):
        with pytest.raises(LayerTooLarge):
            read_all(built_layer(TEXT, compression), limits=limits)
    assert read_all(built_layer(TEXT[:1_000_000], "gzip"), limits=limits)


def test_a_limit_is_not_recorded_against_a_digest_that_the_bytes_do_not_have():
    built = replace(built_layer(TEXT), digest=digest_of(b"other"))
    with pytest.raises(DigestMismatch):
        read_all(built, limits=Limits(max_layer_bytes=1_000_000))


def test_skip_and_read_agree_with_slices():
    stream = open_stream(built_layer(TEXT).chunks(), built_layer(TEXT).layer, Limits())
    at, rng = 0, random.Random(3)
    while at < len(TEXT):
        n = rng.choice([0, 1, 511, 512, 70_000, 300_000])
        if rng.random() < 0.3:
            assert stream.skip(n) == (at + n <= len(TEXT))
        elif rng.random() < 0.5:
            target = bytearray(n)
            done = stream.readinto(memoryview(target))
            assert target[:done] == TEXT[at : at + n]
        else:
            assert stream.read(n) == TEXT[at : at + n]
        at = min(at + n, len(TEXT))
        assert stream.position == at
    assert stream.finish().diff_id == digest_of(TEXT)


@settings(max_examples=80)
@given(st.data())
def test_mutated_blobs_raise_nothing_but_our_errors(data):
    text = b"some text " * 200
    compressed = data.draw(
        st.sampled_from(
            [
                gzip.compress(text, mtime=0),
                gzip.compress(text[:500], mtime=0) + gzip.compress(text[500:], mtime=0),
                zstandard.ZstdCompressor(write_checksum=True).compress(text),
                SKIPPABLE + zstandard.ZstdCompressor().compress(text),
            ]
        )
    )
    mutated = bytearray(compressed)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(mutated) - 1))
        kind = data.draw(st.sampled_from(["set", "cut", "insert"]))
        if kind == "set":
            mutated[place] = data.draw(st.integers(0, 255))
        elif kind == "cut":
            del mutated[place : place + data.draw(st.integers(0, 30))]
        else:
            mutated[place:place] = data.draw(st.binary(max_size=30))
        if not mutated:
            mutated = bytearray(b"x")
    built, chunk = built_layer(text, data=bytes(mutated)), data.draw(st.sampled_from([1, 7, 1 << 18]))
    began = time.process_time()
    with contextlib.suppress(GridError):
        read_all(replace(built, diff_id=""), chunk=chunk)
    assert time.process_time() - began < 2
