import contextlib
import json
import math
import pickle
import re
import tracemalloc
import zipfile

import msgspec
import numpy as np
import pytest
import safetensors.numpy

from seqgen import modelfile
from seqgen.errors import ModelFileError
from seqgen.modelfile import Architecture, Corpus, Header, Side, Sides, Training
from seqgen.runtime import stepper

TOKENS = ["<pad>", "<start>", "<end>", "<unk>", "a"]

# A file as format 1 was first written. It must load forever: never edit it.
FROZEN_JSON = (
    rb'{"__metadata__":{"seqgen":"{\"format\":1,\"kind\":\"generator\",'
    rb"\"architecture\":{\"cell\":\"lstm\",\"n_a\":1,\"layers\":2,\"n_values\":5,\"feature_sizes\":[2]},"
    rb"\"sides\":{\"target\":{\"encoding\":\"chars\",\"options\":{\"lower\":true},"
    rb"\"vocabulary\":[\"<pad>\",\"<start>\",\"<end>\",\"<unk>\",\"a\"]}},"
    rb"\"training\":{\"seed\":7,\"steps\":20,\"epochs\":1.5,\"seconds\":2.25,\"valid_nats\":1.5,"
    rb"\"settings\":{\"lr\":0.01}},"
    rb"\"corpus\":{\"digest\":\"0123456789ab\",\"names\":[\"a.txt\",\"b.txt\"],\"held_out\":[\"b.txt\"],"
    rb'\"statistics\":{\"tokens\":9}},\"version\":\"0.1.0\"}"},'
    rb'"densor/bias":{"dtype":"F32","shape":[5],"data_offsets":[0,20]},'
    rb'"densor/kernel":{"dtype":"F32","shape":[1,5],"data_offsets":[20,40]},'
    rb'"index/windows":{"dtype":"U8","shape":[4],"data_offsets":[40,44]},'
    rb'"layers/0/bias":{"dtype":"F32","shape":[4],"data_offsets":[44,60]},'
    rb'"layers/0/kernel":{"dtype":"F32","shape":[7,4],"data_offsets":[60,172]},'
    rb'"layers/0/recurrent_kernel":{"dtype":"F32","shape":[1,4],"data_offsets":[172,188]},'
    rb'"layers/1/bias":{"dtype":"F32","shape":[4],"data_offsets":[188,204]},'
    rb'"layers/1/kernel":{"dtype":"F32","shape":[1,4],"data_offsets":[204,220]},'
    rb'"layers/1/recurrent_kernel":{"dtype":"F32","shape":[1,4],"data_offsets":[220,236]}}'
)
FROZEN_DATA = (np.arange(59) % 7 / 4 - 0.75).astype("<f4").tobytes()  # "index/windows" is the eleventh float's bytes
FROZEN_LOGITS = [-0.860393904, -0.665590856, -0.084409143, 0.110393904, 0.305196952]  # by hand, in float64


def container(text: bytes, data: bytes = b"") -> bytes:
    return len(text).to_bytes(8, "little") + text + data


FROZEN = container(FROZEN_JSON, FROZEN_DATA)


def header(**changes) -> Header:
    fields = {
        "kind": "generator",
        "architecture": Architecture(cell="gru", n_a=3, layers=2, n_values=5, feature_sizes=(2, 4)),
        "sides": Sides(target=Side(encoding="chars", options={"b": 1, "a": [True]}, vocabulary=TOKENS)),
        "training": Training(seed=1, steps=2, epochs=0.5, seconds=3.0),
        "corpus": Corpus(digest="ab", names=["é.txt"], statistics={"z": 1, "y": 2}),
        "version": "0.1.0",
    }
    return Header(**fields | changes)


def random_weights(architecture: Architecture, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        name: rng.normal(size=shape).astype(np.float32) for name, shape in modelfile.tensor_shapes(architecture).items()
    }


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


def refused(path, content: bytes) -> str:
    """The one line `load` and `read_header` refuse it with."""
    path.write_bytes(content)
    messages = set()
    for read in (modelfile.load, modelfile.read_header):
        with pytest.raises(ModelFileError) as caught:
            read(path)
        messages.add(str(caught.value))
    (message,) = messages
    assert "\n" not in message
    assert str(path) in message
    return message


def edited(change) -> bytes:
    """The frozen file with its JSON changed by `change(container, header)`."""
    outer = json.loads(FROZEN_JSON)
    inner = json.loads(outer["__metadata__"]["seqgen"])
    change(outer, inner)
    if isinstance(outer.get("__metadata__"), dict) and "seqgen" in outer["__metadata__"]:
        outer["__metadata__"]["seqgen"] = json.dumps(inner)
    return container(json.dumps(outer).encode(), FROZEN_DATA)


def test_format_1_loads_forever(path):
    path.write_bytes(FROZEN)
    loaded, weights = modelfile.load(path)
    assert loaded == Header(
        kind="generator",
        architecture=Architecture(cell="lstm", n_a=1, layers=2, n_values=5, feature_sizes=(2,)),
        sides=Sides(target=Side(encoding="chars", options={"lower": True}, vocabulary=TOKENS)),
        training=Training(seed=7, steps=20, epochs=1.5, seconds=2.25, valid_nats=1.5, settings={"lr": 0.01}),
        corpus=Corpus(digest="0123456789ab", names=["a.txt", "b.txt"], held_out=["b.txt"], statistics={"tokens": 9}),
        version="0.1.0",
    )
    assert modelfile.read_header(path) == loaded
    assert "index/windows" not in weights
    np.testing.assert_array_equal(weights["densor/bias"], [-0.75, -0.5, -0.25, 0, 0.25])
    np.testing.assert_array_equal(weights["layers/1/recurrent_kernel"], [[0.75, -0.75, -0.5, -0.25]])
    assert modelfile.digest(path) == "4d3d2a9beb26"


def test_format_1_means_the_same_forever(path):
    path.write_bytes(FROZEN)
    model = stepper(*modelfile.load(path))
    state = model.start(1)
    for token in (1, 4):
        logits, state = model.step(np.array([token]), state, np.array([[1]]))
    np.testing.assert_allclose(logits[0], FROZEN_LOGITS, atol=1e-6)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_what_is_saved_is_loaded(path, cell):
    written = header(architecture=Architecture(cell=cell, n_a=3, layers=2, n_values=5, feature_sizes=(2, 4)))
    weights = random_weights(written.architecture)
    modelfile.save(path, written, weights)
    loaded, arrays = modelfile.load(path)
    assert loaded == written
    assert arrays.keys() == weights.keys()
    for name, array in arrays.items():
        assert array.dtype == np.float32
        assert array.flags.writeable
        np.testing.assert_array_equal(array, weights[name])
    assert safetensors.numpy.load_file(path).keys() == weights.keys()  # any safetensors reader reads it
    assert msgspec.json.decode(msgspec.json.encode(loaded))["format"] == 1


def test_an_index_travels_with_the_weights(path):
    weights = random_weights(header().architecture)
    index = {"index/bits": np.arange(7, dtype=np.uint8), "index/parameters": np.array([[8, 2**32 - 1]], np.uint32)}
    modelfile.save(path, header(), weights, index)
    loaded = modelfile.load_index(path, index)
    assert loaded.keys() == index.keys()
    for name, array in loaded.items():
        assert array.dtype == index[name].dtype
        np.testing.assert_array_equal(array, index[name])
    for name, array in modelfile.load(path)[1].items():
        np.testing.assert_array_equal(array, weights[name])
    modelfile.save(path, header(), weights)
    assert modelfile.load_index(path, index) == {}


def test_the_index_of_format_1_is_read(path):
    path.write_bytes(FROZEN)
    (name, tensor), *others = modelfile.load_index(path, ["index/windows", "index/others"]).items()
    assert (name, tensor.tobytes(), others) == ("index/windows", FROZEN_DATA[40:44], [])


@pytest.mark.parametrize(
    ("index", "says"),
    [
        ({"bits": np.zeros(3, np.uint8)}, "'bits' of uint8 is no index tensor"),
        ({"index/bits": np.zeros(3)}, "'index/bits' of float64 is no index tensor"),
        ({"index/bits": np.zeros(2_000_001, np.uint8)}, "takes 2,000,001 bytes, at most 2,000,000 fit"),
    ],
)
def test_an_index_that_cannot_be_read_is_not_saved(path, index, says):
    with pytest.raises(ModelFileError, match=says):
        modelfile.save(path, header(), random_weights(header().architecture), index)
    assert not path.exists()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"dtype": "F32", "shape": [1]}, r"tensor 'index/windows' is F32 \[1\] in 4 bytes"),
        ({"dtype": "U8", "shape": [5]}, r"tensor 'index/windows' is U8 \[5\] in 4 bytes"),
        ({"dtype": "U32", "shape": [4]}, r"tensor 'index/windows' is U32 \[4\] in 4 bytes"),
    ],
)
def test_a_damaged_index_leaves_the_model_readable(path, changes, says):
    path.write_bytes(edited(lambda outer, inner: outer["index/windows"].update(changes)))
    modelfile.load(path)
    assert modelfile.load_index(path, ["index/others"]) == {}
    with pytest.raises(ModelFileError, match=says):
        modelfile.load_index(path, ["index/windows"])


def test_an_index_that_is_too_large_is_refused(path):
    def claim(outer, inner):
        begin = outer["index/windows"]["data_offsets"][0]
        more = 2_000_001 - 4
        for entry in outer.values():
            if entry.get("data_offsets", [0])[0] > begin:
                entry["data_offsets"] = [place + more for place in entry["data_offsets"]]
        outer["index/windows"].update(shape=[2_000_001], data_offsets=[begin, begin + 2_000_001])

    content = edited(claim)
    path.write_bytes(content[: -len(FROZEN_DATA)] + FROZEN_DATA[:40] + bytes(2_000_001) + FROZEN_DATA[44:])
    modelfile.load(path)
    with pytest.raises(ModelFileError, match="takes 2,000,001 bytes"):
        modelfile.load_index(path, ["index/windows"])


def test_equal_models_give_equal_bytes(path, tmp_path):
    weights = random_weights(header().architecture)
    modelfile.save(path, header(), weights)
    reordered = header(
        sides=Sides(target=Side(encoding="chars", options={"a": [True], "b": 1}, vocabulary=TOKENS)),
        corpus=Corpus(digest="ab", names=["é.txt"], statistics={"y": 2, "z": 1}),
    )
    other = tmp_path / "other.safetensors"
    modelfile.save(other, reordered, dict(reversed(weights.items())))
    assert path.read_bytes() == other.read_bytes()
    assert modelfile.digest(path) == modelfile.digest(other)
    weights["densor/bias"][0] += 1
    modelfile.save(other, reordered, weights)
    assert modelfile.digest(path) != modelfile.digest(other)


def test_weights_of_any_layout_and_precision_are_saved_as_float32(path):
    weights = random_weights(header().architecture)
    odd = {name: np.asfortranarray(array.astype(np.float64)) for name, array in weights.items()}
    odd["densor/bias"] = np.repeat(weights["densor/bias"], 2)[::2]
    modelfile.save(path, header(), odd)
    for name, array in modelfile.load(path)[1].items():
        np.testing.assert_array_equal(array, weights[name])


def test_a_field_at_its_default_is_not_written(path):
    """So that an older seqgen, strict about fields it does not know, reads files that do not use a newer one."""
    architecture = Architecture(cell="lstm", n_a=1, layers=1, n_values=5)
    modelfile.save(path, header(architecture=architecture), random_weights(architecture))
    text = path.read_bytes()
    assert b"feature_sizes" not in text
    assert b"embedding" not in text
    assert b"source" not in text


def nan(weights):
    weights["layers/1/bias"][1, 2] = np.nan


def infinite(weights):
    weights["densor/kernel"][0, 0] = 1e300  # not a float32


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (nan, "'layers/1/bias' holds NaN or infinity"),
        (infinite, "'densor/kernel' holds NaN or infinity"),
        (lambda weights: weights.pop("densor/bias"), "missing: 'densor/bias'"),
        (lambda weights: weights.update(extra=np.zeros(1)), "unknown tensors: 'extra'"),
        (
            lambda weights: weights.update({"densor/bias": np.zeros(6)}),
            r"has shape \(6,\), the architecture needs \(5,\)",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
def test_weights_that_would_not_load_are_not_saved(path, spoil, says):
    path.write_bytes(b"old")
    weights = {name: array.astype(np.float64) for name, array in random_weights(header().architecture).items()}
    spoil(weights)
    with pytest.raises(ModelFileError, match=says):
        modelfile.save(path, header(), weights)
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"training": Training(seed=1, steps=np.int64(3), epochs=1, seconds=1)}, "int64"),  # type: ignore[arg-type]
        ({"training": Training(seed=1, steps=3, epochs=1, seconds=float("nan"))}, "seconds"),
        ({"architecture": Architecture(cell="lstm", n_a=0, layers=1, n_values=5)}, "n_a"),
        ({"architecture": Architecture(cell="lstm", n_a=1, layers=1, n_values=6)}, "5 tokens, its architecture 6"),
        ({"architecture": Architecture(cell="lstm", n_a=1, layers=1, n_values=5, embedding=8)}, "embedding"),
        ({"version": "\ud800"}, "surrogate"),
    ],
)
def test_a_header_that_would_not_load_is_not_saved(path, changes, says):
    broken = header(**changes)
    with pytest.raises(ModelFileError, match=says):
        modelfile.save(path, broken, random_weights(broken.architecture))
    assert not path.exists()


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(ModelFileError, match="No such file"):
        modelfile.save(tmp_path / "nowhere" / "model", header(), random_weights(header().architecture))


def test_no_file_or_a_folder(tmp_path):
    for read in (modelfile.load, modelfile.read_header, modelfile.digest):
        with pytest.raises(ModelFileError, match=r"no model file '.*nothing'; 'seqgen train' makes one"):
            read(tmp_path / "nothing")
        with pytest.raises(ModelFileError, match="it is a folder"):
            read(tmp_path)
        with pytest.raises(ModelFileError, match="null byte"):
            read("\0")


def test_other_files(path, tmp_path):
    with zipfile.ZipFile(tmp_path / "model.keras", "w") as archive:
        archive.writestr("config.json", "{}")
    assert "a zip archive (a .keras" in refused(path, (tmp_path / "model.keras").read_bytes())
    assert "a Python pickle" in refused(path, pickle.dumps({"weights": [1.0] * 100}))
    assert "a MIDI file" in refused(path, b"MThd\0\0\0\6\0\1\0\1\0\x60MTrk\0\0\0\4\0\xff\x2f\0")
    assert "it is empty" in refused(path, b"")
    assert "no safetensors file" in refused(path, np.random.default_rng(0).bytes(1000))
    assert "no safetensors file" in refused(path, b"short")
    assert "without seqgen's header" in refused(path, safetensors.numpy.save({"w": np.zeros(3)}))
    assert "without seqgen's header" in refused(path, safetensors.numpy.save({"w": np.zeros(3)}, {"format": "pt"}))


def test_nothing_is_unpickled(path):
    class Trap:
        def __reduce__(self):
            return pytest.fail, ("unpickled",)

    refused(path, pickle.dumps(Trap()))


def test_every_truncation_and_every_appended_byte_is_refused(path):
    for length in range(0, len(FROZEN), 7):
        refused(path, FROZEN[:length])
    assert "cut off after" in refused(path, FROZEN[:300])
    assert "the file holds" in refused(path, FROZEN[:-1])
    assert "the file holds" in refused(path, FROZEN + b"\0")


def set_architecture(**changes):
    return lambda outer, inner: inner["architecture"].update(changes)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            lambda outer, inner: inner.update(format=2, version="9.1"),
            r"format 2, a newer seqgen \(version 9.1\) wrote it",
        ),
        (lambda outer, inner: inner.update(format=2, anything=[]), "a newer seqgen"),
        (lambda outer, inner: inner.update(novelty=1), "unknown field `novelty`: a newer seqgen"),
        (set_architecture(novelty=1), "unknown field `novelty`.*: a newer seqgen"),
        (set_architecture(embedding=8), "embedding 8, a newer seqgen"),
        (lambda outer, inner: inner.update(kind="seq2seq"), r"\$.architecture"),
        (lambda outer, inner: inner.update(kind="diffusion"), r"\$.kind"),
        (lambda outer, inner: inner.update(format=0), "header is not valid"),
        (lambda outer, inner: inner.update(format="1"), "header is not valid"),
        (lambda outer, inner: inner.pop("format"), "`format`"),
        (lambda outer, inner: inner.pop("corpus"), "`corpus`"),
        (set_architecture(cell="rnn"), "header is not valid"),
        (set_architecture(n_a="1"), "Expected `int`"),
        (set_architecture(n_a=0), "header is not valid"),
        (set_architecture(layers=10**12), "header is not valid"),
        (set_architecture(feature_sizes=[0]), "header is not valid"),
        (set_architecture(n_values=10**12), "vocabulary has 5 tokens"),
        (set_architecture(n_a=2), "the architecture needs"),
        (set_architecture(layers=1), "unknown tensors: 'layers/1/bias'"),
        (set_architecture(layers=3), "missing: 'layers/2/bias'"),
        (lambda outer, inner: inner["sides"]["target"]["vocabulary"].append("b"), "6 tokens, its architecture 5"),
        (lambda outer, inner: inner["sides"]["target"]["vocabulary"].__setitem__(4, "<pad>"), "occurs twice"),
        (lambda outer, inner: outer["__metadata__"].update(other="x"), "keys beside 'seqgen': 'other'"),
        (lambda outer, inner: outer.update(__metadata__=[]), "no safetensors file"),
        (lambda outer, inner: outer["densor/bias"].update(dtype="F64"), "should be float32"),
        (lambda outer, inner: outer["densor/bias"].update(shape=[6]), "the architecture needs"),
        (lambda outer, inner: outer["densor/bias"].update(shape=[-5]), "no safetensors file"),
        (lambda outer, inner: outer["densor/bias"].update(data_offsets=[20, 0]), "overlap or leave gaps"),
        (lambda outer, inner: outer["densor/bias"].update(data_offsets=[0, 24]), "overlap or leave gaps"),
        (lambda outer, inner: outer["densor/bias"].update(surprise=1), "no safetensors file"),
        (lambda outer, inner: outer.pop("densor/bias"), "overlap or leave gaps"),
        (lambda outer, inner: outer.update({"strange/tensor": outer.pop("index/windows")}), "unknown tensors"),
    ],
)
def test_damaged_headers(path, change, says):
    message = refused(path, edited(change))
    assert re.search(says, message), message


def test_the_unchanged_edit_loads(path):
    path.write_bytes(edited(lambda outer, inner: None))
    modelfile.load(path)


def test_weights_that_are_not_finite_are_refused(path):
    for value in (math.nan, math.inf, -math.inf):
        data = FROZEN_DATA[:44] + np.array([value], "<f4").tobytes() + FROZEN_DATA[48:]
        path.write_bytes(container(FROZEN_JSON, data))
        with pytest.raises(ModelFileError, match="'layers/0/bias' holds NaN or infinity"):
            modelfile.load(path)


def test_a_tensor_that_takes_another_size_than_its_shape_says(path):
    def move(outer, inner):
        outer["densor/bias"]["data_offsets"] = [0, 24]
        outer["densor/kernel"]["data_offsets"] = [24, 40]

    assert "should be float32 of shape" in refused(path, edited(move))


def test_a_header_over_the_limit(path):
    assert "claims 10," in refused(path, container(FROZEN_JSON + b" " * 10_000_000, FROZEN_DATA))


@pytest.mark.parametrize("name", ["n_a", "n_values"])
def test_claimed_sizes_are_refused_before_anything_is_allocated(path, name):
    def claim(outer, inner):
        inner["architecture"][name] = 10**12
        architecture = msgspec.convert(inner["architecture"], Architecture)
        end = 0
        for tensor, shape in modelfile.tensor_shapes(architecture).items():
            begin, end = end, end + 4 * math.prod(shape)
            outer[tensor] = {"dtype": "F32", "shape": shape, "data_offsets": [begin, end]}
        del outer["index/windows"]

    content = edited(claim)
    tracemalloc.start()
    try:
        refused(path, content)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000  # bytes
    finally:
        tracemalloc.stop()


def test_a_claimed_header_length_is_refused_before_it_is_read(path):
    for length in (2**63, 2**40, 10_000_001, len(FROZEN)):
        refused(path, length.to_bytes(8, "little") + FROZEN[8:])


@pytest.mark.parametrize("depth", [100, 5_000, 500_000])
def test_deep_nesting(path, depth):
    nested = "[" * depth + "]" * depth
    text = FROZEN_JSON.decode()
    refused(path, container(text.replace('"shape":[5]', f'"shape":{nested}').encode(), FROZEN_DATA))
    deep = container(text.replace(r"{\"lower\":true}", rf"{{\"lower\":{nested}}}").encode(), FROZEN_DATA)
    if depth > 1_000:
        refused(path, deep)
    else:
        path.write_bytes(deep)
        modelfile.load(path)


def damaged(rng: np.random.Generator, content: bytes) -> bytes:
    result = bytearray(content)
    end = len(content) if rng.random() < 0.25 else 8 + len(FROZEN_JSON)  # most of it in the JSON
    for place in rng.integers(0, end, rng.integers(1, 4)).tolist():
        here = slice(place, place + 1)
        match rng.integers(5):
            case 0:
                result[here] = rng.bytes(1)
            case 1:
                result[here] = bytes(byte ^ 1 << int(rng.integers(8)) for byte in result[here])
            case 2:
                del result[place : place + int(rng.integers(1, 20))]
            case 3:
                result[place:place] = rng.bytes(int(rng.integers(1, 5)))
            case 4:  # a digit for a digit keeps the JSON valid, so that the checks after it are met
                result[here] = re.sub(rb"\d", b"%d" % rng.integers(10), result[here])
    return bytes(result)


def test_damage_loads_or_is_refused_and_never_anything_else(path):
    rng = np.random.default_rng(0)
    loaded, rounds = 0, 20_000
    with path.open("wb", buffering=0) as file:  # kept open: making a file anew costs more than loading it
        for _ in range(rounds):
            file.seek(0)
            file.write(damaged(rng, FROZEN))
            file.truncate()
            with contextlib.suppress(ModelFileError):
                modelfile.load(path)
                loaded += 1
    assert 0 < loaded < rounds / 2
