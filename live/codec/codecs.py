"""The codecs as programs use them: each is a library behind one base, and only that of the run is loaded.

A decoded message is what the library gives: dicts, or an object of Protocol Buffers. Nobody makes anything else of it,
since an application would read its fields as they are.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from twin.rules.chat import ChatLine
from twin.rules.codecs import FIELDS, plain


class Codec(ABC):
    """Encodes messages that travel together, and decodes them."""

    packages: ClassVar[tuple[str, ...]] = ()
    """Packages whose versions say what a run encoded with."""

    @abstractmethod
    def encode(self, chats: Sequence[ChatLine]) -> bytes:
        """Return messages as they travel."""

    @abstractmethod
    def decode(self, data: bytes) -> Any:
        """Return what a payload holds.

        Raises:
            ValueError: it is none of this codec.
        """

    def numbers(self, decoded: Any) -> list[int]:
        """Return the numbers of decoded messages."""
        return [one["number"] for one in decoded]


class Json(Codec):
    """JSON by Python's own module."""

    def __init__(self) -> None:
        self._dumps: Callable[[Any], str] = json.JSONEncoder(separators=(",", ":")).encode
        self._loads: Callable[[bytes], Any] = json.loads

    def encode(self, chats: Sequence[ChatLine]) -> bytes:
        """Return messages as they travel."""
        return self._dumps([plain(one) for one in chats]).encode()

    def decode(self, data: bytes) -> Any:
        """Return what a payload holds."""
        return self._loads(data)


class OrJson(Codec):
    """JSON by orjson, which is written in Rust."""

    packages = ("orjson",)

    def __init__(self) -> None:
        import orjson

        self._dumps, self._loads = orjson.dumps, orjson.loads

    def encode(self, chats: Sequence[ChatLine]) -> bytes:
        """Return messages as they travel."""
        return self._dumps([plain(one) for one in chats])

    def decode(self, data: bytes) -> Any:
        """Return what a payload holds."""
        return self._loads(data)


class MsgPack(Codec):
    """MessagePack by msgpack, which is written in C."""

    packages = ("msgpack",)

    def __init__(self) -> None:
        import msgpack

        self._pack: Callable[[Any], bytes] = msgpack.Packer().pack
        self._unpack: Callable[[bytes], Any] = msgpack.unpackb

    def encode(self, chats: Sequence[ChatLine]) -> bytes:
        """Return messages as they travel."""
        return self._pack([plain(one) for one in chats])

    def decode(self, data: bytes) -> Any:
        """Return what a payload holds."""
        return self._unpack(data)


class ProtoBuf(Codec):
    """Protocol Buffers by protobuf, whose core is written in C (upb).

    The types are described here, as `protoc` would describe them: message `Chat` with `FIELDS` numbered from 1, and
    `Batch` with a repeated `Chat`, number 1.
    """

    packages = ("protobuf",)

    def __init__(self) -> None:
        from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
        from google.protobuf.message import DecodeError

        self._error: type[Exception] = DecodeError
        form = descriptor_pb2.FieldDescriptorProto
        file = descriptor_pb2.FileDescriptorProto(name="chat.proto", package="stormlab", syntax="proto3")
        chat, batch = file.message_type.add(name="Chat"), file.message_type.add(name="Batch")
        for number, name in enumerate(FIELDS, 1):
            kind = form.TYPE_STRING if ChatLine.__annotations__[name] is str else form.TYPE_UINT64
            chat.field.add(name=name, number=number, type=kind, label=form.LABEL_OPTIONAL)
        batch.field.add(
            name="chats", number=1, type=form.TYPE_MESSAGE, type_name=".stormlab.Chat", label=form.LABEL_REPEATED
        )
        pool = descriptor_pool.DescriptorPool()
        pool.Add(file)
        self._batch: Any = message_factory.GetMessageClass(pool.FindMessageTypeByName("stormlab.Batch"))

    def encode(self, chats: Sequence[ChatLine]) -> bytes:
        """Return messages as they travel."""
        batch = self._batch()
        for one in chats:
            batch.chats.add(number=one.number, room=one.room, sender=one.sender, sent=one.sent, text=one.text)
        return bytes(batch.SerializeToString())

    def decode(self, data: bytes) -> Any:
        """Return what a payload holds."""
        try:
            return self._batch.FromString(data)
        except self._error as error:
            raise ValueError(str(error)) from None

    def numbers(self, decoded: Any) -> list[int]:
        """Return the numbers of decoded messages."""
        return [one.number for one in decoded.chats]


CODECS: dict[str, type[Codec]] = {"json": Json, "orjson": OrJson, "msgpack": MsgPack, "protobuf": ProtoBuf}


def codec_of(kind: str) -> Codec | None:
    """Return a codec of a scenario's `codec`, None for `none`."""
    return CODECS[kind]() if kind in CODECS else None
