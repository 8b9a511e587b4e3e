"""chars, bytes and words give every text back exactly."""

import unicodedata

import pytest
from encoding_cases import TEXT, TEXTS
from hypothesis import given
from hypothesis import strategies as st

from seqgen import encodings
from seqgen.errors import TokenError
from seqgen.vocabulary import SPECIALS, UNK


@pytest.mark.parametrize("name", ["chars", "bytes", "words"])
@given(text=TEXT)
def test_a_text_comes_back_in_nfc(name, text):
    encoding = encodings.make(name)
    (sequence,) = encoding.encode(text)
    assert encoding.decode(sequence.tokens) == unicodedata.normalize("NFC", text)
    assert sequence.losses == {}
    vocabulary = encoding.vocabulary([sequence])
    assert vocabulary.to_tokens(vocabulary.to_ids(sequence.tokens)) == sequence.tokens


@given(TEXT)
def test_both_forms_of_an_accent_are_one(text):
    for name in ("chars", "bytes", "words"):
        encoding = encodings.make(name)
        assert encoding.encode(unicodedata.normalize("NFD", text)) == encoding.encode(text)


@given(TEXT)
def test_lower_and_strip_accents_lose_what_they_say(text):
    composed = unicodedata.normalize("NFC", text)
    lower = encodings.make("words", lower=True)
    assert lower.decode(lower.encode(text)[0].tokens) == composed.lower()
    plain = encodings.make("words", strip_accents=True)
    without = "".join(sign for sign in unicodedata.normalize("NFD", text) if not 0x300 <= ord(sign) <= 0x36F)
    assert plain.decode(plain.encode(text)[0].tokens) == unicodedata.normalize("NFC", without)
    both = encodings.make("words", lower=True, strip_accents=True)
    assert both.decode(both.encode("Ça VA, Élodie?")[0].tokens) == "ca va, elodie?"


@given(TEXT)
def test_chars_are_characters_and_bytes_are_bytes(text):
    composed = unicodedata.normalize("NFC", text)
    assert encodings.make("chars").encode(text)[0].tokens == list(composed)
    assert bytes.fromhex("".join(encodings.make("bytes").encode(text)[0].tokens)) == composed.encode()


@given(TEXT)
def test_a_cut_of_bytes_decodes_to_its_whole_characters(text):
    encoding = encodings.make("bytes")
    tokens = encoding.encode(text)[0].tokens
    data = unicodedata.normalize("NFC", text).encode()
    for cut in range(max(0, len(tokens) - 8), len(tokens) + 1):
        assert encoding.decode(tokens[:cut]) == data[:cut].decode(errors="ignore")


def test_what_is_no_text_is_an_error():
    encoding = encodings.make("bytes")
    for tokens in (["ff"], ["80"], ["c3", "28"], ["<unk>"], ["61", "<end>"], ["100"]):
        with pytest.raises(TokenError, match="not UTF-8"):
            encoding.decode(tokens)
    with pytest.raises(TokenError, match="no UTF-8 form"):
        encoding.encode("half a pair \ud83d")


# --- words ------------------------------------------------------------------------------------------------------------


def words(text: str) -> list[str]:
    return encodings.make("words").encode(text)[0].tokens


def test_usual_text_is_spelled_without_spaces_or_joins():
    assert words("It was, so to say (or not), spring: don't!\nNext") == (
        ["It", "was", ",", "so", "to", "say", "(", "or", "not", ")", ",", "spring", ":", "don't", "!", "\n", "Next"]
    )
    assert words("花落知多少？春") == list("花落知多少？春")
    assert words("हिन्दी में ขอบคุณ שָׁלוֹם") == ["हिन्दी", "में", "ขอบคุณ", "שָׁלוֹם"]


def test_unusual_spacing_is_spelled():
    assert words("3.14") == ["3", ".", "<join>", "14"]
    assert words("a  b ") == ["a", "<space>", "b", "<space>"]
    assert words("  a ,b") == ["<space>", "<space>", "a", "<space>", ",", "<join>", "b"]
    assert words("花 x") == ["花", "x"]
    assert words("花x y") == ["花", "<join>", "x", "y"]


@given(TEXT)
def test_no_token_of_a_text_looks_like_a_special_one(text):
    spelled = words(text)
    assert not set(spelled) & set(SPECIALS)
    plain = [token for token in spelled if token not in ("<join>", "<space>")]
    assert "".join(plain) == unicodedata.normalize("NFC", text).replace(" ", "")


@given(st.lists(st.sampled_from(["a", "b", "c", ",", "<join>", "<space>"]), max_size=20))
def test_any_spelling_decodes_with_its_words_in_order(tokens):
    text = encodings.make("words").decode(tokens)
    assert text.replace(" ", "") == "".join(token for token in tokens if token[0] != "<")


def test_rare_words_become_unknown():
    encoding = encodings.make("words", min_count=2)
    sequences = encoding.encode("to be, or not  to be") + encoding.encode("be")
    vocabulary = encoding.vocabulary(sequences)
    assert vocabulary.tokens[4:] == ("<space>", "be", "to")  # the space is kept however rare
    assert [vocabulary.to_ids(["or"])[0], vocabulary.to_ids([","])[0]] == [UNK, UNK]


def test_the_bytes_vocabulary_is_whole():
    assert len(encodings.make("bytes").vocabulary([])) == 4 + 256
    chars = encodings.make("chars")
    assert chars.vocabulary(chars.encode(TEXTS[0])).tokens[4:] == tuple(sorted(set(TEXTS[0])))
