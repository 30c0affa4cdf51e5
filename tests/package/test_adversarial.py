"""Documents made to mislead a reader that cuts them into pieces."""

import pytest

from proof.campaigns import adversarial

CASES = 5_000  # make prove: 500,000


@pytest.mark.long
def test_the_reader_tells_what_json_tells_of_documents_made_to_mislead_it() -> None:
    assert adversarial.run(0, CASES) == []
