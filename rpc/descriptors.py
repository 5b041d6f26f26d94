"""The services and messages of ``rpc/protos``, without generated Python code.

The protos are compiled to descriptors, from which protobuf makes the message classes. Where the
compiler is installed (development, tests) they are compiled at start, in memory; an image without
it has the file that ``python -m rpc.build`` has written.
"""

import tempfile
from collections.abc import Iterable
from functools import cache
from importlib import resources
from importlib.util import find_spec
from pathlib import Path

from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    struct_pb2,
    timestamp_pb2,
)
from google.protobuf.descriptor import Descriptor, ServiceDescriptor
from google.protobuf.message import Message

PROTOS = Path(__file__).resolve().parent / "protos"
BUILT = PROTOS / "built.binpb"
COMPILER = "grpc_tools"
WELL_KNOWN = {module.DESCRIPTOR.name for module in (struct_pb2, timestamp_pb2)}
"""Files that protobuf itself has; their import has loaded them."""


class ProtosNotBuilt(RuntimeError):
    """There are neither built descriptors nor a compiler."""


def compile_protos(destination: Path) -> None:
    """Write the descriptors of all protos to a file. Raises RuntimeError for a wrong proto."""
    from grpc_tools import protoc  # noqa: PLC0415  # only where it is installed

    sources = sorted(str(path.relative_to(PROTOS)) for path in PROTOS.rglob("*.proto"))
    well_known = resources.files(COMPILER) / "_proto"
    status = protoc.main(
        [
            "protoc",
            f"--proto_path={PROTOS}",
            f"--proto_path={well_known}",
            f"--descriptor_set_out={destination}",
            *sources,
        ]
    )
    if status != 0:
        raise RuntimeError("protoc refused the protos; it has said why.")


@cache
def services() -> dict[str, ServiceDescriptor]:
    """All services by full name. Raises ProtosNotBuilt."""
    pool = descriptor_pool.Default()
    names = []
    for file in _in_order(read().file):
        pool.AddSerializedFile(file.SerializeToString())
        names += [f"{file.package}.{service.name}" for service in file.service]
    return {name: pool.FindServiceByName(name) for name in sorted(names)}


def message_class(descriptor: Descriptor) -> type[Message]:
    """The Python class of a message."""
    return message_factory.GetMessageClass(descriptor)


def read_built(path: Path) -> descriptor_pb2.FileDescriptorSet:
    """The descriptors in a file. Raises ProtosNotBuilt if it is not there."""
    if not path.exists():
        raise ProtosNotBuilt("Run `python -m rpc.build` where grpcio-tools is installed.")
    return descriptor_pb2.FileDescriptorSet.FromString(path.read_bytes())


def read() -> descriptor_pb2.FileDescriptorSet:
    """The descriptors of the protos, compiled now if the compiler is installed."""
    if find_spec(COMPILER) is None:
        return read_built(BUILT)
    with tempfile.TemporaryDirectory() as folder:
        compiled = Path(folder) / BUILT.name
        compile_protos(compiled)
        return read_built(compiled)


def _in_order(
    files: Iterable[descriptor_pb2.FileDescriptorProto],
) -> list[descriptor_pb2.FileDescriptorProto]:
    """The files, each after those that it imports."""
    by_name = {file.name: file for file in files}
    ordered: dict[str, descriptor_pb2.FileDescriptorProto] = {}

    def add(name: str) -> None:
        if name in ordered or name in WELL_KNOWN:
            return
        for dependency in by_name[name].dependency:
            add(dependency)
        ordered[name] = by_name[name]

    for name in by_name:
        add(name)
    return list(ordered.values())
