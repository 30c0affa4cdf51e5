"""Documents made to mislead a reader that cuts them into pieces."""

from tests.package import adversarial


def test_the_reader_tells_what_json_tells_of_documents_made_to_mislead_it() -> None:
    assert adversarial.run(0, 20_000) == []
