"""``python -m rpc.build``: compile the protos for an image that has no compiler."""

from rpc.descriptors import BUILT, compile_protos

if __name__ == "__main__":
    compile_protos(BUILT)
